"""
The examples of the pages for SDKs, and of the README, run as they stand, but for the address.

A block belongs here if it names an address of this machine; the others (how to install, how to serve) are for reading.
"""

import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.clients.javascript import FOLDER, find_node
from tests.clients.tools import find_aws
from tests.e2e.conftest import Book
from tests.support import gateway_environment, run_outcrop

pytestmark = pytest.mark.service

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "docs/openai.md", "docs/anthropic.md", "docs/bedrock.md")
PACE = ["--first-token-ms", "5", "--tokens-per-second", "1000", "--jitter", "0"]
PATIENCE_SECONDS = 60
ENDING_CHARACTERS = 24
"""
How much of an answer's end must be printed: enough to be no other text by chance.
"""
LANGUAGES = {"python": "python", "typescript": "node", "ts": "node", "js": "node", "sh": "sh"}


class Example(msgspec.Struct, frozen=True):
    """
    Hold one block of code: where it stands, what runs it, and its text.
    """

    name: str
    program: str
    code: str


def find_examples() -> list[Example]:
    """
    Take the blocks that can be run out of the pages.
    """
    return [
        Example(f"{page}:{language}:{number}", LANGUAGES[language], code)
        for page in PAGES
        for number, (language, code) in enumerate(
            re.findall(r"^```(\w+)\n(.*?)^```", (ROOT / page).read_text(), re.DOTALL | re.MULTILINE)
        )
        if "127.0.0.1:" in code and "outcrop serve" not in code and "make run" not in code
    ]


EXAMPLES = find_examples()


class Servers(msgspec.Struct, frozen=True):
    """
    Hold a gateway and its emulator: what stands for the addresses of the pages, and the emulator's book.
    """

    addresses: dict[str, str]
    book: Book


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    """
    Run an emulator, quick but paced, and a gateway.
    """
    with (
        run_outcrop("emulate", "--port", "0", *PACE) as (_, emulator_url),
        run_outcrop("serve", "--port", "0", environ=gateway_environment(emulator_url)) as (_, url),
    ):
        hosts = {"127.0.0.1:8080": url.partition("//")[2], "127.0.0.1:9099": emulator_url.partition("//")[2]}
        yield Servers(hosts, Book(emulator_url))


@pytest.fixture(scope="module")
def environ(servers: Servers) -> dict[str, str]:
    """
    Give an environment without AWS's variables, with the CLI, and with the ID of a turn that somebody began.
    """
    body = {"model": "llama3", "max_tokens": 500, "messages": [{"role": "user", "content": "emulate 300 tokens"}]}
    asked = urllib.request.Request(
        f"http://{servers.addresses['127.0.0.1:8080']}/v1/messages",
        msgspec.json.encode(body | {"stream": True}),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(asked, timeout=PATIENCE_SECONDS) as response:
        turn_id = response.headers["x-outcrop-turn-id"]
        response.read()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "OUTCROP_"))}
    path = f"{find_aws().parent}{os.pathsep}{kept['PATH']}"
    return kept | {"TURN": turn_id, "PATH": path, "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.devnull}


def to_command(program: str, code: str) -> list[str]:
    """
    Say how to run a block.
    """
    match program:
        case "python":
            return [sys.executable, "-c", code]
        case "node":
            return [str(find_node()), "--input-type=module-typescript", "--eval", code]
        case _:
            return ["sh", "-eu", "-c", code]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_an_example_runs(example: Example, servers: Servers, environ: dict[str, str]) -> None:
    """
    An example of a page ends well, and prints an answer to its end.
    """
    code = example.code
    for written, actual in servers.addresses.items():
        code = code.replace(written, actual)
    done = subprocess.run(
        to_command(example.program, code),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        cwd=FOLDER,
        env=environ,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    printed = read_text(done.stdout)
    endings = {call["text_emitted"]["text"].rstrip()[-ENDING_CHARACTERS:] for call in servers.book.calls()}
    assert any(ending in printed for ending in endings if len(ending) == ENDING_CHARACTERS), done.stdout


def read_text(printed: str) -> str:
    """
    Return what was printed, and, joined, the texts in what of it is JSON.
    """
    pieces = re.findall(r'"(?:content|delta|text)":\s*("(?:[^"\\]|\\.)*")', printed)
    return printed + "\n" + "".join(msgspec.json.decode(piece, type=str) for piece in pieces)


def test_every_language_has_examples() -> None:
    """
    Each page for an SDK has an example in Python, in TypeScript, and for the shell.
    """
    for page in PAGES[1:]:
        assert {example.program for example in EXAMPLES if example.name.startswith(page)} == {"python", "node", "sh"}
