"""
Print docs/clients.md from the tests' own marks: `python scripts/clients_page.py > docs/clients.md`.
"""

import json
import re
import sys
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import get_args

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.clients.proof import Ability  # noqa: E402  the tests are no installed package

ABILITIES: tuple[str, ...] = get_args(Ability)
HEAD = """# Clients

Programs that others wrote, unmodified, which the tests run against a gateway and an emulator in processes of their own.
A tick is a test that passes: the tests are part of the gate of every change. An empty cell is not a "no": it says that
no test shows it, often because the client has no such thing. Versions are those of the lock files.

What a client that is not listed needs is in the page of its dialect: [OpenAI](openai.md), [Anthropic](anthropic.md),
[Bedrock](bedrock.md), [the native chat protocol](protocol.md), [the raw WebSocket](raw.md).

This page is made from the marks of the tests, by `scripts/clients_page.py`.

"""
PACKAGES = {
    "anthropic (Python), AnthropicBedrock": "anthropic",
    "pydantic-ai": "pydantic-ai-slim",
}
"""
Packages whose clients are not called as they are.
"""

LIMITS: tuple[tuple[str, str], ...] = (
    (
        "@aws-sdk/client-bedrock-runtime",
        "ends an aborted stream without an exception over HTTP/2; over HTTP/1.1 it is a bare `Error`",
    ),
    ("awscli", "has no commands for the operations that stream, and ends a call by Ctrl-C alone"),
    ("boto3", "refuses to send a bearer key over plain HTTP, and does not sign instead; see [bedrock.md](bedrock.md)"),
    ("langchain-aws", "`ChatAnthropicBedrock` drops `base_url`; the variable `ANTHROPIC_BEDROCK_BASE_URL` works"),
    ("langchain-aws, pydantic-ai", "run boto3 in a thread: cancelling their task does not end the call, closing does"),
    ("langchain-openai", "a failure in the midst of a response is a bare `ValueError`"),
    ("langchain-openai", "counts tokens of a streamed completion with `stream_usage=True` alone at other addresses"),
    ("litellm", "can't close a synchronous stream; an asynchronous one has `aclose()`"),
    ("litellm", "tells of every failure in mid-stream as `MidStreamFallbackError`"),
    ("litellm", "needs the package `mcp` for tools and Responses, and does not say so"),
    ("llm", "ignores the failure in the midst of a response: the answer just ends"),
    ("llm", "plug-ins take addresses from `ANTHROPIC_BASE_URL` and `AWS_ENDPOINT_URL_BEDROCK_RUNTIME` alone"),
)


class Collector:
    """
    Gather the marks of the collected tests.
    """

    def __init__(self) -> None:
        self.shown: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """
        Take the marks.
        """
        for item in items:
            for mark in item.iter_markers("proves"):
                client, abilities = mark.args
                for ability in abilities:
                    self.shown[client][ability].add(item.path.name)


def main() -> int:
    """
    Print the page.
    """
    collector = Collector()
    stdout, sys.stdout = sys.stdout, sys.stderr
    code = pytest.main(["--collect-only", "-q", "-p", "no:cacheprovider", str(ROOT / "tests" / "clients")], [collector])
    sys.stdout = stdout
    if code:
        return int(code)
    python, javascript = read_python_versions(), read_javascript_versions()
    sys.stdout.write(HEAD)
    sys.stdout.write(f"| client | version | {' | '.join(ABILITIES)} | tests |\n|{'---|' * (len(ABILITIES) + 3)}\n")
    for client in sorted(collector.shown, key=str.lower):
        shown = collector.shown[client]
        ticks = " | ".join("✓" if ability in shown else "" for ability in ABILITIES)
        files = sorted({name for names in shown.values() for name in names})
        links = ", ".join(f"[{name.removesuffix('.py')}](../tests/clients/{name})" for name in files)
        sys.stdout.write(f"| {client} | {find_version(client, python, javascript)} | {ticks} | {links} |\n")
    sys.stdout.write("\n## What does not work, and why\n\n| client | what |\n|---|---|\n")
    sys.stdout.write("".join(f"| {client} | {what} |\n" for client, what in LIMITS))
    return 0


def find_version(client: str, python: Mapping[str, str], javascript: Mapping[str, str]) -> str:
    """
    Return the pinned version of a client's package. A language stands behind a name that two of them have.
    """
    package = PACKAGES.get(client) or client.partition(" (")[0]
    return javascript[package] if package in javascript and "(Python)" not in client else python[package]


def read_python_versions() -> dict[str, str]:
    """
    Read every pinned version of the lock files.
    """
    versions: dict[str, str] = {}
    locks = sorted((ROOT / "tests" / "clients").glob("requirements-*.lock"))
    for lock in [*locks, ROOT / "requirements-dev.lock"]:
        versions |= dict(re.findall(r"^([a-z0-9-]+)==([^ ;]+)", lock.read_text(), re.MULTILINE))
    return versions


def read_javascript_versions() -> dict[str, str]:
    """
    Read the pinned versions of the npm packages.
    """
    package = json.loads((ROOT / "tests" / "clients" / "js" / "package.json").read_text())
    return dict(package["dependencies"])


if __name__ == "__main__":
    sys.exit(main())
