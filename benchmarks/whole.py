"""
The load of whole answers: some connections, each of which asks again as soon as it is answered.

Warms the server up, then counts answers for some seconds, and what the server's process used meanwhile. Prints one line
of JSON and ends, in any case before its deadline.
"""

import argparse
import asyncio
import itertools
import sys
from collections.abc import Callable
from time import monotonic

import msgspec
import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from benchmarks.http_client import HttpAsker
from benchmarks.processes import cpu_seconds
from benchmarks.ways import WAYS, Way

CONNECTIONS = 8
WARM_UP_SECONDS = 1.0
MARGIN_SECONDS = 20.0


class WholeMeasurement(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold what was measured in one window.
    """

    seconds: float
    answers: int
    cpu_seconds: float
    lost: list[str]
    """Why connections ended that should not have; empty in a valid run."""


class Count:
    """
    Share what all connections count.
    """

    def __init__(self) -> None:
        self.answers = 0
        self.lost: list[str] = []
        self.over = False
        self.numbers = itertools.count()

    def lose(self, reason: str) -> None:
        """
        Note a connection that ended too early.
        """
        if not self.over:
            self.lost.append(reason)


class Asker(WSListener):
    """
    Ask over a WebSocket, again and again.
    """

    def __init__(self, count: Count, way: Way) -> None:
        self._count = count
        self._way = way

    def on_ws_connected(self, transport: WSTransport) -> None:
        """
        Ask for the first time.
        """
        transport.send(WSMsgType.TEXT, self._way.write(next(self._count.numbers), False))

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """
        Ask again after the last message of an answer.
        """
        if frame.msg_type != WSMsgType.TEXT:
            return
        if self._way.last in frame.get_payload_as_bytes():
            self._count.answers += 1
            self.on_ws_connected(transport)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """
        Note a connection that ended too early.
        """
        del transport
        self._count.lose("connection lost")


async def open_socket(count: Count, way: Way, port: int) -> Callable[[], None]:
    """
    Begin to ask over a WebSocket, and return how to leave.
    """
    transport, _ = await ws_connect(lambda: Asker(count, way), f"ws://127.0.0.1:{port}{way.whole_path}")
    return lambda: transport.disconnect(graceful=False)


async def open_request(count: Count, way: Way, port: int) -> Callable[[], None]:
    """
    Begin to ask over HTTP, and return how to leave.
    """

    def go_on() -> None:
        count.answers += 1
        asker.ask(way.write(next(count.numbers), False))

    def make() -> HttpAsker:
        return HttpAsker(way.whole_path, on_body=lambda _: None, on_end=go_on, on_lost=count.lose)

    _, asker = await asyncio.get_running_loop().create_connection(make, "127.0.0.1", port)
    asker.ask(way.write(next(count.numbers), False))
    return asker.leave


async def measure(way: Way, port: int, seconds: float, pid: int) -> WholeMeasurement:
    """
    Load the server and measure it.

    Raises:
        TimeoutError: it took far too long.
        OSError: the server refused a connection.
    """
    count = Count()
    open_connection = open_socket if way.is_socket else open_request
    async with asyncio.timeout(WARM_UP_SECONDS + seconds + MARGIN_SECONDS):
        leaving = [await open_connection(count, way, port) for _ in range(CONNECTIONS)]
        await asyncio.sleep(WARM_UP_SECONDS)
        cpu_before, answers_before, began = cpu_seconds(pid), count.answers, monotonic()
        await asyncio.sleep(seconds)
        cpu, answers, elapsed = cpu_seconds(pid) - cpu_before, count.answers - answers_before, monotonic() - began
    count.over = True
    for leave in leaving:
        leave()
    return WholeMeasurement(seconds=elapsed, answers=answers, cpu_seconds=cpu, lost=count.lost)


def main() -> None:
    """
    Parse the command line, measure, and print the measurement as JSON.
    """
    parser = argparse.ArgumentParser(description="Load a server with requests for whole answers and measure it.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--pid", type=int, required=True, help="the server's process")
    parser.add_argument("--way", choices=WAYS, default="raw")
    parser.add_argument("--seconds", type=float, default=4.0)
    given = parser.parse_args()
    measurement = uvloop.run(measure(WAYS[given.way], given.port, given.seconds, given.pid))
    sys.stdout.buffer.write(msgspec.json.encode(measurement) + b"\n")


if __name__ == "__main__":
    main()
