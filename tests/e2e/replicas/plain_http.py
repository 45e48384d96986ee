"""
One HTTP/1.1 exchange whose body is read as it comes, written on bare sockets: nothing between the test and the bytes.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import msgspec


class Response:
    """
    Hold an answer's status and headers (lower-case names); the body comes from `lines` or `read`.
    """

    def __init__(self, status: int, headers: Mapping[str, str], reader: asyncio.StreamReader) -> None:
        self.status = status
        self.headers = headers
        self._reader = reader

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """
        Give the body piece by piece, as it comes.
        """
        if "chunked" not in self.headers.get("transfer-encoding", ""):
            yield await self._reader.readexactly(int(self.headers.get("content-length", "0")))
            return
        while size := int((await self._reader.readline()).split(b";")[0], 16):
            yield await self._reader.readexactly(size)
            await self._reader.readexactly(2)

    async def read(self) -> bytes:
        """
        Read the whole body.
        """
        return b"".join([chunk async for chunk in self.chunks()])

    async def events(self) -> AsyncGenerator[dict[str, str], None]:
        """
        Give server-sent events, as their fields; comments are passed over.
        """
        rest = ""
        async for chunk in self.chunks():
            *blocks, rest = (rest + chunk.decode()).split("\n\n")
            for block in blocks:
                lines = (line.partition(": ") for line in block.split("\n") if not line.startswith(":"))
                fields = {name: value for name, _, value in lines}
                if fields:
                    yield fields


@asynccontextmanager
async def request(
    method: str, url: str, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> AsyncIterator[Response]:
    """
    Make one request on a connection of its own.
    """
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=1 << 20)
    fields = {"Host": parts.netloc, "Content-Length": str(len(body)), "Content-Type": "application/json"}
    head = "".join(f"{name}: {value}\r\n" for name, value in (fields | dict(headers or {})).items())
    try:
        writer.write(f"{method} {parts.path or '/'} HTTP/1.1\r\n{head}\r\n".encode() + body)
        await writer.drain()
        status = int((await reader.readline()).split()[1])
        given: dict[str, str] = {}
        while line := (await reader.readline()).strip():
            name, _, value = line.decode("latin-1").partition(":")
            given[name.lower()] = value.strip()
        yield Response(status, given, reader)
    finally:
        writer.close()


def data_of(event: Mapping[str, str]) -> dict[str, object]:
    """
    Decode an event's data.
    """
    return msgspec.json.decode(event["data"], type=dict[str, object])
