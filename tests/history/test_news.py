"""
News of conversations: who hears what, here and on other replicas.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

import pytest

from outcrop.history.news import News
from outcrop.history.redis_news import RedisRelay
from tests.redis_server import RedisServer, require_redis

WAIT_SECONDS = 20


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """
    Run a Redis.
    """
    require_redis()
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.kill()


@contextlib.asynccontextmanager
async def relaying(url: str) -> AsyncIterator[News]:
    """
    Be a replica.
    """
    news = News()
    relay = RedisRelay(url, news)
    news.relay = relay
    running = asyncio.create_task(relay.run())
    try:
        yield news
    finally:
        running.cancel()
        await asyncio.wait({running})
        await relay.aclose()


async def hear_of(news: News, name: str, *, told_by: News) -> list[str]:
    """
    Announce until it is heard; return all that was heard by then.
    """
    heard: list[str] = []
    leave = news.subscribe("alice", heard.append)
    async with asyncio.timeout(WAIT_SECONDS):
        while name not in heard:
            told_by.announce("alice", name)
            await asyncio.sleep(0.05)
    leave()
    return heard


def test_an_owner_hears_of_their_own() -> None:
    """
    All who subscribed hear, until they leave; nobody hears of another's.
    """
    news = News()
    one: list[str] = []
    two: list[str] = []
    leave = news.subscribe("alice", one.append)
    news.subscribe("bob", two.append)
    news.announce("alice", "c")
    leave()
    leave()
    news.announce("alice", "d")
    assert (one, two) == (["c"], [])


async def test_replicas_hear_each_other(redis: RedisServer) -> None:
    """
    What one announces the other tells, once; who announced it does not hear it again.
    """
    async with relaying(redis.url) as first, relaying(redis.url) as second:
        await hear_of(second, "warm", told_by=first)
        here: list[str] = []
        there: list[str] = []
        first.subscribe("alice", here.append)
        second.subscribe("alice", there.append)
        second.subscribe("bob", there.append)
        first.announce("alice", "c")
        await hear_of(second, "last", told_by=first)
        assert there.count("c") == here.count("c") == 1


async def test_news_go_on_after_redis_was_away(redis: RedisServer) -> None:
    """
    What is announced meanwhile is lost, and holds nobody up; then all is heard again.
    """
    async with relaying(redis.url) as first, relaying(redis.url) as second:
        await hear_of(second, "warm", told_by=first)
        redis.kill()
        for number in range(3000):
            first.announce("alice", f"lost{number}")
        redis.start()
        await hear_of(second, "again", told_by=first)
