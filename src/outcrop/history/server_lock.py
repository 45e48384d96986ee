"""
PostgreSQL's lock of a server that keeps its running turns in memory: it must be the only one of its database.

The lock belongs to a connection. When that is lost, as when PostgreSQL is restarted, the lock is gone: another server
could take it and end our turns. So it is watched; until it is ours again, nothing is written.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from outcrop.errors import StoreError

EXCLUSIVE_KEY = 0x6F757463726F70
WATCH_SECONDS = 5.0
AGAIN_SECONDS = 0.5
TAKEN = (
    "another server has this database, and this one keeps its running turns in memory; "
    "several servers on one database need a turn log in Redis (OUTCROP_TURN_LOG=redis://…)"
)

logger = structlog.get_logger(__name__)


class ServerLock:
    """
    Hold the lock. Made by `hold`.

    Attributes:
        held: set while the lock is ours.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self.held = asyncio.Event()
        self._engine = engine
        self._connection: AsyncConnection | None = None
        self._is_taken = False

    @classmethod
    @contextlib.asynccontextmanager
    async def hold(cls, engine: AsyncEngine) -> AsyncIterator["ServerLock"]:
        """
        Take the lock, and keep it for as long as the block runs. The engine makes a new connection each time.

        Raises:
            StoreError: another server has it.
        """
        lock = cls(engine)
        if not await lock.take():
            raise StoreError(TAKEN)
        watching = asyncio.create_task(lock.watch(), name="lock of the database")
        try:
            yield lock
        finally:
            watching.cancel()
            await asyncio.wait({watching})
            await lock.give_back()

    async def wait(self, seconds: float) -> None:
        """
        Wait until the lock is ours.

        Raises:
            StoreError: it isn't after this time.
        """
        try:
            await asyncio.wait_for(self.held.wait(), seconds)
        except TimeoutError:
            lost = "the database can't be reached, and its lock is lost until it can; try again"
            raise StoreError(TAKEN if self._is_taken else lost) from None

    async def take(self) -> bool:
        """
        Try to take the lock on a new connection; return whether it is ours.
        """
        connection = await self._engine.connect()
        try:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            is_ours = await connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": EXCLUSIVE_KEY})
        except BaseException:
            await _drop(connection)
            raise
        if not is_ours:
            await _drop(connection)
            return False
        self._connection = connection
        self.held.set()
        return True

    async def give_back(self) -> None:
        """
        Give the lock back at once; the end of a connection alone does it a moment later.
        """
        connection, self._connection = self._connection, None
        self.held.clear()
        if connection is None:
            return
        with contextlib.suppress(SQLAlchemyError, OSError):
            asked = connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": EXCLUSIVE_KEY})
            await asyncio.wait_for(asked, WATCH_SECONDS)
        await _drop(connection)

    async def watch(self) -> None:
        """
        See that the lock stays ours, and take it again when it was lost; until it is cancelled.
        """
        while True:
            assert self._connection is not None
            await _wait_for_loss(self._connection)
            logger.warning("the lock of the database was lost; taking it again")
            self.held.clear()
            connection, self._connection = self._connection, None
            await _drop(connection)
            await self._take_again()
            logger.info("the lock of the database is held again")

    async def _take_again(self) -> None:
        while True:
            with contextlib.suppress(SQLAlchemyError, OSError):
                is_ours = await self.take()
                if not is_ours and not self._is_taken:
                    logger.error("another server has taken the database; nothing is written until it lets go")
                self._is_taken = not is_ours
                if is_ours:
                    return
            await asyncio.sleep(AGAIN_SECONDS)


async def _wait_for_loss(connection: AsyncConnection) -> None:
    """
    Return when a connection is lost, or does not answer.
    """
    lost = asyncio.Event()
    driver = (await connection.get_raw_connection()).driver_connection
    assert driver is not None
    driver.add_termination_listener(lambda _: lost.set())
    while not lost.is_set() and not driver.is_closed():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(lost.wait(), WATCH_SECONDS)
            return
        try:
            await asyncio.wait_for(connection.scalar(text("SELECT 1")), WATCH_SECONDS)
        except (SQLAlchemyError, OSError):
            return


async def _drop(connection: AsyncConnection) -> None:
    """
    Close a connection for good; what was locked on it goes with it.
    """
    with contextlib.suppress(SQLAlchemyError, OSError):
        await connection.invalidate()
    with contextlib.suppress(SQLAlchemyError, OSError):
        await connection.close()
