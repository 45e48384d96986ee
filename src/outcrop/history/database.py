"""
The database: SQLite in a file, or PostgreSQL. Work is a function of a connection, run in a task that the database owns.

So a caller that is cancelled never cancels an exchange with the database: its transaction is committed or rolled back
as a whole, and no connection goes back to the pool in the middle of something. SQLite has one writer at a time in this
process, which waits its turn; readers go on beside it (WAL).
"""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

import structlog
from sqlalchemy import text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncTransaction

from outcrop.errors import StoreError
from outcrop.history.address import (
    READERS,
    WAIT_SECONDS,
    find_file,
    make_file_engine,
    make_server_engine,
    parse_address,
)
from outcrop.history.migrate import check_revision, upgrade
from outcrop.history.server_lock import ServerLock
from outcrop.history.sqlite_file import lock_file, make_private, probe_file

__all__ = ["Database", "StorageFull", "StoreConflict", "Work", "open_database", "parse_address", "translate"]

Kind = Literal["sqlite", "postgresql"]
Result = TypeVar("Result")
Work = Callable[[AsyncConnection], Awaitable[Result]]

LOCK_SECONDS = 5.0
"""
How long a write waits for a lock that was lost with its connection.
"""

PAUSES_SECONDS = (0.05, 0.5)
"""
How long a transaction that met a lost connection or a deadlock waits before it is tried again.
"""

SCRUB_PAGES = 500
FULL_CODES = frozenset({"53100"})
PASSING_CODES = frozenset({"40001", "40P01", "57P01", "57P02", "57P03"})
"""
PostgreSQL's: a transaction that met another's (no place in the order, a deadlock), and a server that stops or starts.
"""

SAYINGS = {
    "28000": "PostgreSQL does not let this user in",
    "28P01": "PostgreSQL refused the user or the password",
    "3D000": "PostgreSQL has no database of that name; `createdb` makes one",
    "42P01": "a table is missing; see `outcrop db check`",
    "42501": "the user may not do that in this database",
    "SQLITE_NOTADB": "the file is no database; see `outcrop db check`",
    "SQLITE_CORRUPT": "the database is damaged; see `outcrop db check`",
    "SQLITE_CANTOPEN": "the database's file can't be opened",
    "SQLITE_READONLY": "the database's file, or its folder, can't be written",
}

logger = structlog.get_logger(__name__)


class StoreConflict(StoreError):
    """
    Say that what was to be written contradicts what is there.
    """

    code = "conflict"
    retryable = False


class StorageFull(StoreError):
    """
    Say that there is no room to write.
    """


class Database:
    """
    Hold the connections. Made by `open_database`; `aclose` it.

    Attributes:
        kind: which database it is.
    """

    def __init__(
        self,
        kind: Kind,
        writer: AsyncEngine,
        reader: AsyncEngine,
        cleanup: contextlib.AsyncExitStack,
        lock: ServerLock | None = None,
    ) -> None:
        self.kind = kind
        self._writer = writer
        self._reader = reader
        self._cleanup = cleanup
        self._lock = lock
        self._turn = asyncio.Lock() if kind == "sqlite" else None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._is_closed = False

    async def read(self, work: Work[Result]) -> Result:
        """
        Run work that only reads, in one snapshot. It may run again, where a connection was lost.

        Raises:
            StoreError: the database can't be read.
        """
        return await self._own(_run(self._reader, work))

    async def write(self, work: Work[Result]) -> Result:
        """
        Run work in one transaction, and commit. It may run again, where a connection was lost before the commit.

        Raises:
            StoreConflict: a rule of the tables forbids it, such as a name that is taken.
            StorageFull: there is no room.
            StoreError: the database can't be written, or it can't be told whether it was.
        """
        return await self._own(self._write(work))

    async def scrub(self) -> None:
        """
        Take what was deleted out of the files: out of the search index, which only marks it, and out of SQLite's log.

        For whoever has deleted conversations for good. PostgreSQL does this by itself, in its own time.

        Raises:
            StoreError: the database can't be written.
        """
        if self.kind == "sqlite":
            pages = -SCRUB_PAGES
            # In small transactions, so that no prompt waits long for its turn to be written.
            while await self.write(partial(_merge_entries, pages=pages)):
                pages = SCRUB_PAGES
            await self._own(self._empty_log())

    async def aclose(self) -> None:
        """
        Wait for work under way, and close.
        """
        self._is_closed = True
        while self._tasks:
            await asyncio.wait(self._tasks)
        await self._cleanup.aclose()

    async def _own(self, running: Coroutine[Any, Any, Result]) -> Result:
        if self._is_closed:
            # Its lock is given back: another server may have the database by now.
            running.close()
            raise StoreError("the database is closed")
        task = asyncio.create_task(running)
        self._tasks.add(task)
        task.add_done_callback(self._let_go)
        return await asyncio.shield(task)

    def _let_go(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            # Known to whoever still waits; a caller that has gone does not want it.
            task.exception()

    async def _write(self, work: Work[Result]) -> Result:
        async with self._admit():
            return await _run(self._writer, work)

    async def _empty_log(self) -> None:
        async with self._admit():
            try:
                async with self._writer.connect() as connection:
                    driver = (await connection.get_raw_connection()).driver_connection
                    assert driver is not None
                    # Not in a transaction, where SQLite refuses it.
                    await driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            except (SQLAlchemyError, sqlite3.Error) as error:
                raise translate(error) from error

    @contextlib.asynccontextmanager
    async def _admit(self) -> AsyncIterator[None]:
        """
        Let one write at a time to a file, and none to a server whose lock isn't ours.
        """
        if self._lock is not None:
            await self._lock.wait(LOCK_SECONDS)
        if self._turn is None:
            yield
            return
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await self._turn.acquire()
        except TimeoutError:
            raise StoreError(f"the database has been busy for {WAIT_SECONDS:g} s; try again") from None
        try:
            yield
        finally:
            self._turn.release()


async def _merge_entries(connection: AsyncConnection, pages: int) -> bool:
    """
    Merge some of the search index's parts, which drops what is deleted; tell whether there is more.

    A negative number begins with all parts (SQLite's documentation of FTS5, "The 'merge' command", which also gives the
    end: fewer than two changes).
    """
    before = await connection.scalar(text("SELECT total_changes()"))
    merge = text("INSERT INTO search_entries(search_entries, rank) VALUES ('merge', :pages)")
    await connection.execute(merge, {"pages": pages})
    after = await connection.scalar(text("SELECT total_changes()"))
    return int(after or 0) - int(before or 0) >= 2


async def _run(engine: AsyncEngine, work: Work[Result]) -> Result:
    for pause in PAUSES_SECONDS:
        try:
            return await _run_once(engine, work)
        except (SQLAlchemyError, OSError) as error:
            if not is_passing(error):
                raise translate(error) from error
            logger.warning("a transaction met a lost connection or another one; trying again", reason=_name(error))
        await asyncio.sleep(pause)
    try:
        return await _run_once(engine, work)
    except (SQLAlchemyError, OSError) as error:
        raise translate(error) from error


async def _run_once(engine: AsyncEngine, work: Work[Result]) -> Result:
    async with engine.connect() as connection:
        transaction = await connection.begin()
        try:
            result = await work(connection)
        except OSError:
            # A time-out or a reset: nobody knows what the connection is in the middle of.
            await connection.invalidate()
            raise
        except BaseException:
            with contextlib.suppress(SQLAlchemyError, OSError):
                await transaction.rollback()
            raise
        await _commit(connection, transaction)
        return result


async def _commit(connection: AsyncConnection, transaction: AsyncTransaction) -> None:
    try:
        await transaction.commit()
    except (DBAPIError, OSError) as error:
        is_refused = isinstance(error, DBAPIError) and not _is_lost(error)
        if is_refused:
            raise
        with contextlib.suppress(SQLAlchemyError, OSError):
            await connection.invalidate()
        raise StoreError(
            "the connection to the database was lost while it committed: whether it did is not known"
        ) from error


def is_passing(error: Exception) -> bool:
    """
    Tell whether a transaction that met this error before its commit can be tried again at once.
    """
    if isinstance(error, DBAPIError):
        return _is_lost(error) or _find_code(error.orig) in PASSING_CODES
    return isinstance(error, OSError) and not isinstance(error, TimeoutError)


def _is_lost(error: DBAPIError) -> bool:
    code = _find_code(error.orig)
    return error.connection_invalidated or code.startswith(("08", "57P"))


def translate(error: Exception) -> StoreError:
    """
    Say what the database said, without a statement or a value in it.
    """
    if isinstance(error, IntegrityError):
        return StoreConflict("the database holds something that contradicts it")
    original = getattr(error, "orig", error)
    if _is_full(original):
        return StorageFull("there is no room left in the database, or on its disk")
    code = _find_code(original)
    saying = SAYINGS.get(code) or SAYINGS.get("_".join(code.split("_")[:2]))
    if saying is not None:
        return StoreError(saying)
    return StoreError(f"the database can't be used now ({_name(error)}); try again")


def _find_code(original: object) -> str:
    """
    Return PostgreSQL's five characters, or SQLite's name, of an error of a driver; "" where it has none.
    """
    code = getattr(original, "sqlstate", None) or getattr(original, "sqlite_errorname", None)
    return str(code or "")


def _name(error: Exception) -> str:
    original = getattr(error, "orig", None) or error
    return _find_code(original) or type(original).__name__


def _is_full(original: object) -> bool:
    if isinstance(original, sqlite3.OperationalError):
        return original.sqlite_errorname in {"SQLITE_FULL", "SQLITE_IOERR_WRITE"}
    return _find_code(original) in FULL_CODES


async def open_database(address: str, *, exclusive: bool = True) -> Database:
    """
    Open a database, and bring a file up to date.

    Args:
        address: a path, `sqlite:///path`, or `postgresql://user:password@host/name`.
        exclusive: refuse where another server has it: this one takes every running turn that it does not run for dead.

    Raises:
        SettingsError: the address names nothing that can be opened, or a package is missing.
        StoreError: another server has it, it is of a newer version, or it can't be reached.
    """
    url = parse_address(address)
    path = find_file(url)
    cleanup = contextlib.AsyncExitStack()
    try:
        if path is not None:
            return await _open_file(path, cleanup, exclusive=exclusive)
        return await _open_server(url, cleanup, exclusive=exclusive)
    except BaseException as error:
        await cleanup.aclose()
        if isinstance(error, sqlite3.Error | OSError) and path is not None:
            raise StoreError(f"the database {str(path)!r} can't be opened: {error}") from error
        if isinstance(error, SQLAlchemyError | OSError):
            raise translate(error) from error
        raise


async def _open_file(path: Path, cleanup: contextlib.AsyncExitStack, *, exclusive: bool) -> Database:
    make_private(path)
    cleanup.callback(lock_file(path, is_shared=not exclusive).close)
    await asyncio.to_thread(probe_file, path)
    writer = make_file_engine(path, "BEGIN IMMEDIATE", size=1)
    cleanup.push_async_callback(writer.dispose)
    reader = make_file_engine(path, "BEGIN", size=READERS, read_only=True)
    cleanup.push_async_callback(reader.dispose)
    async with writer.begin() as connection:
        await connection.run_sync(upgrade)
    return Database("sqlite", writer, reader, cleanup)


async def _open_server(url: URL, cleanup: contextlib.AsyncExitStack, *, exclusive: bool) -> Database:
    engine = make_server_engine(url)
    cleanup.push_async_callback(engine.dispose)
    async with engine.connect() as connection:
        await connection.run_sync(check_revision)
    lock = None
    if exclusive:
        single = make_server_engine(url, is_single=True)
        cleanup.push_async_callback(single.dispose)
        lock = await cleanup.enter_async_context(ServerLock.hold(single))
    reader = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    return Database("postgresql", engine, reader, cleanup, lock)
