"""
The turn log in Redis, when a connection goes silent: nothing comes any more, and nobody says so.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from outcrop.types import MessageStop, TextDelta
from tests.contract.stages import SUMMARY, opening
from tests.turns.redis_replicas import Fleet, Transcript, assert_gapless, fleet_on, say, until

STOP = MessageStop(stop_reason="end_turn")


@pytest.fixture
async def fleet(tmp_path: Path) -> AsyncIterator[Fleet]:
    """
    Run a fleet on a server of its own.
    """
    async with fleet_on(tmp_path) as ready:
        yield ready


class Relay:
    """
    Pass bytes on to a server, until told to swallow them: connections stay open, as behind a firewall that forgot them.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._may_pass: list[asyncio.Event] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def open(self) -> int:
        """
        Listen; return the port.
        """
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def swallow(self) -> None:
        """
        Pass nothing on any more on the connections that are open now.
        """
        for may_pass in self._may_pass:
            may_pass.clear()

    async def aclose(self) -> None:
        """
        Close everything.
        """
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        may_pass = asyncio.Event()
        may_pass.set()
        self._may_pass.append(may_pass)
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        for source, target in ((reader, far_writer), (far_reader, writer)):
            self._tasks.add(asyncio.create_task(_pass_on(source, target, may_pass)))


async def _pass_on(source: asyncio.StreamReader, target: asyncio.StreamWriter, may_pass: asyncio.Event) -> None:
    try:
        while chunk := await source.read(1 << 16):
            await may_pass.wait()
            target.write(chunk)
    except ConnectionError:
        return
    finally:
        target.close()


@pytest.fixture
async def relay(fleet: Fleet) -> AsyncIterator[Relay]:
    """
    Make a relay to the fleet's server.
    """
    made = Relay(fleet.server.port)
    yield made
    await made.aclose()


async def test_a_silent_connection_is_made_again(fleet: Fleet, relay: Relay) -> None:
    """
    A replica whose connections swallow everything makes new ones in time, and its readers lose nothing.
    """
    here = await fleet.start()
    there = await fleet.start(store_timeout_seconds=1, url=f"redis://127.0.0.1:{await relay.open()}/0")
    lease = await here.log.acquire(opening())
    transcript = Transcript(there.log)
    await say(here, lease, TextDelta("a", 0))
    await transcript.reaches(1)
    relay.swallow()
    await say(here, lease, TextDelta("b", 1))
    await transcript.reaches(2)
    await here.log.finalize(lease, STOP, SUMMARY)
    whole = await transcript.whole()
    assert_gapless(whole)
    assert [entry.event for entry in whole] == [TextDelta("a", 0), TextDelta("b", 1), STOP]


async def test_a_quiet_connection_is_kept(fleet: Fleet) -> None:
    """
    A replica that is told nothing keeps its connection as long as the server answers.
    """
    here = await fleet.start(store_timeout_seconds=3)
    follower = here.log._follower
    await until(lambda: follower._listener is not None)
    listener = follower._listener
    # More beats than fit into the time of one exchange: each answer counts.
    await until(lambda: follower.answers >= 8)
    assert follower._listener is listener
