"""
A mock of Bedrock for measuring: Llama's native stream at a set pace, and as little work a token as we know how.

Answers `POST /model/*/invoke-with-response-stream` with event-stream messages, each in an HTTP chunk of its own, as
Bedrock sends them, and `POST /model/*/invoke` with a short whole answer. The text of every token is the time of its
sending (CLOCK_MONOTONIC, which all processes share, in 20 digits) and a space, so that a client can tell how long it
was on its way. Everything else of a message is precomputed, its CRC up to the time included. The streams share one
timer: a period is cut into slots, and a stream sends in its slot. It is no emulator: it checks nothing.
"""

import argparse
import asyncio
import base64
import itertools
from binascii import b2a_base64
from collections.abc import Callable
from time import monotonic_ns
from typing import cast
from zlib import crc32

import uvloop

from outcrop.wire.eventstream import MessageEncoder

TOKEN_BYTES = 21
"""
Length of one token's text: 20 digits and a space.
"""

HEADERS = {":event-type": "chunk", ":content-type": "application/json", ":message-type": "event"}
RESPONSE_HEAD = (
    b"HTTP/1.1 200 OK\r\n"
    b"Content-Type: application/vnd.amazon.eventstream\r\n"
    b"X-Amzn-Bedrock-Content-Type: application/json\r\n"
    b"x-amzn-RequestId: 5a6b7c8d-0000-4000-8000-000000000000\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)
NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\nContent-Type: application/json\r\n\r\n{}"
WHOLE_TOKENS = 20
WHOLE_BODY = b'{"generation":"%b","prompt_token_count":9,"generation_token_count":%d,"stop_reason":"stop"}' % (
    b"%020d " % 7 * WHOLE_TOKENS,
    WHOLE_TOKENS,
)
WHOLE = (
    b"HTTP/1.1 200 OK\r\n"
    b"Content-Type: application/json\r\n"
    b"x-amzn-RequestId: 5a6b7c8d-0000-4000-8000-000000000000\r\n"
    b"X-Amzn-Bedrock-Input-Token-Count: 9\r\n"
    b"X-Amzn-Bedrock-Output-Token-Count: %d\r\n"
    b"Content-Length: %d\r\n\r\n%b"
) % (WHOLE_TOKENS, len(WHOLE_BODY), WHOLE_BODY)
"""
A short whole answer, at once.
"""
LAST_CHUNK = b"0\r\n\r\n"
# How old a stamp may be before the next stream gets one of its own.
STAMP_AGE_NS = 20_000
UNPACED_BURST = 8


class TokenMessage:
    """
    Precompute one kind of token message but for the time in it.

    The JSON before the time has 15 bytes and the token 21, both multiples of three: so the base64 of the time can be
    put between what is already encoded.
    """

    _HEAD = b'{"generation":"'

    def __init__(self, rest: bytes) -> None:
        placeholder = b"@" * (TOKEN_BYTES * 4 // 3)
        payload = b'{"bytes":"%b%b%b","p":"abcdefghijkl"}' % (
            base64.b64encode(self._HEAD),
            placeholder,
            base64.b64encode(b'",' + rest + b"}"),
        )
        message = MessageEncoder(HEADERS).encode(payload)
        start = message.index(placeholder)
        self._before = b"%x\r\n%b" % (len(message), message[:start])
        self._before_crc = crc32(message[:start])
        self._after = message[start + len(placeholder) : -4]

    def stamp(self, token: bytes) -> bytes:
        """
        Return the message, in its HTTP chunk, with this token (in base64).
        """
        crc = crc32(self._after, crc32(token, self._before_crc))
        return b"".join((self._before, token, self._after, crc.to_bytes(4, "big"), b"\r\n"))


FIRST = TokenMessage(b'"prompt_token_count":9,"generation_token_count":1,"stop_reason":null')
MIDDLE = TokenMessage(b'"prompt_token_count":null,"generation_token_count":100,"stop_reason":null')
LAST = TokenMessage(
    b'"prompt_token_count":null,"generation_token_count":100,"stop_reason":"stop",'
    b'"amazon-bedrock-invocationMetrics":{"inputTokenCount":9,"outputTokenCount":100,'
    b'"invocationLatency":900,"firstByteLatency":210}'
)


def stamp_now() -> bytes:
    """
    Return the base64 of a token that says the time.
    """
    return b2a_base64(b"%020d " % monotonic_ns(), newline=False)


class Stream(asyncio.Protocol):
    """
    Answer one connection's requests, one after the other.
    """

    def __init__(self, pacer: "Pacer", tokens: int) -> None:
        self._pacer = pacer
        self._tokens = tokens
        self._request = b""
        self._sent = 0
        self.paused = False
        self.write: Callable[[bytes], None]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """
        Keep what writes to the connection.
        """
        # uvloop's transports are no subclasses of asyncio's.
        self.write = cast(asyncio.Transport, transport).write

    def data_received(self, data: bytes) -> None:
        """
        Collect a request and start its stream.
        """
        self._request += data
        head, separator, body = self._request.partition(b"\r\n\r\n")
        if not separator:
            return
        _, _, length = head.lower().partition(b"content-length:")
        if len(body) < int(length.split(b"\r\n", 1)[0] or b"0"):
            return
        self._request = b""
        line = head.split(b"\r\n", 1)[0]
        if b"/invoke-with-response-stream " not in line:
            self.write(WHOLE if b"/invoke " in line else NOT_FOUND)
            return
        self._sent = 1
        self.write(RESPONSE_HEAD + FIRST.stamp(stamp_now()))
        self._pacer.add(self)

    def send_token(self, middle: bytes) -> None:
        """
        Send a token; `middle` is a stamped message for all but the last one.
        """
        self._sent += 1
        if self._sent < self._tokens:
            self.write(middle)
            return
        self._pacer.remove(self)
        self.write(LAST.stamp(stamp_now()) + LAST_CHUNK)

    def send_burst(self) -> None:
        """
        Send some tokens in one write, for streams without a pace.
        """
        self.write(b"".join([MIDDLE.stamp(stamp_now()) for _ in range(UNPACED_BURST)]))

    def pause_writing(self) -> None:
        """
        Hold bursts back while the reader is behind.
        """
        self.paused = True

    def resume_writing(self) -> None:
        """
        Go on with bursts.
        """
        self.paused = False

    def connection_lost(self, exc: Exception | None) -> None:
        """
        Forget the stream.
        """
        del exc
        self._pacer.remove(self)


class Pacer:
    """
    Send the tokens of all streams at one pace, with one timer.

    Args:
        tokens_per_second: the pace of each stream; 0 means as fast as the readers take them.
    """

    def __init__(self, tokens_per_second: float) -> None:
        self._paced = tokens_per_second > 0
        # Slots of about a millisecond, which is the resolution of the loop's timers.
        slot_count = max(1, round(1000 / tokens_per_second)) if self._paced else 1
        self._slot_seconds = 1 / (tokens_per_second * slot_count) if self._paced else 0.0
        self._slots: list[dict[Stream, None]] = [{} for _ in range(slot_count)]
        self._places: dict[Stream, dict[Stream, None]] = {}
        self._next_slot = itertools.cycle(self._slots)
        self._turns = 0
        self._loop = asyncio.get_running_loop()
        self._started = self._loop.time()
        self._schedule()

    def add(self, stream: Stream) -> None:
        """
        Give the stream a slot.
        """
        slot = next(self._next_slot)
        slot[stream] = None
        self._places[stream] = slot

    def remove(self, stream: Stream) -> None:
        """
        Take the stream out of its slot, if it has one.
        """
        slot = self._places.pop(stream, None)
        if slot is not None:
            del slot[stream]

    def _schedule(self) -> None:
        if self._paced:
            self._loop.call_at(self._started + self._turns * self._slot_seconds, self._turn_paced)
        elif self._places:
            self._loop.call_soon(self._turn_unpaced)
        else:
            self._loop.call_later(0.01, self._turn_unpaced)

    def _turn_paced(self) -> None:
        now = self._loop.time()
        while self._started + self._turns * self._slot_seconds <= now:
            stamped_at = 0
            middle = b""
            for stream in tuple(self._slots[self._turns % len(self._slots)]):
                if monotonic_ns() - stamped_at > STAMP_AGE_NS:
                    stamped_at = monotonic_ns()
                    middle = MIDDLE.stamp(stamp_now())
                stream.send_token(middle)
            self._turns += 1
        self._schedule()

    def _turn_unpaced(self) -> None:
        running = [stream for stream in self._places if not stream.paused]
        for stream in running:
            stream.send_burst()
        if running or not self._places:
            self._schedule()
        else:
            # Every reader is behind: leave the processor to them.
            self._loop.call_later(0.001, self._turn_unpaced)


async def serve(port: int, tokens_per_second: float, tokens: int) -> None:
    """
    Serve until the process is ended, after printing the port.
    """
    loop = asyncio.get_running_loop()
    pacer = Pacer(tokens_per_second)
    server = await loop.create_server(lambda: Stream(pacer, tokens), "127.0.0.1", port, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    """
    Parse the command line and serve.
    """
    parser = argparse.ArgumentParser(description="Stream Llama tokens at a set pace, as Bedrock frames them.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--tokens-per-second", type=float, default=50.0, help="0: as fast as possible, without end")
    parser.add_argument("--tokens", type=int, default=500, help="length of each answer, if it is paced")
    arguments = parser.parse_args()
    uvloop.run(serve(arguments.port, arguments.tokens_per_second, arguments.tokens))


if __name__ == "__main__":
    main()
