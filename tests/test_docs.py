"""
Tests of the documentation: what is generated is fresh, and what is linked exists.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md")]


def test_the_settings_page_is_fresh() -> None:
    """
    docs/settings.md is what its script prints now.
    """
    script = ROOT / "scripts" / "settings_page.py"
    printed = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert (ROOT / "docs" / "settings.md").read_text() == printed


def test_the_clients_page_is_fresh() -> None:
    """
    docs/clients.md is what the tests' own marks say, with the versions of the lock files.
    """
    script = ROOT / "scripts" / "clients_page.py"
    printed = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert (ROOT / "docs" / "clients.md").read_text() == printed


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """
    Every relative link of a page names a file that exists.
    """
    for target in re.findall(r"\]\(([^)#]+)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_no_index_address_is_committed() -> None:
    """
    Lock files name no index: they work with any mirror.
    """
    for lock in [
        *ROOT.glob("requirements*.lock"),
        *ROOT.glob("tests/**/*.lock"),
        *ROOT.glob("tests/clients/js/*.json"),
    ]:
        assert "://" not in re.sub(r'"(url|homepage|funding)":.*', "", lock.read_text()), lock
