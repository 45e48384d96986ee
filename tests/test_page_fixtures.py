"""
Tests that what the page's own tests and types are made of is what the server does now.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def run_script(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """
    Run one of the repository's scripts.
    """
    command = [sys.executable, str(ROOT / "scripts" / name), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


def test_the_answers_of_the_page_tests_are_fresh() -> None:
    """
    ui/src/protocol/fixtures is what its script writes now.
    """
    checked = run_script("page_fixtures.py", "--check")
    assert (checked.stdout, checked.stderr, checked.returncode) == ("", "", 0)


def test_the_schema_of_the_api_is_fresh() -> None:
    """
    ui/src/api/schema.json is what its script prints now.
    """
    printed = run_script("page_types.py")
    assert (ROOT / "ui" / "src" / "api" / "schema.json").read_text() == printed.stdout
