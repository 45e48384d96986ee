"""
The turn logs that the contract runs over, each with what a test needs to play time and to hear the log.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import msgspec

from outcrop.errors import StoreError
from outcrop.turns.log import TurnLog
from outcrop.turns.memory import MemoryTurnLog
from outcrop.turns.records import Lease, TurnOpening, TurnStatus, TurnSummary
from outcrop.turns.redis import RedisTurnLog
from outcrop.types import LogEntry, StreamEvent, Usage
from tests.redis_server import RedisServer

SUMMARY = TurnSummary(usage=Usage(input_tokens=3, output_tokens=5), duration_ms=70, ttft_ms=20, cost_usd=0.5)
SECONDS = 30.0
"""
Bound of every wait in these tests.
"""

_SHORTEN = """
for _, key in ipairs(redis.call('KEYS', '*')) do
  local left = redis.call('PTTL', key)
  if left > 0 then redis.call('PEXPIRE', key, left - ARGV[1]) end
end
return 1
"""


class Listener:
    """
    Write down what a log tells its producer.
    """

    def __init__(self) -> None:
        self.stops: list[str] = []
        self.losses: list[tuple[str, StoreError]] = []
        self.remote: list[tuple[str, int]] = []
        self.orphans: list[tuple[TurnStatus, Lease]] = []
        self._told = asyncio.Event()

    def on_stop(self, turn_id: str) -> None:
        """
        Note a stop.
        """
        self.stops.append(turn_id)
        self._told.set()

    def on_lost(self, turn_id: str, error: StoreError) -> None:
        """
        Note a loss.
        """
        self.losses.append((turn_id, error))
        self._told.set()

    def on_remote_readers(self, turn_id: str, count: int) -> None:
        """
        Note a number of remote readers.
        """
        self.remote.append((turn_id, count))
        self._told.set()

    def on_orphan(self, status: TurnStatus, lease: Lease) -> None:
        """
        Note an orphan.
        """
        self.orphans.append((status, lease))
        self._told.set()

    async def hears(self, condition: Callable[["Listener"], bool]) -> None:
        """
        Wait until what was told fulfils a condition.
        """
        async with asyncio.timeout(SECONDS):
            while not condition(self):
                self._told.clear()
                await self._told.wait()


class Stage(msgspec.Struct):
    """
    Hold an open log. `advance` lets seconds pass for it.
    """

    log: TurnLog
    listener: Listener
    advance: Callable[[float], None]


MakeStage = Callable[[], AbstractAsyncContextManager[Stage]]


@asynccontextmanager
async def memory_stage() -> AsyncIterator[Stage]:
    """
    Open a log in memory, with small bounds.
    """
    now = [1_000_000.0]

    def advance(seconds: float) -> None:
        now[0] += seconds

    log = MemoryTurnLog(
        max_log_bytes=2000,
        max_retained_bytes=3000,
        retention_seconds=60,
        idempotency_seconds=600,
        clock=lambda: now[0],
    )
    listener = Listener()
    await log.open(listener)
    try:
        yield Stage(log, listener, advance)
    finally:
        await log.aclose()


@asynccontextmanager
async def redis_stage(server: RedisServer) -> AsyncIterator[Stage]:
    """
    Open a log in an empty Redis, with small bounds. Time passes by shortening the life of every key.
    """
    server.wipe()

    def advance(seconds: float) -> None:
        server.ask("EVAL", _SHORTEN, "0", str(int(seconds * 1000)))

    log = RedisTurnLog(
        server.url,
        replica_id="contract",
        max_log_bytes=2000,
        max_retained_bytes=3000,
        retention_seconds=60,
        idempotency_seconds=600,
        store_timeout_seconds=SECONDS,
    )
    listener = Listener()
    await log.open(listener)
    try:
        yield Stage(log, listener, advance)
    finally:
        await log.aclose()


def opening(
    turn_id: str = "t",
    *,
    owner: str = "me",
    chat_id: str | None = None,
    key: str | None = None,
    fingerprint: str = "",
    request: bytes | None = None,
) -> TurnOpening:
    """
    Make an opening.
    """
    return TurnOpening(
        turn_id=turn_id,
        owner=owner,
        model="llama3",
        model_id="meta.llama3",
        region="us-east-1",
        started_at=12.5,
        chat_id=chat_id,
        idempotency_key=key,
        fingerprint=fingerprint,
        request=request,
    )


async def read_entries(
    log: TurnLog, turn_id: str = "t", *, owner: str = "me", after: int = 0, epoch: str | None = None
) -> list[LogEntry]:
    """
    Read to the end.
    """
    more = asyncio.Event()
    subscription = await log.subscribe(turn_id, owner=owner, wake=more.set, after=after, epoch=epoch)
    entries: list[LogEntry] = []
    try:
        async with asyncio.timeout(SECONDS):
            while not subscription.ended:
                more.clear()
                taken = subscription.take()
                entries += taken
                if not (taken or subscription.ended):
                    await more.wait()
    finally:
        subscription.close()
    return entries


async def read_all(log: TurnLog, turn_id: str = "t", after: int = 0) -> list[tuple[int, StreamEvent]]:
    """
    Read to the end; return positions and events.
    """
    return [(entry.seq, entry.event) for entry in await read_entries(log, turn_id, after=after)]


async def written(log: TurnLog, last_seq: int, turn_id: str = "t") -> None:
    """
    Wait until a log has its entries up to a position.
    """
    async with asyncio.timeout(SECONDS):
        while (await log.status(turn_id, owner="me")).last_seq < last_seq:
            await asyncio.sleep(0.002)
