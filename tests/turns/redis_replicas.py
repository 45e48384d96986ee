"""
Several replicas on one real Redis, in one process: each is a log of its own with a listener of its own.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from outcrop.turns.fold import fold
from outcrop.turns.records import Lease
from outcrop.turns.redis import RedisTurnLog
from outcrop.types import LogEntry, StreamEvent
from tests.contract.stages import SECONDS, Listener, written
from tests.redis_server import RedisServer, require_redis

LEASE_SECONDS = 1.5


class Replica(msgspec.Struct):
    """
    Hold one replica's log, and what it was told.
    """

    log: RedisTurnLog
    listener: Listener


class Fleet:
    """
    Start replicas, and let them die.
    """

    def __init__(self, server: RedisServer) -> None:
        self.server = server
        self.replicas: list[Replica] = []

    async def start(
        self,
        *,
        mirror_bytes: int = 64 << 20,
        store_timeout_seconds: float = SECONDS,
        lease_seconds: float = LEASE_SECONDS,
        outage_seconds: float = 60,
        url: str | None = None,
    ) -> Replica:
        """
        Start a replica; it reaches the server at `url`, where that is another than the server's own.
        """
        log = RedisTurnLog(
            url or self.server.url,
            replica_id=f"replica {len(self.replicas)}",
            max_log_bytes=1 << 20,
            max_retained_bytes=8 << 20,
            retention_seconds=60,
            lease_seconds=lease_seconds,
            mirror_bytes=mirror_bytes,
            store_timeout_seconds=store_timeout_seconds,
            outage_seconds=outage_seconds,
        )
        listener = Listener()
        await log.open(listener)
        replica = Replica(log, listener)
        self.replicas.append(replica)
        return replica

    async def die(self, replica: Replica) -> None:
        """
        Let a replica end without a word, as kill -9 does.
        """
        self.replicas.remove(replica)
        await replica.log.let_go()


@asynccontextmanager
async def fleet_on(folder: Path, *, persistent: bool = False) -> AsyncIterator[Fleet]:
    """
    Run a server and a fleet on it.
    """
    require_redis()
    server = RedisServer(folder, persistent=persistent)
    server.start()
    fleet = Fleet(server)
    try:
        yield fleet
    finally:
        for replica in fleet.replicas:
            await replica.log.let_go()
        server.kill()


class Transcript:
    """
    Read a turn in the background, and keep what came.
    """

    def __init__(self, log: RedisTurnLog, *, after: int = 0, epoch: str | None = None) -> None:
        self.entries: list[LogEntry] = []
        self._more = asyncio.Event()
        self._task = asyncio.create_task(self._read(log, after, epoch))

    async def whole(self) -> list[LogEntry]:
        """
        Wait for the end.
        """
        async with asyncio.timeout(SECONDS):
            await self._task
        return self.entries

    async def reaches(self, last_seq: int) -> None:
        """
        Wait until an entry has come.
        """
        async with asyncio.timeout(SECONDS):
            while not self.entries or self.entries[-1].seq < last_seq:
                await asyncio.sleep(0.002)
                if self._task.done():
                    self._task.result()

    async def leave(self) -> None:
        """
        Stop reading.
        """
        self._task.cancel()
        await asyncio.wait({self._task})

    async def _read(self, log: RedisTurnLog, after: int, epoch: str | None) -> None:
        reader = await log.subscribe("t", owner="me", wake=self._more.set, after=after, epoch=epoch)
        try:
            while not reader.ended:
                self._more.clear()
                taken = reader.take()
                self.entries += taken
                if not (taken or reader.ended):
                    await self._more.wait()
        finally:
            reader.close()


async def say(replica: Replica, lease: Lease, *events: StreamEvent) -> None:
    """
    Append one event at a time, and wait until each is in the log.
    """
    for event in events:
        before = (await replica.log.status(lease.turn_id, owner="me")).last_seq
        replica.log.append(lease, [event])
        await written(replica.log, before + 1, lease.turn_id)


async def until(condition: Callable[[], bool]) -> None:
    """
    Wait for a condition.
    """
    async with asyncio.timeout(SECONDS):
        while not condition():
            await asyncio.sleep(0.005)


def assert_gapless(entries: list[LogEntry], first: int = 1) -> None:
    """
    Check the numbers.
    """
    assert [entry.seq for entry in entries] == list(range(first, first + len(entries)))


def assert_same_answer(entries: list[LogEntry], events: list[StreamEvent]) -> None:
    """
    Check that a log folds to what was appended.
    """
    assert fold(entry.event for entry in entries) == fold(events)
