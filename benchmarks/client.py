"""
The load: many WebSockets, one prompt on each, and a measurement while all of them stream.

Connects, waits until every socket has its first token, waits a little longer, then counts for some seconds: tokens,
messages, how long each token was on its way (the source wrote its time into it), and what the server's process used
meanwhile. Prints one line of JSON and ends, in any case before its deadline. Tokens that a server merged into one
message count as tokens.
"""

import argparse
import asyncio
import sys
from array import array
from time import monotonic, monotonic_ns

import msgspec
import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from benchmarks.processes import cpu_seconds, resident_bytes
from benchmarks.source import TOKEN_BYTES

DIALS_AT_ONCE = 32
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
    Share what all sockets count.
    """

    def __init__(self, streams: int) -> None:
        self.waiting = streams
        self.all_streaming = asyncio.Event()
        self.recording = False
        self.tokens = 0
        self.messages = 0
        self.delays_ns = array("q")
        self.lost: list[str] = []
        self.over = False

    def lose(self, reason: str) -> None:
        """
        Note a stream that ended too early; before all of them run, that ends the measurement.
        """
        self.lost.append(reason)
        self.all_streaming.set()


class Reader(WSListener):
    """
    Send a prompt and count what comes.
    """

    def __init__(self, load: Load) -> None:
        self._load = load
        self._started = False
        self._closed = False

    def on_ws_connected(self, transport: WSTransport) -> None:
        """
        Send the prompt.
        """
        transport.send(WSMsgType.TEXT, b"Tell me the time.")

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """
        Count the tokens of one message.
        """
        load = self._load
        if frame.msg_type != WSMsgType.TEXT:
            if frame.msg_type == WSMsgType.CLOSE:
                self._closed = True
                load.lose(f"closed with {frame.get_close_code()} {frame.get_close_reason()}")
                transport.disconnect()
            return
        if load.recording:
            now = monotonic_ns()
            payload = frame.get_payload_as_bytes()
            load.messages += 1
            for start in range(0, len(payload), TOKEN_BYTES):
                load.delays_ns.append(now - int(payload[start : start + 20]))
        elif not self._started:
            self._started = True
            load.waiting -= 1
            if not load.waiting:
                load.all_streaming.set()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """
        Note a stream that ended too early.
        """
        del transport
        if not self._load.over and not self._closed:
            self._load.lose("connection lost")


def percentile_ms(ordered: list[int], share: float) -> float:
    """
    Return a percentile of ascending nanoseconds, in milliseconds.
    """
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] / 1e6 if ordered else 0.0


async def measure(url: str, streams: int, seconds: float, pid: int) -> Measurement:
    """
    Load the server and measure it.

    Raises:
        TimeoutError: not all streams were running in time.
        OSError: the server refused a connection, or ended a stream before all of them ran.
    """
    load = Load(streams)
    gate = asyncio.Semaphore(DIALS_AT_ONCE)

    async def dial() -> WSTransport:
        async with gate:
            transport, _ = await ws_connect(lambda: Reader(load), url, websocket_handshake_timeout=CONNECT_SECONDS)
            return transport

    async with asyncio.timeout(CONNECT_SECONDS):
        transports = await asyncio.gather(*(dial() for _ in range(streams)))
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
    for transport in transports:
        transport.disconnect(graceful=False)
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


async def measure_in_time(url: str, streams: int, seconds: float, pid: int) -> Measurement:
    """
    Measure, but never for longer than the parts may take.
    """
    async with asyncio.timeout(CONNECT_SECONDS + SETTLE_SECONDS + seconds + 5):
        return await measure(url, streams, seconds, pid)


def main() -> None:
    """
    Parse the command line, measure, and print the measurement as JSON.
    """
    parser = argparse.ArgumentParser(description="Load a server with WebSocket streams and measure it.")
    parser.add_argument("--url", required=True)
    parser.add_argument("--pid", type=int, required=True, help="the server's process")
    parser.add_argument("--streams", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=10.0)
    arguments = parser.parse_args()
    measurement = uvloop.run(measure_in_time(arguments.url, arguments.streams, arguments.seconds, arguments.pid))
    sys.stdout.buffer.write(msgspec.json.encode(measurement) + b"\n")


if __name__ == "__main__":
    main()
