"""
One contract, run over every turn log.
"""

import asyncio
from collections.abc import Callable

import pytest

from outcrop.errors import LeaseLost, LogFull, PositionExpired, UnknownTurn
from outcrop.turns.log import Lease, TurnLog
from outcrop.turns.memory import MemoryTurnLog
from outcrop.types import MessageStart, MessageStop, StreamEvent, StreamFailed, TerminalEvent, TextDelta

STOP = MessageStop(stop_reason="end_turn")


class Clock:
    """
    Be a clock that a test sets.
    """

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """
        Tell the time.
        """
        return self.now


MakeLog = Callable[[Clock], TurnLog]


def make_memory_log(clock: Clock) -> TurnLog:
    """
    Make the log in memory, with small bounds.
    """
    return MemoryTurnLog(max_log_bytes=2000, max_retained_bytes=3000, retention_seconds=60, clock=clock)


@pytest.fixture
def clock() -> Clock:
    """
    Give the test its clock.
    """
    return Clock()


@pytest.fixture(params=[make_memory_log])
def log(request: pytest.FixtureRequest, clock: Clock) -> TurnLog:
    """
    Give each log in turn.
    """
    make: MakeLog = request.param
    return make(clock)


async def read_all(log: TurnLog, turn_id: str, after: int = 0) -> list[tuple[int, StreamEvent]]:
    """
    Read to the end.
    """
    return [(entry.seq, entry.event) async for entry in log.read(turn_id, owner="me", after=after)]


async def test_entries_are_numbered_from_one_without_gaps(log: TurnLog) -> None:
    """
    What is read is what was appended, in order, numbered from 1.
    """
    lease = await log.acquire("t", owner="me")
    assert log.append(lease, [MessageStart()]) == 1
    assert log.append(lease, [TextDelta("a"), TextDelta("b")]) == 3
    assert await log.finalize(lease, STOP) == 4
    assert await read_all(log, "t") == [(1, MessageStart()), (2, TextDelta("a")), (3, TextDelta("b")), (4, STOP)]


@pytest.mark.parametrize("after", range(5))
async def test_a_reader_starts_after_its_position(log: TurnLog, after: int) -> None:
    """
    From every position, a reader gets exactly the rest.
    """
    lease = await log.acquire("t", owner="me")
    log.append(lease, [MessageStart(), TextDelta("a"), TextDelta("b")])
    await log.finalize(lease, STOP)
    whole = await read_all(log, "t")
    assert await read_all(log, "t", after) == whole[after:]


async def test_a_reader_waits_for_more(log: TurnLog) -> None:
    """
    A reader that is ahead of the producer gets each entry when it is appended, and ends after the terminal one.
    """
    lease = await log.acquire("t", owner="me")
    reading = asyncio.create_task(read_all(log, "t"))
    for event in (MessageStart(), TextDelta("a")):
        await asyncio.sleep(0)
        log.append(lease, [event])
    await log.finalize(lease, STOP)
    assert [event for _, event in await reading] == [MessageStart(), TextDelta("a"), STOP]


async def test_a_cancelled_reader_leaves_quietly(log: TurnLog) -> None:
    """
    Cancelling a reader changes nothing for the producer and the other readers.
    """
    lease = await log.acquire("t", owner="me")
    leaving, staying = (asyncio.create_task(read_all(log, "t")) for _ in range(2))
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.wait([leaving])
    log.append(lease, [TextDelta("a")])
    await log.finalize(lease, STOP)
    assert await staying == [(1, TextDelta("a")), (2, STOP)]


async def test_there_is_one_producer(log: TurnLog) -> None:
    """
    A turn that exists can't be begun again.
    """
    await log.acquire("t", owner="me")
    with pytest.raises(LeaseLost):
        await log.acquire("t", owner="me")


async def test_a_foreign_lease_cannot_write(log: TurnLog) -> None:
    """
    Only the current lease appends and finalises.
    """
    lease = await log.acquire("t", owner="me")
    forged = Lease("t", lease.token + 1)
    with pytest.raises(LeaseLost):
        log.append(forged, [TextDelta("a")])
    with pytest.raises(LeaseLost):
        await log.finalize(forged, STOP)
    assert (await log.status("t", owner="me")).last_seq == 0


async def test_nothing_follows_the_terminal(log: TurnLog) -> None:
    """
    A final log takes nothing more, from nobody.
    """
    lease = await log.acquire("t", owner="me")
    await log.finalize(lease, STOP)
    with pytest.raises(LeaseLost):
        log.append(lease, [TextDelta("a")])
    with pytest.raises(LeaseLost):
        await log.finalize(lease, STOP)


async def test_events_are_appended_all_or_none(log: TurnLog) -> None:
    """
    Events beyond the bound are refused together; the log stays usable, and can always be finalised.
    """
    lease = await log.acquire("t", owner="me")
    with pytest.raises(LogFull, match="limit is 2000"):
        log.append(lease, [TextDelta("a"), TextDelta("b" * 2000)])
    log.append(lease, [TextDelta("c" * 1800)])
    with pytest.raises(LogFull):
        log.append(lease, [TextDelta("d" * 100)])
    failure = StreamFailed(code="answer_too_large", message="too large")
    await log.finalize(lease, failure)
    assert await read_all(log, "t") == [(1, TextDelta("c" * 1800)), (2, failure)]


@pytest.mark.parametrize("after", [-1, 2, 10**9])
async def test_a_position_outside_the_log_is_refused(log: TurnLog, after: int) -> None:
    """
    A reader that names a position which is not there is told so, and fed nothing.
    """
    lease = await log.acquire("t", owner="me")
    log.append(lease, [TextDelta("a")])
    with pytest.raises(PositionExpired):
        log.subscribe("t", owner="me", wake=lambda: None, after=after)


async def test_anothers_turn_looks_unknown(log: TurnLog) -> None:
    """
    Another's turn can't be told from one that does not exist.
    """
    await log.acquire("t", owner="me")
    messages = []
    for turn_id, owner in (("t", "you"), ("t", "me2"), ("T", "me")):
        with pytest.raises(UnknownTurn) as caught:
            log.subscribe(turn_id, owner=owner, wake=lambda: None)
        messages.append(caught.value.message.lower())
        with pytest.raises(UnknownTurn):
            await log.status(turn_id, owner=owner)
        with pytest.raises(UnknownTurn):
            await log.delete(turn_id, owner=owner)
    assert len(set(messages)) == 1


@pytest.mark.parametrize(
    ("terminal", "state"),
    [
        (STOP, "completed"),
        (MessageStop(stop_reason="max_tokens"), "completed"),
        (MessageStop(stop_reason="stopped"), "stopped"),
        (StreamFailed(code="throttled", message="m"), "failed"),
        (StreamFailed(code="interrupted", message="m"), "interrupted"),
    ],
)
async def test_the_status_names_the_end(log: TurnLog, terminal: TerminalEvent, state: str) -> None:
    """
    The status tells running turns from ended ones, and how they ended.
    """
    lease = await log.acquire("t", owner="me")
    assert (await log.status("t", owner="me")).state == "running"
    await log.finalize(lease, terminal)
    status = await log.status("t", owner="me")
    assert (status.state, status.last_seq) == (state, 1)


async def test_final_logs_go_with_age(log: TurnLog, clock: Clock) -> None:
    """
    A final log is forgotten after its retention time; a running one is not.
    """
    lease = await log.acquire("old", owner="me")
    await log.acquire("running", owner="me")
    await log.finalize(lease, STOP)
    clock.now = 61
    await log.acquire("new", owner="me")
    with pytest.raises(UnknownTurn):
        await log.status("old", owner="me")
    assert (await log.status("running", owner="me")).state == "running"


async def test_final_logs_go_with_size_oldest_first(log: TurnLog) -> None:
    """
    When final logs outgrow their memory, the oldest go first.
    """
    for name in ("a", "b", "c"):
        lease = await log.acquire(name, owner="me")
        log.append(lease, [TextDelta("x" * 1000)])
        await log.finalize(lease, STOP)
    with pytest.raises(UnknownTurn):
        await log.status("a", owner="me")
    assert (await log.status("c", owner="me")).state == "completed"


async def test_a_reader_keeps_what_is_deleted_under_it(log: TurnLog) -> None:
    """
    Deleting a final log does not tear its readers; deleting a running one is refused.
    """
    lease = await log.acquire("t", owner="me")
    subscription = log.subscribe("t", owner="me", wake=lambda: None)
    with pytest.raises(LeaseLost, match="still running"):
        await log.delete("t", owner="me")
    await log.finalize(lease, STOP)
    await log.delete("t", owner="me")
    assert [entry.event for entry in subscription.take()] == [STOP]
    assert subscription.ended


async def test_a_closed_subscription_is_not_woken(log: TurnLog) -> None:
    """
    A reader that leaves while it is being woken hears no more, and the others still do.
    """
    lease = await log.acquire("t", owner="me")
    heard: list[str] = []

    def hear_once() -> None:
        heard.append("first")
        first.close()

    first = log.subscribe("t", owner="me", wake=hear_once)
    log.subscribe("t", owner="me", wake=lambda: heard.append("second"))
    log.append(lease, [TextDelta("a")])
    log.append(lease, [TextDelta("b")])
    assert heard == ["first", "second", "second"]


async def test_take_is_bounded(log: TurnLog) -> None:
    """
    `take` returns at most as many entries as asked for, and goes on where it stopped.
    """
    lease = await log.acquire("t", owner="me")
    subscription = log.subscribe("t", owner="me", wake=lambda: None)
    log.append(lease, [TextDelta(letter) for letter in "abcde"])
    assert [[entry.seq for entry in subscription.take(2)] for _ in range(4)] == [[1, 2], [3, 4], [5], []]
