"""
The turn log in Redis, seen from several replicas.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from outcrop.errors import ChatBusy, DuplicateTurn, EpochChanged, LeaseLost, PositionExpired, StoreError
from outcrop.turns.redis import RedisTurnLog
from outcrop.types import LogEntry, MessageStart, MessageStop, StreamFailed, TextDelta
from tests.contract.stages import SUMMARY, opening, read_entries
from tests.turns.redis_replicas import LEASE_SECONDS, Fleet, Transcript, assert_gapless, fleet_on, say, until

STOP = MessageStop(stop_reason="end_turn")
INTERRUPTED = StreamFailed(code="interrupted", message="the server has died")


@pytest.fixture
async def fleet(tmp_path: Path) -> AsyncIterator[Fleet]:
    """
    Run a fleet on a server of its own.
    """
    async with fleet_on(tmp_path) as ready:
        yield ready


async def test_every_replica_reads_a_turn_as_it_runs(fleet: Fleet) -> None:
    """
    Readers on other replicas get each entry when it is written, and the same transcript in the end.
    """
    here, there = await fleet.start(), await fleet.start()
    lease = await here.log.acquire(opening())
    transcripts = [Transcript(replica.log) for replica in (here, there, there)]
    await say(here, lease, MessageStart(), TextDelta("a"))
    for transcript in transcripts:
        await transcript.reaches(2)
    await say(here, lease, TextDelta("b"))
    await here.log.finalize(lease, STOP, SUMMARY)
    first, *others = [await transcript.whole() for transcript in transcripts]
    assert [entry.event for entry in first] == [MessageStart(), TextDelta("a"), TextDelta("b"), STOP]
    assert all(other == first for other in others)


async def test_a_reader_goes_on_at_another_replica(fleet: Fleet) -> None:
    """
    From every position, another replica serves exactly the rest, while the turn runs and after it.
    """
    here, there = await fleet.start(), await fleet.start()
    lease = await here.log.acquire(opening())
    await say(here, lease, *(TextDelta(letter) for letter in "abcd"))
    epoch = (await there.log.status("t", owner="me")).epoch
    running = [Transcript(there.log, after=after, epoch=epoch) for after in range(5)]
    await here.log.finalize(lease, STOP, SUMMARY)
    whole = await read_entries(here.log)
    for after in range(5):
        assert await running[after].whole() == whole[after:]
        assert await read_entries(there.log, after=after, epoch=epoch) == whole[after:]


async def test_remote_readers_are_counted(fleet: Fleet) -> None:
    """
    The running replica is told how many others read, and when they leave.
    """
    here, there = await fleet.start(), await fleet.start()
    await here.log.acquire(opening())
    transcripts = [Transcript(there.log), Transcript(there.log)]
    await here.listener.hears(lambda said: said.remote[-1:] == [("t", 1)])
    for transcript in transcripts:
        await transcript.leave()
    await here.listener.hears(lambda said: said.remote[-1:] == [("t", 0)])


async def test_a_remote_reader_is_told_again(fleet: Fleet) -> None:
    """
    The running replica is told of readers elsewhere at each renewal: it may not have known the turn the first time.
    """
    here, there = await fleet.start(lease_seconds=60), await fleet.start()
    await here.log.acquire(opening())
    transcript = Transcript(there.log)
    await here.listener.hears(lambda said: said.remote[:3] == [("t", 1)] * 3)
    await transcript.leave()


async def test_a_discarded_turn_fails_its_remote_readers(fleet: Fleet) -> None:
    """
    Who reads a turn on another replica is told that it did not begin, and nothing stays of it there.
    """
    here, there = await fleet.start(), await fleet.start()
    lease = await here.log.acquire(opening())
    transcript = Transcript(there.log)
    await until(lambda: b":1\r\n" in fleet.server.ask("PUBSUB", "NUMSUB", "outcrop:on:t"))
    await here.log.discard(lease)
    with pytest.raises(StoreError, match="could not be begun; ask again"):
        await transcript.whole()
    assert not there.log._holdings.mirrors
    assert not there.log._follower.followed


async def test_a_turn_that_vanished_before_it_was_heard_of_did_not_begin(fleet: Fleet) -> None:
    """
    A reader whose turn was discarded before its channel was open is told the same, after a while.
    """
    here, there = await fleet.start(), await fleet.start()
    lease = await here.log.acquire(opening())
    reader = await there.log.subscribe("t", owner="me", wake=lambda: None)
    await here.log.discard(lease)
    with pytest.raises(StoreError, match="could not be begun; ask again"):
        await there.log._loader.catch_up(reader.mirror)
    reader.close()


async def test_a_remote_reader_that_fails_is_dropped_alone(fleet: Fleet) -> None:
    """
    What a `wake` raises, when it is told of a page too, ends neither the other readers' news nor this replica's.
    """
    here, there = await fleet.start(), await fleet.start(mirror_bytes=1000)
    lease = await here.log.acquire(opening())
    for number in range(40):
        await say(here, lease, TextDelta(str(number), number))

    def fail() -> None:
        raise RuntimeError("the client is gone")

    paging = await there.log.subscribe("t", owner="me", wake=fail)
    waiting = await there.log.subscribe("t", owner="me", wake=fail, after=40)
    transcript = Transcript(there.log)
    assert not paging.take()
    await transcript.reaches(40)
    await say(here, lease, TextDelta("40", 40))
    await here.log.finalize(lease, STOP, SUMMARY)
    assert len(await transcript.whole()) == 42
    await until(lambda: paging.error is not None)
    for reader in (paging, waiting):
        with pytest.raises(StoreError, match="again from its position"):
            reader.take()
        reader.close()
    assert not there.log._holdings.mirrors


async def test_a_remote_reader_that_died_is_forgotten(fleet: Fleet) -> None:
    """
    A replica that reads and dies counts for one lease at most.
    """
    here, there = await fleet.start(), await fleet.start()
    await here.log.acquire(opening())
    transcript = Transcript(there.log)
    await here.listener.hears(lambda said: said.remote[-1:] == [("t", 1)])
    await fleet.die(there)
    await here.listener.hears(lambda said: said.remote[-1:] == [("t", 0)])
    await transcript.leave()


async def test_a_stop_reaches_the_replica_that_runs_the_turn(fleet: Fleet) -> None:
    """
    A turn can be stopped from any replica.
    """
    here, there = await fleet.start(), await fleet.start()
    await here.log.acquire(opening())
    await there.log.request_stop("t", owner="me")
    await here.listener.hears(lambda said: "t" in said.stops)
    assert there.listener.stops == []


async def test_a_stop_whose_message_was_lost_is_found_by_the_next_append(fleet: Fleet) -> None:
    """
    Redis keeps the wish to stop, and says so to whoever appends.
    """
    here = await fleet.start()
    lease = await here.log.acquire(opening())
    fleet.server.ask("HSET", "outcrop:turn:t", "stop", "1")
    here.log.append(lease, [TextDelta("a")])
    await here.listener.hears(lambda said: "t" in said.stops)


async def test_an_orphan_is_taken_over_once(fleet: Fleet) -> None:
    """
    When a replica dies, exactly one other gets each of its turns, with its request and a larger token.
    """
    dying, *others = [await fleet.start() for _ in range(3)]
    lease = await dying.log.acquire(opening(request=b"question"))
    await say(dying, lease, MessageStart(), TextDelta("a"))
    remote = Transcript(others[0].log)
    await remote.reaches(2)
    await fleet.die(dying)
    await until(lambda: any(other.listener.orphans for other in others))
    heir = next(other for other in others if other.listener.orphans)
    ((status, taken),) = heir.listener.orphans
    assert (status.state, status.last_seq, status.opening.request) == ("running", 2, b"question")
    assert taken.token > lease.token
    assert [entry.event for entry in (await _take_all(heir.log, 2))] == [MessageStart(), TextDelta("a")]
    heir.log.append(taken, [TextDelta("b", 1)])
    await heir.log.finalize(taken, INTERRUPTED, SUMMARY)
    whole = await remote.whole()
    assert_gapless(whole)
    assert [entry.event for entry in whole] == [MessageStart(), TextDelta("a"), TextDelta("b", 1), INTERRUPTED]
    assert sum(len(other.listener.orphans) for other in others) == 1


async def _take_all(log: RedisTurnLog, last_seq: int) -> list[LogEntry]:
    transcript = Transcript(log)
    await transcript.reaches(last_seq)
    await transcript.leave()
    return list(transcript.entries)


async def test_a_replica_that_leaves_in_order_is_no_orphan(fleet: Fleet) -> None:
    """
    Closing gives the lease up; what still ran is taken over without waiting for the lease to run out.
    """
    leaving, other = await fleet.start(lease_seconds=600), await fleet.start()
    await asyncio.sleep(LEASE_SECONDS)
    lease = await leaving.log.acquire(opening())
    leaving.log.append(lease, [TextDelta("a")])
    fleet.replicas.remove(leaving)
    await leaving.log.aclose()
    await other.listener.hears(lambda said: len(said.orphans) == 1)
    assert other.listener.orphans[0][0].last_seq == 1


async def test_a_thawed_replica_cannot_write(fleet: Fleet) -> None:
    """
    A replica that was silent for too long learns that its turns are another's, and its readers see what that one wrote.
    """
    # With the longer lease it beats half as often as the other: every second look of that one falls between two beats.
    frozen, other = await fleet.start(lease_seconds=600), await fleet.start()
    lease = await frozen.log.acquire(opening())
    await say(frozen, lease, TextDelta("a"))
    reader = Transcript(frozen.log)
    await reader.reaches(1)
    # Its lease runs out while it still lives: as if it had been stopped, and continued after the take-over.
    await _silence(fleet, frozen.log.replica)
    await other.listener.hears(lambda said: len(said.orphans) == 1)
    await frozen.listener.hears(lambda said: len(said.losses) == 1)
    assert isinstance(frozen.listener.losses[0][1], LeaseLost)
    with pytest.raises(LeaseLost):
        frozen.log.append(lease, [TextDelta("forged")])
    with pytest.raises(LeaseLost):
        await frozen.log.finalize(lease, STOP, SUMMARY)
    await other.log.finalize(other.listener.orphans[0][1], INTERRUPTED, SUMMARY)
    assert [entry.event for entry in await reader.whole()] == [TextDelta("a"), INTERRUPTED]


async def test_what_a_frozen_replica_had_pending_is_refused(fleet: Fleet) -> None:
    """
    An append and a final event that reach Redis after the take-over change nothing.
    """
    frozen = await fleet.start(lease_seconds=600)
    lease = await frozen.log.acquire(opening())
    await say(frozen, lease, TextDelta("a"))
    fleet.server.ask("HINCRBY", "outcrop:turn:t", "token", "1")
    with pytest.raises(LeaseLost):
        await frozen.log.finalize(lease, STOP, SUMMARY)
    assert (await frozen.log.status("t", owner="me")).last_seq == 1


async def _silence(fleet: Fleet, replica: str) -> None:
    async with asyncio.timeout(30):
        while not fleet.replicas[1].listener.orphans:
            fleet.server.ask("ZADD", "outcrop:replicas", "1", replica)
            await asyncio.sleep(0.02)


async def test_one_of_many_begins_the_turn(fleet: Fleet) -> None:
    """
    Of 50 requests with one idempotency key, sent to two replicas at once, one begins a turn and all others name it.
    """
    replicas = [await fleet.start(), await fleet.start()]

    async def begin(number: int) -> str:
        try:
            log = replicas[number % 2].log
            return (await log.acquire(opening(f"t{number}", key="k", chat_id="c", fingerprint="f"))).turn_id
        except DuplicateTurn as error:
            return f"after {error.turn_id}"

    answers = await asyncio.gather(*(begin(number) for number in range(50)))
    (winner,) = [answer for answer in answers if not answer.startswith("after")]
    assert sorted(set(answers)) == sorted({winner, f"after {winner}"})
    with pytest.raises(ChatBusy) as caught:
        await replicas[1].log.acquire(opening("late", chat_id="c"))
    assert caught.value.turn_id == winner


@pytest.mark.parametrize("after", [0, 7, 59])
async def test_a_trimmed_mirror_loses_nothing(fleet: Fleet, after: int) -> None:
    """
    With almost no memory for mirrors, readers here and elsewhere still get every entry, from Redis.
    """
    here, there = await fleet.start(mirror_bytes=1000), await fleet.start(mirror_bytes=1000)
    lease = await here.log.acquire(opening())
    early = [Transcript(replica.log) for replica in (here, there)]
    for number in range(60):
        await say(here, lease, TextDelta(str(number), number))
    late = [Transcript(replica.log, after=after) for replica in (here, there)]
    await here.log.finalize(lease, STOP, SUMMARY)
    whole = await early[0].whole()
    assert_gapless(whole)
    assert len(whole) == 61
    assert await early[1].whole() == whole
    for transcript in late:
        assert await transcript.whole() == whole[after:]


async def test_mirrors_go_with_their_last_reader(fleet: Fleet) -> None:
    """
    Nothing stays in memory of turns that have ended, or that nobody here reads any more.
    """
    here, there = await fleet.start(), await fleet.start()
    for number in range(5):
        lease = await here.log.acquire(opening())
        transcripts = [Transcript(here.log), Transcript(there.log)]
        here.log.append(lease, [TextDelta(str(number))])
        await here.log.finalize(lease, STOP, SUMMARY)
        for transcript in transcripts:
            await transcript.whole()
        await here.log.delete("t", owner="me")
    for replica in (here, there):
        assert not replica.log._holdings.mirrors
        assert not replica.log._holdings.own
        assert not replica.log._follower.followed
        assert replica.log._holdings._budget._used == 0


async def test_a_mirror_that_is_dropped_while_it_catches_up_stays_dropped(fleet: Fleet) -> None:
    """
    A reader that leaves while its mirror is being caught up leaves nothing in memory.
    """
    here, there = await fleet.start(), await fleet.start()
    lease = await here.log.acquire(opening())
    reader = await there.log.subscribe("t", owner="me", wake=lambda: None)
    mirror = reader.mirror
    reader.close()
    await say(here, lease, TextDelta("a"))
    await there.log._loader.catch_up(mirror)
    mirror.offer([LogEntry(1, TextDelta("a"))])
    budget = there.log._holdings._budget
    assert (mirror.entries, budget._used, budget._mirrors) == ([], 0, set())


async def test_a_duty_that_fails_holds_up_no_other(fleet: Fleet) -> None:
    """
    What can't be done at a beat is tried at each, and all else is done at each: other things put off, and renewals.
    """
    here, there = await fleet.start(), await fleet.start()
    await here.log.acquire(opening())
    tried: list[str] = []

    async def refuse() -> None:
        tried.append("refused")
        raise StoreError("the store refuses this")

    async def succeed() -> None:
        tried.append("done")

    there.log._membership.later += [refuse, succeed]
    transcript = Transcript(there.log)
    await here.listener.hears(lambda said: len(said.remote) >= 3)
    await until(lambda: tried.count("refused") >= 3)
    assert tried.count("done") == 1
    assert there.log._membership.later == [refuse]
    await transcript.leave()


async def test_an_orphan_that_has_lost_what_is_read_here_is_taken_over(fleet: Fleet) -> None:
    """
    A turn whose log has lost entries is adopted all the same, and who reads the lost ones is told.
    """
    dying, heir = await fleet.start(lease_seconds=2 * LEASE_SECONDS), await fleet.start()
    lease = await dying.log.acquire(opening())
    await say(dying, lease, TextDelta("a"))
    transcript = Transcript(heir.log)
    await transcript.reaches(1)
    await fleet.die(dying)
    fleet.server.ask("HSET", "outcrop:turn:t", "epoch", "other", "first", "3", "last", "2")
    await heir.listener.hears(lambda said: len(said.orphans) == 1)
    status, taken = heir.listener.orphans[0]
    assert (status.epoch, status.first_seq, status.last_seq) == ("other", 3, 2)
    with pytest.raises(EpochChanged):
        await transcript.whole()
    await heir.log.finalize(taken, INTERRUPTED, SUMMARY)
    assert [entry.event for entry in await read_entries(heir.log, after=2)] == [INTERRUPTED]


async def test_a_position_that_nobody_wrote_is_refused_elsewhere(fleet: Fleet) -> None:
    """
    A position beyond the log is refused by replicas that only read it, too.
    """
    here, there = await fleet.start(), await fleet.start()
    lease = await here.log.acquire(opening())
    await say(here, lease, TextDelta("a"))
    for after in (-1, 2):
        with pytest.raises(PositionExpired):
            await there.log.subscribe("t", owner="me", wake=lambda: None, after=after)
    assert not there.log._holdings.mirrors
