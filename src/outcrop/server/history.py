"""
What is kept: the database of the settings, what is built on it, and its housekeeping.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import msgspec
import structlog

from outcrop.errors import StoreError
from outcrop.history.conversations import Conversations
from outcrop.history.database import open_database
from outcrop.history.ledger import MemoryLedger
from outcrop.history.news import News
from outcrop.history.recorder import DatabaseLedger
from outcrop.settings import Settings
from outcrop.turns.ports import Ledger, Ports
from outcrop.turns.recovery import Recovery
from outcrop.turns.service import TurnService

HOUSEKEEPING_SECONDS = 60.0
UNKNOWN_MARGIN_SECONDS = 60.0

logger = structlog.get_logger(__name__)


class Kept(msgspec.Struct, frozen=True):
    """
    Hold the ledger, and where conversations are kept (None where they aren't), and who hears of their changes.
    """

    ledger: Ledger
    news: News
    conversations: Conversations | None = None


async def open_history(settings: Settings, cleanup: AsyncExitStack) -> Kept:
    """
    Open the database of the settings. `cleanup` closes it, the ledger before it.

    Raises:
        SettingsError: the address can't be used.
        StoreError: the database can't be opened.
    """
    address, news = settings.find_database(), News()
    if address is None:
        return Kept(MemoryLedger(), news)
    database = await open_database(address, exclusive=settings.turn_log == "memory")
    cleanup.push_async_callback(database.aclose)
    ledger = DatabaseLedger(database, now_ms, news.announce)
    cleanup.push_async_callback(ledger.aclose)
    logger.info("conversations are kept", database=database.kind)
    return Kept(ledger, news, Conversations(database, now_ms, news.announce))


@asynccontextmanager
async def keep_house(kept: Kept, ports: Ports, turns: TurnService, settings: Settings) -> AsyncIterator[None]:
    """
    Close what a crash left open, and delete what is to go, for as long as the block runs.
    """
    if kept.conversations is None:
        yield
        return
    is_only_one = settings.turn_log == "memory"
    unknown_seconds = 0.0 if is_only_one else settings.turn_timeout_seconds + UNKNOWN_MARGIN_SECONDS
    recovery = Recovery(ports, turns.runs, unknown_seconds=unknown_seconds)
    if is_only_one:
        # Nothing runs yet: what is open is over, and nobody should see it running.
        try:
            await recovery.sweep()
        except StoreError as error:
            logger.warning("open answers could not be looked for", reason=error.message)
    tasks = [
        asyncio.create_task(recovery.run(), name="recovery of open answers"),
        asyncio.create_task(_clean(kept.conversations, settings), name="deletion of old conversations"),
    ]
    async with AsyncExitStack() as cleanup:
        if not is_only_one:
            tasks.append(await _relay_news(kept.news, settings, cleanup))
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)


async def _relay_news(news: News, settings: Settings, cleanup: AsyncExitStack) -> "asyncio.Task[None]":
    from outcrop.history.redis_news import RedisRelay  # noqa: PLC0415  its driver is an extra

    relay = RedisRelay(settings.turn_log, news)
    cleanup.push_async_callback(relay.aclose)
    news.relay = relay
    return asyncio.create_task(relay.run(), name="news of conversations between replicas")


async def _clean(conversations: Conversations, settings: Settings) -> None:
    while True:
        now = now_ms()
        try:
            gone = await conversations.purge(deleted_before=now - round(settings.undo_delete_seconds * 1000))
            if settings.keep_days is not None:
                gone += await conversations.retire(changed_before=now - round(settings.keep_days * 86_400_000))
            if gone:
                logger.info("conversations were deleted for good", conversations=gone)
        except StoreError as error:
            logger.warning("old conversations could not be deleted", reason=error.message)
        await asyncio.sleep(HOUSEKEEPING_SECONDS)


def now_ms() -> int:
    """
    Return milliseconds since 1970.
    """
    return time.time_ns() // 1_000_000
