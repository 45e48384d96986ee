"""
Tests of the published schema of the native protocol.
"""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT / "docs" / "protocol.schema.json"


def test_the_schema_is_fresh() -> None:
    """
    docs/protocol.schema.json is what its script prints now.
    """
    script = ROOT / "scripts" / "protocol_schema.py"
    printed = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert SCHEMA.read_text() == printed


def test_the_page_names_every_part_and_frame() -> None:
    """
    docs/protocol.md mentions the type of every part and frame that this server sends.
    """
    page = (ROOT / "docs" / "protocol.md").read_text()
    schema = json.loads(SCHEMA.read_text())
    for kind in ("part", "serverFrame"):
        for name in schema["properties"][kind]["discriminator"]["mapping"]:
            assert f"`{name}" in page, name
    for name in schema["$defs"]["ChatBody"]["properties"]:
        assert f"`{name}`" in page, name
