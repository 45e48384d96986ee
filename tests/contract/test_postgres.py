"""
What is PostgreSQL's alone: crashes, hangs, the lock on a connection, and versions.
"""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from functools import partial

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.ext.asyncio import create_async_engine

from outcrop.errors import StoreError
from outcrop.history import postgres_database, server_lock
from outcrop.history.address import parse_address
from outcrop.history.database import Database, open_database
from outcrop.history.maintenance import examine, upgrade_database
from outcrop.history.tables import calls
from outcrop.history.transaction import Transaction
from tests.contract.conftest import NUMBERS
from tests.postgres_server import PostgresServer

WAIT_SECONDS = 40


@pytest.fixture
def empty(postgres_server: PostgresServer) -> str:
    """
    Make a database without tables.
    """
    return postgres_server.make_database(f"own{next(NUMBERS)}")


@pytest.fixture
async def place(empty: str) -> str:
    """
    Make a database with tables.
    """
    await upgrade_database(empty)
    return empty


@pytest.fixture
async def database(place: str) -> AsyncIterator[Database]:
    """
    Open it, as the only server.
    """
    opened = await open_database(place)
    yield opened
    await opened.aclose()


def call(number: int) -> dict[str, object]:
    """
    Make a row of the ledger.
    """
    names = ("input_tokens", "output_tokens", "reasoning_tokens", "cache_read_tokens", "cache_write_tokens", "attempts")
    return {
        "turn_id": f"t{number}", "call": 1, "owner": "alice", "model_id": "m", "estimated": False, "opened_at": 1,
        **dict.fromkeys(names, 0),
    }  # fmt: skip


async def write(transaction: Transaction, number: int) -> None:
    """
    Write a row.
    """
    await transaction.execute(insert(calls).values(call(number)))


async def turns(transaction: Transaction) -> list[str]:
    """
    Read what is written.
    """
    return list((await transaction.execute(select(calls.c.turn_id).order_by(calls.c.turn_id))).scalars())


async def read_patiently(database: Database) -> list[str]:
    """
    Read when it can be read again.
    """
    for _ in range(WAIT_SECONDS * 5):
        try:
            return await database.read(turns)
        except StoreError:
            await asyncio.sleep(0.2)
    return await database.read(turns)


async def test_a_crash_before_the_commit_is_not_noticed(database: Database, postgres_server: PostgresServer) -> None:
    """
    A transaction whose connection is lost is run again, and its rows are there once.
    """
    runs = 0

    async def work(transaction: Transaction) -> None:
        nonlocal runs
        runs += 1
        await write(transaction, 1)
        if runs == 1:
            await asyncio.to_thread(postgres_server.restart)
        await write(transaction, 2)

    await database.write(work)
    assert (runs, await database.read(turns)) == (2, ["t1", "t2"])


async def test_after_a_crash_between_two_uses_all_goes_on(database: Database, postgres_server: PostgresServer) -> None:
    """
    Connections of the pool that are dead are not given to anybody; what was committed is there.
    """
    await asyncio.gather(*(database.write(partial(write, number=at)) for at in range(8)))
    await asyncio.to_thread(postgres_server.restart)
    assert len(await database.read(turns)) == 8
    await database.write(partial(write, number=9))


async def test_a_commit_that_nobody_knows_of_is_said(database: Database, postgres_server: PostgresServer) -> None:
    """
    Where the connection is lost while it commits, the work is not run again: it might be there already.
    """
    runs = 0
    slow_commit = (
        "CREATE FUNCTION rest() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(50); RETURN NULL; END'",
        "CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON calls INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION rest()",
    )

    async def slow_down(transaction: Transaction) -> None:
        for statement in slow_commit:
            await transaction.execute(text(statement))

    async def work(transaction: Transaction) -> None:
        nonlocal runs
        runs += 1
        await write(transaction, 1)

    async def committing(transaction: Transaction) -> bool:
        found = text("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'COMMIT%' AND state = 'active'")
        return bool(await transaction.scalar(found))

    await database.write(slow_down)
    writing = asyncio.create_task(database.write(work))
    while not await database.read(committing):
        await asyncio.sleep(0.02)
    await asyncio.to_thread(postgres_server.restart)
    with pytest.raises(StoreError, match="not known"):
        await writing
    assert (runs, await database.read(turns)) == (1, [])


async def test_the_only_server_stays_the_only_one(
    database: Database, place: str, postgres_server: PostgresServer
) -> None:
    """
    The lock goes with PostgreSQL's crash; the server takes it again, and a second one is refused as before.
    """
    await asyncio.to_thread(postgres_server.restart)
    await database.write(partial(write, number=1))
    with pytest.raises(StoreError, match="OUTCROP_TURN_LOG=redis"):
        await open_database(place)


async def test_a_server_whose_lock_was_taken_writes_nothing(
    database: Database, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Another server that got the lock while ours was cut off may have ended our turns: only it writes, until it leaves.
    """
    engine = create_async_engine(parse_address(place))
    monkeypatch.setattr("outcrop.history.postgres_database.LOCK_SECONDS", 2.0)
    async with engine.connect() as other:
        await other.execution_options(isolation_level="AUTOCOMMIT")
        cut = text(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        take = text("SELECT pg_advisory_lock(:key)")
        waiting = asyncio.create_task(other.execute(take, {"key": server_lock.EXCLUSIVE_KEY}))
        queued = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        while not await database.read(lambda transaction: transaction.scalar(queued)):
            await asyncio.sleep(0.05)
        await database.read(lambda transaction: transaction.execute(cut))
        await waiting
        assert isinstance(database, postgres_database.PostgresDatabase)
        lock = database._lock
        while lock is None or lock.held.is_set():
            await asyncio.sleep(0.02)
        with pytest.raises(StoreError, match="another server has this database"):
            await database.write(partial(write, number=1))
        assert await database.read(turns) == []
    await engine.dispose()
    for _ in range(WAIT_SECONDS):
        try:
            await database.write(partial(write, number=2))
            break
        except StoreError:
            continue
    assert await database.read(turns) == ["t2"]


async def test_servers_with_a_common_turn_log_share_a_database(place: str) -> None:
    """
    They are not each other's only one, and read what the other wrote.
    """
    first, second = [await open_database(place, exclusive=False) for _ in range(2)]
    await first.write(partial(write, number=1))
    assert await second.read(turns) == ["t1"]
    await first.aclose()
    await second.aclose()


async def test_a_database_that_hangs_holds_nobody_for_ever(
    place: str, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A PostgreSQL that answers nothing is given up after the time-out; when it answers again, all goes on.
    """
    monkeypatch.setattr(postgres_database, "ANSWER_SECONDS", 2)
    monkeypatch.setattr(postgres_database, "WAIT_SECONDS", 2.0)
    database = await open_database(place, exclusive=False)
    await database.write(partial(write, number=1))
    postgres_server.freeze()
    try:
        with pytest.raises(StoreError, match="can't be used now"):
            await asyncio.wait_for(database.write(partial(write, number=2)), WAIT_SECONDS)
    finally:
        postgres_server.thaw()
    assert "t1" in await read_patiently(database)
    await database.write(partial(write, number=3))
    await database.aclose()


async def test_an_older_database_is_refused(empty: str) -> None:
    """
    A server does not migrate PostgreSQL, where others may run; it says which command does.
    """
    with pytest.raises(StoreError, match="outcrop db upgrade"):
        await open_database(empty)
    assert (await examine(empty)).findings[0].endswith("run `outcrop db upgrade`")
    assert await upgrade_database(empty) == (None, "0001")
    assert await upgrade_database(empty) == ("0001", "0001")
    assert (await examine(empty)).findings == ()


async def test_a_migration_that_is_killed_begins_again(empty: str) -> None:
    """
    Killed before any of its statements it leaves nothing: the next one, on the same database, begins at the beginning.
    """
    line = [sys.executable, "-m", "tests.history.migrating", empty]
    done = await asyncio.to_thread(subprocess.run, line, capture_output=True, text=True, timeout=100, check=False)
    assert done.stdout.isdigit(), done.stdout + done.stderr
    assert int(done.stdout) > 10
    assert (await examine(empty)).findings == ()


async def test_several_migrate_at_once(empty: str) -> None:
    """
    One of them makes the tables, the others wait and find them made.
    """
    upgrading = (
        "import asyncio, sys; from outcrop.history.maintenance import upgrade_database;"
        "asyncio.run(upgrade_database(sys.argv[1]))"
    )
    processes = [subprocess.Popen([sys.executable, "-c", upgrading, empty]) for _ in range(4)]
    ended = [await asyncio.to_thread(process.wait, 60) for process in processes]
    assert ended == [0, 0, 0, 0]
    assert (await examine(empty)).findings == ()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("/own", "/nothere"), "no database of that name"),
        (("postgres@", "nobody:secret@"), "does not let this user in"),
        (("127.0.0.1:", "127.0.0.2:"), "can't be used now"),
    ],
)
async def test_what_can_not_be_reached_is_said(place: str, change: tuple[str, str], words: str) -> None:
    """
    The sentence says what to look at, and no password.
    """
    with pytest.raises(StoreError, match=words) as caught:
        await open_database(place.replace(*change))
    assert "secret" not in caught.value.message
