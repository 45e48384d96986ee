"""
A raw HTTP server on loopback that does what a test scripts, byte by byte, and the clients to point at it.

Every asynchronous test here runs twice: on asyncio's own loop and on uvloop.
"""

import asyncio
import base64
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvloop

from outcrop.calls import UpstreamCall, UpstreamMessage
from outcrop.upstream.client import BedrockClient
from outcrop.upstream.credentials import CredentialSource, StaticCredentials
from outcrop.upstream.deadlines import Deadlines
from outcrop.upstream.retry import RetryPolicy
from outcrop.wire.eventstream import encode_message
from outcrop.wire.sigv4 import Credentials

MODEL = "meta.llama3-70b-instruct-v1:0"
KEYS = Credentials("AKIDEXAMPLE", "a-secret-that-nobody-may-see", "a-token-that-nobody-may-see")
OK = b"HTTP/1.1 200 OK\r\nx-amzn-requestid: r-1\r\n"


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """
    Run on both loops.
    """
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@dataclass(frozen=True)
class Request:
    """
    Hold a request as it came.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Peer:
    """
    Hold the server's end of one connection.
    """

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    server: "RawServer"

    async def read_request(self) -> Request:
        """
        Read one request, and note it.
        """
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head[:-4].split("\r\n")
        method, target, _ = first.split(" ")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        request = Request(method, target, headers, body)
        self.server.requests.append(request)
        return request

    async def send(self, *pieces: bytes) -> None:
        """
        Send bytes, each piece by itself.
        """
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()

    async def answer(self, status: int, body: bytes, *headers: str) -> None:
        """
        Send a whole answer with a content length.
        """
        lines = [f"HTTP/1.1 {status} X", f"content-length: {len(body)}", "x-amzn-requestid: r-1", *headers, "", ""]
        await self.send("\r\n".join(lines).encode() + body)

    async def open_stream(self) -> None:
        """
        Send the head of a chunked answer.
        """
        await self.send(OK + b"transfer-encoding: chunked\r\n\r\n")

    async def send_chunk(self, *messages: bytes) -> None:
        """
        Send messages as one chunk.
        """
        await self.send(chunked(b"".join(messages)))

    async def end_stream(self) -> None:
        """
        Send the last chunk.
        """
        await self.send(b"0\r\n\r\n")

    async def wait_closed(self) -> None:
        """
        Wait until the client has closed, and note it.
        """
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            while await self.reader.read(65536):
                pass
        self.server.closed.set()

    def reset(self) -> None:
        """
        Break the connection.
        """
        self.writer.transport.abort()


Script = Callable[[Peer], Awaitable[None]]


@dataclass
class RawServer:
    """
    Run one script per connection.
    """

    script: Script
    port: int = 0
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    failures: list[BaseException] = field(default_factory=list)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        """
        Return the endpoint URL.
        """
        return f"http://127.0.0.1:{self.port}"

    async def wait_idle(self) -> None:
        """
        Wait until no connection is left.
        """
        async with asyncio.timeout(5):
            while self.tasks:
                await asyncio.wait(self.tasks)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """
        Run the script on one connection.
        """
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        self.connections += 1
        try:
            await self.script(Peer(reader, writer, self))
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError, ssl.SSLError):
            pass
        except BaseException as error:  # noqa: BLE001  whatever a script fails with is shown when the server stops
            self.failures.append(error)
        finally:
            writer.transport.abort()
            self.tasks.discard(task)


Serve = Callable[..., Awaitable[RawServer]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """
    Start servers; stop them, and raise what their scripts raised, at the end.
    """
    running: list[tuple[RawServer, asyncio.Server]] = []

    async def start(script: Script, *, tls: ssl.SSLContext | None = None) -> RawServer:
        server = RawServer(script)
        listener = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=tls)
        server.port = listener.sockets[0].getsockname()[1]
        running.append((server, listener))
        return server

    yield start
    for server, listener in running:
        listener.close()
        tasks = list(server.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await listener.wait_closed()
    failures = [failure for server, _ in running for failure in server.failures]
    if failures:
        raise failures[0]


Connect = Callable[..., BedrockClient]


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """
    Make clients with short deadlines and no waits between attempts; close them at the end and look for leaks.
    """
    before = asyncio.all_tasks()
    clients: list[BedrockClient] = []

    def make(server: RawServer | str, *, credentials: CredentialSource | None = None, **options: Any) -> BedrockClient:
        url = server if isinstance(server, str) else server.url
        client = BedrockClient(
            endpoint_url=url,
            region=options.pop("region", "eu-central-1"),
            credentials=credentials or StaticCredentials(credentials=KEYS),
            deadlines=options.pop("deadlines", Deadlines(connect_seconds=5, first_byte_seconds=5, idle_seconds=5)),
            retry_policy=options.pop("retry_policy", RetryPolicy(base_seconds=0.001)),
            environ=options.pop("environ", {}),
            **options,
        )
        clients.append(client)
        return client

    yield make
    for client in clients:
        await client.aclose()
        assert client.pool.idle_count == client.pool.open_count == client.pool.waiting_count == 0
    left = asyncio.all_tasks() - before - {asyncio.current_task()}
    # The servers' tasks, which are stopped later, are of this folder or accept; anything else was left by the client.
    servers = ("/tests/upstream/", "._accept_connection")
    assert [task for task in left if not any(part in repr(task) for part in servers)] == []


class Collector:
    """
    Be a sink that keeps what it is given, call by call, and lets a test wait for it.
    """

    def __init__(self) -> None:
        self.calls: list[list[UpstreamMessage]] = []
        self.seen = asyncio.Event()

    def __call__(self, messages: list[UpstreamMessage]) -> None:
        """
        Keep the messages of one call.
        """
        self.calls.append(messages)
        self.seen.set()

    @property
    def messages(self) -> list[UpstreamMessage]:
        """
        Return all messages.
        """
        return [message for call in self.calls for message in call]

    @property
    def payloads(self) -> list[bytes]:
        """
        Return all payloads.
        """
        return [payload for _, payload in self.messages]


def a_call(operation: Any = "invoke_stream", **changes: Any) -> UpstreamCall:
    """
    Make a call.
    """
    return UpstreamCall(**{"operation": operation, "model_id": MODEL, "body": b'{"prompt":"hi"}', **changes})


def chunked(chunk: bytes) -> bytes:
    """
    Frame bytes as one HTTP chunk.
    """
    return b"%x\r\n%b\r\n" % (len(chunk), chunk)


def a_chunk(inner: bytes) -> bytes:
    """
    Make the message in which InvokeModelWithResponseStream sends a model's JSON.
    """
    payload = json.dumps({"bytes": base64.b64encode(inner).decode(), "p": "abcdef"}).encode()
    headers = {":event-type": "chunk", ":content-type": "application/json", ":message-type": "event"}
    return encode_message(headers, payload)


def an_event(event_type: str, payload: bytes) -> bytes:
    """
    Make a message of ConverseStream.
    """
    return encode_message({":event-type": event_type, ":message-type": "event"}, payload)


def an_exception(name: str, message: str = "the cause", **fields: Any) -> bytes:
    """
    Make a modelled exception inside a stream.
    """
    headers = {":exception-type": name, ":content-type": "application/json", ":message-type": "exception"}
    return encode_message(headers, json.dumps({"message": message, **fields}).encode())


def serving(*pieces: bytes, end: bytes = b"0\r\n\r\n") -> Script:
    """
    Script a chunked 200 answer to every request of a connection: its head, the pieces as they are, and an end.
    """

    async def script(peer: Peer) -> None:
        while True:
            await peer.read_request()
            await peer.send(OK + b"transfer-encoding: chunked\r\n\r\n", *pieces, end)

    return script


def answering(*answers: tuple[int, str, str]) -> Script:
    """
    Script one answer per request (status, error type, message), over any number of connections.
    """
    left = list(answers)

    async def script(peer: Peer) -> None:
        while True:
            await peer.read_request()
            status, name, message = left.pop(0)
            body = json.dumps({"message": message}).encode()
            await peer.answer(
                status, body, *([f"x-amzn-errortype: {name}:http://internal.amazon.com/coral/"] if name else [])
            )

    return script
