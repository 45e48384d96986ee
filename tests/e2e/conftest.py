"""
An emulator and a gateway as real processes, and a raw client that nobody here wrote.
"""

import asyncio
import contextlib
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.support import Process, gateway_environment, run_outcrop

FIRST_BYTE_SECONDS = 0.8
IDLE_SECONDS = 0.6
TURN_SECONDS = 4.0


class Book:
    """
    Read the emulator's book and command its faults.
    """

    def __init__(self, url: str) -> None:
        self.url = url

    def calls(self) -> list[dict[str, Any]]:
        """
        Return every call since the book was cleared.
        """
        calls: list[dict[str, Any]] = self.request("GET", "/_emulator/calls")["calls"]
        return calls

    async def ended_calls(self, count: int) -> list[dict[str, Any]]:
        """
        Return the calls once there are `count` and each has an outcome.
        """
        async with asyncio.timeout(5):
            while True:
                calls = await asyncio.to_thread(self.calls)
                if len(calls) >= count and all(call["outcome"] for call in calls):
                    return calls
                await asyncio.sleep(0.01)

    def inject(self, fault: dict[str, Any], **rule: Any) -> None:
        """
        Add a fault rule.
        """
        self.request("POST", "/_emulator/faults", {"fault": fault, **rule})

    def clear(self) -> None:
        """
        Forget faults and calls.
        """
        self.request("DELETE", "/_emulator/faults")
        self.request("DELETE", "/_emulator/calls")

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """
        Make one request of the emulator's own API.
        """
        payload = None if body is None else msgspec.json.encode(body)
        request = urllib.request.Request(self.url + path, payload, method=method)
        with urllib.request.urlopen(request, timeout=10) as response:
            raw = response.read()
        return msgspec.json.decode(raw) if raw else None


class RawClient:
    """
    Speak the raw dialect with the `websockets` package.
    """

    def __init__(self, url: str) -> None:
        self._url = url.replace("http://", "ws://")

    def open(self, model: str = "llama3", *, subprotocols: list[str] | None = None, **parameters: Any) -> connect:
        """
        Connect.
        """
        query = urlencode({"model": model, **parameters}, doseq=True)
        offered: Any = subprotocols
        return connect(f"{self._url}/ws/model?{query}", compression=None, max_size=None, subprotocols=offered)

    async def ask(self, prompt: str | bytes, model: str = "llama3", **parameters: Any) -> "Outcome":
        """
        Ask on a new socket, and read to the end of the answer or of the socket.
        """
        async with self.open(model, done="1", **parameters) as socket:
            # A socket that was closed before the prompt says why when it is read.
            with contextlib.suppress(ConnectionClosed):
                await socket.send(prompt)
            return await read_answer(socket)


class Outcome(msgspec.Struct):
    """
    Hold what a client saw: its messages, and how the socket closed, if it did.
    """

    messages: list[str | bytes]
    close_code: int | None = None
    close_reason: str = ""
    seconds: float = 0.0

    @property
    def text(self) -> str:
        """
        Join the messages.
        """
        return "".join(message if isinstance(message, str) else message.decode() for message in self.messages)


async def read_answer(socket: ClientConnection) -> Outcome:
    """
    Read until the empty message that ends an answer, or the close.
    """
    began = asyncio.get_running_loop().time()
    outcome = Outcome([])
    try:
        async with asyncio.timeout(20):
            while message := await socket.recv():
                outcome.messages.append(message)
    except ConnectionClosed as closed:
        frame = closed.rcvd
        outcome.close_code, outcome.close_reason = (frame.code, frame.reason) if frame else (1006, "")
    outcome.seconds = asyncio.get_running_loop().time() - began
    return outcome


@pytest.fixture(scope="module")
def emulator_process() -> Iterator[tuple[Process, str]]:
    """
    Run an emulator, quick but paced.
    """
    pace = ["--first-token-ms", "10", "--tokens-per-second", "400", "--jitter", "0"]
    with run_outcrop("emulate", "--port", "0", *pace) as running:
        yield running


@pytest.fixture
def book(emulator_process: tuple[Process, str]) -> Iterator[Book]:
    """
    Give the emulator's book, cleared.
    """
    found = Book(emulator_process[1])
    found.clear()
    yield found
    found.clear()


@pytest.fixture(scope="module")
def gateway(emulator_process: tuple[Process, str]) -> Iterator[tuple[Process, str]]:
    """
    Run a gateway with short deadlines, for which the emulator is Bedrock.
    """
    environ = gateway_environment(
        emulator_process[1],
        first_byte_timeout_seconds=str(FIRST_BYTE_SECONDS),
        idle_timeout_seconds=str(IDLE_SECONDS),
        turn_timeout_seconds=str(TURN_SECONDS),
    )
    with run_outcrop("serve", "--port", "0", environ=environ) as running:
        yield running


@pytest.fixture
def client(gateway: tuple[Process, str]) -> RawClient:
    """
    Give a raw client of the gateway.
    """
    return RawClient(gateway[1])
