"""
One contract, run over every database.
"""

import asyncio
import random
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, delete, func, insert, select, text, update

from outcrop.errors import StoreError
from outcrop.history.address import parse_address
from outcrop.history.database import Database, open_database
from outcrop.history.maintenance import _look, examine
from outcrop.history.tables import conversations, messages, metadata
from outcrop.history.transaction import Transaction
from outcrop.history.trouble import StoreConflict


def named(name: str) -> dict[str, Any]:
    """
    Make a row.
    """
    return {
        "owner": "alice", "id": name, "title": "t", "title_source": "prompt", "created_at": 1, "updated_at": 1,
        "revision": 0,
    }  # fmt: skip


async def write(transaction: Transaction, name: str) -> None:
    """
    Write a row.
    """
    await transaction.execute(insert(conversations).values(named(name)))


async def count(transaction: Transaction) -> int:
    """
    Count the rows.
    """
    return int(await transaction.scalar(select(func.count()).select_from(conversations)) or 0)


async def test_work_is_one_transaction(database: Database) -> None:
    """
    What was written before a failure is not there.
    """

    async def work(transaction: Transaction) -> None:
        await write(transaction, "one")
        raise KeyError("broken")

    with pytest.raises(KeyError):
        await database.write(work)
    assert await database.read(count) == 0


async def test_a_name_that_is_taken_is_a_conflict_without_values(database: Database) -> None:
    """
    The database's own words, which hold values, are not told.
    """
    await database.write(lambda transaction: write(transaction, "secret-name"))
    with pytest.raises(StoreConflict) as caught:
        await database.write(lambda transaction: write(transaction, "secret-name"))
    assert "secret-name" not in caught.value.message


async def test_many_write_at_once(database: Database) -> None:
    """
    Fifty writers wait for each other, and nobody is told that the database is locked.
    """
    names = [f"n{number}" for number in range(50)]
    await asyncio.gather(
        *(database.write(partial(write, name=name)) for name in names),
        *(database.read(count) for _ in range(50)),
    )
    assert await database.read(count) == 50


async def test_a_cancelled_caller_cancels_no_exchange(database: Database) -> None:
    """
    Work of a caller that is cancelled at any moment is there as a whole, or not at all, and the next is not disturbed.
    """
    randomly = random.Random(7)

    async def pair(transaction: Transaction, number: int) -> None:
        await write(transaction, f"a{number}")
        await write(transaction, f"b{number}")

    for number in range(40):
        task = asyncio.create_task(database.write(partial(pair, number=number)))
        for _ in range(randomly.randrange(12)):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})
        assert await database.read(count) % 2 == 0
    assert await database.write(count) % 2 == 0


async def test_transactions_that_wait_for_each_other_both_come_through(database: Database) -> None:
    """
    Two that change the same rows in opposite order are both committed, each as a whole.
    """
    met = asyncio.Barrier(2)

    async def change(transaction: Transaction, names: tuple[str, str]) -> None:
        for name in names:
            added = conversations.c.revision + 1
            await transaction.execute(update(conversations).where(conversations.c.id == name).values(revision=added))
            if database.kind == "postgresql":
                # In SQLite the second one has not begun: it waits for its turn.
                with suppress(TimeoutError, asyncio.BrokenBarrierError):
                    await asyncio.wait_for(met.wait(), 0.2)

    async def revisions(transaction: Transaction) -> list[int]:
        return list((await transaction.execute(select(conversations.c.revision))).scalars())

    for name in ("one", "two"):
        await database.write(partial(write, name=name))
    both = (partial(change, names=names) for names in (("one", "two"), ("two", "one")))
    await asyncio.gather(*(database.write(work) for work in both))
    assert await database.read(revisions) == [2, 2]


async def test_what_is_searched_goes_with_what_it_was_found_in(database: Database) -> None:
    """
    Deleting a message, or a conversation with its messages, deletes their entries.
    """

    async def fill(transaction: Transaction) -> None:
        await transaction.execute(insert(conversations).values({**named("one"), "key": 7}))
        common = {"conversation_key": 7, "role": "user", "state": "completed", "content": b"", "digest": b""}
        for key in (1, 2, 3):
            row = {**common, "key": key, "id": str(key), "parent_key": key - 1 or None, "created_at": 1}
            await transaction.execute(insert(messages).values(row))
        column = "rowid" if database.kind == "sqlite" else "key"
        entry = f"INSERT INTO search_entries({column}, tokens, message_key, conversation_key) VALUES (:at, 'x', :of, 7)"
        for at, of in ((-7, None), (64, 1), (128, 2), (191, 2), (192, 3)):
            await transaction.execute(text(entry), {"at": at, "of": of})

    async def entries(transaction: Transaction) -> int:
        return int(await transaction.scalar(text("SELECT count(*) FROM search_entries")) or 0)

    await database.write(fill)
    assert await database.read(entries) == 5
    await database.write(lambda transaction: transaction.execute(delete(messages).where(messages.c.key == 3)))
    assert await database.read(entries) == 4
    await database.write(lambda transaction: transaction.execute(delete(conversations)))
    assert await database.read(entries) == 0


async def test_an_examination_finds_what_the_tables_allow(database: Database, address: str) -> None:
    """
    A last message that is not there, and a message that follows one of another conversation, are found.
    """
    common = {"role": "user", "state": "completed", "content": b"", "digest": b"", "created_at": 1}

    async def spoil(transaction: Transaction) -> None:
        await transaction.execute(insert(conversations).values({**named("one"), "key": 7, "leaf_id": "m1"}))
        await transaction.execute(insert(conversations).values({**named("two"), "key": 8, "leaf_id": "gone"}))
        for key, of, parent in ((1, 7, None), (2, 8, 1)):
            row = {**common, "key": key, "id": f"m{key}", "conversation_key": of, "parent_key": parent}
            await transaction.execute(insert(messages).values(row))

    assert (await examine(address)).findings == ()
    await database.write(spoil)
    found = await examine(address)
    assert "conversations: 2" in found.lines
    assert found.findings == (
        "messages that follow one of another conversation: 1",
        "conversations whose last message is missing: 1",
    )


async def test_a_second_server_is_refused(database: Database, address: str) -> None:
    """
    Two servers that keep running turns in memory would take each other's for dead.
    """
    with pytest.raises(StoreError, match="another server has"):
        await open_database(address)


async def test_the_lock_goes_with_its_holder(address: str) -> None:
    """
    A database that was closed can be opened again.
    """
    for _ in range(2):
        await (await open_database(address)).aclose()


async def test_migrations_make_what_the_tables_say(database: Database, address: str) -> None:
    """
    The migrated schema and `tables.py` do not differ.
    """

    def compare(connection: Connection) -> list[Any]:
        context = MigrationContext.configure(
            connection, opts={"include_name": lambda name, *_: not str(name).startswith(("search", "ix_search"))}
        )
        return list(compare_metadata(context, metadata))

    assert await _look(parse_address(address), compare) == []


async def test_a_newer_database_is_refused(address: str) -> None:
    """
    A revision that this program does not know is of a newer one.
    """
    opened = await open_database(address)

    async def work(transaction: Transaction) -> None:
        await transaction.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    await opened.write(work)
    await opened.aclose()
    with pytest.raises(StoreError, match="newer version"):
        await open_database(address)
