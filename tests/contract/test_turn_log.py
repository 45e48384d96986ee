"""
One contract, run over every turn log.
"""

import asyncio
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from outcrop.errors import (
    ChatBusy,
    DuplicateTurn,
    EpochChanged,
    IdempotencyMismatch,
    LeaseLost,
    LogFull,
    PositionExpired,
    StoreError,
    UnknownTurn,
)
from outcrop.turns.fold import fold
from outcrop.turns.log import Subscription, TurnLog
from outcrop.turns.records import Lease
from outcrop.types import LogEntry, MessageStart, MessageStop, StreamEvent, StreamFailed, TerminalEvent, TextDelta
from tests.contract.stages import SECONDS, SUMMARY, Stage, opening, read_all, read_entries, written

STOP = MessageStop(stop_reason="end_turn")
A, B, C = TextDelta("a", 0), TextDelta("b", 1), TextDelta("c", 2)
"""
Deltas of different blocks: neighbours that are never merged.
"""


def nothing() -> None:
    """
    Be a `wake` that does nothing.
    """


async def take_until(subscription: Subscription, last_seq: int, limit: int = 256) -> list[LogEntry]:
    """
    Take until an entry has come.
    """
    entries: list[LogEntry] = []
    async with asyncio.timeout(SECONDS):
        while not entries or entries[-1].seq < last_seq:
            entries += subscription.take(limit)
            await asyncio.sleep(0)
    return entries


async def test_entries_are_numbered_from_one_without_gaps(stage: Stage) -> None:
    """
    What is read is what was appended, in order, numbered from 1.
    """
    lease = await stage.log.acquire(opening())
    stage.log.append(lease, [MessageStart()])
    stage.log.append(lease, [A, B])
    await stage.log.finalize(lease, STOP, SUMMARY)
    assert await read_all(stage.log) == [(1, MessageStart()), (2, A), (3, B), (4, STOP)]


@pytest.mark.parametrize("after", range(5))
async def test_a_reader_starts_after_its_position(stage: Stage, after: int) -> None:
    """
    From every position, a reader gets exactly the rest.
    """
    lease = await stage.log.acquire(opening())
    stage.log.append(lease, [MessageStart(), A, B])
    await stage.log.finalize(lease, STOP, SUMMARY)
    whole = await read_all(stage.log)
    assert await read_all(stage.log, after=after) == whole[after:]


async def test_a_reader_waits_for_more(stage: Stage) -> None:
    """
    A reader that is ahead of the producer gets each entry when it is appended, and ends after the terminal one.
    """
    lease = await stage.log.acquire(opening())
    reading = asyncio.create_task(read_all(stage.log))
    for event in (MessageStart(), A):
        await asyncio.sleep(0)
        stage.log.append(lease, [event])
    await stage.log.finalize(lease, STOP, SUMMARY)
    assert [event for _, event in await reading] == [MessageStart(), A, STOP]


async def test_a_wake_means_that_there_is_something_to_take(stage: Stage) -> None:
    """
    Entries are there when the reader is woken, and can be taken in that very call.
    """
    lease = await stage.log.acquire(opening())
    seen: list[int] = []
    subscriptions: list[Subscription] = []
    woken = asyncio.Event()

    def wake() -> None:
        seen.extend(entry.seq for entry in subscriptions[0].take())
        woken.set()

    subscriptions.append(await stage.log.subscribe("t", owner="me", wake=wake))
    events: tuple[StreamEvent, ...] = (MessageStart(), A, B)
    for count, event in enumerate(events, start=1):
        stage.log.append(lease, [event])
        async with asyncio.timeout(SECONDS):
            await woken.wait()
        woken.clear()
        assert seen == list(range(1, count + 1))


async def test_merging_changes_no_answer(stage: Stage) -> None:
    """
    Deltas may be merged before they are numbered: the fold of the log is that of what was appended.
    """
    lease = await stage.log.acquire(opening())
    events: list[StreamEvent] = [MessageStart(), TextDelta("a"), TextDelta("b"), TextDelta("c", 1), TextDelta("d", 1)]
    for event in events:
        stage.log.append(lease, [event])
    await stage.log.finalize(lease, STOP, SUMMARY)
    entries = await read_entries(stage.log)
    assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
    assert fold(entry.event for entry in entries) == fold([*events, STOP])


async def test_a_cancelled_reader_leaves_quietly(stage: Stage) -> None:
    """
    Cancelling a reader changes nothing for the producer and the other readers.
    """
    lease = await stage.log.acquire(opening())
    leaving, staying = (asyncio.create_task(read_all(stage.log)) for _ in range(2))
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.wait([leaving])
    stage.log.append(lease, [A])
    await stage.log.finalize(lease, STOP, SUMMARY)
    assert await staying == [(1, A), (2, STOP)]


async def test_there_is_one_producer(stage: Stage) -> None:
    """
    A turn that exists can't be begun again.
    """
    await stage.log.acquire(opening())
    with pytest.raises(LeaseLost):
        await stage.log.acquire(opening())


async def test_a_foreign_lease_cannot_write(stage: Stage) -> None:
    """
    Only the current lease appends, finalises and discards.
    """
    lease = await stage.log.acquire(opening())
    for forged in (Lease("t", lease.token + 1), Lease("other", lease.token)):
        with pytest.raises(LeaseLost):
            stage.log.append(forged, [A])
        with pytest.raises(LeaseLost):
            await stage.log.finalize(forged, STOP, SUMMARY)
        with pytest.raises(LeaseLost):
            await stage.log.discard(forged)
    assert (await stage.log.status("t", owner="me")).last_seq == 0


async def test_nothing_follows_the_terminal(stage: Stage) -> None:
    """
    A final log takes nothing more, from nobody.
    """
    lease = await stage.log.acquire(opening())
    await stage.log.finalize(lease, STOP, SUMMARY)
    with pytest.raises(LeaseLost):
        stage.log.append(lease, [A])
    with pytest.raises(LeaseLost):
        await stage.log.finalize(lease, STOP, SUMMARY)
    assert await read_all(stage.log) == [(1, STOP)]


async def test_events_are_appended_all_or_none(stage: Stage) -> None:
    """
    Events beyond the bound are refused together; the log stays usable, and can always be finalised.
    """
    lease = await stage.log.acquire(opening())
    with pytest.raises(LogFull, match="limit is 2000"):
        stage.log.append(lease, [A, TextDelta("b" * 2000)])
    stage.log.append(lease, [TextDelta("c" * 1800)])
    with pytest.raises(LogFull):
        stage.log.append(lease, [TextDelta("d" * 100)])
    failure = StreamFailed(code="answer_too_large", message="too large")
    await stage.log.finalize(lease, failure, SUMMARY)
    assert await read_all(stage.log) == [(1, TextDelta("c" * 1800)), (2, failure)]


@pytest.mark.parametrize("after", [-1, 2, 10**9])
async def test_a_position_outside_the_log_is_refused(stage: Stage, after: int) -> None:
    """
    A reader that names a position which is not there is told so, and fed nothing.
    """
    lease = await stage.log.acquire(opening())
    stage.log.append(lease, [A])
    await written(stage.log, 1)
    with pytest.raises(PositionExpired):
        await stage.log.subscribe("t", owner="me", wake=nothing, after=after)


async def test_a_position_of_another_epoch_is_refused(stage: Stage) -> None:
    """
    A position is good in its own epoch only, for a running turn, a final one, and one that is not there any more.
    """
    lease = await stage.log.acquire(opening())
    epoch = (await stage.log.status("t", owner="me")).epoch
    (await stage.log.subscribe("t", owner="me", wake=nothing, epoch=epoch)).close()
    with pytest.raises(EpochChanged):
        await stage.log.subscribe("t", owner="me", wake=nothing, epoch="another")
    await stage.log.finalize(lease, STOP, SUMMARY)
    assert len(await read_entries(stage.log, epoch=epoch)) == 1
    for turn_id in ("t", "lost"):
        with pytest.raises(EpochChanged):
            await stage.log.subscribe(turn_id, owner="me", wake=nothing, epoch="another")
    with pytest.raises(UnknownTurn):
        await stage.log.subscribe("lost", owner="me", wake=nothing, epoch=epoch)


async def refusals(log: TurnLog, turn_id: str, owner: str) -> set[str]:
    """
    Ask everything that names a turn; return what was said.
    """
    asked: list[Callable[[], object]] = [
        lambda: log.subscribe(turn_id, owner=owner, wake=nothing),
        lambda: log.status(turn_id, owner=owner),
        lambda: log.request_stop(turn_id, owner=owner),
        lambda: log.delete(turn_id, owner=owner),
    ]
    said = set()
    for ask in asked:
        with pytest.raises(UnknownTurn) as caught:
            await ask()  # type: ignore[misc]  # four kinds of answers, of which none comes
        said.add(str(caught.value).replace(repr(turn_id), "…"))
    return said


@pytest.mark.parametrize("ended", [False, True])
async def test_anothers_turn_looks_unknown(stage: Stage, *, ended: bool) -> None:
    """
    Another's turn can't be told from one that does not exist, running or ended.
    """
    lease = await stage.log.acquire(opening(chat_id="c"))
    if ended:
        await stage.log.finalize(lease, STOP, SUMMARY)
    said = await refusals(stage.log, "t", "somebody else") | await refusals(stage.log, "none", "me")
    assert len(said) == 1
    assert await stage.log.find_chat("c", owner="somebody else") is None
    assert stage.listener.stops == []


@pytest.mark.parametrize("turn_id", ["", "a b", "t:log", "x" * 1000, "\x00", "*", "ü", "\ud800"])
async def test_a_name_that_no_turn_has_is_unknown(stage: Stage, turn_id: str) -> None:
    """
    Whatever a client names, it is a turn or it is unknown.
    """
    with pytest.raises(UnknownTurn):
        await stage.log.status(turn_id, owner="me")


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
async def test_the_status_names_the_end(stage: Stage, terminal: TerminalEvent, state: str) -> None:
    """
    The status tells running turns from ended ones, how they began, how they ended, and what they took.
    """
    lease = await stage.log.acquire(opening(chat_id="c"))
    running = await stage.log.status("t", owner="me")
    assert (running.state, running.summary, running.ended_at) == ("running", None, None)
    await stage.log.finalize(lease, terminal, SUMMARY)
    status = await stage.log.status("t", owner="me")
    assert (status.state, status.last_seq, status.summary, status.epoch) == (state, 1, SUMMARY, running.epoch)
    assert status.ended_at is not None
    assert status.opening == running.opening == opening(chat_id="c")
    assert await stage.log.find_chat("c", owner="me") == status


async def test_a_reader_that_has_ended_knows_the_whole_status(stage: Stage) -> None:
    """
    Whoever has taken the terminal event knows the summary: a reader from before the end, and one from after it.
    """
    lease = await stage.log.acquire(opening())
    early = await stage.log.subscribe("t", owner="me", wake=nothing)
    stage.log.append(lease, [A])
    await stage.log.finalize(lease, STOP, SUMMARY)
    late = await stage.log.subscribe("t", owner="me", wake=nothing, after=1)
    for subscription in (early, late):
        # As lists: a checker would take a property for unchanged.
        assert [subscription.ended] == [False]
        await take_until(subscription, 2)
        assert [subscription.ended] == [True]
        assert subscription.status == await stage.log.status("t", owner="me")


async def test_final_logs_go_with_age(stage: Stage) -> None:
    """
    A final log is forgotten after its retention time, also as its chat's latest; a running one is not.
    """
    lease = await stage.log.acquire(opening("old", chat_id="c"))
    await stage.log.acquire(opening("running"))
    await stage.log.finalize(lease, STOP, SUMMARY)
    stage.advance(61)
    await stage.log.acquire(opening("new"))
    with pytest.raises(UnknownTurn):
        await stage.log.status("old", owner="me")
    assert await stage.log.find_chat("c", owner="me") is None
    assert (await stage.log.status("running", owner="me")).state == "running"


async def test_final_logs_go_with_size_oldest_first(stage: Stage) -> None:
    """
    When final logs outgrow their memory, the oldest go first.
    """
    for name in ("a", "b", "c"):
        lease = await stage.log.acquire(opening(name))
        stage.log.append(lease, [TextDelta("x" * 1000)])
        await stage.log.finalize(lease, STOP, SUMMARY)
    with pytest.raises(UnknownTurn):
        await stage.log.status("a", owner="me")
    assert (await stage.log.status("c", owner="me")).state == "completed"


async def test_a_deleted_log_gives_its_memory_back(stage: Stage) -> None:
    """
    What was deleted does not count among the final logs.
    """
    for name in ("a", "b", "c"):
        lease = await stage.log.acquire(opening(name))
        stage.log.append(lease, [TextDelta("x" * 1000)])
        await stage.log.finalize(lease, STOP, SUMMARY)
        if name == "b":
            await stage.log.delete("b", owner="me")
    assert (await stage.log.status("a", owner="me")).state == "completed"
    assert (await stage.log.status("c", owner="me")).state == "completed"


async def test_a_reader_keeps_what_is_deleted_under_it(stage: Stage) -> None:
    """
    Deleting a final log does not tear its readers; deleting a running one is refused.
    """
    lease = await stage.log.acquire(opening())
    subscription = await stage.log.subscribe("t", owner="me", wake=nothing)
    with pytest.raises(LeaseLost, match="still running"):
        await stage.log.delete("t", owner="me")
    await stage.log.finalize(lease, STOP, SUMMARY)
    await stage.log.delete("t", owner="me")
    with pytest.raises(UnknownTurn):
        await stage.log.subscribe("t", owner="me", wake=nothing)
    assert [entry.event for entry in subscription.take()] == [STOP]
    assert subscription.ended


async def test_a_closed_subscription_is_not_woken(stage: Stage) -> None:
    """
    A reader that leaves while it is being woken hears no more, and the others still do.
    """
    lease = await stage.log.acquire(opening())
    heard: list[str] = []

    def hear_once() -> None:
        heard.append("first")
        first.close()
        first.close()

    first = await stage.log.subscribe("t", owner="me", wake=hear_once)
    await stage.log.subscribe("t", owner="me", wake=lambda: heard.append("second"))
    stage.log.append(lease, [A])
    await written(stage.log, 1)
    stage.log.append(lease, [B])
    await written(stage.log, 2)
    assert heard == ["first", "second", "second"]


async def test_a_reader_that_fails_when_it_is_woken_is_dropped_alone(stage: Stage) -> None:
    """
    What a `wake` raises reaches neither the producer nor the other readers; its own is woken once more, and can take no
    more.
    """
    told: list[str] = []

    def fail() -> None:
        try:
            broken.take()
        except StoreError as error:
            told.append(error.message)
        else:
            raise RuntimeError("the client is gone")

    lease = await stage.log.acquire(opening())
    heard: list[int] = []
    broken = await stage.log.subscribe("t", owner="me", wake=fail)
    other = await stage.log.subscribe("t", owner="me", wake=lambda: heard.append(1))
    with capture_logs() as said:
        for last_seq, event in enumerate((A, B), start=1):
            stage.log.append(lease, [event])
            await written(stage.log, last_seq)
    assert [line["turn_id"] for line in said if line["log_level"] == "error"] == ["t"]
    assert told == ["this reader has failed; read again from its position"]
    with pytest.raises(StoreError, match="again from its position"):
        broken.take()
    broken.close()
    await stage.log.finalize(lease, STOP, SUMMARY)
    assert [entry.event for entry in other.take()] == [A, B, STOP]
    assert len(heard) == 3


async def test_take_is_bounded(stage: Stage) -> None:
    """
    `take` returns at most as many entries as asked for, and goes on where it stopped.
    """
    lease = await stage.log.acquire(opening())
    subscription = await stage.log.subscribe("t", owner="me", wake=nothing)
    stage.log.append(lease, [TextDelta(letter, index) for index, letter in enumerate("abcde")])
    await written(stage.log, 5)
    assert [[entry.seq for entry in subscription.take(2)] for _ in range(4)] == [[1, 2], [3, 4], [5], []]


async def test_an_idempotency_key_begins_one_turn(stage: Stage) -> None:
    """
    A second turn with a key does not begin, also when the first is over: it is named. Other owners have other keys.
    """
    lease = await stage.log.acquire(opening("a", key="k", fingerprint="f"))
    for _ in range(2):
        with pytest.raises(DuplicateTurn) as caught:
            await stage.log.acquire(opening("b", key="k", fingerprint="f"))
        assert caught.value.turn_id == "a"
        with pytest.raises(IdempotencyMismatch):
            await stage.log.acquire(opening("b", key="k", fingerprint="g"))
        if lease is not None:
            await stage.log.finalize(lease, STOP, SUMMARY)
            await stage.log.delete("a", owner="me")
            lease = None  # type: ignore[assignment]  # the second round is about the deleted turn
    await stage.log.acquire(opening("b", owner="you", key="k", fingerprint="g"))
    await stage.log.acquire(opening("c"))


async def test_a_key_can_be_looked_up(stage: Stage) -> None:
    """
    Whether a key has begun a turn can be asked without beginning one.
    """
    await stage.log.check_key("k", "f", owner="me")
    await stage.log.acquire(opening("a", key="k", fingerprint="f"))
    with pytest.raises(DuplicateTurn) as caught:
        await stage.log.check_key("k", "f", owner="me")
    assert caught.value.turn_id == "a"
    with pytest.raises(IdempotencyMismatch):
        await stage.log.check_key("k", "g", owner="me")
    await stage.log.check_key("k", "f", owner="you")


async def test_an_idempotency_key_is_forgotten_with_time(stage: Stage) -> None:
    """
    After its time, a key begins another turn.
    """
    await stage.log.acquire(opening("a", key="k", fingerprint="f"))
    stage.advance(601)
    await stage.log.acquire(opening("b", key="k", fingerprint="g"))


async def test_a_chat_has_one_running_turn(stage: Stage) -> None:
    """
    A chat with a running turn refuses another and names it; its latest turn is found, running and ended.
    """
    assert await stage.log.find_chat("c", owner="me") is None
    lease = await stage.log.acquire(opening("a", chat_id="c"))
    with pytest.raises(ChatBusy) as caught:
        await stage.log.acquire(opening("b", chat_id="c"))
    assert caught.value.turn_id == "a"
    await stage.log.acquire(opening("other", owner="you", chat_id="c"))
    await stage.log.finalize(lease, STOP, SUMMARY)
    await stage.log.acquire(opening("b", chat_id="c"))
    latest = await stage.log.find_chat("c", owner="me")
    assert latest is not None
    assert (latest.turn_id, latest.state) == ("b", "running")


async def test_a_discarded_turn_never_was(stage: Stage) -> None:
    """
    Discarding a turn frees its name, its chat and its idempotency key, and its lease is worth nothing.
    """
    lease = await stage.log.acquire(opening("a", chat_id="c", key="k", fingerprint="f"))
    await stage.log.discard(lease)
    with pytest.raises(UnknownTurn):
        await stage.log.status("a", owner="me")
    assert await stage.log.find_chat("c", owner="me") is None
    with pytest.raises(LeaseLost):
        stage.log.append(lease, [A])
    await stage.log.acquire(opening("a", chat_id="c", key="k", fingerprint="g"))


async def test_a_discarded_turn_fails_its_readers(stage: Stage) -> None:
    """
    Whoever reads a turn that is then discarded is woken, and told that it did not begin; later ones do not find it.
    """
    lease = await stage.log.acquire(opening())
    woken = asyncio.Event()
    subscription = await stage.log.subscribe("t", owner="me", wake=woken.set)
    assert not subscription.take()
    await stage.log.discard(lease)
    async with asyncio.timeout(SECONDS):
        await woken.wait()
    with pytest.raises(StoreError, match="could not be begun; ask again"):
        subscription.take()
    assert not subscription.ended
    subscription.close()
    with pytest.raises(UnknownTurn):
        await stage.log.subscribe("t", owner="me", wake=nothing)


async def test_the_status_names_the_first_position(stage: Stage) -> None:
    """
    A log that has lost nothing begins at position 1.
    """
    lease = await stage.log.acquire(opening())
    assert (await stage.log.status("t", owner="me")).first_seq == 1
    await stage.log.finalize(lease, STOP, SUMMARY)
    assert (await stage.log.status("t", owner="me")).first_seq == 1


async def test_a_stop_reaches_the_producer(stage: Stage) -> None:
    """
    Whoever owns the turn can have it stopped; after the end that is harmless.
    """
    lease = await stage.log.acquire(opening())
    await stage.log.request_stop("t", owner="me")
    await stage.listener.hears(lambda said: "t" in said.stops)
    await stage.log.finalize(lease, MessageStop(stop_reason="stopped"), SUMMARY)
    await stage.log.request_stop("t", owner="me")
    assert (await stage.log.status("t", owner="me")).state == "stopped"
