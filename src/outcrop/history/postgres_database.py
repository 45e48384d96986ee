"""
PostgreSQL: a pool of connections; each transaction in a task that the database owns.

What met a lost connection or a deadlock before its commit is run again, and not noticed by its caller.
"""

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any, Literal

import structlog
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncTransaction, create_async_engine
from sqlalchemy.pool import NullPool

from outcrop.errors import StoreError
from outcrop.history.migrate import check_revision
from outcrop.history.server_lock import ServerLock
from outcrop.history.transaction import Result, Work
from outcrop.history.trouble import is_lost, is_passing, name_error, translate

WAIT_SECONDS = 20.0
"""
How long work waits for a connection.
"""

STATEMENT_SECONDS = 60
ANSWER_SECONDS = STATEMENT_SECONDS + 5
"""
How long we wait for PostgreSQL, which ends a statement before that by itself if it can.
"""

LOCK_SECONDS = 5.0
"""
How long a write waits for a lock that was lost with its connection.
"""

PAUSES_SECONDS = (0.05, 0.5)
"""
How long a transaction that met a lost connection or a deadlock waits before it is tried again.
"""

POOL_SIZE = 10
SERVER_SETTINGS = {
    "application_name": "outcrop",
    "statement_timeout": str(STATEMENT_SECONDS * 1000),
    "idle_in_transaction_session_timeout": str(STATEMENT_SECONDS * 1000),
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}
"""
PostgreSQL ends what a frozen or vanished server has begun after a minute, and so gives back its locks.
"""

logger = structlog.get_logger(__name__)


class PostgresDatabase:
    """
    Implement `Database` with a server. Made by `open_server`.
    """

    kind: Literal["postgresql"] = "postgresql"

    def __init__(self, engine: AsyncEngine, cleanup: contextlib.AsyncExitStack, lock: ServerLock | None) -> None:
        self._writer = engine
        self._reader = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        self._cleanup = cleanup
        self._lock = lock
        self._tasks: set[asyncio.Task[Any]] = set()
        self._is_closed = False

    async def read(self, work: Work[Result]) -> Result:
        """
        Run work that only reads. See `Database.read`.
        """
        return await self._own(_run(self._reader, work))

    async def write(self, work: Work[Result]) -> Result:
        """
        Run work in a transaction. See `Database.write`.
        """
        return await self._own(self._write(work))

    async def scrub(self) -> None:
        """
        Do nothing: autovacuum does.
        """

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
        if self._lock is not None:
            await self._lock.wait(LOCK_SECONDS)
        return await _run(self._writer, work)


async def _run(engine: AsyncEngine, work: Work[Result]) -> Result:
    for pause in PAUSES_SECONDS:
        try:
            return await _run_once(engine, work)
        except (SQLAlchemyError, OSError) as error:
            if not is_passing(error):
                raise translate(error) from error
            logger.warning("a transaction met a lost connection or another one; trying again", reason=name_error(error))
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
        if isinstance(error, DBAPIError) and not is_lost(error):
            raise
        with contextlib.suppress(SQLAlchemyError, OSError):
            await connection.invalidate()
        raise StoreError(
            "the connection to the database was lost while it committed: whether it did is not known"
        ) from error


async def open_server(url: URL, cleanup: contextlib.AsyncExitStack, *, exclusive: bool) -> PostgresDatabase:
    """
    Connect to a database of this program's version; `cleanup` closes it. See `open_database`.
    """
    engine = make_engine(url)
    cleanup.push_async_callback(engine.dispose)
    async with engine.connect() as connection:
        await connection.run_sync(check_revision)
    lock = None
    if exclusive:
        single = make_engine(url, is_single=True)
        cleanup.push_async_callback(single.dispose)
        lock = await cleanup.enter_async_context(ServerLock.hold(single))
    return PostgresDatabase(engine, cleanup, lock)


def make_engine(url: URL, *, is_single: bool = False) -> AsyncEngine:
    """
    Make the connections to PostgreSQL; `is_single` makes one where it is asked for, and keeps none.
    """
    arguments = {
        "timeout": WAIT_SECONDS, "command_timeout": ANSWER_SECONDS, "server_settings": SERVER_SETTINGS,
    }  # fmt: skip
    if is_single:
        return create_async_engine(url, poolclass=NullPool, hide_parameters=True, connect_args=arguments)
    return create_async_engine(
        url, pool_size=POOL_SIZE, pool_timeout=WAIT_SECONDS, pool_pre_ping=True, hide_parameters=True,
        connect_args=arguments,
    )  # fmt: skip
