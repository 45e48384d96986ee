"""
What an operator asks of a database: to bring it up to date, and to say what it holds.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, func, select
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine

from outcrop.history.database import open_database, parse_address, translate
from outcrop.history.migrate import describe_revisions, upgrade
from outcrop.history.tables import calls, conversations, messages

Result = TypeVar("Result")


async def upgrade_database(address: str) -> tuple[str | None, str | None]:
    """
    Bring a database to this program's version; return the revisions before and after.

    Raises:
        SettingsError: the address names nothing that can be opened.
        StoreError: a server uses the file, the database is newer, or it can't be reached.
    """
    url = parse_address(address)
    if url.get_backend_name() == "sqlite":
        is_there = await asyncio.to_thread(Path(url.database or "").exists)
        before = await _look(url, describe_revisions) if is_there else (None, None)
        await (await open_database(address)).aclose()
        return before[0], (await _look(url, describe_revisions))[1]
    return (await _look(url, describe_revisions))[0], (await _look(url, _upgrade_and_describe))[1]


async def describe(address: str) -> list[str]:
    """
    Say what a database holds, in lines for a person.

    Raises:
        SettingsError: the address names nothing that can be opened.
        StoreError: it can't be read, or is of another version.
    """
    return await _look(parse_address(address), _describe)


def _upgrade_and_describe(connection: Connection) -> tuple[str | None, str | None]:
    upgrade(connection)
    return describe_revisions(connection)


def _describe(connection: Connection) -> list[str]:
    revision, _ = describe_revisions(connection)
    counts = [
        f"{table.name}: {connection.execute(select(func.count()).select_from(table)).scalar_one()}"
        for table in (conversations, messages, calls)
    ]
    open_calls = select(func.count()).select_from(calls).where(calls.c.settled_at.is_(None))
    return [f"revision {revision}", *counts, f"calls that are open: {connection.execute(open_calls).scalar_one()}"]


async def _look(url: URL, work: Callable[[Connection], Result]) -> Result:
    engine = create_async_engine(url, hide_parameters=True)
    try:
        async with engine.begin() as connection:
            return await connection.run_sync(work)
    except (SQLAlchemyError, OSError) as error:
        raise translate(error) from error
    finally:
        await engine.dispose()
