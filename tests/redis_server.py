"""
Real Redis (or Valkey) servers for tests: each its own process on a free port of the loopback address.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

START_SECONDS = 20


class RedisServer:
    """
    Run one server. A stopped one can be started again on the same port.

    Args:
        folder: where its files go.
        persistent: whether acknowledged writes survive its death.
        options: more of the server's own options, as on its command line.
    """

    def __init__(self, folder: Path, *, persistent: bool = False, options: tuple[str, ...] = ()) -> None:
        self.port = find_port()
        self._folder = folder
        self._persistent = persistent
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """
        Return the URL of its first database.
        """
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """
        Start it, and wait until it answers.
        """
        program = shutil.which("redis-server") or shutil.which("valkey-server")
        assert program is not None
        durable = ("--appendonly", "yes", "--appendfsync", "always") if self._persistent else ("--appendonly", "no")
        self._process = subprocess.Popen(
            [
                program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self._folder),
                *durable, *self._options,
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                if self.ask("PING").startswith((b"+PONG", b"-NOAUTH")):
                    return
            except OSError:
                pass
            assert self._process.poll() is None, "the server has ended"
            assert time.monotonic() < deadline, "the server does not answer"
            time.sleep(0.02)

    def kill(self) -> None:
        """
        Kill it, as kill -9 does.
        """
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def restart(self) -> None:
        """
        Kill it and start it again: with its data where it is persistent, without them where it is not.
        """
        self.kill()
        self.start()

    def freeze(self) -> None:
        """
        Stop it from answering; its connections stay open.
        """
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """
        Let it answer again.
        """
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)

    def wipe(self) -> None:
        """
        Delete all its data.
        """
        assert self.ask("FLUSHALL").startswith(b"+OK")

    def cut_connections(self) -> None:
        """
        Close all its clients' connections.
        """
        self.ask("CLIENT", "KILL", "TYPE", "normal")
        self.ask("CLIENT", "KILL", "TYPE", "pubsub")

    def ask(self, *words: str) -> bytes:
        """
        Send one command; return the beginning of the raw answer.
        """
        command = b"*%d\r\n" % len(words)
        for word in words:
            command += b"$%d\r\n%s\r\n" % (len(word.encode()), word.encode())
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(command)
            return connection.recv(1 << 16)


def is_installed() -> bool:
    """
    Tell whether a server's program is there.
    """
    return (shutil.which("redis-server") or shutil.which("valkey-server")) is not None


def require_redis() -> None:
    """
    Skip the test without the program; fail instead where `OUTCROP_REQUIRE_SERVICES=1`.
    """
    if not is_installed():
        message = "no redis-server or valkey-server is installed"
        if os.environ.get("OUTCROP_REQUIRE_SERVICES") == "1":
            pytest.fail(message)
        pytest.skip(message)


def find_port() -> int:
    """
    Find a port of loopback that is free now.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
