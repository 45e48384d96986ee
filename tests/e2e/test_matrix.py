"""
Every family, by every route, whole and streaming: the cells of docs/models.md.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.matrix import CASES, ROUTES, Route, fill_cell, representatives, run_gateways

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("family", representatives())
async def test_streamed_and_whole_answers_agree(family: str, route: Route) -> None:
    """
    Whatever a request holds, the streamed answer equals the whole one, or the request is refused before any call.
    """
    async with run_gateways() as gateways:
        cells = {
            name: await fill_cell(gateways[route], representatives()[family], case) for name, case in CASES.items()
        }
    assert cells["text"] == cells["turns"] == cells["max"] == "✓"


def test_the_page_is_fresh() -> None:
    """
    docs/models.md is what the matrix prints now.
    """
    command = [sys.executable, "-m", "tests.e2e.matrix"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert (ROOT / "docs" / "models.md").read_text() == printed
