"""
The stages of the contract: the log in memory, and the log in a real Redis.
"""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.contract.stages import Stage, memory_stage, redis_stage
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
