"""
Leases: a replica's sign of life, and what becomes of the turns of one that gives none.

A lease belongs to a replica, not to a turn; each turn has a fencing token that grows when it changes hands. Only
Redis's clock decides. A lease that ran out may be renewed as long as nobody has taken over. After this replica's own
connection was lost it waits one lease before it takes over anything: the others must have had time to renew.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

import msgspec
import structlog

from outcrop.errors import LeaseLost, StoreError
from outcrop.turns.redis.connection import RedisLink
from outcrop.turns.redis.scripts import BEAT, CHECK, LEAVE, TAKE_OVER
from outcrop.turns.redis.writer import OwnTurn, Writer, WriterEvents

MAX_BEAT_SECONDS = 1.0

logger = structlog.get_logger(__name__)


class Duties(msgspec.Struct, frozen=True):
    """
    Name what the beat calls.

    To see that messages still come; to adopt an orphan; every third of a lease, to renew what this replica told others.
    """

    probe: Callable[[], None]
    adopt: Callable[[str], Awaitable[None]]
    renew: Callable[[], Awaitable[None]]


class Membership:
    """
    Keep this replica's lease, check its turns, and take over the orphans of others.

    Args:
        link: Redis.
        replica: this life of the replica.
        lease_seconds: how long a sign of life holds.
        own: this replica's turns.
        writer: writes lost turns anew.
        events: are told of stops and losses.
        duties: what else is done.

    Attributes:
        later: what could not be done while Redis was down; each is tried once at every beat until it succeeds.
    """

    def __init__(
        self,
        link: RedisLink,
        replica: str,
        *,
        lease_seconds: float,
        own: Mapping[str, OwnTurn],
        writer: Writer,
        events: WriterEvents,
        duties: Duties,
    ) -> None:
        self._link = link
        self._replica = replica
        self._lease_seconds = lease_seconds
        self._own = own
        self._writer = writer
        self._events = events
        self._duties = duties
        self.later: list[Callable[[], Awaitable[None]]] = []
        self._renewed_at = 0.0

    async def run(self) -> None:
        """
        Beat for ever.
        """
        seconds = min(MAX_BEAT_SECONDS, self._lease_seconds / 3)
        while True:
            try:
                await self.beat()
            except StoreError:
                # The link says so, and the next beat tries again.
                await asyncio.sleep(0)
            await asyncio.sleep(seconds)

    async def beat(self) -> None:
        """
        Renew the lease, and do what is due: each for itself, so that one that fails holds up no other.

        Raises:
            StoreError: the lease could not be renewed.
        """
        known = len(self._own)
        count, dead = await self._link.run(BEAT, self._replica, int(self._lease_seconds * 1000), secrets.token_hex(4))
        self._duties.probe()
        if count < known:
            await _attempt(self.check_own)
        now = asyncio.get_running_loop().time()
        if now - self._link.up_since >= self._lease_seconds:
            for name in dead:
                await _attempt(partial(self._take_over, name.decode()))
            if count > known:
                # An answer to an earlier take-over may have been lost, or an adoption has failed.
                await _attempt(partial(self._take_over, ""))
        await self._catch_up()
        if now - self._renewed_at >= self._lease_seconds / 3:
            self._renewed_at = now
            await _attempt(self._duties.renew)

    async def check_own(self) -> None:
        """
        Find out which of this replica's turns were lost, taken over or asked to stop.

        Raises:
            StoreError: Redis can't be reached.
        """
        turns = [turn for turn in self._own.values() if not turn.is_closing]
        if not turns:
            return
        answers = await self._link.run(CHECK, *(turn.lease.turn_id for turn in turns))
        for turn, (token, state, stop, _) in zip(turns, answers, strict=True):
            if turn.is_closing or self._own.get(turn.lease.turn_id) is not turn:
                continue
            if token is None:
                self._writer.suspect(turn)
            elif int(token) != turn.lease.token or state != b"running":
                self._events.lose(turn, LeaseLost(f"turn {turn.lease.turn_id!r} was taken over by another replica"))
            elif stop is not None:
                self._events.stop(turn.lease.turn_id)

    async def leave(self) -> None:
        """
        Give the lease up: what is left behind is taken over at once.
        """
        try:
            await self._link.run(LEAVE, self._replica)
        except StoreError:
            # The lease runs out by itself.
            return

    async def _catch_up(self) -> None:
        for duty in list(self.later):
            if await _attempt(duty):
                self.later.remove(duty)
            elif self._link.is_down:
                # The others would wait as long, and in vain.
                return

    async def _take_over(self, dead: str) -> None:
        for turn_id in await self._link.run(TAKE_OVER, self._replica, dead):
            if turn_id.decode() not in self._own:
                logger.warning("taking over a turn", turn_id=turn_id.decode(), replica=dead)
                await _attempt(partial(self._duties.adopt, turn_id.decode()))


async def _attempt(duty: Callable[[], Awaitable[None]]) -> bool:
    """
    Do what is due, and tell whether that succeeded; the next beat tries again.
    """
    try:
        await duty()
    except StoreError as error:
        logger.warning("what was due could not be done yet", reason=error.message)
        return False
    return True
