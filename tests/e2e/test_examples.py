"""
Every example of the documentation is run, as it stands.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.javascript import find_node
from tests.clients.tools import find_aws
from tests.support import Process, run_outcrop

ROOT = Path(__file__).parent.parent.parent
QUICK = ["--first-token-ms", "0", "--tokens-per-second", "0"]


@pytest.fixture(scope="module")
def gateway_url() -> Iterator[str]:
    """
    Run a gateway with its emulator.
    """
    with run_outcrop("serve", "--port", "0", "--emulate", *QUICK) as (_, url):
        yield url


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Process, str]]:
    """
    Run an emulator.
    """
    with run_outcrop("emulate", "--port", "0", *QUICK) as running:
        yield running


def run(*command: str | Path, path: str | None = None) -> str:
    """
    Run a command to its end and return what it printed.
    """
    environ = os.environ | ({"PATH": path + os.pathsep + os.environ["PATH"]} if path else {})
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environ, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def fenced(language: str, containing: str) -> str:
    """
    Take a block of code out of the README.
    """
    blocks: list[str] = re.findall(rf"```{language}\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    return next(block for block in blocks if containing in block)


@pytest.mark.parametrize("model", ["llama3", "anthropic"])
def test_the_python_example(gateway_url: str, model: str) -> None:
    """
    The Python client prints an answer.
    """
    url = gateway_url.replace("http", "ws")
    assert "simulated" in run(sys.executable, ROOT / "examples" / "raw_client.py", "hello", model, url)


def test_the_javascript_example(gateway_url: str) -> None:
    """
    The JavaScript client prints the same answer as the Python one.
    """
    url = gateway_url.replace("http", "ws")
    printed = run(find_node(), ROOT / "examples" / "raw_client.mjs", "hello", "llama3", url)
    assert printed == run(sys.executable, ROOT / "examples" / "raw_client.py", "hello", "llama3", url)


def test_the_curl_example(emulator: tuple[Process, str]) -> None:
    """
    The curl script gets two answers and a 429.
    """
    printed = run("sh", ROOT / "examples" / "curl.sh", emulator[1])
    assert printed.count("(simulated by the outcrop emulator)") == 2
    assert printed.rstrip().endswith("429")


@pytest.mark.service
def test_the_aws_cli_example(emulator: tuple[Process, str]) -> None:
    """
    The AWS CLI script prints Claude's native answer.
    """
    printed = run("sh", ROOT / "examples" / "aws_cli.sh", emulator[1], path=str(Path(find_aws()).parent))
    assert '"type":"message"' in printed.replace(" ", "")


def test_the_http_file_names_real_routes(gateway_url: str) -> None:
    """
    Each GET of the editors' file answers 200, and each WebSocket URL is one that the server takes.
    """
    text = (ROOT / "examples" / "websocket.http").read_text()
    gets = re.findall(r"^GET http://127\.0\.0\.1:8080(\S+)", text, re.MULTILINE)
    sockets = re.findall(r"^WEBSOCKET ws://127\.0\.0\.1:8080(\S+)", text, re.MULTILINE)
    assert len(gets) == 2
    assert len(sockets) == 3
    assert shutil.which("curl")
    for route in gets:
        assert run("curl", "--fail", "-sS", gateway_url + route)
    for route in sockets:
        client = (
            "import sys; from websockets.sync.client import connect\n"
            "with connect(sys.argv[1]) as s:\n    s.send('hello'); print(len(s.recv()))"
        )
        assert run(sys.executable, "-c", client, gateway_url.replace("http", "ws") + route)


def test_the_turns_page(gateway_url: str) -> None:
    """
    The block of docs/turns.md runs as it stands, but for the port: asks, looks, follows and stops.
    """
    page = (ROOT / "docs" / "turns.md").read_text()
    block = re.search(r"```sh\n(.*?)```", page, re.DOTALL)
    assert block is not None
    printed = run("sh", "-c", block.group(1).replace("http://127.0.0.1:8080", gateway_url))
    assert '"lastSeq":' in printed
    assert "event: text_delta" in printed or "event: message_stop" in printed
