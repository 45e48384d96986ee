"""
The database: SQLite in a file, or PostgreSQL. Work is a function of a connection, run in a task that the database owns.

So a caller that is cancelled never cancels an exchange with the database: its transaction is committed or rolled back
as a whole, and no connection goes back to the pool in the middle of something. SQLite has one writer at a time in this
process, which waits its turn; readers go on beside it (WAL).
"""

import asyncio
import contextlib
import fcntl
import os
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, Literal, TypeVar

import structlog
from sqlalchemy import event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from outcrop.errors import SettingsError, StoreError
from outcrop.history.migrate import check_revision, upgrade

Kind = Literal["sqlite", "postgresql"]
Result = TypeVar("Result")
Work = Callable[[AsyncConnection], Awaitable[Result]]

READERS = 4
POOL_SIZE = 10
WAIT_SECONDS = 20.0
"""
How long work waits for a connection, or for its turn to write.
"""

BUSY_MS = 10_000
FULL_CODES = frozenset({"53100"})
EXCLUSIVE_KEY = 0x6F757463726F70
"""
PostgreSQL's advisory lock of a server that keeps its running turns in memory.
"""

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
        self, kind: Kind, writer: AsyncEngine, reader: AsyncEngine, cleanup: contextlib.AsyncExitStack
    ) -> None:
        self.kind = kind
        self._writer = writer
        self._reader = reader
        self._cleanup = cleanup
        self._turn: asyncio.Lock | contextlib.nullcontext[None] = (
            asyncio.Lock() if kind == "sqlite" else contextlib.nullcontext()
        )
        self._tasks: set[asyncio.Task[Any]] = set()

    async def read(self, work: Work[Result]) -> Result:
        """
        Run work that only reads, in one snapshot.

        Raises:
            StoreError: the database can't be read.
        """
        return await self._own(self._run(self._reader, work))

    async def write(self, work: Work[Result]) -> Result:
        """
        Run work in one transaction, and commit. It may run twice, where a connection was lost before the commit.

        Raises:
            StoreConflict: a rule of the tables forbids it, such as a name that is taken.
            StorageFull: there is no room.
            StoreError: the database can't be written, or it can't be told whether it was.
        """
        return await self._own(self._write(work))

    async def aclose(self) -> None:
        """
        Wait for work under way, and close.
        """
        while self._tasks:
            await asyncio.wait(self._tasks)
        await self._cleanup.aclose()

    async def _own(self, running: Coroutine[Any, Any, Result]) -> Result:
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
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await self._enter()
        except TimeoutError:
            raise StoreError(f"the database has been busy for {WAIT_SECONDS:g} s; try again") from None
        try:
            return await self._run(self._writer, work)
        finally:
            if isinstance(self._turn, asyncio.Lock):
                self._turn.release()

    async def _enter(self) -> None:
        if isinstance(self._turn, asyncio.Lock):
            await self._turn.acquire()

    async def _run(self, engine: AsyncEngine, work: Work[Result]) -> Result:
        try:
            return await _run_once(engine, work)
        except DBAPIError as error:
            if not error.connection_invalidated or getattr(error, "is_commit", False):
                raise translate(error) from error
            logger.warning("the connection to the database was lost; trying again")
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            raise translate(error) from error
        try:
            return await _run_once(engine, work)
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            raise translate(error) from error


async def _run_once(engine: AsyncEngine, work: Work[Result]) -> Result:
    async with engine.connect() as connection:
        transaction = await connection.begin()
        try:
            result = await work(connection)
        except BaseException:
            with contextlib.suppress(SQLAlchemyError, OSError):
                await transaction.rollback()
            raise
        try:
            await transaction.commit()
        except DBAPIError as error:
            # Whether it was committed can't be known when the connection is lost here.
            error.is_commit = True  # type: ignore[attr-defined]  # a mark for our own caller
            raise
        return result


def translate(error: Exception) -> StoreError:
    """
    Say what the database said, without a statement or a value in it.
    """
    if isinstance(error, IntegrityError):
        return StoreConflict("the database holds something that contradicts it")
    original = getattr(error, "orig", None)
    if _is_full(original):
        return StorageFull("there is no room left in the database, or on its disk")
    said = type(original).__name__ if original is not None else type(error).__name__
    return StoreError(f"the database can't be used now ({said}); try again")


def _is_full(original: object) -> bool:
    if isinstance(original, sqlite3.OperationalError):
        return original.sqlite_errorname in {"SQLITE_FULL", "SQLITE_IOERR_WRITE"} or "disk is full" in str(original)
    return getattr(original, "sqlstate", None) in FULL_CODES


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
    cleanup = contextlib.AsyncExitStack()
    try:
        if url.get_backend_name() == "sqlite":
            return await _open_file(Path(url.database or ""), cleanup, exclusive=exclusive)
        return await _open_server(url, cleanup, exclusive=exclusive)
    except BaseException as error:
        await cleanup.aclose()
        if isinstance(error, SQLAlchemyError | OSError):
            raise translate(error) from error
        raise


def parse_address(address: str) -> URL:
    """
    Parse an address.

    Raises:
        SettingsError: it is none; its password is not told.
    """
    if "://" not in address:
        return URL.create("sqlite+aiosqlite", database=str(Path(address).expanduser()))
    try:
        url = make_url(address)
    except ArgumentError as error:
        raise SettingsError("the database's address can't be read, expected postgresql://user@host/name") from error
    drivers = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}
    driver = drivers.get(url.drivername.partition("+")[0])
    if driver is None or not url.database:
        raise SettingsError(
            f"the database's address begins with {url.drivername[:40]!r}, expected a path, or postgresql://user@host/name"
        )
    return url.set(drivername=driver)


async def _open_file(path: Path, cleanup: contextlib.AsyncExitStack, *, exclusive: bool) -> Database:
    _make_private(path)
    if exclusive:
        cleanup.callback(lock_file(path).close)
    writer = _make_sqlite(path, "BEGIN IMMEDIATE", size=1)
    cleanup.push_async_callback(writer.dispose)
    reader = _make_sqlite(path, "BEGIN", size=READERS)
    cleanup.push_async_callback(reader.dispose)
    async with writer.begin() as connection:
        await connection.run_sync(upgrade)
    return Database("sqlite", writer, reader, cleanup)


def _make_private(path: Path) -> None:
    """
    Make the file, for its owner alone; what SQLite puts beside it gets the same rights.
    """
    if not path.parent.exists():
        path.parent.mkdir(parents=True, mode=0o700)
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def lock_file(path: Path) -> Any:
    """
    Take the lock of whoever serves a file; close what is returned to give it back.

    Raises:
        StoreError: another server has it.
    """
    lock = path.with_name(f"{path.name}.lock").open("a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise StoreError(
            f"another server has the database {str(path)!r}; stop it, give this one a database of its own"
            " (OUTCROP_DATABASE_URL), or let both use PostgreSQL"
        ) from None
    return lock


def _make_sqlite(path: Path, begin: str, *, size: int) -> AsyncEngine:
    url = URL.create("sqlite+aiosqlite", database=str(path))
    engine = create_async_engine(url, pool_size=size, max_overflow=0, pool_timeout=WAIT_SECONDS, hide_parameters=True)

    @event.listens_for(engine.sync_engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        # Transactions are begun by us: the driver's own way leaves DDL, and reads, outside of them.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON", f"busy_timeout={BUSY_MS}",
            "recursive_triggers=ON",
        ):  # fmt: skip
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: Any) -> None:
        connection.exec_driver_sql(begin)

    return engine


async def _open_server(url: URL, cleanup: contextlib.AsyncExitStack, *, exclusive: bool) -> Database:
    try:
        import asyncpg  # noqa: F401, PLC0415  an extra: it is missing where PostgreSQL is not used
    except ImportError:
        raise SettingsError("PostgreSQL needs a package more: pip install 'outcrop[postgres]'") from None
    options = {"timeout": WAIT_SECONDS, "command_timeout": 60, "server_settings": {"application_name": "outcrop"}}
    engine = create_async_engine(
        url, pool_size=POOL_SIZE, pool_timeout=WAIT_SECONDS, pool_pre_ping=True, hide_parameters=True,
        connect_args=options,
    )  # fmt: skip
    cleanup.push_async_callback(engine.dispose)
    async with engine.connect() as connection:
        await connection.run_sync(check_revision)
    if exclusive:
        await cleanup.enter_async_context(_hold_lock(engine))
    reader = engine.execution_options(isolation_level="REPEATABLE READ")
    return Database("postgresql", engine, reader, cleanup)


@contextlib.asynccontextmanager
async def _hold_lock(engine: AsyncEngine) -> AsyncIterator[None]:
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        taken = await connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": EXCLUSIVE_KEY})
        if not taken:
            raise StoreError(
                "another server has this database, and this one keeps its running turns in memory; "
                "several servers on one database need a turn log in Redis (OUTCROP_TURN_LOG=redis://…)"
            )
        try:
            yield
        finally:
            with contextlib.suppress(SQLAlchemyError, OSError):
                await connection.invalidate()
