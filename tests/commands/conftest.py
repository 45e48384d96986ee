"""
Terminals and pipes for the commands: real processes, on real pseudo-terminals.
"""

import os
import pty
import re
import select
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import msgspec
import pytest

from tests.support import clean_environment, gateway_environment, run_outcrop

PATIENCE_SECONDS = 20.0
CTRL_C, CTRL_D, ENTER = "\x03", "\x04", "\n"

# A session's first process that opens a terminal gets it as its own: only then does Ctrl-C become a signal.
ON_A_TERMINAL = "import os; os.open(os.ttyname(0), os.O_RDWR); from outcrop.cli import main; main()"
_STYLE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x01\x02]")

Environ = Mapping[str, str]
RunInPipe = Callable[..., "subprocess.CompletedProcess[bytes]"]
StartInTerminal = Callable[..., "OnTerminal"]
Inject = Callable[[dict[str, Any]], None]


class OnTerminal:
    """
    Be one command on a pseudo-terminal: types what a test says, and waits for what is shown.
    """

    def __init__(self, *arguments: str, environ: Environ | None = None) -> None:
        self._terminal, inner = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-c", ON_A_TERMINAL, *arguments],
            stdin=inner,
            stdout=inner,
            stderr=inner,
            env=clean_environment({"TERM": "xterm", "COLUMNS": "100", "NO_COLOR": "1", **(environ or {})}),
            start_new_session=True,
        )
        os.close(inner)
        self._raw = b""
        self._seen = 0

    @property
    def shown(self) -> str:
        """
        Return all that was shown, without the signs that move the cursor.
        """
        return _STYLE.sub("", self.raw)

    @property
    def raw(self) -> str:
        """
        Return all that was sent to the terminal.
        """
        return self._raw.decode("utf-8", "replace")

    def type(self, keys: str) -> None:
        """
        Type keys.
        """
        os.write(self._terminal, keys.encode())

    def interrupt(self, text: str) -> None:
        """
        Press Ctrl-C at the prompt, and wait until a text is shown.

        Python's readline can miss a signal that comes between the prompt and its own wait for a key, which no human
        is quick enough for, but a test is: then Ctrl-C is pressed again. In an answer once is enough.
        """
        for _ in range(3):
            self.type(CTRL_C)
            if self._find(text, PATIENCE_SECONDS / 4):
                return
        pytest.fail(f"Ctrl-C did not show {text!r}; shown was:\n{self.shown}")

    def wait_for(self, text: str) -> None:
        """
        Wait until a text is shown, after what earlier calls waited for.
        """
        if not self._find(text, PATIENCE_SECONDS):
            pytest.fail(f"{text!r} was not shown; shown was:\n{self.shown}")

    def wait_for_end(self) -> int:
        """
        Wait until the command has ended, and return its exit code.
        """
        end = time.monotonic() + PATIENCE_SECONDS
        while self._read(end - time.monotonic()):
            pass
        return self.process.wait(max(end - time.monotonic(), 1))

    def close(self) -> None:
        """
        End the command, if it still runs, by taking its terminal away.
        """
        os.close(self._terminal)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _find(self, text: str, seconds: float) -> bool:
        end = time.monotonic() + seconds
        while (at := self.shown.find(text, self._seen)) < 0:
            if not self._read(end - time.monotonic()):
                return False
        self._seen = at + len(text)
        return True

    def _read(self, seconds: float) -> bool:
        readable, _, _ = select.select([self._terminal], [], [], max(seconds, 0))
        if not readable:
            return False
        try:
            found = os.read(self._terminal, 65536)
        except OSError:
            # Linux says "input/output error" where the other side is closed.
            return False
        self._raw += found
        return bool(found)


@pytest.fixture
def start() -> Iterator[StartInTerminal]:
    """
    Start commands on pseudo-terminals.
    """
    with ExitStack() as cleanup:

        def start(*arguments: str, environ: Environ | None = None) -> OnTerminal:
            command = OnTerminal(*arguments, environ=environ)
            cleanup.callback(command.close)
            return command

        yield start


@pytest.fixture
def run() -> RunInPipe:
    """
    Run commands without a terminal, to their end.
    """

    def run(
        *arguments: str, stdin: bytes = b"", environ: Environ | None = None
    ) -> "subprocess.CompletedProcess[bytes]":
        return subprocess.run(
            [sys.executable, "-c", "from outcrop.cli import main; main()", *arguments],
            input=stdin,
            capture_output=True,
            env=clean_environment({"COLUMNS": "200", **(environ or {})}),
            timeout=PATIENCE_SECONDS * 2,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def emulator_url() -> Iterator[str]:
    """
    Run an emulator that is slow enough to be stopped in the middle of an answer.
    """
    with run_outcrop("emulate", "--port", "0", "--first-token-ms", "0", "--tokens-per-second", "80") as (_, url):
        yield url


@pytest.fixture(scope="session")
def gateway_url(emulator_url: str) -> Iterator[str]:
    """
    Run a gateway that takes the emulator for Bedrock.
    """
    with run_outcrop("serve", "--port", "0", environ=gateway_environment(emulator_url)) as (_, url):
        yield url


@pytest.fixture
def inject(emulator_url: str) -> Iterator[Inject]:
    """
    Add fault rules to the emulator, until the test ends.
    """

    def send(method: str, body: bytes | None = None) -> None:
        request = urllib.request.Request(f"{emulator_url}/_emulator/faults", body, method=method)
        urllib.request.urlopen(request, timeout=10).close()

    yield lambda rule: send("POST", msgspec.json.encode(rule))
    send("DELETE")
