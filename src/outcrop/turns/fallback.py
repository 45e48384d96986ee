"""
A turn log that goes on without its store: while it can't be reached, new turns are kept in this process's memory.

Such a turn is known to this replica alone, and its opening says so. Turns that began in the store stay there: they wait
for it. An idempotency key that was used in an outage is honoured on this replica, on others only for turns of theirs.
"""

import time
from collections.abc import Callable, Sequence

import msgspec
import structlog

from outcrop.errors import LeaseLost, StoreError
from outcrop.turns.log import ProducerListener, Subscription, TurnLog
from outcrop.turns.memory import MemoryTurnLog
from outcrop.turns.records import Lease, TurnOpening, TurnStatus, TurnSummary
from outcrop.types import StreamEvent, TerminalEvent

RETRY_SECONDS = 5.0
"""
After the store has failed a new turn, the next ones go to memory at once for so long.
"""

logger = structlog.get_logger(__name__)


class FallbackTurnLog:
    """
    Implement `TurnLog` over a store and, while that is down, over memory.

    Args:
        store: where turns belong.
        spare: where new ones go meanwhile.
        clock: monotonic seconds.
    """

    def __init__(self, store: TurnLog, spare: MemoryTurnLog, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._spare = spare
        self._clock = clock
        self._down_until = 0.0

    async def open(self, listener: ProducerListener) -> None:
        """
        Open both. See `TurnLog.open`: a store that is down at the start is still an error, for it may be a wrong URL.
        """
        await self._spare.open(listener)
        await self._store.open(listener)

    async def aclose(self) -> None:
        """
        Close both. See `TurnLog.aclose`.
        """
        await self._store.aclose()
        await self._spare.aclose()

    async def acquire(self, opening: TurnOpening) -> Lease:
        """
        Begin a log, in memory if need be. See `TurnLog.acquire`.
        """
        self._spare.check(opening)
        if self._clock() >= self._down_until:
            try:
                return await self._store.acquire(opening)
            except LeaseLost:
                raise
            except StoreError as error:
                self._down_until = self._clock() + RETRY_SECONDS
                logger.warning("new turns are kept in memory, known to this replica alone", reason=error.message)
        return await self._spare.acquire(msgspec.structs.replace(opening, is_local=True))

    async def check_key(self, idempotency_key: str, fingerprint: str, *, owner: str) -> None:
        """
        Refuse a key that is taken, in either place. See `TurnLog.check_key`.
        """
        await self._spare.check_key(idempotency_key, fingerprint, owner=owner)
        await self._store.check_key(idempotency_key, fingerprint, owner=owner)

    def append(self, lease: Lease, events: Sequence[StreamEvent]) -> None:
        """
        Append events. See `TurnLog.append`.
        """
        self._home(lease.turn_id).append(lease, events)

    async def flush(self, lease: Lease) -> int:
        """
        Return the last position. See `TurnLog.flush`.
        """
        return await self._home(lease.turn_id).flush(lease)

    async def finalize(self, lease: Lease, terminal: TerminalEvent, summary: TurnSummary) -> None:
        """
        Append the terminal event. See `TurnLog.finalize`.
        """
        await self._home(lease.turn_id).finalize(lease, terminal, summary)

    async def discard(self, lease: Lease) -> None:
        """
        Forget a turn that made no call. See `TurnLog.discard`.
        """
        await self._home(lease.turn_id).discard(lease)

    async def subscribe(
        self, turn_id: str, *, owner: str, wake: Callable[[], None], after: int = 0, epoch: str | None = None
    ) -> Subscription:
        """
        Read from the entry after `after`. See `TurnLog.subscribe`.
        """
        return await self._home(turn_id).subscribe(turn_id, owner=owner, wake=wake, after=after, epoch=epoch)

    async def request_stop(self, turn_id: str, *, owner: str) -> None:
        """
        Have a turn stopped. See `TurnLog.request_stop`.
        """
        await self._home(turn_id).request_stop(turn_id, owner=owner)

    async def status(self, turn_id: str, *, owner: str) -> TurnStatus:
        """
        Say where a turn stands. See `TurnLog.status`.
        """
        return await self._home(turn_id).status(turn_id, owner=owner)

    async def find_chat(self, chat_id: str, *, owner: str) -> TurnStatus | None:
        """
        Find a chat's latest turn, in either place. See `TurnLog.find_chat`.
        """
        here = await self._spare.find_chat(chat_id, owner=owner)
        if here is not None and here.state == "running":
            return here
        try:
            there = await self._store.find_chat(chat_id, owner=owner)
        except StoreError:
            if here is None:
                raise
            return here
        both = [status for status in (here, there) if status is not None]
        return max(both, key=lambda status: status.opening.started_at, default=None)

    async def delete(self, turn_id: str, *, owner: str) -> None:
        """
        Forget a final log. See `TurnLog.delete`.
        """
        await self._home(turn_id).delete(turn_id, owner=owner)

    def _home(self, turn_id: str) -> TurnLog:
        return self._spare if self._spare.holds(turn_id) else self._store
