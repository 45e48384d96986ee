"""
HTTP/1.1 to another server: one request on a connection of its own, its answer read as it comes.

For record and replay, and for engines. No redirects, no proxies, no compression; bytes are handed on unchanged.
"""

import asyncio
import ssl
from collections.abc import Iterable
from urllib.parse import urlsplit

import httptools
import msgspec

from outcrop.errors import SettingsError

CONNECT_SECONDS = 10.0
_READ_BYTES = 65_536
_PORTS = {"http": 80, "https": 443}
_BODILESS = frozenset({204, 304})


class PeerFailed(Exception):
    """
    Say that the other server can't be reached, or broke off before its answer's end.
    """


class Peer(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold where another server is; `path` is put before every path, and has no slash at its end.
    """

    is_secure: bool
    host: str
    port: int
    path: str = ""

    @property
    def authority(self) -> str:
        """
        The value of the Host header: without a port that is the scheme's own.
        """
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port == _PORTS["https" if self.is_secure else "http"] else f"{name}:{self.port}"


def parse_peer(url: str, name: str) -> Peer:
    """
    Return the server that a URL names; `name` is the setting's, for the error.

    Raises:
        SettingsError: it is no http or https URL of a host with, at most, a port and a path.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError as error:
        raise SettingsError(f"{name} is {url!r}, expected an http or https URL") from error
    has_more = parts.query or parts.fragment or "@" in parts.netloc
    if port is None or not parts.hostname or has_more or any(character <= " " for character in url):
        raise SettingsError(f"{name} is not an http or https URL of a host, a port and a path only")
    return Peer(is_secure=parts.scheme == "https", host=parts.hostname, port=port, path=parts.path.rstrip("/"))


class PeerAnswer:
    """
    Read one answer. `aclose` must be called; it closes the connection at once.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.status = 0
        self.headers: list[tuple[str, str]] = []
        self._reader = reader
        self._writer = writer
        self._parser = httptools.HttpResponseParser(self)
        self._parts: list[bytes] = []
        self._has_headers = False
        self._is_complete = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """
        Take a header from the parser.
        """
        self.headers.append((name.decode("latin-1").lower(), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        """
        Learn from the parser that all headers are there.
        """
        self.status = self._parser.get_status_code()
        self._has_headers = True

    def on_body(self, body: bytes) -> None:
        """
        Take a part of the body from the parser.
        """
        self._parts.append(body)

    def on_message_complete(self) -> None:
        """
        Learn from the parser that the answer has ended.
        """
        self._is_complete = True

    async def read_headers(self) -> None:
        """
        Read until `status` and `headers` are there.

        Raises:
            PeerFailed: the connection broke, or what came is not HTTP.
        """
        while not self._has_headers:
            await self._feed()
        if self.status in _BODILESS:
            self._is_complete = True

    async def read(self) -> list[bytes]:
        """
        Return the next parts of the body, as the server cut them; none at the answer's end.

        Raises:
            PeerFailed: the connection broke before the end.
        """
        while not self._parts and not self._is_complete:
            await self._feed()
        parts, self._parts = self._parts, []
        return parts

    async def _feed(self) -> None:
        try:
            received = await self._reader.read(_READ_BYTES)
            if received:
                self._parser.feed_data(received)
        except OSError as error:
            raise PeerFailed(f"connection broke: {error}") from error
        except httptools.HttpParserError as error:
            raise PeerFailed(f"answer is not HTTP: {error}") from error
        if received:
            return
        names = {name for name, _ in self.headers}
        if not self._has_headers or names & {"content-length", "transfer-encoding"}:
            raise PeerFailed("connection closed before the answer's end")
        self._is_complete = True

    async def aclose(self) -> None:
        """
        Close the connection without waiting for the other side.
        """
        self._writer.transport.abort()


async def call_peer(
    peer: Peer, *, method: str, target: str, headers: Iterable[tuple[str, str]], body: bytes
) -> PeerAnswer:
    """
    Send a request and return its answer, of which nothing is read yet; `target` is the path with its query.

    Raises:
        PeerFailed: the server can't be reached.
    """
    context = await asyncio.to_thread(ssl.create_default_context) if peer.is_secure else None
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            reader, writer = await asyncio.open_connection(peer.host, peer.port, ssl=context)
    except (OSError, TimeoutError) as error:
        raise PeerFailed(f"{peer.authority} can't be reached: {str(error) or 'timed out'}") from error
    sent = [("host", peer.authority), *headers, ("content-length", str(len(body))), ("connection", "close")]
    head = "".join(f"{name}: {value}\r\n" for name, value in sent)
    try:
        writer.write(f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + body)
        await writer.drain()
    except OSError as error:
        writer.transport.abort()
        raise PeerFailed(f"{peer.authority} closed the connection: {error}") from error
    except BaseException:
        writer.transport.abort()
        raise
    return PeerAnswer(reader, writer)
