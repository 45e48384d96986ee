"""
A gateway that keeps conversations, and dies: its database can be held from outside, and tells what was committed.
"""

import asyncio
import contextlib
import signal
import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Protocol

import asyncpg

from outcrop.history.maintenance import upgrade_database
from tests.e2e.chat_client import request
from tests.e2e.conftest import Book
from tests.e2e.test_kept_chats import ALICE, environment, open_kept
from tests.postgres_server import PostgresServer
from tests.redis_server import RedisServer, require_redis
from tests.support import Process

LEASE_SECONDS = "1"
SETTLE_SECONDS = 40.0
ANSWERS = (
    "SELECT m.turn_id AS turn_id, m.state AS state FROM messages m JOIN conversations c ON c.key = m.conversation_key"
    " WHERE m.role = 'assistant' AND c.id = "
)


class Store(Protocol):
    """
    Be a database, seen from outside of the server that uses it.
    """

    url: str

    def hold(self) -> contextlib.AbstractAsyncContextManager[None]:
        """
        Let nobody else write for as long as the block runs.
        """
        ...

    async def wait_until_waited_for(self, url: str, writers: int) -> None:
        """
        While it is held: wait until so many transactions of a server wait for it.
        """
        ...

    async def find_answer(self, chat_id: str) -> dict[str, Any] | None:
        """
        Return the turn and the state of a chat's one answer, as committed; None where there is none.
        """
        ...

    async def find_calls(self, turn_id: str) -> list[dict[str, Any]]:
        """
        Return a turn's rows in the ledger.
        """
        ...


class SqliteStore:
    """
    Be a file.
    """

    def __init__(self, path: Path) -> None:
        self.url = str(path)

    @contextlib.asynccontextmanager
    async def hold(self) -> AsyncIterator[None]:
        """
        Take the lock of who writes. See `Store.hold`.
        """
        with contextlib.closing(sqlite3.connect(self.url, isolation_level=None, timeout=10)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield

    async def wait_until_waited_for(self, url: str, writers: int) -> None:
        """
        See `Store.wait_until_waited_for`. A file does not tell who waits for it.
        """
        for _ in range(2 * writers):
            # What is answered now says that the server's loop has done what came before.
            assert (await asyncio.to_thread(request, url, "GET", "/healthz")).status == 200

    async def find_answer(self, chat_id: str) -> dict[str, Any] | None:
        """
        See `Store.find_answer`.
        """
        found = self._ask(f"{ANSWERS}?", chat_id)
        return found[0] if found else None

    async def find_calls(self, turn_id: str) -> list[dict[str, Any]]:
        """
        See `Store.find_calls`.
        """
        return self._ask("SELECT * FROM calls WHERE turn_id = ?", turn_id)

    def _ask(self, statement: str, value: str) -> list[dict[str, Any]]:
        with contextlib.closing(sqlite3.connect(self.url, timeout=10)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(statement, (value,))]


class PostgresStore:
    """
    Be a database of PostgreSQL.
    """

    def __init__(self, url: str) -> None:
        self.url = url

    @contextlib.asynccontextmanager
    async def hold(self) -> AsyncIterator[None]:
        """
        Lock what every kept turn writes; it can be read meanwhile. See `Store.hold`.
        """
        async with self._connect() as connection, connection.transaction():
            await connection.execute("LOCK TABLE messages IN EXCLUSIVE MODE")
            yield

    async def wait_until_waited_for(self, url: str, writers: int) -> None:
        """
        See `Store.wait_until_waited_for`.
        """
        del url
        async with self._connect() as connection, asyncio.timeout(SETTLE_SECONDS):
            while await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted") < writers:
                await asyncio.sleep(0.02)

    async def find_answer(self, chat_id: str) -> dict[str, Any] | None:
        """
        See `Store.find_answer`.
        """
        found = await self._ask(f"{ANSWERS}$1", chat_id)
        return found[0] if found else None

    async def find_calls(self, turn_id: str) -> list[dict[str, Any]]:
        """
        See `Store.find_calls`.
        """
        return await self._ask("SELECT * FROM calls WHERE turn_id = $1", turn_id)

    async def _ask(self, statement: str, value: str) -> list[dict[str, Any]]:
        async with self._connect() as connection:
            return [dict(row) for row in await connection.fetch(statement, value)]

    @contextlib.asynccontextmanager
    async def _connect(self) -> AsyncIterator[Any]:
        connection = await asyncpg.connect(self.url)
        try:
            yield connection
        finally:
            await connection.close()


class Mortal:
    """
    Run one gateway on a database, kill it, and start another one in its place.

    Attributes:
        redis: where its turn log is; None where that dies with it.
        url: where the gateway of now listens.
    """

    def __init__(self, emulator: str, store: Store, redis: RedisServer | None) -> None:
        self.book = Book(emulator)
        self.store = store
        self.redis = redis
        self.url = ""
        settings = {"database_url": store.url, "grace_seconds": "60"}
        if redis is not None:
            settings |= {"turn_log": redis.url, "lease_seconds": LEASE_SECONDS}
        self._environ = environment(emulator, Path("unused"), **settings)
        self._process: Process | None = None

    def start(self) -> None:
        """
        Start a gateway.
        """
        self._process = Process("serve", "--port", "0", environ=self._environ)
        self.url = self._process.wait_for_url()

    def kill(self) -> None:
        """
        Kill it, as kill -9 does.
        """
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        self._process.close()
        self._process = None

    def close(self) -> None:
        """
        End it.
        """
        if self._process is not None:
            self._process.close()

    async def open_settled(self, chat_id: str) -> dict[str, Any]:
        """
        Open a conversation once its answer has ended: at first sight, where no other server could run it.
        """
        async with asyncio.timeout(SETTLE_SECONDS):
            while True:
                branch: dict[str, Any] = (await asyncio.to_thread(open_kept, self.url, chat_id)).json
                if branch["messages"][-1]["state"] != "running":
                    return branch
                assert self.redis is not None, f"{chat_id}: an answer runs on a server that is dead"
                await asyncio.sleep(0.05)

    async def describe_turn(self, turn_id: str) -> dict[str, Any] | None:
        """
        Return what the turn log says of a turn once it has ended there; None where it died with the server.
        """
        async with asyncio.timeout(SETTLE_SECONDS):
            while True:
                answer = await asyncio.to_thread(request, self.url, "GET", f"/api/turns/{turn_id}", None, ALICE)
                described: dict[str, Any] | None = answer.json if answer.status == 200 else None
                if described is None or described["state"] != "running":
                    return described
                await asyncio.sleep(0.05)


@contextlib.contextmanager
def run_mortal(emulator: str, folder: Path, postgres: PostgresServer | None, *, has_redis: bool) -> Iterator[Mortal]:
    """
    Run a gateway with a file, or on PostgreSQL with a new database; with its turn log in memory, or in Redis.
    """
    with contextlib.ExitStack() as stack:
        redis = None
        if has_redis:
            require_redis()
            redis = RedisServer(folder, persistent=True)
            redis.start()
            stack.callback(redis.kill)
        store: Store = SqliteStore(folder / "outcrop.db")
        if postgres is not None:
            store = PostgresStore(postgres.make_database("with_redis" if has_redis else "alone"))
            asyncio.run(upgrade_database(store.url))
        mortal = Mortal(emulator, store, redis)
        stack.callback(mortal.close)
        mortal.start()
        yield mortal
