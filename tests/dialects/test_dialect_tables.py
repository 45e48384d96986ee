"""
The pages of fields: fresh, and with every table of their dialect.
"""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import pytest

from outcrop.dialects.anthropic import tables as anthropic
from outcrop.dialects.bedrock import tables as bedrock
from outcrop.dialects.fields import Field

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("page", ["openai", "anthropic", "bedrock"])
def test_a_page_of_fields_is_fresh(page: str) -> None:
    """
    The page is what its script prints now.
    """
    command = [sys.executable, str(ROOT / "scripts" / "dialect_tables.py"), page]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert (ROOT / "docs" / f"{page}-fields.md").read_text() == printed


@pytest.mark.parametrize(("page", "tables"), [("anthropic", anthropic), ("bedrock", bedrock)])
def test_a_page_has_every_field_of_its_tables(page: str, tables: ModuleType) -> None:
    """
    Each field that a dialect knows stands on its page, with what becomes of it.
    """
    text = (ROOT / "docs" / f"{page}-fields.md").read_text()
    known = [
        (name, row)
        for table in vars(tables).values()
        if isinstance(table, Mapping)
        for one in (table, *table.values())
        if isinstance(one, Mapping)
        for name, row in one.items()
        if isinstance(row, Field)
    ]
    assert len(known) > 80
    missing = {name for name, row in known if not _stands(text, name, row) and name not in NATIVE}
    assert not missing


NATIVE = anthropic.INVOKE_REQUEST.keys() - anthropic.REQUEST.keys() | {"context_management"}
"""
Members of Claude's native body, which is on the page of the Bedrock dialect.
"""


def _stands(text: str, name: str, row: Field) -> bool:
    return any(f"{before}{name}` | {row.fate} | {row.why}" in text for before in ("`", "."))
