"""
The load: many connections, one prompt on each, and a measurement while all of them stream.

Connects, waits until every stream has its first token, waits a little longer, then counts for some seconds: tokens,
messages, how long each token was on its way (the source wrote its time into it), and what the server's process used
meanwhile. Prints one line of JSON and ends, in any case before its deadline. Tokens that a server merged into one
message count as tokens.
"""

import argparse
import asyncio
import sys
from array import array
from collections.abc import Callable
from time import monotonic, monotonic_ns

import msgspec
import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from benchmarks.http_client import HttpAsker
from benchmarks.processes import cpu_seconds, resident_bytes
from benchmarks.ways import WAYS, Way

DIALS_AT_ONCE = 32
LONGEST_TOKEN_BYTES = 64
"""
No dialect needs more for one token, from the first byte that it is found by.
"""

CONNECT_SECONDS = 30.0
SETTLE_SECONDS = 1.0


class Measurement(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold what was measured in one window.
    """

    streams: int
    seconds: float
    tokens: int
    messages: int
    cpu_seconds: float
    resident_bytes: int
    delay_p50_ms: float
    delay_p99_ms: float
    lost: list[str]
    """Why streams ended that should not have; empty in a valid run."""


class Load:
    """
    Share what all streams count.
    """

    def __init__(self, streams: int) -> None:
        self.waiting = streams
        self.all_streaming = asyncio.Event()
        self.recording = False
        self.messages = 0
        self.delays_ns = array("q")
        self.lost: list[str] = []
        self.over = False

    def lose(self, reason: str) -> None:
        """
        Note a stream that ended too early; before all of them run, that ends the measurement.
        """
        if not self.over:
            self.lost.append(reason)
            self.all_streaming.set()


class Tally:
    """
    Count the tokens of one stream. `continues`: a token may be cut by the end of what comes at once.
    """

    def __init__(self, load: Load, way: Way, *, continues: bool) -> None:
        self._load = load
        self._way = way
        self._continues = continues
        self._rest = b""
        self._started = False

    def take(self, piece: bytes) -> None:
        """
        Count what came.
        """
        load, end = self._load, 0
        if self._rest:
            piece = self._rest + piece
        now = monotonic_ns()
        for found in self._way.token.finditer(piece):
            end = found.end()
            if load.recording:
                load.delays_ns.append(now - self._way.read_time(found.group(1)))
        if self._continues:
            self._rest = piece[max(end, len(piece) - LONGEST_TOKEN_BYTES) :]
        if not end:
            return
        load.messages += load.recording
        if not self._started:
            self._started = True
            load.waiting -= 1
            if not load.waiting:
                load.all_streaming.set()


class Reader(WSListener):
    """
    Send a prompt over a WebSocket and count what comes.
    """

    def __init__(self, load: Load, way: Way, number: int) -> None:
        self._load = load
        self._prompt = way.write(number, True)
        self._tally = Tally(load, way, continues=False)
        self._closed = False

    def on_ws_connected(self, transport: WSTransport) -> None:
        """
        Send the prompt.
        """
        transport.send(WSMsgType.TEXT, self._prompt)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """
        Count the tokens of one message.
        """
        if frame.msg_type == WSMsgType.TEXT:
            self._tally.take(frame.get_payload_as_bytes())
        elif frame.msg_type == WSMsgType.CLOSE:
            self._closed = True
            self._load.lose(f"closed with {frame.get_close_code()} {frame.get_close_reason()}")
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """
        Note a stream that ended too early.
        """
        del transport
        if not self._closed:
            self._load.lose("connection lost")


async def open_socket(load: Load, way: Way, port: int, number: int) -> Callable[[], None]:
    """
    Ask over a WebSocket, and return how to leave.
    """
    url = f"ws://127.0.0.1:{port}{way.stream_path}"
    transport, _ = await ws_connect(lambda: Reader(load, way, number), url, websocket_handshake_timeout=CONNECT_SECONDS)
    return lambda: transport.disconnect(graceful=False)


async def open_request(load: Load, way: Way, port: int, number: int) -> Callable[[], None]:
    """
    Ask over HTTP, and return how to leave.
    """
    tally = Tally(load, way, continues=True)

    def make() -> HttpAsker:
        return HttpAsker(
            way.stream_path, on_body=tally.take, on_end=lambda: load.lose("answer ended"), on_lost=load.lose
        )

    _, asker = await asyncio.get_running_loop().create_connection(make, "127.0.0.1", port)
    asker.ask(way.write(number, True))
    return asker.leave


def percentile_ms(ordered: list[int], share: float) -> float:
    """
    Return a percentile of ascending nanoseconds, in milliseconds.
    """
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] / 1e6 if ordered else 0.0


async def measure(way: Way, port: int, streams: int, seconds: float, pid: int) -> Measurement:
    """
    Load the server and measure it.

    Raises:
        TimeoutError: not all streams were running in time.
        OSError: the server refused a connection, or ended a stream before all of them ran.
    """
    load = Load(streams)
    gate = asyncio.Semaphore(DIALS_AT_ONCE)
    open_stream = open_socket if way.is_socket else open_request

    async def dial(number: int) -> Callable[[], None]:
        async with gate:
            return await open_stream(load, way, port, number)

    async with asyncio.timeout(CONNECT_SECONDS):
        leaving = await asyncio.gather(*map(dial, range(streams)))
        await load.all_streaming.wait()
    if load.lost:
        raise ConnectionError(f"stream ended before it was measured: {load.lost[0]}")
    await asyncio.sleep(SETTLE_SECONDS)
    load.recording = True
    cpu_before, began = cpu_seconds(pid), monotonic()
    await asyncio.sleep(seconds)
    cpu, elapsed, resident = cpu_seconds(pid) - cpu_before, monotonic() - began, resident_bytes(pid)
    load.recording = False
    load.over = True
    for leave in leaving:
        leave()
    ordered = sorted(load.delays_ns)
    return Measurement(
        streams=streams,
        seconds=elapsed,
        tokens=len(ordered),
        messages=load.messages,
        cpu_seconds=cpu,
        resident_bytes=resident,
        delay_p50_ms=percentile_ms(ordered, 0.50),
        delay_p99_ms=percentile_ms(ordered, 0.99),
        lost=load.lost,
    )


async def measure_in_time(way: Way, port: int, streams: int, seconds: float, pid: int) -> Measurement:
    """
    Measure, but never for longer than the parts may take.
    """
    async with asyncio.timeout(CONNECT_SECONDS + SETTLE_SECONDS + seconds + 5):
        return await measure(way, port, streams, seconds, pid)


def main() -> None:
    """
    Parse the command line, measure, and print the measurement as JSON.
    """
    parser = argparse.ArgumentParser(description="Load a server with streams and measure it.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--pid", type=int, required=True, help="the server's process")
    parser.add_argument("--way", choices=WAYS, default="raw")
    parser.add_argument("--streams", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=10.0)
    given = parser.parse_args()
    measurement = uvloop.run(measure_in_time(WAYS[given.way], given.port, given.streams, given.seconds, given.pid))
    sys.stdout.buffer.write(msgspec.json.encode(measurement) + b"\n")


if __name__ == "__main__":
    main()
