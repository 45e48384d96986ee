"""
Foreign clients, unmodified, against an emulator in a process of its own.
"""

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients.javascript import find_node
from tests.clients.tools import find_aws

PATIENCE_SECONDS = 20

LAUNCHER = """
import sys, msgspec
from outcrop.emulator.server import run
from outcrop.emulator.settings import EmulatorConfig
run(msgspec.json.decode(sys.argv[1], type=EmulatorConfig))
"""
KEYS = {"AKIDEXAMPLE": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}


class EmulatorProcess:
    """
    Hold a running emulator, and speak to its own routes.
    """

    def __init__(self, url: str) -> None:
        self.url = url

    def _open(self, method: str, path: str, body: bytes | None = None) -> Any:
        request = urllib.request.Request(self.url + path, data=body, method=method)
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as reply:
            content = reply.read()
        return json.loads(content) if content else None

    def add_fault(self, *, match: dict[str, Any] | None = None, times: int | None = None, **fault: Any) -> None:
        """
        Add a rule.
        """
        rule = {"fault": fault, "match": match or {}, "times": times}
        self._open("POST", "/_emulator/faults", json.dumps(rule).encode())

    def calls(self) -> list[dict[str, Any]]:
        """
        Return the book.
        """
        calls: list[dict[str, Any]] = self._open("GET", "/_emulator/calls")["calls"]
        return calls

    def clear(self) -> None:
        """
        Forget rules and calls.
        """
        self._open("DELETE", "/_emulator/faults")
        self._open("DELETE", "/_emulator/calls")


@pytest.fixture(scope="session")
def emulator_process() -> Iterator[EmulatorProcess]:
    """
    Run an emulator that verifies signatures; stop it at the end.
    """
    config = {"first_token_ms": 0, "tokens_per_second": 0, "keys": KEYS}
    command = [sys.executable, "-c", LAUNCHER, json.dumps(config)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield EmulatorProcess(process.stdout.readline().split()[-1])
        process.terminate()
        assert process.wait(PATIENCE_SECONDS) == 0


@pytest.fixture
def emulator(emulator_process: EmulatorProcess, monkeypatch: pytest.MonkeyPatch) -> Iterator[EmulatorProcess]:
    """
    Return the emulator with an empty book, and put its keys where AWS clients look for them.
    """
    ((key_id, secret),) = KEYS.items()
    for name in [name for name in os.environ if name.startswith(("AWS_", "ANTHROPIC_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    emulator_process.clear()
    yield emulator_process
    emulator_process.clear()


@pytest.fixture(scope="session")
def node() -> Path:
    """
    Return Node's program, with the AWS SDK for JavaScript installed beside the test's script.
    """
    return find_node()


@pytest.fixture(scope="session")
def aws() -> Path:
    """
    Return the AWS CLI's program.
    """
    return find_aws()
