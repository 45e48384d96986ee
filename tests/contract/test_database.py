"""
One contract, run over every database.
"""

import asyncio
import random
from functools import partial
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from outcrop.errors import StoreError
from outcrop.history.database import Database, StoreConflict, open_database
from outcrop.history.tables import conversations, metadata


def named(name: str) -> dict[str, Any]:
    """
    Make a row.
    """
    return {
        "owner": "alice", "id": name, "title": "t", "title_source": "prompt", "created_at": 1, "updated_at": 1,
        "revision": 0,
    }  # fmt: skip


async def write(connection: AsyncConnection, name: str) -> None:
    """
    Write a row.
    """
    await connection.execute(insert(conversations).values(named(name)))


async def count(connection: AsyncConnection) -> int:
    """
    Count the rows.
    """
    return int(await connection.scalar(select(func.count()).select_from(conversations)) or 0)


async def test_work_is_one_transaction(database: Database) -> None:
    """
    What was written before a failure is not there.
    """

    async def work(connection: AsyncConnection) -> None:
        await write(connection, "one")
        raise KeyError("broken")

    with pytest.raises(KeyError):
        await database.write(work)
    assert await database.read(count) == 0


async def test_a_name_that_is_taken_is_a_conflict_without_values(database: Database) -> None:
    """
    The database's own words, which hold values, are not told.
    """
    await database.write(lambda connection: write(connection, "secret-name"))
    with pytest.raises(StoreConflict) as caught:
        await database.write(lambda connection: write(connection, "secret-name"))
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

    async def pair(connection: AsyncConnection, number: int) -> None:
        await write(connection, f"a{number}")
        await asyncio.sleep(0)
        await write(connection, f"b{number}")

    for number in range(40):
        task = asyncio.create_task(database.write(partial(pair, number=number)))
        for _ in range(randomly.randrange(12)):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})
        assert await database.read(count) % 2 == 0
    assert await database.write(count) % 2 == 0


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


async def test_migrations_make_what_the_tables_say(database: Database) -> None:
    """
    The migrated schema and `tables.py` do not differ.
    """

    def compare(connection: Connection) -> list[Any]:
        context = MigrationContext.configure(
            connection, opts={"include_name": lambda name, *_: not str(name).startswith(("search", "ix_search"))}
        )
        return list(compare_metadata(context, metadata))

    async def work(connection: AsyncConnection) -> list[Any]:
        return await connection.run_sync(compare)

    assert await database.read(work) == []


async def test_a_newer_database_is_refused(address: str) -> None:
    """
    A revision that this program does not know is of a newer one.
    """
    opened = await open_database(address)

    async def work(connection: AsyncConnection) -> None:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    await opened.write(work)
    await opened.aclose()
    with pytest.raises(StoreError, match="newer version"):
        await open_database(address)
