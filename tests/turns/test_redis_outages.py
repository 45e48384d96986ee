"""
The turn log in Redis, while Redis goes down, comes back, and forgets.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from outcrop.errors import EpochChanged, LogFull, PositionExpired, SettingsError, StoreError, UnknownTurn
from outcrop.turns.redis import RedisTurnLog
from outcrop.turns.redis.connection import RedisLink
from outcrop.types import MessageStart, MessageStop, StreamEvent, TextDelta
from tests.contract.stages import SECONDS, SUMMARY, Listener, opening, read_entries
from tests.redis_server import RedisServer, find_port, require_redis
from tests.turns.redis_replicas import Fleet, Transcript, assert_gapless, assert_same_answer, fleet_on, say, until

STOP = MessageStop(stop_reason="end_turn")


@pytest.fixture
async def fleet(tmp_path: Path) -> AsyncIterator[Fleet]:
    """
    Run a fleet on a server without persistence.
    """
    async with fleet_on(tmp_path) as ready:
        yield ready


@pytest.fixture
async def durable_fleet(tmp_path: Path) -> AsyncIterator[Fleet]:
    """
    Run a fleet on a server that keeps every acknowledged write.
    """
    async with fleet_on(tmp_path, persistent=True) as ready:
        yield ready


def deltas(text: str) -> list[StreamEvent]:
    """
    Make deltas of different blocks, which are never merged.
    """
    return [TextDelta(letter, index) for index, letter in enumerate(text)]


async def test_an_outage_is_a_pause(durable_fleet: Fleet) -> None:
    """
    While Redis is down readers get nothing and lose nothing; when it is back with its data they get the rest.
    """
    here, there = await durable_fleet.start(), await durable_fleet.start()
    lease = await here.log.acquire(opening())
    transcripts = [Transcript(replica.log) for replica in (here, there)]
    await say(here, lease, *deltas("abc"))
    for transcript in transcripts:
        await transcript.reaches(3)
    durable_fleet.server.kill()
    here.log.append(lease, deltas("defgh")[:3])
    await asyncio.sleep(0.3)
    assert [len(transcript.entries) for transcript in transcripts] == [3, 3]
    durable_fleet.server.start()
    await here.log.finalize(lease, STOP, SUMMARY)
    first, second = [await transcript.whole() for transcript in transcripts]
    assert first == second
    assert_gapless(first)
    assert_same_answer(first, [*deltas("abc"), *deltas("defgh")[:3], STOP])
    assert not here.listener.losses


@pytest.mark.parametrize("writes_after", [True, False])
async def test_a_wiped_store_is_given_running_turns_again(fleet: Fleet, *, writes_after: bool) -> None:
    """
    When Redis comes back empty, a running turn is written again from memory, with its epoch, chat and key.
    """
    here, there = await fleet.start(), await fleet.start()
    lease = await here.log.acquire(opening(chat_id="c", key="k", fingerprint="f"))
    transcripts = [Transcript(replica.log) for replica in (here, there)]
    await say(here, lease, *deltas("abc"))
    epoch = (await here.log.status("t", owner="me")).epoch
    for transcript in transcripts:
        await transcript.reaches(3)
    fleet.server.restart()
    if writes_after:
        here.log.append(lease, [TextDelta("d", 9)])
    async with asyncio.timeout(SECONDS):
        while (await there.log.find_chat("c", owner="me")) is None:
            await asyncio.sleep(0.02)
    late = Transcript(there.log, after=2, epoch=epoch)
    await here.log.finalize(lease, STOP, SUMMARY)
    first, second = [await transcript.whole() for transcript in transcripts]
    assert first == second
    assert_gapless(first)
    assert len(first) == 4 + writes_after
    assert await late.whole() == first[2:]
    assert not here.listener.losses


async def test_lost_appends_are_written_again(fleet: Fleet) -> None:
    """
    Where Redis lost the newest acknowledged entries only, those are written again: positions stay good everywhere.
    """
    here, there = await fleet.start(), await fleet.start()
    lease = await here.log.acquire(opening())
    transcript = Transcript(there.log)
    await say(here, lease, *deltas("abcd"))
    await transcript.reaches(4)
    # What a fail-over to a replica that lagged behind leaves.
    fleet.server.ask("XDEL", "outcrop:log:t", "3-0", "4-0")
    fleet.server.ask("XSETID", "outcrop:log:t", "2-0")
    fleet.server.ask("HSET", "outcrop:turn:t", "last", "2")
    here.log.append(lease, [TextDelta("e", 7)])
    await here.log.finalize(lease, STOP, SUMMARY)
    whole = await transcript.whole()
    assert_gapless(whole)
    assert_same_answer(whole, [*deltas("abcd"), TextDelta("e", 7), STOP])
    assert await read_entries(there.log) == whole


async def test_a_log_whose_beginning_is_lost_has_another_epoch(fleet: Fleet) -> None:
    """
    Where neither Redis nor memory has the beginning, attached readers go on, and old positions are told that they are.
    """
    here = await fleet.start(mirror_bytes=1000)
    lease = await here.log.acquire(opening())
    transcript = Transcript(here.log)
    for number in range(40):
        await say(here, lease, TextDelta(str(number), number))
    await transcript.reaches(40)
    epoch = (await here.log.status("t", owner="me")).epoch
    fleet.server.wipe()
    here.log.append(lease, [TextDelta("40", 40)])
    await here.log.finalize(lease, STOP, SUMMARY)
    whole = await transcript.whole()
    assert_gapless(whole)
    assert len(whole) == 42
    with pytest.raises(EpochChanged):
        await read_entries(here.log, after=40, epoch=epoch)
    with pytest.raises(PositionExpired):
        await read_entries(here.log)
    status = await here.log.status("t", owner="me")
    assert status.epoch != epoch
    assert status.first_seq > 1
    assert await read_entries(here.log, after=status.first_seq - 1, epoch=status.epoch) == whole[status.first_seq - 1 :]
    assert await read_entries(here.log, after=40, epoch=status.epoch) == whole[40:]


async def test_a_final_turn_that_was_wiped_is_told_by_its_epoch(fleet: Fleet) -> None:
    """
    After a wipe, a position of before is answered with a changed epoch, a bare name with an unknown turn.
    """
    here = await fleet.start()
    lease = await here.log.acquire(opening())
    await here.log.finalize(lease, STOP, SUMMARY)
    epoch = (await here.log.status("t", owner="me")).epoch
    fleet.server.wipe()
    with pytest.raises(EpochChanged):
        await here.log.subscribe("t", owner="me", wake=lambda: None, after=1, epoch=epoch)
    with pytest.raises(UnknownTurn):
        await here.log.status("t", owner="me")


async def test_cut_connections_are_made_again(fleet: Fleet) -> None:
    """
    Closing every connection, again and again, costs no entry on any replica.
    """
    here, there = await fleet.start(), await fleet.start()
    lease = await here.log.acquire(opening())
    transcripts = [Transcript(replica.log) for replica in (here, there)]
    events: list[StreamEvent] = [TextDelta(str(number), number) for number in range(60)]
    for number, event in enumerate(events):
        here.log.append(lease, [event])
        if number % 10 == 5:
            fleet.server.cut_connections()
        await asyncio.sleep(0.01)
    await here.log.finalize(lease, STOP, SUMMARY)
    first, second = [await transcript.whole() for transcript in transcripts]
    assert first == second
    assert_gapless(first)
    assert_same_answer(first, [*events, STOP])


async def test_a_frozen_server_is_left_in_time(fleet: Fleet) -> None:
    """
    While Redis does not answer, everything that waits for it ends with an error in time, and works when it answers.
    """
    here = await fleet.start(store_timeout_seconds=0.5)
    lease = await here.log.acquire(opening())
    transcript = Transcript(here.log)
    await say(here, lease, TextDelta("a"))
    fleet.server.freeze()
    try:
        with pytest.raises(StoreError, match="can't be reached"):
            await here.log.acquire(opening("other", chat_id="c"))
        with pytest.raises(StoreError, match="can't be reached"):
            await here.log.status("unknown", owner="me")
        with pytest.raises(StoreError, match="can't be reached"):
            await here.log.finalize(lease, STOP, SUMMARY)
        assert len(transcript.entries) == 1
    finally:
        fleet.server.thaw()
    assert [entry.event for entry in await transcript.whole()] == [TextDelta("a"), STOP]
    async with asyncio.timeout(SECONDS):
        # What may have begun while nobody knew is undone.
        while await _find(here.log, "c"):
            await asyncio.sleep(0.02)


async def _find(log: RedisTurnLog, chat_id: str) -> bool:
    try:
        return await log.find_chat(chat_id, owner="me") is not None
    except StoreError:
        return True


async def test_an_outage_that_lasts_ends_the_readers(fleet: Fleet) -> None:
    """
    An end that can't be written for too long is given up: attached readers are told, and do not wait for ever.
    """
    here = await fleet.start(store_timeout_seconds=0.2, outage_seconds=0.6)
    lease = await here.log.acquire(opening())
    transcript = Transcript(here.log)
    await say(here, lease, TextDelta("a"))
    fleet.server.kill()
    with pytest.raises(StoreError, match="can't be reached"):
        await here.log.finalize(lease, STOP, SUMMARY)
    with pytest.raises(StoreError):
        await transcript.whole()
    # When Redis is back, somebody has to end the turn there.
    fleet.server.start()
    opened = await here.log.acquire(opening("other"))
    assert opened.turn_id == "other"


async def test_a_turn_whose_end_was_given_up_is_an_orphan(durable_fleet: Fleet) -> None:
    """
    When Redis comes back after an end was given up, its own replica is asked to end the turn once more.
    """
    here = await durable_fleet.start(store_timeout_seconds=0.2, outage_seconds=0.6)
    lease = await here.log.acquire(opening())
    await say(here, lease, TextDelta("a"))
    durable_fleet.server.kill()
    with pytest.raises(StoreError, match="can't be reached"):
        await here.log.finalize(lease, STOP, SUMMARY)
    async with asyncio.timeout(SECONDS):
        while here.log._holdings.own:
            await asyncio.sleep(0.02)
    durable_fleet.server.start()
    await here.listener.hears(lambda said: len(said.orphans) == 1)
    status, again = here.listener.orphans[0]
    assert (status.state, status.last_seq) == ("running", 1)
    await here.log.finalize(again, STOP, SUMMARY)
    assert [entry.event for entry in await read_entries(here.log)] == [TextDelta("a"), STOP]


async def test_a_turn_that_was_given_up_takes_no_memory(fleet: Fleet) -> None:
    """
    Entries that Redis acknowledges after their turn was given up are not kept here.
    """
    here = await fleet.start(store_timeout_seconds=30, outage_seconds=0.3)
    lease = await here.log.acquire(opening())
    mirror = here.log._holdings.own["t"].mirror
    fleet.server.freeze()
    try:
        here.log.append(lease, [TextDelta("a")])
        await until(lambda: here.log._holdings.own["t"].is_sending)
        with pytest.raises(StoreError, match="the answer's end is lost"):
            await here.log.finalize(lease, STOP, SUMMARY)
    finally:
        fleet.server.thaw()
    # The turn comes back as an orphan when the commit that was under way is through.
    await here.listener.hears(lambda said: len(said.orphans) == 1)
    await until(lambda: here.log._writer.commits == 1)
    assert mirror.entries == []
    assert here.log._holdings._budget._used == 0


async def test_what_waits_for_redis_is_bounded(fleet: Fleet) -> None:
    """
    During an outage a turn takes events up to the bound of one log.
    """
    here = await fleet.start()
    lease = await here.log.acquire(opening())
    fleet.server.kill()
    for _ in range(200):
        here.log.append(lease, [TextDelta("x" * 4096)])
    with pytest.raises(LogFull):
        here.log.append(lease, [TextDelta("x" * (400 << 10))])


async def test_a_cancelled_exchange_gives_nobody_anothers_answer(fleet: Fleet) -> None:
    """
    Exchanges that are cancelled at random moments never leave their answer to the next one on the same connection.
    """
    link = RedisLink(fleet.server.url, prefix="p:", timeout_seconds=SECONDS)
    await link.open()
    chance = random.Random(5)
    foreign: list[tuple[str, bytes]] = []
    whole = 0

    async def ask(number: int) -> None:
        nonlocal whole
        question = f"question {number}"
        answer = await link.execute("ECHO", question)
        whole += 1
        if answer != question.encode():
            foreign.append((question, answer))

    for start in range(0, 2000, 40):
        tasks = [asyncio.create_task(ask(start + number)) for number in range(40)]
        for _ in range(chance.randrange(12)):
            await asyncio.sleep(0)
        for task in chance.sample(tasks, 20):
            task.cancel()
        await asyncio.wait(tasks)
        assert all(task.cancelled() or task.exception() is None for task in tasks)
    await link.aclose()
    assert foreign == []
    assert whole >= 1000


@pytest.mark.parametrize(
    "url", ["http://localhost", "redis://host:port", "redis://host/0?nonsense=1", "rediss://h?ssl_cert_reqs=maybe", "x"]
)
async def test_a_wrong_url_is_refused(url: str) -> None:
    """
    A URL that can't be understood is refused before anything is connected.
    """
    with pytest.raises(SettingsError, match="turn_log is"):
        _make(url)


async def test_an_unreachable_server_is_named_without_its_password() -> None:
    """
    A server that is not there is named in the error, without the user and password of its URL.
    """
    log = _make("redis://somebody:secret@127.0.0.1:1/0")
    with pytest.raises(StoreError, match=r"redis://127\.0\.0\.1:1") as caught:
        await log.open(Listener())
    assert "secret" not in str(caught.value)
    await log.let_go()


async def test_a_wrong_password_is_told(tmp_path: Path) -> None:
    """
    A refused password says what to check; the right one works, and never appears.
    """
    require_redis()
    server = RedisServer(tmp_path, options=("--requirepass", "right"))
    server.start()
    try:
        for url in (server.url, server.url.replace("//", "//:wrong@")):
            log = _make(url)
            with pytest.raises(StoreError, match="check the name and password") as caught:
                await log.open(Listener())
            assert "wrong" not in str(caught.value)
            await log.let_go()
        log = _make(server.url.replace("//", "//:right@"))
        await log.open(Listener())
        await log.aclose()
    finally:
        server.kill()


async def test_a_cluster_is_refused(tmp_path: Path) -> None:
    """
    A Redis Cluster is refused with a sentence that says what to use instead.
    """
    require_redis()
    # Without a port of its own for the cluster it takes the other one's and 10,000, which may be beyond the last.
    server = RedisServer(tmp_path, options=("--cluster-enabled", "yes", "--cluster-port", str(find_port())))
    server.start()
    try:
        log = _make(server.url)
        with pytest.raises(StoreError, match="cluster, which is not supported"):
            await log.open(Listener())
        await log.let_go()
    finally:
        server.kill()


async def test_a_unix_socket_serves(tmp_path: Path) -> None:
    """
    The server may listen on a socket of the file system.
    """
    require_redis()
    socket = tmp_path / "redis.sock"
    server = RedisServer(tmp_path, options=("--unixsocket", str(socket)))
    server.start()
    try:
        log = _make(f"unix://{socket}")
        await log.open(Listener())
        lease = await log.acquire(opening())
        await log.finalize(lease, STOP, SUMMARY)
        assert [entry.event for entry in await read_entries(log)] == [STOP]
        await log.aclose()
    finally:
        server.kill()


async def test_nothing_that_a_person_made_up_is_in_a_key(fleet: Fleet) -> None:
    """
    Owners, chats and idempotency keys are hashed before they become part of a key.
    """
    here = await fleet.start()
    await here.log.acquire(opening(owner="canary owner", chat_id="canary chat", key="canary key"))
    keys = fleet.server.ask("KEYS", "*")
    assert b"outcrop:turn:t" in keys
    assert b"canary" not in keys


def _make(url: str) -> RedisTurnLog:
    return RedisTurnLog(
        url, replica_id="r", max_log_bytes=1000, max_retained_bytes=1000, retention_seconds=60, store_timeout_seconds=5
    )


async def test_a_turn_has_one_message_start(fleet: Fleet) -> None:
    """
    A retried append that Redis had taken is not written twice.
    """
    here = await fleet.start()
    lease = await here.log.acquire(opening())
    for number in range(40):
        here.log.append(lease, [MessageStart(message_id=str(number))])
        await asyncio.sleep(0)
        fleet.server.cut_connections()
    await here.log.finalize(lease, STOP, SUMMARY)
    entries = await read_entries(here.log)
    assert_gapless(entries)
    assert [entry.event for entry in entries] == [*(MessageStart(message_id=str(number)) for number in range(40)), STOP]


async def test_a_listener_that_has_lost_its_connection_makes_no_other(fleet: Fleet) -> None:
    """
    Sending on a lost connection fails, instead of opening one that hears nothing and that nobody closes.
    """
    link = RedisLink(fleet.server.url, prefix="p:", timeout_seconds=SECONDS)
    await link.open()
    listener = await link.listen()
    fleet.server.cut_connections()
    with pytest.raises(StoreError):
        await listener.receive()
    with pytest.raises(StoreError):
        await listener.send("PING")
    listener.close()
    await link.aclose()
