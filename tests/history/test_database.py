"""
What is SQLite's alone: the file, its lock, its rights, and what stays in it.
"""

import asyncio
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import delete, insert, select, text

from outcrop.errors import OutcropError, SettingsError, StoreError
from outcrop.history import sqlite_database
from outcrop.history.address import parse_address
from outcrop.history.database import Database, open_database
from outcrop.history.tables import blobs, conversations, messages
from outcrop.history.transaction import Transaction
from outcrop.history.trouble import StorageFull, StoreConflict

WAIT_SECONDS = 20
CANARY = "zanzibarcanary"
ROW = {
    "key": 7, "owner": "alice", "id": "one", "title": CANARY, "title_source": "prompt", "created_at": 1,
    "updated_at": 1, "revision": 0,
}  # fmt: skip
MESSAGE = {
    "conversation_key": 7, "role": "user", "state": "completed", "content": CANARY.encode(), "digest": b"",
    "created_at": 1,
}  # fmt: skip


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """
    Where the file is; its folder is not there yet.
    """
    return tmp_path / "kept" / "outcrop.db"


@pytest.fixture
async def database(path: Path) -> AsyncIterator[Database]:
    """
    Open a new file.
    """
    opened = await open_database(str(path))
    yield opened
    await opened.aclose()


async def write_chat(connection: Transaction) -> None:
    """
    Write a conversation with a question and its answer, which follows it, and what is searched of them.
    """
    await connection.execute(insert(conversations).values(ROW))
    await connection.execute(insert(messages).values({**MESSAGE, "key": 1, "id": "m1"}))
    await connection.execute(insert(messages).values({**MESSAGE, "key": 2, "id": "m2", "parent_key": 1}))
    entry = text("INSERT INTO search_entries(rowid, tokens, message_key, conversation_key) VALUES (:at, :what, :of, 7)")
    for at, of in ((-7, None), (64, 1), (127, 1), (128, 2)):
        await connection.execute(entry, {"at": at, "of": of, "what": f"{CANARY} word{at}"})


async def count_entries(connection: Transaction) -> int:
    """
    Count what is searched.
    """
    return int(await connection.scalar(text("SELECT count(*) FROM search_entries")) or 0)


async def test_files_are_their_owners_alone(database: Database, path: Path) -> None:
    """
    The folder that we make, the file, its log, its index and its lock can be read by nobody else.
    """
    await database.write(write_chat)
    names = sorted(each.name for each in path.parent.iterdir())
    assert names == ["outcrop.db", "outcrop.db-shm", "outcrop.db-wal", "outcrop.db.lock"]
    assert [oct(each.stat().st_mode & 0o777) for each in path.parent.iterdir()] == ["0o600"] * 4
    assert path.parent.stat().st_mode & 0o777 == 0o700


async def test_the_lock_of_a_killed_server_is_free(path: Path) -> None:
    """
    Another process that serves the file keeps us out; after kill -9 of it we come in.
    """
    serving = (
        "import asyncio, sys; from outcrop.history.database import open_database\n"
        "async def run():\n kept = await open_database(sys.argv[1])\n print('open', flush=True)\n"
        " await asyncio.sleep(100)\n"
        "asyncio.run(run())"
    )
    with subprocess.Popen([sys.executable, "-c", serving, str(path)], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert await asyncio.to_thread(other.stdout.readline) == "open\n"
        with pytest.raises(StoreError, match="another server has the database"):
            await open_database(str(path))
        other.send_signal(signal.SIGKILL)
        other.wait(10)
    await (await open_database(str(path))).aclose()


async def test_servers_that_share_keep_the_only_one_out(path: Path) -> None:
    """
    Several servers with one turn log may use one file; one that must be alone is refused meanwhile, and keeps them out.
    """
    first = await open_database(str(path), exclusive=False)
    second = await open_database(str(path), exclusive=False)
    await first.write(write_chat)
    assert await second.read(count_entries) == 4
    with pytest.raises(StoreError, match="another server"):
        await open_database(str(path))
    await first.aclose()
    await second.aclose()
    alone = await open_database(str(path))
    with pytest.raises(StoreError, match="another server"):
        await open_database(str(path), exclusive=False)
    await alone.aclose()


async def test_what_goes_with_a_conversation(database: Database) -> None:
    """
    Its messages, and what is searched of it and of them, are gone when its row is deleted; keys of others stay.
    """
    await database.write(write_chat)

    async def other(connection: Transaction) -> None:
        await connection.execute(insert(conversations).values({**ROW, "key": 8, "id": "two"}))
        await connection.execute(
            text("INSERT INTO search_entries(rowid, tokens, conversation_key) VALUES (-8, 'other', 8)")
        )
        await connection.execute(delete(conversations).where(conversations.c.key == 7))

    await database.write(other)
    assert await database.read(count_entries) == 1

    async def left(connection: Transaction) -> list[int]:
        return list((await connection.execute(select(messages.c.key))).scalars())

    assert await database.read(left) == []


async def test_scrubbing_takes_deleted_words_out_of_the_files(database: Database, path: Path) -> None:
    """
    After it, what was said stands in no file any more, not in the search index or the log either.
    """
    await database.write(write_chat)
    await database.write(lambda connection: connection.execute(delete(conversations)))
    assert any(CANARY.encode() in each.read_bytes() for each in path.parent.iterdir())
    await database.scrub()
    assert not any(CANARY.encode() in each.read_bytes() for each in path.parent.iterdir())
    await database.scrub()
    await database.write(write_chat)
    assert await database.read(count_entries) == 4


async def test_a_full_database_is_said_and_passes(database: Database) -> None:
    """
    Where SQLite finds no room, nothing of the transaction is there, and with room again all goes on.
    """

    async def limit(connection: Transaction, pages: int) -> None:
        await connection.execute(text(f"PRAGMA max_page_count={pages}"))

    async def fill(connection: Transaction) -> None:
        await write_chat(connection)
        for number in range(40):
            row = {"conversation_key": 7, "digest": str(number).encode(), "content": bytes(50_000)}
            await connection.execute(insert(blobs).values(row))

    await database.write(lambda connection: limit(connection, 200))
    with pytest.raises(StorageFull, match="no room"):
        await database.write(fill)
    assert await database.read(count_entries) == 0
    await database.write(lambda connection: limit(connection, 100_000))
    await database.write(fill)
    assert await database.read(count_entries) == 4


async def test_readers_write_nothing(database: Database) -> None:
    """
    Work that was given as reading can't change anything.
    """
    with pytest.raises(StoreError, match="can't be written"):
        await database.read(write_chat)
    assert await database.read(count_entries) == 0


async def test_readers_go_on_beside_a_writer(database: Database) -> None:
    """
    A transaction that is open holds no reader up, and is not seen before its commit.
    """
    reading, written = threading.Event(), threading.Event()

    async def slowly(transaction: Transaction) -> None:
        await write_chat(transaction)
        written.set()
        assert reading.wait(WAIT_SECONDS)

    writing = asyncio.create_task(database.write(slowly))
    assert await asyncio.to_thread(written.wait, WAIT_SECONDS)
    assert [await database.read(count_entries) for _ in range(8)] == [0] * 8
    reading.set()
    await writing
    assert await database.read(count_entries) == 4


async def test_waiting_for_the_turn_to_write_has_an_end(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Who waits too long for another write is told that the database is busy; the one that it waited for is not disturbed.
    """
    monkeypatch.setattr(sqlite_database, "WAIT_SECONDS", 0.05)
    go_on, begun = threading.Event(), threading.Event()

    async def slowly(transaction: Transaction) -> None:
        begun.set()
        assert go_on.wait(WAIT_SECONDS)
        await write_chat(transaction)

    writing = asyncio.create_task(database.write(slowly))
    assert await asyncio.to_thread(begun.wait, WAIT_SECONDS)
    with pytest.raises(StoreError, match="busy"):
        await database.write(count_entries)
    go_on.set()
    await writing
    assert await database.write(count_entries) == 4


async def test_writes_that_wait_share_a_commit(database: Database) -> None:
    """
    What comes while another transaction runs is committed at once, in order; where one fails, the others are there.
    """
    go_on, order = threading.Event(), []

    async def first(_transaction: Transaction) -> None:
        assert go_on.wait(WAIT_SECONDS)

    async def make(transaction: Transaction, key: int) -> int:
        order.append(key)
        await transaction.execute(insert(conversations).values({**ROW, "key": key, "id": f"c{key}"}))
        return key

    def begin(keys: Sequence[int]) -> "list[asyncio.Task[int]]":
        return [asyncio.create_task(database.write(partial(make, key=key))) for key in keys]

    waiting = asyncio.create_task(database.write(first))
    await asyncio.sleep(0)
    good = begin(range(1, 9))
    await asyncio.sleep(0)
    go_on.set()
    await waiting
    assert await asyncio.gather(*good) == list(range(1, 9)) == order
    go_on.clear()
    waiting = asyncio.create_task(database.write(first))
    await asyncio.sleep(0)
    mixed = begin([11, 3, 12])
    await asyncio.sleep(0)
    go_on.set()
    await waiting
    ends = await asyncio.gather(*mixed, return_exceptions=True)
    assert (ends[0], type(ends[1]), ends[2]) == (11, StoreConflict, 12)

    async def there(transaction: Transaction) -> list[int]:
        return sorted((await transaction.execute(select(conversations.c.key))).scalars())

    assert await database.read(there) == [*range(1, 9), 11, 12]


async def test_work_awaits_nothing_but_its_transaction(database: Database) -> None:
    """
    Work that waits for something else is refused, and nothing of it is there.
    """

    async def wrong(transaction: Transaction) -> None:
        await write_chat(transaction)
        await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="waited for something else"):
        await database.write(wrong)
    assert await database.read(count_entries) == 0


async def test_nothing_is_done_after_the_end(path: Path) -> None:
    """
    A closed database has given its lock back, so it does not touch the file any more.
    """
    opened = await open_database(str(path))
    await opened.aclose()
    with pytest.raises(StoreError, match="closed"):
        await opened.write(write_chat)
    with pytest.raises(StoreError, match="closed"):
        await opened.read(count_entries)


async def test_what_is_under_way_at_the_end_is_finished(path: Path) -> None:
    """
    Closing waits for a transaction whose caller has left.
    """
    opened = await open_database(str(path))
    begun, left = threading.Event(), threading.Event()

    async def slowly(transaction: Transaction) -> None:
        begun.set()
        assert left.wait(WAIT_SECONDS)
        await write_chat(transaction)

    writing = asyncio.create_task(opened.write(slowly))
    assert await asyncio.to_thread(begun.wait, WAIT_SECONDS)
    writing.cancel()
    left.set()
    await opened.aclose()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM messages").fetchone() == (2,)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("mysql://u:secret@h/x", "expected a path, or postgresql"),
        ("postgresql://u:secret@h", "expected a path, or postgresql"),
        ("postgresql://u:secret@h:abc/x", "can't be read"),
        ("postgresql://u:secret@h:123456/x", "expected 1 to 65535"),
        ("postgresql://u:secret@h/x?sslmode=sometimes", "expected one of allow"),
        ("postgresql://u:secret@h/x?options=-c", "the option 'options'"),
        ("://u:secret", "can't be read"),
        ("sqlite:///:memory:", "names no file"),
        ("sqlite:///x.db?mode=secret", "names no file"),
    ],
)
def test_addresses_that_are_none(address: str, words: str) -> None:
    """
    They are refused in a sentence that does not tell the password, nor do the errors that it comes from.
    """
    with pytest.raises(SettingsError, match=words) as caught:
        parse_address(address)
    error: BaseException | None = caught.value
    while error is not None:
        assert "secret" not in str(error)
        error = error.__cause__


@pytest.mark.parametrize(
    ("address", "database", "options"),
    [
        ("kept/x.db", "kept/x.db", {}),
        ("sqlite:///kept/x.db", "kept/x.db", {}),
        ("sqlite:////var/x.db", "/var/x.db", {}),
        ("postgres://u:p@h/x?sslmode=require", "x", {"ssl": "require"}),
        ("postgresql+asyncpg://u@/x?host=/run/postgresql", "x", {"host": "/run/postgresql"}),
    ],
)
def test_addresses(address: str, database: str, options: dict[str, str]) -> None:
    """
    Paths and addresses of both databases are understood; the words of libpq are turned into the driver's.
    """
    url = parse_address(address)
    assert (url.database, dict(url.query)) == (database, options)


async def test_what_can_not_be_opened_is_said(tmp_path: Path) -> None:
    """
    A folder, a file that is no database, and a path through a file are named for what they are.
    """
    junk = tmp_path / "junk.db"
    junk.write_bytes(b"no database " * 1000)
    wrong = {str(tmp_path): "can't be opened", str(junk): "not a database", str(junk / "x.db"): "can't be opened"}
    for address, words in wrong.items():
        with pytest.raises(OutcropError, match=words):
            await open_database(address)
    assert junk.read_bytes().startswith(b"no database")
