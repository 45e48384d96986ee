"""
SQLite: one thread that writes, and some that read beside it (WAL). A transaction is run in one go, in its thread.

Writes that come while another is committed are put together into the next transaction: one commit, and one wait for the
disk, for all of them. Where one of them fails, each is run again in a transaction of its own.
"""

import asyncio
import contextlib
import sqlite3
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from outcrop.errors import StoreError
from outcrop.history.migrate import upgrade
from outcrop.history.sqlite_file import lock_file, make_private, probe_file
from outcrop.history.transaction import Result, ThreadTransaction, Transaction, Work, run_at_once
from outcrop.history.trouble import StoreBusy, translate

WAIT_SECONDS = 20.0
"""
How long work waits for its turn.
"""

READERS = 4
MAX_TOGETHER = 64
BUSY_MS = 10_000
SCRUB_PAGES = 500


class SqliteDatabase:
    """
    Implement `Database` with a file. Made by `open_file`.
    """

    kind: Literal["sqlite"] = "sqlite"

    def __init__(self, writer: Engine, reader: Engine, cleanup: contextlib.AsyncExitStack) -> None:
        self._writer = writer
        self._reader = reader
        self._cleanup = cleanup
        self._write_thread = ThreadPoolExecutor(1, "database-writer")
        self._read_threads = ThreadPoolExecutor(READERS, "database-reader")
        cleanup.callback(self._write_thread.shutdown)
        cleanup.callback(self._read_threads.shutdown)
        self._reading = asyncio.Semaphore(READERS)
        self._waiting: deque[_Waiting] = deque()
        self._writing: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._is_closed = False

    async def read(self, work: Work[Result]) -> Result:
        """
        Run work that only reads. See `Database.read`.
        """
        self._require_open()
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await self._reading.acquire()
        except TimeoutError:
            raise StoreBusy(WAIT_SECONDS) from None
        task = asyncio.create_task(self._read(work))
        self._tasks.add(task)
        task.add_done_callback(self._let_go)
        return await asyncio.shield(task)

    async def write(self, work: Work[Result]) -> Result:
        """
        Run work in a transaction, maybe together with that of others. See `Database.write`.
        """
        self._require_open()
        loop = asyncio.get_running_loop()
        waiting = _Waiting(work, loop.create_future())
        self._waiting.append(waiting)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_all(), name="writer of the database")
        giving_up = loop.call_later(WAIT_SECONDS, self._give_up, waiting)
        try:
            result: Result = await waiting.outcome
        finally:
            giving_up.cancel()
        return result

    async def scrub(self) -> None:
        """
        Take what was deleted out of the files. See `Database.scrub`.
        """
        pages = -SCRUB_PAGES
        # In small transactions, so that no prompt waits long for its turn to be written.
        while await self.write(partial(_merge_entries, pages=pages)):
            pages = SCRUB_PAGES
        self._require_open()
        await asyncio.get_running_loop().run_in_executor(self._write_thread, _empty_log, self._writer)

    async def aclose(self) -> None:
        """
        Wait for work under way, and close.
        """
        self._is_closed = True
        while under_way := self._tasks | ({self._writing} if self._writing is not None else set()):
            await asyncio.wait(under_way)
            self._writing = None
        await self._cleanup.aclose()

    def _require_open(self) -> None:
        if self._is_closed:
            # Its lock is given back: another server may have the file by now.
            raise StoreError("the database is closed")

    async def _read(self, work: Work[Result]) -> Result:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._read_threads, _run_alone, self._reader, work)
        finally:
            self._reading.release()

    def _let_go(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            # Known to whoever still waits; a caller that has gone does not want it.
            task.exception()

    async def _write_all(self) -> None:
        while self._waiting:
            together = [self._waiting.popleft() for _ in range(min(MAX_TOGETHER, len(self._waiting)))]
            if len(together) == 1 or not await self._write_together(together):
                for waiting in together:
                    await self._write_alone(waiting)

    async def _write_together(self, together: "Sequence[_Waiting]") -> bool:
        """
        Commit all of it, or nothing; return which.
        """
        works = [waiting.work for waiting in together]
        running = asyncio.get_running_loop().run_in_executor(self._write_thread, _run_all, self._writer, works)
        await asyncio.wait({running})
        if running.exception() is not None:
            return False
        for waiting, result in zip(together, running.result(), strict=True):
            if not waiting.outcome.done():
                waiting.outcome.set_result(result)
        return True

    async def _write_alone(self, waiting: "_Waiting") -> None:
        loop = asyncio.get_running_loop()
        running = loop.run_in_executor(self._write_thread, _run_alone, self._writer, waiting.work)
        await asyncio.wait({running})
        error = running.exception()
        if waiting.outcome.done():
            return
        if error is None:
            waiting.outcome.set_result(running.result())
        else:
            waiting.outcome.set_exception(error)

    def _give_up(self, waiting: "_Waiting") -> None:
        if waiting in self._waiting:
            self._waiting.remove(waiting)
            waiting.outcome.set_exception(StoreBusy(WAIT_SECONDS))


class _Waiting:
    """
    Hold work that waits for its turn.
    """

    def __init__(self, work: Work[Any], outcome: "asyncio.Future[Any]") -> None:
        self.work = work
        self.outcome = outcome


def _run_all(engine: Engine, works: Sequence[Work[Any]]) -> list[Any]:
    with engine.begin() as connection:
        transaction = ThreadTransaction(connection)
        return [run_at_once(work, transaction) for work in works]


def _run_alone(engine: Engine, work: Work[Result]) -> Result:
    try:
        with engine.begin() as connection:
            return run_at_once(work, ThreadTransaction(connection))
    except (SQLAlchemyError, OSError) as error:
        raise translate(error) from error


async def _merge_entries(transaction: Transaction, pages: int) -> bool:
    """
    Merge some of the search index's parts, which drops what is deleted; tell whether there is more.

    A negative number begins with all parts (SQLite's documentation of FTS5, "The 'merge' command", which also gives the
    end: fewer than two changes).
    """
    before = await transaction.scalar(text("SELECT total_changes()"))
    merge = text("INSERT INTO search_entries(search_entries, rank) VALUES ('merge', :pages)")
    await transaction.execute(merge, {"pages": pages})
    after = await transaction.scalar(text("SELECT total_changes()"))
    return int(after or 0) - int(before or 0) >= 2


def _empty_log(engine: Engine) -> None:
    connection = engine.raw_connection()
    try:
        # Not in a transaction, where SQLite refuses it.
        connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.Error as error:
        raise translate(error) from error
    finally:
        connection.close()


async def open_file(path: Path, cleanup: contextlib.AsyncExitStack, *, exclusive: bool) -> SqliteDatabase:
    """
    Open a file, and bring it up to date; `cleanup` closes it. See `open_database`.
    """
    make_private(path)
    cleanup.callback(lock_file(path, is_shared=not exclusive).close)
    await asyncio.to_thread(probe_file, path)
    writer = make_engine(path, "BEGIN IMMEDIATE", size=1)
    cleanup.callback(writer.dispose)
    reader = make_engine(path, "BEGIN", size=READERS, read_only=True)
    cleanup.callback(reader.dispose)
    await asyncio.to_thread(_upgrade, writer)
    return SqliteDatabase(writer, reader, cleanup)


def _upgrade(engine: Engine) -> None:
    with engine.begin() as connection:
        upgrade(connection)


def make_engine(path: Path, begin: str, *, size: int, read_only: bool = False) -> Engine:
    """
    Make the connections to a file. `begin` is the statement that begins a transaction.
    """
    engine = create_engine(
        URL.create("sqlite", database=str(path)), pool_size=size, max_overflow=0, pool_timeout=WAIT_SECONDS,
        # Each transaction is ended by who began it.
        pool_reset_on_return=None, hide_parameters=True, connect_args={"check_same_thread": False},
    )  # fmt: skip
    pragmas = [
        "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON", f"busy_timeout={BUSY_MS}",
        "recursive_triggers=ON", *(["query_only=ON"] if read_only else []),
    ]  # fmt: skip

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        # Transactions are begun by us: the driver's own way leaves DDL, and reads, outside of them.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        connection.exec_driver_sql(begin)

    return engine
