"""
New turns while the store of the log is down: kept in memory, and said so.
"""

import time
from collections.abc import Iterator

import pytest

from outcrop.errors import ChatBusy, DuplicateTurn, StoreError, UnknownTurn
from outcrop.turns.fallback import RETRY_SECONDS, FallbackTurnLog
from outcrop.turns.memory import MemoryTurnLog
from outcrop.turns.redis import RedisTurnLog
from outcrop.types import MessageStart, MessageStop
from tests.contract.stages import SUMMARY, Listener, opening, read_entries
from tests.redis_server import RedisServer, require_redis

STOP = MessageStop(stop_reason="end_turn")

pytestmark = pytest.mark.service


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """
    Run a server that a test may kill.
    """
    require_redis()
    server = RedisServer(tmp_path_factory.mktemp("redis"), persistent=True)
    server.start()
    yield server
    server.kill()


class Clock:
    """
    Be a clock that a test moves.
    """

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """
        Tell the time.
        """
        return self.now


def make_log(server: RedisServer, clock: Clock) -> FallbackTurnLog:
    """
    Make a log over Redis that gives up on it quickly.
    """
    store = RedisTurnLog(
        server.url,
        replica_id="one",
        max_log_bytes=10_000,
        max_retained_bytes=10_000,
        retention_seconds=60,
        store_timeout_seconds=0.5,
        outage_seconds=1,
    )
    spare = MemoryTurnLog(max_log_bytes=10_000, max_retained_bytes=10_000, retention_seconds=60, clock=time.time)
    return FallbackTurnLog(store, spare, clock)


async def test_turns_of_an_outage_live_in_memory(server: RedisServer) -> None:
    """
    While Redis is down a turn begins in memory and says so; its key and its chat hold also when Redis is back; turns
    after the outage begin in Redis again.
    """
    clock = Clock()
    log = make_log(server, clock)
    await log.open(Listener())
    kept = await log.acquire(opening("before"))
    await log.finalize(kept, STOP, SUMMARY)
    server.kill()
    lease = await log.acquire(opening("meanwhile", chat_id="c", key="k"))
    assert (await log.status("meanwhile", owner="me")).opening.is_local
    log.append(lease, [MessageStart()])
    found = await log.find_chat("c", owner="me")
    assert found is not None
    assert found.turn_id == "meanwhile"
    with pytest.raises(StoreError):
        await log.status("before", owner="me")
    server.start()
    clock.now = RETRY_SECONDS
    with pytest.raises(DuplicateTurn):
        await log.acquire(opening("again", key="k"))
    with pytest.raises(ChatBusy):
        await log.acquire(opening("again", chat_id="c"))
    await log.finalize(lease, STOP, SUMMARY)
    assert [entry.event for entry in await read_entries(log, "meanwhile")] == [MessageStart(), STOP]
    after = await log.acquire(opening("after"))
    assert not (await log.status("after", owner="me")).opening.is_local
    assert (await log.status("before", owner="me")).state == "completed"
    await log.finalize(after, STOP, SUMMARY)
    await log.delete("meanwhile", owner="me")
    with pytest.raises(UnknownTurn):
        await log.status("meanwhile", owner="me")
    await log.aclose()
