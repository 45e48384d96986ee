"""
Real processes for tests: the gateway and the emulator on free loopback ports, with nothing of this machine's AWS setup.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

START_SECONDS = 30
URL = re.compile(r"http://[^\s\"']+:\d+")


class Process:
    """
    Be one running command of outcrop, with what it said on standard error and output.
    """

    def __init__(self, *arguments: str, environ: Mapping[str, str] | None = None) -> None:
        command = [sys.executable, "-c", "from outcrop.cli import main; main()", *arguments]
        self._process = subprocess.Popen(
            command,
            env=clean_environment(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=tempfile.gettempdir(),
        )
        self.lines: list[str] = []
        self._said = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """
        The process's ID.
        """
        return self._process.pid

    def wait_for_url(self) -> str:
        """
        Wait until the process says where it listens.
        """
        found: list[str] = []

        def listens() -> bool:
            found.extend(match.group() for line in self.lines if "listen" in line for match in URL.finditer(line))
            return bool(found) or self._process.poll() is not None

        with self._said:
            self._said.wait_for(listens, START_SECONDS)
        if not found:
            raise AssertionError("the process did not start:\n" + "\n".join(self.lines))
        return found[0]

    def events(self) -> list[dict[str, Any]]:
        """
        Parse the log lines that are JSON.
        """
        decoded = []
        for line in self.lines:
            with contextlib.suppress(msgspec.DecodeError):
                decoded.append(msgspec.json.decode(line, type=dict[str, Any]))
        return decoded

    def count_files(self) -> int:
        """
        Count the process's open files, sockets included.
        """
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def count_connections(self, port: int) -> int:
        """
        Count the process's connections to a port.
        """
        names = set()
        for link in Path(f"/proc/{self.pid}/fd").iterdir():
            # It may be closed by now.
            with contextlib.suppress(FileNotFoundError):
                names.add(link.readlink().name)
        lines = [line.split() for line in Path(f"/proc/{self.pid}/net/tcp").read_text().splitlines()[1:]]
        return sum(int(line[2].rpartition(":")[2], 16) == port and f"socket:[{line[9]}]" in names for line in lines)

    def send_signal(self, number: signal.Signals) -> None:
        """
        Send a signal to this process.
        """
        self._process.send_signal(number)

    def wait(self, seconds: float = 20) -> int:
        """
        Wait for the end and return the exit code.
        """
        code = self._process.wait(seconds)
        self._reader.join(5)
        return code

    def close(self) -> None:
        """
        End the process, and make sure that it has ended.
        """
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(15)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(5)
        self._reader.join(5)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._said:
                self.lines.append(line.rstrip("\n"))
                self._said.notify_all()
        with self._said:
            self._said.notify_all()


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """
    Return this process's environment without AWS's and outcrop's variables, and without a metadata service.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "OUTCROP_"))}
    quiet = {
        "AWS_EC2_METADATA_DISABLED": "true",
        "HOME": tempfile.gettempdir(),
        "OUTCROP_LOG_FORMAT": "json",
        "OUTCROP_DATABASE_URL": "none",
    }
    return kept | quiet | dict(extra or {})


@contextlib.contextmanager
def run_outcrop(*arguments: str, environ: Mapping[str, str] | None = None) -> Iterator[tuple[Process, str]]:
    """
    Run a command that listens; gives the process and its URL.
    """
    process = Process(*arguments, environ=environ)
    try:
        yield process, process.wait_for_url()
    finally:
        process.close()


def gateway_environment(emulator_url: str, **settings: str) -> dict[str, str]:
    """
    Return the environment of a gateway that takes an emulator for Bedrock.
    """
    return {
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": emulator_url,
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "secret-canary-5c1e",
        "AWS_REGION": "us-east-1",
        "OUTCROP_EMULATE": "false",
    } | {f"OUTCROP_{name.upper()}": value for name, value in settings.items()}
