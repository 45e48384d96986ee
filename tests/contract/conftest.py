"""
What the contracts run over: the log in memory and in a real Redis; SQLite and a real PostgreSQL.
"""

import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import create_async_engine

from outcrop.history.address import parse_address
from outcrop.history.database import Database, open_database
from outcrop.history.migrate import upgrade
from tests.contract.stages import Stage, memory_stage, redis_stage
from tests.postgres_server import PostgresServer, require_postgres
from tests.redis_server import RedisServer, require_redis


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """
    Run one server for all tests of the contract; each empties it.
    """
    require_redis()
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.kill()


@pytest.fixture(params=["memory", "redis"])
async def stage(request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    """
    Give each log in turn.
    """
    opened = memory_stage() if request.param == "memory" else redis_stage(request.getfixturevalue("redis_server"))
    async with opened as ready:
        yield ready


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """
    Run one cluster for all tests of the contracts; each has a database of its own.
    """
    require_postgres()
    server = PostgresServer()
    server.start()
    yield server
    server.close()


NUMBERS = itertools.count(1)


@pytest.fixture(params=["sqlite", "postgresql"])
async def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """
    Give the address of an empty database of each kind, brought up to date.
    """
    if request.param == "sqlite":
        return str(tmp_path / "outcrop.db")
    server: PostgresServer = request.getfixturevalue("postgres_server")
    made = server.make_database(f"contract{next(NUMBERS)}")
    engine = create_async_engine(parse_address(made))
    async with engine.begin() as connection:
        await connection.run_sync(upgrade)
    await engine.dispose()
    return made


@pytest.fixture
async def database(address: str) -> AsyncIterator[Database]:
    """
    Open it, and close it at the end.
    """
    opened = await open_database(address)
    yield opened
    await opened.aclose()
