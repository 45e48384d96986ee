"""
One HTTP/1.1 connection to Bedrock, from the client's side.

Bytes go from the socket through the parser to the receiver of the exchange in one synchronous call: no task, no queue
and no future per chunk. One exchange at a time, no pipelining, no redirects, no upgrade, no content encoding. Deadlines
are the receiver's business (`outcrop.upstream.exchange`), keeping connections is the pool's.
"""

import asyncio
from collections.abc import Mapping
from typing import NoReturn, Protocol, cast

import httptools
import msgspec

from outcrop.errors import StreamInterrupted

MAX_HEADER_BYTES = 64 * 1024
MAX_HEADERS = 200
WRITE_SLICE_BYTES = 256 * 1024
"""
Requests up to this size leave in one write; larger ones in slices, as fast as the socket takes them.
"""

_SWITCHED = "Bedrock's answer switches protocols, which nobody asked for"


class ConnectionLost(StreamInterrupted):
    """
    Say that an exchange ended without its whole answer.

    `answered` says whether any byte of an answer had come, `reused` whether the connection had served an exchange
    before, `seconds` how long after the request it happened: only a reused one that closes unanswered and at once can
    be taken for a stale one.
    """

    def __init__(self, message: str, *, answered: bool, reused: bool, seconds: float) -> None:
        super().__init__(message)
        self.answered = answered
        self.reused = reused
        self.seconds = seconds


class ResponseHead(msgspec.Struct, frozen=True):
    """
    Hold a status and the headers, names in lower case, repeated ones joined by a comma.
    """

    status: int
    headers: Mapping[str, str]


class Receiver(Protocol):
    """
    Take what comes in one exchange: a head, chunks of the body, then exactly one of `on_end` and `on_lost`.

    Nothing comes after `abort` was called on the connection. None of the methods may raise.
    """

    def on_written(self) -> None:
        """
        Learn that a further slice of a large request has left.
        """
        ...

    def on_head(self, head: ResponseHead) -> None:
        """
        Take the status and the headers.
        """
        ...

    def on_body(self, chunk: bytes) -> None:
        """
        Take the part of the body that came in one chunk from the socket.
        """
        ...

    def on_end(self, *, framed: bool) -> None:
        """
        Learn that the answer is complete; where `framed` is false only the end of the connection says so.
        """
        ...

    def on_lost(self, error: ConnectionLost) -> None:
        """
        Learn that the answer will not be completed.
        """
        ...


class Owner(Protocol):
    """
    Learn that a connection which no exchange uses can't be used any more.
    """

    def on_connection_gone(self, connection: "Connection") -> None:
        """
        Forget the connection.
        """
        ...


class Connection(asyncio.Protocol):
    """
    Hold one connection and at most one exchange on it.

    Wait until it is made, call `start`, and after the receiver's last call look at `usable`. Whoever gives up an
    exchange calls `abort`: the socket is closed at once, without waiting for anything.
    """

    def __init__(self) -> None:
        self.idle_since = 0.0
        self.owner: Owner | None = None
        self._transport: asyncio.Transport | None = None
        self._receiver: Receiver | None = None
        self._exchanges = 0
        self._started_at = 0.0
        self._spoiled = False
        self._reading_paused = False
        self._writing_paused = False
        self._unsent = memoryview(b"")
        self._parts: list[bytes] = []
        # The parser calls list.append itself: the hot path has no Python frame between parser and delivery.
        self.on_body = self._parts.append
        self._reset()

    def _reset(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._parts.clear()
        self._headers: dict[str, str] = {}
        self._header_count = 0
        self._header_bytes = 0
        self._bytes_without_body = 0
        self._head: ResponseHead | None = None
        self._head_pending = False
        self._body_parts: int | None = None
        self._keep_alive = False
        self._answered = False
        self._broken: str | None = None

    # What the owner of an exchange calls.

    @property
    def usable(self) -> bool:
        """
        Say whether another exchange may start here.
        """
        return (
            self._receiver is None
            and not self._spoiled
            and not self._unsent
            and self._transport is not None
            and not self._transport.is_closing()
        )

    @property
    def reading_paused(self) -> bool:
        """
        Say whether it is us who keep the answer from coming.
        """
        return self._reading_paused

    def start(self, head: bytes, body: bytes, receiver: Receiver) -> None:
        """
        Send a request and give its answer to `receiver`. The connection must be usable.
        """
        if not self.usable or self._transport is None:
            raise RuntimeError("the connection can't take an exchange now")
        self._reset()
        self._exchanges += 1
        self._started_at = asyncio.get_running_loop().time()
        self._receiver = receiver
        if len(head) + len(body) <= WRITE_SLICE_BYTES:
            self._transport.write(head + body)
            return
        self._transport.write(head)
        self._unsent = memoryview(body)
        self._write_on()

    def pause(self) -> None:
        """
        Stop reading from the socket until `resume`.
        """
        if self._transport is not None and not self._reading_paused and not self._transport.is_closing():
            self._reading_paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        """
        Read again.
        """
        if self._transport is not None and self._reading_paused and not self._transport.is_closing():
            self._reading_paused = False
            self._transport.resume_reading()

    def abort(self) -> None:
        """
        Close the socket now and forget the exchange. Call it as often as you like.
        """
        self._receiver = None
        self._spoiled = True
        self._unsent = memoryview(b"")
        self._parts.clear()
        if self._transport is not None:
            self._transport.abort()

    def fail(self, message: str) -> None:
        """
        Abort, and tell the receiver.
        """
        receiver = self._receiver
        self.abort()
        if receiver is not None:
            seconds = asyncio.get_running_loop().time() - self._started_at
            receiver.on_lost(
                ConnectionLost(message, answered=self._answered, reused=self._exchanges > 1, seconds=seconds)
            )

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """
        Keep the transport.
        """
        # uvloop's transports are no subclasses of asyncio.Transport, so there is nothing to assert.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """
        Parse a chunk and deliver what is in it.
        """
        if self._receiver is None:
            self._spoil()
            return
        self._answered = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._broken = _SWITCHED
        except httptools.HttpParserError as error:
            self._broken = self._broken or f"Bedrock's answer is not http/1.1: {error}"
        if self._parts:
            self._bytes_without_body = 0
        else:
            self._bytes_without_body += len(data)
            if self._bytes_without_body > MAX_HEADER_BYTES and self._broken is None:
                self._broken = f"Bedrock's answer holds over {MAX_HEADER_BYTES} bytes without a body"
        self._deliver()

    def eof_received(self) -> None:
        """
        Take the peer's orderly end: an answer whose length nothing else says is complete now.
        """
        receiver = self._receiver
        if receiver is None or self._head is None or _is_framed(self._head):
            return
        self._spoiled = True
        self._receiver = None
        receiver.on_end(framed=False)

    def connection_lost(self, exc: Exception | None) -> None:
        """
        Fail the exchange, or tell the owner of an idle connection.
        """
        how = f"broke ({exc})" if exc is not None else "was closed"
        if self._receiver is not None:
            self.fail(f"the connection to Bedrock {how} {self._where()}")
        self._spoil()

    def pause_writing(self) -> None:
        """
        Hold back the rest of a large request.
        """
        self._writing_paused = True

    def resume_writing(self) -> None:
        """
        Send on.
        """
        self._writing_paused = False
        self._write_on()

    # What the parser calls.

    def on_message_begin(self) -> None:
        """
        Notice an answer that nobody asked for behind a complete one.
        """
        if self._body_parts is not None:
            self._spoiled = True

    def on_status(self, _status: bytes) -> None:
        """
        Ignore the reason phrase.
        """

    def on_header(self, name: bytes, value: bytes) -> None:
        """
        Keep a header; count it, also when it is a trailer.
        """
        self._header_count += 1
        self._header_bytes += len(name) + len(value) + 4
        if self._header_count > MAX_HEADERS:
            self._break(f"Bedrock's answer has more than {MAX_HEADERS} headers")
        if self._header_bytes > MAX_HEADER_BYTES:
            self._break(f"the headers of Bedrock's answer are longer than {MAX_HEADER_BYTES} bytes")
        if self._head is None:
            key, text = name.decode("latin-1").lower(), value.decode("latin-1")
            known = self._headers.get(key)
            self._headers[key] = text if known is None else f"{known}, {text}"

    def on_headers_complete(self) -> None:
        """
        Close the head, unless it is that of an interim (1xx) answer.
        """
        status = self._parser.get_status_code()
        if status == 101:
            self._break(_SWITCHED)
        if status < 200:
            self._headers = {}
        elif self._body_parts is None:
            self._head = ResponseHead(status, self._headers)
            self._head_pending = True
            self._keep_alive = self._parser.should_keep_alive()

    def on_message_complete(self) -> None:
        """
        Remember how much of what came belongs to this answer.
        """
        if self._head is not None and self._body_parts is None:
            self._body_parts = len(self._parts)

    # Inside.

    def _break(self, message: str) -> NoReturn:
        # Raising stops the parser at once; `data_received` sees its error and keeps this message.
        self._broken = message
        raise httptools.HttpParserCallbackError(message)

    def _deliver(self) -> None:
        if self._head_pending and self._head is not None and self._receiver is not None:
            self._head_pending = False
            self._receiver.on_head(self._head)
        parts = self._parts
        if parts:
            own = parts if self._body_parts is None else parts[: self._body_parts]
            body = own[0] if len(own) == 1 else b"".join(own)
            parts.clear()
            if body and self._receiver is not None:
                self._receiver.on_body(body)
        if self._body_parts is not None:
            self._finish()
        elif self._broken is not None:
            self.fail(self._broken)

    def _finish(self) -> None:
        receiver, self._receiver = self._receiver, None
        self.resume()
        still_writing = self._transport is None or self._unsent or self._transport.get_write_buffer_size()
        if still_writing or not self._keep_alive or self._broken is not None:
            self._spoiled = True
        if receiver is not None:
            receiver.on_end(framed=True)

    def _spoil(self) -> None:
        self.abort()
        if self.owner is not None:
            self.owner.on_connection_gone(self)

    def _where(self) -> str:
        if not self._answered:
            return "before the answer began"
        return "inside the headers of the answer" if self._head is None else "before the answer was complete"

    def _write_on(self) -> None:
        while self._unsent and not self._writing_paused and self._transport is not None:
            piece, self._unsent = self._unsent[:WRITE_SLICE_BYTES], self._unsent[WRITE_SLICE_BYTES:]
            self._transport.write(piece)
            if self._receiver is not None:
                self._receiver.on_written()


def _is_framed(head: ResponseHead) -> bool:
    return "content-length" in head.headers or "chunked" in head.headers.get("transfer-encoding", "")
