"""
An emulator in a thread with an event loop of its own, so that blocking clients can call it from a test.
"""

import asyncio
import contextlib
import importlib
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from outcrop.emulator.server import EmulatorServer
from outcrop.emulator.settings import EmulatorConfig
from outcrop.testing.account import Quotas, Regions
from outcrop.testing.faults import Faults

_T = TypeVar("_T")
_PATIENCE_SECONDS = 30.0
_ACCESS_KEY_ID = "AKIAIOSFODNN7EXAMPLE"
_SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"  # noqa: S105  the example of AWS's documentation


class BedrockEmulator:
    """
    Hold a running emulator; `run_emulator` makes it.
    """

    foreign_environment = (
        "AWS_PROFILE",
        "AWS_DEFAULT_PROFILE",
        "AWS_SESSION_TOKEN",
        "AWS_BEARER_TOKEN_BEDROCK",
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    )
    """Variables that would lead an SDK past `environment`."""

    def __init__(self, server: EmulatorServer, config: EmulatorConfig, loop: asyncio.AbstractEventLoop) -> None:
        self._server = server
        self._loop = loop
        self._clients: list[Any] = []
        self._key = next(iter((config.keys or {_ACCESS_KEY_ID: _SECRET}).items()))
        self.endpoint_url = server.url
        self.region = config.region
        self.faults = Faults(server.app.faults, self._run_on_loop)
        self.quotas = Quotas(server.app.quotas, config.quotas, self._run_on_loop)
        self.regions = Regions(server.app.regions, self._run_on_loop)

    @property
    def calls(self) -> list[dict[str, Any]]:
        """
        The book: what `GET /_emulator/calls` lists, oldest first.
        """
        calls: list[dict[str, Any]] = self._run_on_loop(self._server.app.book.report)["calls"]
        return calls

    def client(self, service: str = "bedrock-runtime", **options: Any) -> Any:
        """
        Return a boto3 client of the emulator; it is closed when the test ends.

        Raises:
            ImportError: boto3 is not installed.
        """
        key_id, secret = self._key
        given = {"region_name": self.region, "aws_access_key_id": key_id, "aws_secret_access_key": secret}
        session = importlib.import_module("boto3").session.Session()
        client = session.client(service, **({"endpoint_url": self.endpoint_url} | given | options))
        self._clients.append(client)
        return client

    def environment(self) -> dict[str, str]:
        """
        Return environment variables that lead AWS's SDKs and its CLI to the emulator.
        """
        key_id, secret = self._key
        return {
            "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": self.endpoint_url,
            "AWS_ENDPOINT_URL_BEDROCK": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": key_id,
            "AWS_SECRET_ACCESS_KEY": secret,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def reset(self) -> None:
        """
        Drop all fault rules, return to the settings' quotas, make all regions well, empty the book, close the clients.
        """
        for client in self._clients:
            client.close()
        self._clients.clear()
        self.faults.clear()
        self.quotas.restore()
        self.regions.clear()
        self._run_on_loop(self._server.app.book.clear)

    def _run_on_loop(self, action: Callable[[], _T]) -> _T:
        """
        Run an action in the emulator's thread, because nothing in it is made for two.
        """

        async def act() -> _T:
            return action()

        return asyncio.run_coroutine_threadsafe(act(), self._loop).result(_PATIENCE_SECONDS)


@contextlib.contextmanager
def run_emulator(config: EmulatorConfig) -> Iterator[BedrockEmulator]:
    """
    Run an emulator while the context is open.

    Raises:
        OSError: the address can't be bound.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="bedrock-emulator", daemon=True)
    thread.start()
    server = EmulatorServer(config)
    try:
        asyncio.run_coroutine_threadsafe(server.start(), loop).result(_PATIENCE_SECONDS)
        emulator = BedrockEmulator(server, config, loop)
        try:
            yield emulator
        finally:
            emulator.reset()
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(_PATIENCE_SECONDS)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_PATIENCE_SECONDS)
        loop.close()
