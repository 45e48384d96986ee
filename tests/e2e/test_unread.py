"""
Clients that ask and read nothing, or slowly: raw sockets with small buffers, against a real gateway.
"""

import json
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import TypeVar
from urllib.parse import urlsplit

import pytest
import zttp

from outcrop.accounts.authenticate import make_key
from outcrop.accounts.signing import make_pair
from outcrop.wire.sigv4 import Credentials, hash_payload, sign
from tests.support import Process, gateway_environment, run_outcrop

TIMEOUT_SECONDS = 2
WAIT_SECONDS = 60
TOKENS = 60_000
KEY, DIGEST = make_key()
KEY_ID, SECRET = make_pair()
MODEL = "us.anthropic.claude-sonnet-4-6"
WHOLE = f"/model/{MODEL}/converse"
STREAM = f"/model/{MODEL}/converse-stream"
STREAM_RESET = "stream reset: the client opened no window"
MAX_UNSENT_BYTES = 256 << 10
WINDOW_UPDATE = 8
SLOW_READS = 25 * TIMEOUT_SECONDS

EventT = TypeVar("EventT", bound=zttp.Event)


@pytest.fixture(scope="module")
def gateway() -> Iterator[tuple[Process, str]]:
    """
    Run a gateway that drops clients soon, before an emulator that is as quick as it can be.
    """
    pace = ["--first-token-ms", "0", "--tokens-per-second", "100000", "--jitter", "0"]
    with run_outcrop("emulate", "--port", "0", *pace) as (_, emulator):
        environ = gateway_environment(
            emulator,
            slow_reader_timeout_seconds=str(TIMEOUT_SECONDS),
            api_keys=json.dumps({"anne": DIGEST}),
            signing_keys=json.dumps({"anne": f"{KEY_ID}:{SECRET}"}),
        )
        with run_outcrop("serve", "--port", "0", environ=environ) as running:
            yield running


def make_body(tokens: int) -> bytes:
    """
    Ask for an answer of so many tokens.
    """
    prompt = {"role": "user", "content": [{"text": f"emulate {tokens} tokens"}]}
    return json.dumps({"messages": [prompt], "inferenceConfig": {"maxTokens": tokens}}).encode()


BODY = make_body(TOKENS)


def dial(url: str) -> socket.socket:
    """
    Connect with buffers so small, on both sides, that a long answer has to wait in the gateway.
    """
    host = urlsplit(url)
    raw = socket.socket()
    raw.settimeout(WAIT_SECONDS)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    # The other side's buffer grows with the size of a segment.
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
    raw.connect((host.hostname, host.port))
    return raw


def ask(raw: socket.socket, url: str, path: str, headers: dict[str, str] | None = None) -> None:
    """
    Send a request over HTTP/1.1.
    """
    given = {"host": urlsplit(url).netloc, "content-type": "application/json", "content-length": str(len(BODY))}
    named = given | ({"authorization": f"Bearer {KEY}"} if headers is None else headers)
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in named.items())]
    raw.sendall("\r\n".join([*lines, "", ""]).encode() + BODY)


class Http2Client:
    """
    Speak HTTP/2 over a raw socket, and open no window unless it is told to.
    """

    def __init__(self, raw: socket.socket, url: str) -> None:
        self.raw = raw
        self.connection: zttp.H2Connection = zttp.Connection(zttp.CLIENT, protocol=zttp.HTTP2)
        self.connection.initiate_connection()
        self._authority = urlsplit(url).netloc.encode()

    def ask(self, path: str, tokens: int = TOKENS) -> int:
        """
        Send a request, and return its stream's ID.
        """
        key = f"Bearer {KEY}".encode()
        headers = [(b":authority", self._authority), (b"content-type", b"application/json"), (b"authorization", key)]
        stream = self.connection.send_request(b"POST", path.encode(), b"2", headers)
        stream.send_data(make_body(tokens))
        stream.end_message()
        self.raw.sendall(self.connection.data_to_send())
        return stream.stream_id

    def open_window(self, *stream_ids: int, increment: int) -> None:
        """
        Let the gateway send more, in a stream or (0) over the connection.
        """
        for stream_id in stream_ids:
            self.raw.sendall(struct.pack(">BHBBLL", 0, 4, WINDOW_UPDATE, 0, stream_id, increment))

    def read(self, size: int = 65536) -> list[zttp.Event]:
        """
        Read once, and return what it was; what the client's own library has to say to it is not sent.
        """
        content = self.raw.recv(size)
        assert content
        self.connection.receive_data(content)
        return list(iter(self.connection.next_event, zttp.NEED_DATA))

    def read_until(self, kind: type[EventT]) -> tuple[EventT, bytes]:
        """
        Read until an event of a kind comes; return it, and all bodies before it.
        """
        body = b""
        while True:
            for event in self.read():
                if isinstance(event, zttp.Data):
                    body += event.data
                if isinstance(event, kind):
                    return event, body


def signature(url: str, path: str) -> dict[str, str]:
    """
    Sign a request with a key of the gateway's.
    """
    return sign(
        method="POST",
        path=path,
        host=urlsplit(url).netloc,
        headers=[("content-type", "application/json")],
        payload_hash=hash_payload(BODY),
        credentials=Credentials(KEY_ID, SECRET),
        region="us-east-1",
        service="bedrock",
        now=datetime.now(UTC),
    )


def wait_until(condition: Callable[[], bool]) -> None:
    """
    Wait for something that is to happen.
    """
    end = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def wait_for_reset(process: Process, raw: socket.socket) -> None:
    """
    Wait until the gateway has let a connection go, without reading from it.
    """
    port = raw.getsockname()[1]
    wait_until(lambda: process.count_connections(port) == 1)
    wait_until(lambda: process.count_connections(port) == 0)


def said(process: Process, event: str) -> list[int]:
    """
    Return how much was unsent, for each line in which the gateway says that it dropped a client.
    """
    return [line["unsent_bytes"] for line in process.events() if line.get("event") == event]


@pytest.mark.parametrize("path", [WHOLE, STREAM], ids=["whole", "stream"])
@pytest.mark.parametrize("is_signed", [False, True], ids=["key", "signed"])
def test_an_unread_answer_is_dropped(gateway: tuple[Process, str], path: str, is_signed: bool) -> None:
    """
    A connection over HTTP/1.1 whose client reads nothing is reset, whatever the answer and however it was asked for.
    """
    process, url = gateway
    with closing(dial(url)) as raw:
        ask(raw, url, path, signature(url, path) if is_signed else None)
        wait_for_reset(process, raw)


@pytest.mark.parametrize("has_left", [False, True], ids=["stays", "goaway"])
def test_an_unread_connection_of_http2_is_dropped(gateway: tuple[Process, str], has_left: bool) -> None:
    """
    A connection over HTTP/2 that has all windows and a client that reads nothing is reset, also after its GOAWAY.
    """
    process, url = gateway
    with closing(dial(url)) as raw:
        client = Http2Client(raw, url)
        stream_id = client.ask(WHOLE)
        client.open_window(0, stream_id, increment=1 << 30)
        if has_left:
            client.connection.close()
            raw.sendall(client.connection.data_to_send())
        wait_for_reset(process, raw)


@pytest.mark.parametrize("path", [WHOLE, STREAM], ids=["whole", "stream"])
def test_a_stream_without_a_window_is_reset(gateway: tuple[Process, str], path: str) -> None:
    """
    A stream whose client opens no window is reset; others of its connection are answered before and after.
    """
    process, url = gateway
    before = len(said(process, STREAM_RESET))
    with closing(dial(url)) as raw:
        client = Http2Client(raw, url)
        stuck = client.ask(path)
        client.open_window(0, increment=1 << 30)
        other = client.ask(path, 3)
        ended, _ = client.read_until(zttp.EndOfMessage)
        assert ended.stream_id == other
        reset, _ = client.read_until(zttp.RstStream)
        assert (reset.stream_id, reset.error_code) == (stuck, zttp.H2ErrorCode.CANCEL)
        other = client.ask(path, 3)
        ended, _ = client.read_until(zttp.EndOfMessage)
        assert ended.stream_id == other
    wait_until(lambda: len(said(process, STREAM_RESET)) == before + 1)
    if path == STREAM:
        # The rest stayed in the turn's log.
        assert said(process, STREAM_RESET)[-1] < MAX_UNSENT_BYTES


def test_a_connection_without_a_window_is_given_up(gateway: tuple[Process, str]) -> None:
    """
    Where the client opens no window at all every stream is reset, and the connection then ends as an idle one does.
    """
    process, url = gateway
    with closing(dial(url)) as raw:
        client = Http2Client(raw, url)
        streams = {client.ask(WHOLE), client.ask(STREAM)}
        assert {client.read_until(zttp.RstStream)[0].stream_id for _ in streams} == streams
        wait_for_reset(process, raw)


@pytest.mark.parametrize("path", [WHOLE, STREAM], ids=["whole", "stream"])
def test_a_slow_reader_gets_all(gateway: tuple[Process, str], path: str) -> None:
    """
    A client over HTTP/1.1 that reads little at a time, for longer than the time-out, gets the whole answer.
    """
    _, url = gateway
    with closing(dial(url)) as raw:
        ask(raw, url, path, {"authorization": f"Bearer {KEY}", "connection": "close"})
        answer = b""
        for _ in range(SLOW_READS):
            answer += raw.recv(1024)
            time.sleep(0.1)
        while piece := raw.recv(65536):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 200")
    assert b'"stopReason"' in answer
    assert answer.endswith(b"}" if path == WHOLE else b"0\r\n\r\n")


@pytest.mark.parametrize("is_narrow", [False, True], ids=["connection", "streams"])
def test_a_slow_reader_of_http2_gets_all(gateway: tuple[Process, str], is_narrow: bool) -> None:
    """
    A client over HTTP/2 that opens windows little by little, for longer than the time-out, gets whole answers.

    Where only the connection's window is narrow, a stream whose turn doesn't come isn't taken for an unread one.
    """
    _, url = gateway
    with closing(dial(url)) as raw:
        client = Http2Client(raw, url)
        streams = [client.ask(WHOLE), client.ask(STREAM)]
        if is_narrow:
            client.open_window(0, increment=1 << 30)
        else:
            client.open_window(*streams, increment=1 << 30)
        for _ in range(SLOW_READS):
            assert not any(isinstance(event, zttp.EndOfMessage | zttp.RstStream) for event in client.read(1024))
            client.open_window(*(streams if is_narrow else [0]), increment=512)
            time.sleep(0.1)
        client.open_window(0, *streams, increment=1 << 29)
        bodies = [client.read_until(zttp.EndOfMessage)[1] for _ in streams]
    assert b"".join(bodies).count(b'"stopReason"') == 2
