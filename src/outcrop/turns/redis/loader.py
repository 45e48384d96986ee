"""
Reading a log from Redis: pages for readers that are behind, and what a mirror has missed.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec

from outcrop.errors import EpochChanged, PositionExpired, StoreError
from outcrop.turns.redis.codec import Batch, TurnRecord, parse_batch, parse_record
from outcrop.turns.redis.connection import RedisLink
from outcrop.turns.redis.mirror import Mirror, MirrorReader
from outcrop.turns.redis.scripts import LOOK
from outcrop.turns.waking import not_begun, wake_all
from outcrop.types import LogEntry

BATCHES_PER_PAGE = 32

Spawn = Callable[[Coroutine[Any, Any, None]], None]
"""
Run something in the background, owned by the log.
"""


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """
    Say how long to wait: for an answer, for Redis to come back, for a lost log to be written anew by its replica.
    """

    store_seconds: float
    outage_seconds: float
    restore_seconds: float


class Loader:
    """
    Read logs from Redis.

    Args:
        link: Redis.
        spawn: runs what mirrors and readers ask for.
        patience: how long to wait.
    """

    def __init__(self, link: RedisLink, spawn: Spawn, patience: Patience) -> None:
        self._link = link
        self._spawn = spawn
        self._patience = patience
        self._catching: dict[Mirror, bool] = {}

    async def look(
        self, turn_id: str, chat: str = "", *, seconds: float | None = None
    ) -> tuple[str, TurnRecord | None]:
        """
        Look a turn up, by its name or as the latest one of a chat. Return the store's epoch too.

        Raises:
            StoreError: Redis can't be reached.
        """
        patience = self._patience.store_seconds if seconds is None else seconds
        answer = await self._link.insist(LOOK, turn_id, chat, seconds=patience)
        record = parse_record(answer[1]) if len(answer) > 1 else None
        return answer[0].decode(), record

    async def read(self, turn_id: str, after: int, *, seconds: float) -> list[Batch]:
        """
        Read the batches that hold the entries after a position: some, or none.

        Raises:
            StoreError: Redis can't be reached.
        """
        key = f"{self._link.prefix}log:{turn_id}"
        answer = await self._link.retry(
            lambda: self._link.execute("XRANGE", key, f"{after + 1}-0", "+", "COUNT", BATCHES_PER_PAGE), seconds=seconds
        )
        return [parse_batch(fields[1]) for _, fields in answer]

    def fetch_page(self, reader: MirrorReader) -> None:
        """
        Get a page for a reader that is behind the window. See `Keeper.fetch_page`.
        """
        if not reader.is_fetching:
            reader.is_fetching = True
            self._spawn(self._fetch(reader))

    def fill_gap(self, mirror: Mirror) -> None:
        """
        Catch a mirror up. See `Keeper.fill_gap`.
        """
        if mirror in self._catching:
            self._catching[mirror] = True
        else:
            self._catching[mirror] = True
            self._spawn(self._catch_up(mirror))

    async def _fetch(self, reader: MirrorReader) -> None:
        mirror = reader.mirror
        try:
            batches = await self.read(mirror.turn_id, reader.position, seconds=self._patience.outage_seconds)
            page: list[LogEntry] = []
            for batch in batches:
                if batch.epoch != mirror.epoch:
                    raise EpochChanged("the log has lost entries since this reader began")
                page += batch.entries
            page = [entry for entry in page if entry.seq > reader.position]
            if not page or page[0].seq != reader.position + 1:
                raise PositionExpired(f"position {reader.position} is no longer in the log")
            if reader.error is None:
                reader.page = page
        except StoreError as error:
            reader.error = error
        finally:
            reader.is_fetching = False
        wake_all((reader,), mirror.turn_id)

    async def _catch_up(self, mirror: Mirror) -> None:
        try:
            while self._catching[mirror]:
                self._catching[mirror] = False
                await self.catch_up(mirror)
        except StoreError as error:
            mirror.fail(error)
        finally:
            del self._catching[mirror]

    async def catch_up(self, mirror: Mirror) -> None:
        """
        Read what a mirror has missed; no more of it once it is dropped.

        Raises:
            EpochChanged: the log is not the one that the mirror shows.
            PositionExpired: the log is gone, or has lost its end.
            StoreError: Redis can't be reached, or the turn was discarded before it had an entry.
        """
        record = await self._find(mirror)
        if record.epoch != mirror.epoch:
            raise EpochChanged("the log has lost entries since this reader began")
        while mirror.last_seq < record.last_seq and not mirror.is_dropped:
            last_seq = mirror.last_seq
            batches = await self.read(mirror.turn_id, last_seq, seconds=self._patience.outage_seconds)
            if not batches or batches[0].first_seq > mirror.last_seq + 1:
                raise PositionExpired(f"position {last_seq} is no longer in the log")
            for batch in batches:
                mirror.offer(batch.entries, batch.summary, batch.ended_at)

    async def _find(self, mirror: Mirror) -> TurnRecord:
        """
        Find a turn that was there a moment ago. Its replica may be about to write it anew, so give it time.
        """
        deadline = asyncio.get_running_loop().time() + self._patience.restore_seconds
        while True:
            epoch, record = await self.look(mirror.turn_id, seconds=self._patience.outage_seconds)
            if record is not None:
                return record
            if mirror.is_dropped or asyncio.get_running_loop().time() > deadline:
                if epoch != mirror.epoch:
                    raise EpochChanged("the log was lost")
                # A turn ends with an entry, and only then its log can be forgotten.
                raise PositionExpired("the log is forgotten") if mirror.last_seq else not_begun()
            await asyncio.sleep(0.2)
