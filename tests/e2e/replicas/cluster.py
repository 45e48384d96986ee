"""
Several gateways behind nginx with one Redis, and one emulator for Bedrock: all real processes on free loopback ports.
"""

import contextlib
import signal
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.e2e.conftest import Book
from tests.e2e.replicas.nginx import SERVER_NAME, Nginx, find_nginx
from tests.redis_server import RedisServer, is_installed
from tests.support import Process, gateway_environment, run_outcrop

LEASE_SECONDS = 2.0
DRAIN_SECONDS = 3.0


class Replica:
    """
    Be one gateway on a port that stays; it may live several times.

    Attributes:
        lives: its processes, oldest first; their log lines stay.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._port = 0
        self.url = ""
        self.lives: list[Process] = []
        self.is_frozen = False

    @property
    def process(self) -> Process:
        """
        The process of now.
        """
        return self.lives[-1]

    def spawn(self) -> None:
        """
        Begin to start it, on its port.
        """
        self.lives.append(Process("serve", "--port", str(self._port), environ=self._environ))

    def wait_until_ready(self) -> None:
        """
        Wait until it listens.
        """
        self.url = self.process.wait_for_url()
        self._port = int(self.url.rpartition(":")[2])

    def start(self) -> None:
        """
        Start it, and wait until it listens.
        """
        self.spawn()
        self.wait_until_ready()

    def kill(self) -> None:
        """
        Kill it, as kill -9 does.
        """
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def drain(self) -> None:
        """
        Ask it to end well; `process.wait` tells when it has.
        """
        self.process.send_signal(signal.SIGTERM)

    def freeze(self) -> None:
        """
        Take all time from it; its connections stay open.
        """
        self.is_frozen = True
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """
        Let it go on as if no time had passed.
        """
        self.process.send_signal(signal.SIGCONT)
        self.is_frozen = False

    def resident_bytes(self) -> int:
        """
        Measure its resident memory.
        """
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * 4096

    def events(self) -> list[dict[str, Any]]:
        """
        Return what all its lives have logged.
        """
        return [event for life in self.lives for event in life.events()]

    def close(self) -> None:
        """
        End it, whatever state it is in.
        """
        if self.is_frozen:
            self.thaw()
        for life in self.lives:
            life.close()


class Cluster:
    """
    Hold the processes of one deployment.
    """

    def __init__(self, book: Book, redis: RedisServer, replicas: list[Replica], nginx: Nginx) -> None:
        self.book = book
        self.redis = redis
        self.replicas = replicas
        self.nginx = nginx

    @property
    def urls(self) -> list[str]:
        """
        Every way in: nginx first, then the replicas themselves.
        """
        return [self.nginx.url, *(replica.url for replica in self.replicas)]

    def set_pace(self, tokens_per_second: float) -> None:
        """
        Have the emulator answer at this pace from now on.
        """
        self.book.request("DELETE", "/_emulator/faults")
        self.book.inject({"kind": "slow", "tokens_per_second": tokens_per_second})

    def events(self, name: str) -> list[dict[str, Any]]:
        """
        Return the log lines of this name of all replicas.
        """
        return [event for replica in self.replicas for event in replica.events() if event.get("event") == name]


@contextlib.contextmanager
def run_cluster(*, count: int = 3, emulator: tuple[str, ...] = (), **settings: str) -> Iterator[Cluster]:
    """
    Run a deployment of `count` replicas; `settings` are the gateways' own.
    """
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="outcrop-cluster-")))
        pace = ("--first-token-ms", "10", "--tokens-per-second", "40", "--jitter", "0.5", *emulator)
        _, emulator_url = stack.enter_context(run_outcrop("emulate", "--port", "0", *pace))
        # `everysec` is what docs/operations.md advises; a killed Redis loses nothing by it, a machine may.
        redis = RedisServer(folder, persistent=True, options=("--appendfsync", "everysec"))
        redis.start()
        stack.callback(redis.kill)
        environ = gateway_environment(emulator_url, **_cluster_settings(redis, settings))
        replicas = [Replica(environ) for _ in range(count)]
        for replica in replicas:
            stack.callback(replica.close)
            replica.spawn()
        for replica in replicas:
            replica.wait_until_ready()
        web = folder / "nginx"
        web.mkdir()
        nginx = Nginx(web, [replica.url for replica in replicas])
        stack.callback(nginx.stop)
        nginx.start()
        yield Cluster(Book(emulator_url), redis, replicas, nginx)


def find_missing() -> str | None:
    """
    Name the program that a cluster needs and this machine does not have.
    """
    if find_nginx() is None:
        return "nginx"
    return None if is_installed() else "redis-server"


def _cluster_settings(redis: RedisServer, settings: Mapping[str, str]) -> dict[str, str]:
    defaults = {
        "turn_log": redis.url,
        "lease_seconds": str(LEASE_SECONDS),
        "drain_timeout_seconds": str(DRAIN_SECONDS),
        "allowed_hosts": f'["{SERVER_NAME}"]',
        "default_max_tokens": "8192",
    }
    return defaults | dict(settings)
