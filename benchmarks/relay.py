"""
The floor: the least that a relay between Bedrock and WebSockets can do.

Serves `GET /ws/model` with picows (Cython) and opens one raw connection to the source for each prompt. It takes the
HTTP chunks apart, cuts event-stream messages by their lengths, takes the text out of base64 and two JSON documents
(msgspec), and sends one WebSocket message a token. It checks no CRC, no status, no headers; it signs nothing, keeps
nothing, limits nothing, knows no errors, and stops a stream by closing its connection. What a gateway costs more than
this is what its promises cost.
"""

import argparse
import asyncio
import struct
from typing import cast

import msgspec
import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server

LENGTHS = struct.Struct("!II")
REQUEST = (
    b"POST /model/meta.llama3-70b-instruct-v1%%3A0/invoke-with-response-stream HTTP/1.1\r\n"
    b"Host: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
)


class ChunkPayload(msgspec.Struct):
    """
    Hold the payload of a `chunk` message; msgspec takes the base64 away.
    """

    bytes: bytes


class LlamaChunk(msgspec.Struct):
    """
    Hold what the floor wants of a Llama chunk.
    """

    generation: str


decode_payload = msgspec.json.Decoder(ChunkPayload).decode
decode_chunk = msgspec.json.Decoder(LlamaChunk).decode


class Upstream(asyncio.Protocol):
    """
    Send one prompt upstream and relay its answer.
    """

    def __init__(self, prompt: bytes, client: WSTransport) -> None:
        self._prompt = prompt
        self._client = client
        self._buffer = b""
        self._in_body = False
        self.transport: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """
        Send the request.
        """
        self.transport = transport
        body = msgspec.json.encode({"prompt": self._prompt.decode(), "max_gen_len": 512, "temperature": 0.5})
        # uvloop's transports are no subclasses of asyncio's.
        cast(asyncio.Transport, transport).write(REQUEST % (len(body), body))

    def data_received(self, data: bytes) -> None:
        """
        Relay the messages of all HTTP chunks that are complete.
        """
        if self._buffer:
            data = self._buffer + data
        position = 0
        if not self._in_body:
            position = data.find(b"\r\n\r\n") + 4
            if position < 4:
                self._buffer = data
                return
            self._in_body = True
        while True:
            line_end = data.find(b"\r\n", position)
            if line_end < 0:
                break
            chunk_end = line_end + 2 + int(data[position:line_end], 16)
            if len(data) < chunk_end + 2:
                break
            self._relay(data, line_end + 2, chunk_end)
            position = chunk_end + 2
        self._buffer = data[position:]

    def _relay(self, data: bytes, position: int, end: int) -> None:
        while position < end:
            total, headers_length = LENGTHS.unpack_from(data, position)
            payload = decode_payload(data[position + 12 + headers_length : position + total - 4])
            self._client.send(WSMsgType.TEXT, decode_chunk(payload.bytes).generation.encode())
            position += total


class Relay(WSListener):
    """
    Serve one WebSocket: every message is a prompt.
    """

    def __init__(self, source_port: int) -> None:
        self._source_port = source_port
        self._upstream: Upstream | None = None
        self._dialing: asyncio.Task[None] | None = None

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """
        Open a connection upstream for the prompt.
        """
        if frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()
        elif frame.msg_type == WSMsgType.TEXT:
            self._dialing = asyncio.create_task(self._dial(frame.get_payload_as_bytes(), transport))

    async def _dial(self, prompt: bytes, client: WSTransport) -> None:
        self._upstream = Upstream(prompt, client)
        upstream = self._upstream
        await asyncio.get_running_loop().create_connection(lambda: upstream, "127.0.0.1", self._source_port)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """
        Close the connection upstream.
        """
        del transport
        if self._dialing is not None:
            self._dialing.cancel()
        if self._upstream is not None and self._upstream.transport is not None:
            self._upstream.transport.close()


async def serve(port: int, source_port: int) -> None:
    """
    Serve until the process is ended.
    """

    def choose_listener(request: WSUpgradeRequest) -> Relay | None:
        return Relay(source_port) if request.path.startswith(b"/ws/model?") else None

    server = await ws_create_server(choose_listener, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


def main() -> None:
    """
    Parse the command line and serve.
    """
    parser = argparse.ArgumentParser(description="Relay Bedrock streams to WebSockets, and nothing else.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--source-port", type=int, required=True)
    arguments = parser.parse_args()
    uvloop.run(serve(arguments.port, arguments.source_port))


if __name__ == "__main__":
    main()
