"""
A client over HTTP/1.1 for measuring: one request at a time on one connection, and as little work as we know how.
"""

import asyncio
from collections.abc import Callable
from typing import cast

import httptools

HEAD = "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"


class HttpAsker(asyncio.Protocol):
    """
    Ask when `ask` is called, and give what comes to the callbacks.

    Args:
        path: where to ask.
        on_body: gets the body of an answer piece by piece.
        on_end: is called at the end of each answer.
        on_lost: gets the reason why the connection ended, or why an answer is none.
    """

    def __init__(
        self,
        path: str,
        *,
        on_body: Callable[[bytes], None],
        on_end: Callable[[], None],
        on_lost: Callable[[str], None],
    ) -> None:
        self._path = path
        self._on_body = on_body
        self._on_end = on_end
        self._on_lost = on_lost
        self._refusal: bytearray | None = None
        # The parser calls `on_body`, `on_message_complete` and others of this object.
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport

    def ask(self, body: bytes) -> None:
        """
        Send a request; the answer to the last one has ended.
        """
        head = HEAD.format(path=self._path, length=len(body)).encode()
        self._transport.write(head + body)

    def leave(self) -> None:
        """
        Drop the connection.
        """
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """
        Keep the connection.
        """
        # uvloop's transports are no subclasses of asyncio's.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """
        Parse what came.
        """
        self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """
        Tell of the end.
        """
        self._on_lost(f"connection lost: {exc}")

    def on_headers_complete(self) -> None:
        """
        See whether this is an answer.
        """
        self._refusal = None if self._parser.get_status_code() == 200 else bytearray()

    def on_body(self, body: bytes) -> None:
        """
        Pass a piece on.
        """
        if self._refusal is None:
            self._on_body(body)
        else:
            self._refusal += body

    def on_message_complete(self) -> None:
        """
        Tell of the end of an answer.
        """
        if self._refusal is None:
            self._on_end()
        else:
            self._on_lost(f"refused with {self._parser.get_status_code()}: {bytes(self._refusal[:200])!r}")
