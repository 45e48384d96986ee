"""
An emulator on a free port, and a client that sees what really comes over the wire: chunks, cuts and resets.
"""

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import pytest
from botocore.eventstream import EventStreamBuffer

from outcrop.catalogue.models import load_catalogue
from outcrop.emulator.rules.models import Called, ModelTable
from outcrop.emulator.server import EmulatorServer
from outcrop.emulator.settings import EmulatorConfig

CLAUDE = "us.anthropic.claude-sonnet-4-6"
LLAMA = "meta.llama3-70b-instruct-v1:0"


@dataclass
class Reply:
    """
    Hold what came back: `ending` is `clean`, `cut` (closed before HTTP's end) or `reset`.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    ending: str
    chunks: list[bytes] = field(default_factory=list)

    def json(self) -> Any:
        """
        Return the body's JSON.
        """
        return json.loads(self.body)

    @property
    def error(self) -> str:
        """
        The error's name, without the namespace that the service puts after it.
        """
        return self.headers["x-amzn-errortype"].partition(":")[0]

    def messages(self) -> list[tuple[dict[str, Any], bytes]]:
        """
        Return the event-stream messages of the body, by botocore's parser: headers and payload.
        """
        buffer: Any = EventStreamBuffer()
        buffer.add_data(self.body)
        return [(dict(message.headers), message.payload) for message in buffer]

    def payloads(self) -> list[Any]:
        """
        Return the JSON of each message; the model's own JSON where they are chunks.
        """
        return [_unwrap(json.loads(payload)) for headers, payload in self.messages() if payload]


def _unwrap(payload: Any) -> Any:
    return json.loads(base64.b64decode(payload["bytes"])) if "bytes" in payload else payload


class Wire:
    """
    Speak HTTP/1.1 to the emulator, one connection a request.
    """

    def __init__(self, server: EmulatorServer) -> None:
        self.server = server

    async def open(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """
        Send a request and return the connection.
        """
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        sent = {"host": f"127.0.0.1:{self.server.port}", "content-length": str(len(body))} | (headers or {})
        head = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
        writer.write(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + body)
        await writer.drain()
        return reader, writer

    async def request(self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> Reply:
        """
        Send a request and read all that comes.
        """
        reader, writer = await self.open(method, path, body, {"connection": "close", **(headers or {})})
        try:
            return await _read_reply(reader)
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def call(self, operation: str, model: str, body: Any, headers: dict[str, str] | None = None) -> Reply:
        """
        Call one of the model operations with a JSON body.
        """
        return await self.request(
            "POST", f"/model/{quote(model, safe='')}/{operation}", json.dumps(body).encode(), headers
        )

    async def add_fault(self, **fault: Any) -> None:
        """
        Add a rule; `match` and `times` beside the fault's members.
        """
        rule = {name: fault.pop(name) for name in ("match", "times") if name in fault} | {"fault": fault}
        reply = await self.request("POST", "/_emulator/faults", json.dumps(rule).encode())
        assert reply.status == 201, reply.body

    async def calls(self) -> list[dict[str, Any]]:
        """
        Return the book.
        """
        reply = await self.request("GET", "/_emulator/calls")
        calls: list[dict[str, Any]] = reply.json()["calls"]
        return calls


async def _read_reply(reader: asyncio.StreamReader) -> Reply:
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
    status = int(lines[0].split()[1])
    if headers.get("transfer-encoding") != "chunked":
        wanted = int(headers.get("content-length", "0"))
        body, ending = await _read_to_end(reader)
        return Reply(
            status, headers, body, ending if len(body) < wanted and ending == "reset" else _ending(body, wanted)
        )
    raw, ending = await _read_to_end(reader)
    chunks, is_complete = _parse_chunks(raw)
    return Reply(status, headers, b"".join(chunks), "clean" if is_complete else ending, chunks)


def _ending(body: bytes, wanted: int) -> str:
    return "clean" if len(body) == wanted else "cut"


async def _read_to_end(reader: asyncio.StreamReader) -> tuple[bytes, str]:
    parts = []
    try:
        while part := await reader.read(65_536):
            parts.append(part)
    except ConnectionResetError:
        return b"".join(parts), "reset"
    return b"".join(parts), "cut"


def _parse_chunks(raw: bytes) -> tuple[list[bytes], bool]:
    chunks: list[bytes] = []
    position = 0
    while position < len(raw):
        end = raw.find(b"\r\n", position)
        size = int(raw[position:end], 16)
        if size == 0:
            return chunks, True
        chunks.append(raw[end + 2 : end + 2 + size])
        position = end + 2 + size + 2
    return chunks, False


StartEmulator = Callable[..., Any]


@pytest.fixture
async def start_emulator() -> AsyncIterator[StartEmulator]:
    """
    Return a function that starts an emulator without any pace and gives a client for it.
    """
    servers: list[EmulatorServer] = []

    async def start(**settings: Any) -> Wire:
        config = EmulatorConfig(**({"first_token_ms": 0, "tokens_per_second": 0} | settings))
        server = EmulatorServer(config)
        servers.append(server)
        await server.start()
        return Wire(server)

    yield start
    for server in servers:
        await server.stop()


@pytest.fixture
async def wire(start_emulator: StartEmulator) -> Wire:
    """
    Return a client of an emulator that answers as fast as it can.
    """
    client: Wire = await start_emulator()
    return client


@pytest.fixture
def find_model() -> Callable[[str], Called]:
    """
    Return a function that finds a model as us-west-2 sees it.
    """
    table = ModelTable(load_catalogue())
    return lambda model_id: table.find(model_id, "us-west-2")
