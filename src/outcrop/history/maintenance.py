"""
What an operator asks of a database: to bring it up to date, and to say what it holds and what is wrong with it.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec
from sqlalchemy import Connection, Executable, create_engine, exists, func, select, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from outcrop.history.address import find_file, parse_address
from outcrop.history.database import open_database
from outcrop.history.migrate import describe_revisions, upgrade
from outcrop.history.sqlite_file import probe_file, to_reading_address
from outcrop.history.tables import calls, conversations, messages
from outcrop.history.trouble import translate

Result = TypeVar("Result")

LOST_ENTRIES = text(
    "SELECT count(*) FROM search_entries WHERE conversation_key NOT IN (SELECT key FROM conversations)"
    " OR message_key NOT IN (SELECT key FROM messages)"
)


class Examination(msgspec.Struct, frozen=True):
    """
    Say what a database holds, and what is wrong with it, in lines for a person.
    """

    lines: tuple[str, ...]
    findings: tuple[str, ...]


async def upgrade_database(address: str) -> tuple[str | None, str | None]:
    """
    Bring a database to this program's version; return the revisions before and after.

    Raises:
        SettingsError: the address names nothing that can be opened.
        StoreError: a server uses the file, the database is newer, or it can't be reached.
    """
    url = parse_address(address)
    path = find_file(url)
    if path is None:
        return (await _look(url, describe_revisions))[0], (await _look(url, _upgrade_and_describe))[1]
    before = (await _look(url, describe_revisions))[0] if await asyncio.to_thread(path.exists) else None
    await (await open_database(address)).aclose()
    return before, (await _look(url, describe_revisions))[1]


async def read_revisions(address: str) -> tuple[str | None, str | None]:
    """
    Return the revision of a database that is there, and this program's.

    Raises:
        SettingsError: the address names nothing that can be opened.
        StoreError: the database is newer, or it can't be read.
    """
    return await _look(parse_address(address), describe_revisions)


async def examine(address: str) -> Examination:
    """
    Look a database over that is there; a server may use it.

    Raises:
        SettingsError: the address names nothing that can be opened.
        StoreError: it can't be read, or is of a newer version.
    """
    return await _look(parse_address(address), _examine)


def _upgrade_and_describe(connection: Connection) -> tuple[str | None, str | None]:
    upgrade(connection)
    return describe_revisions(connection)


def _examine(connection: Connection) -> Examination:
    revision, head = describe_revisions(connection)
    if revision != head:
        outdated = f"it is of version {revision or 'none'}, this program's is {head}: run `outcrop db upgrade`"
        return Examination((), (outdated,))
    counts = [
        f"{table.name}: {connection.execute(select(func.count()).select_from(table)).scalar_one()}"
        for table in (conversations, messages, calls)
    ]
    open_calls = select(func.count()).select_from(calls).where(calls.c.settled_at.is_(None))
    lines = (f"revision {revision}", *counts, f"calls that are open: {connection.execute(open_calls).scalar_one()}")
    return Examination(lines, tuple(_contradictions(connection)))


def _contradictions(connection: Connection) -> list[str]:
    """
    Find what the tables' own rules don't forbid, and no server of ours writes.
    """
    parent = messages.alias()
    strayed = (
        select(func.count())
        .select_from(messages.join(parent, messages.c.parent_key == parent.c.key))
        .where(messages.c.conversation_key != parent.c.conversation_key)
    )
    is_leaf = (messages.c.conversation_key == conversations.c.key) & (messages.c.id == conversations.c.leaf_id)
    headless = select(func.count()).where(conversations.c.leaf_id.is_not(None), ~exists().where(is_leaf))
    asked: dict[str, Executable] = {
        "messages that follow one of another conversation": strayed,
        "conversations whose last message is missing": headless,
        "search entries of what is not there": LOST_ENTRIES,
    }
    found = {what: connection.execute(statement).scalar_one() for what, statement in asked.items()}
    return [f"{what}: {count}" for what, count in found.items() if count]


async def _look(url: URL, work: Callable[[Connection], Result]) -> Result:
    path = find_file(url)
    try:
        if path is not None:
            return await asyncio.to_thread(_look_at_file, path, work)
        return await _look_at_server(url, work)
    except (SQLAlchemyError, sqlite3.Error, OSError) as error:
        raise translate(error) from error


def _look_at_file(path: Path, work: Callable[[Connection], Result]) -> Result:
    """
    Change nothing; also not the file's journal mode, nor make a file that is not there.
    """
    probe_file(path)
    url = URL.create("sqlite", database=to_reading_address(path), query={"uri": "true"})
    engine = create_engine(url, poolclass=NullPool, hide_parameters=True)
    with engine.begin() as connection:
        return work(connection)


async def _look_at_server(url: URL, work: Callable[[Connection], Result]) -> Result:
    from outcrop.history.postgres_database import make_engine  # noqa: PLC0415  its driver is an extra

    engine = make_engine(url, is_single=True)
    try:
        async with engine.begin() as connection:
            return await connection.run_sync(work)
    finally:
        await engine.dispose()
