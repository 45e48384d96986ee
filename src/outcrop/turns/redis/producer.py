"""
What concerns this replica's own turns from outside: stops, losses, readers on other replicas, and orphans to adopt.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import msgspec
import structlog

from outcrop.errors import EpochChanged, PositionExpired, StoreError
from outcrop.turns.log import ProducerListener
from outcrop.turns.records import Lease
from outcrop.turns.redis.codec import TurnRecord
from outcrop.turns.redis.connection import RedisLink
from outcrop.turns.redis.follower import Follower
from outcrop.turns.redis.holdings import Holdings
from outcrop.turns.redis.loader import Loader, Spawn
from outcrop.turns.redis.mirror import Mirror
from outcrop.turns.redis.writer import OwnTurn, Writer

logger = structlog.get_logger(__name__)


class Parts(msgspec.Struct, frozen=True):
    """
    Name the parts of the log that a producer's affairs touch.
    """

    link: RedisLink
    loader: Loader
    follower: Follower
    writer: Writer
    holdings: Holdings
    spawn: Spawn


class Producer:
    """
    Do what other replicas and Redis ask of this one, and tell the listener.

    Args:
        replica: this life of the replica.
        lease_seconds: how long a remote reader is believed in.

    Attributes:
        listener: who is told; set when the log opens.
        parts: set when the log is put together, for the parts call back.
        check_own: looks after this replica's turns; set likewise.
    """

    parts: Parts
    check_own: Callable[[], Awaitable[None]]

    def __init__(self, replica: str, lease_seconds: float) -> None:
        self.listener: ProducerListener | None = None
        self._replica = replica
        self._lease_seconds = lease_seconds

    def tell_stop(self, turn_id: str) -> None:
        """
        Have an own turn stopped.
        """
        if turn_id in self.parts.holdings.own and self.listener is not None:
            self.listener.on_stop(turn_id)

    def lose(self, turn: OwnTurn, error: StoreError) -> None:
        """
        Let go of an own turn that is another's now.
        """
        if self.parts.holdings.own.get(turn.lease.turn_id) is turn and not turn.is_closing:
            self.parts.holdings.hand_over(turn)
            if self.listener is not None:
                self.listener.on_lost(turn.lease.turn_id, error)

    async def adopt(self, turn_id: str) -> None:
        """
        Become the producer of an orphan that this replica has taken over.
        """
        _, record = await self.parts.loader.look(turn_id)
        if record is None or record.replica != self._replica or record.state != "running":
            return
        link = self.parts.link
        request, nonce = await link.execute("HMGET", f"{link.prefix}turn:{turn_id}", "request", "nonce")
        opening = msgspec.structs.replace(record.opening, request=request or None)
        mirror = await self._mirror_orphan(record)
        lease = Lease(turn_id, record.token)
        turn = OwnTurn(opening, lease, mirror, (nonce or b"").decode(), last_seq=mirror.last_seq)
        turn.size = record.size
        # Where Redis lost what readers here have seen, they are the ones that still know it.
        turn.rewind(record.last_seq)
        self.parts.follower.unfollow(mirror)
        self.parts.holdings.own[turn_id] = turn
        self.parts.writer.touch(turn)
        if self.listener is not None:
            self.listener.on_orphan(msgspec.structs.replace(mirror.status, opening=opening), lease)

    async def _mirror_orphan(self, record: TurnRecord) -> Mirror:
        """
        Find what is known here of an orphan, and bring it up to date; make it anew where it shows what was lost.
        """
        mirror = self.parts.holdings.mirrors.get(record.opening.turn_id)
        if mirror is None:
            return self.parts.holdings.mirror_record(record)
        if mirror.last_seq < record.last_seq:
            with contextlib.suppress(EpochChanged, PositionExpired):
                await self.parts.loader.catch_up(mirror)
        is_good = mirror.error is None and not mirror.is_dropped
        if is_good and mirror.epoch == record.epoch and mirror.last_seq >= record.last_seq:
            return mirror
        self.parts.follower.unfollow(mirror)
        mirror.fail(EpochChanged("the log has lost entries since this reader began"))
        return self.parts.holdings.mirror_record(record)

    async def check(self) -> None:
        """
        Look after the own turns now.
        """
        try:
            await self.check_own()
        except StoreError:
            # The next beat counts, and checks again.
            return

    def obey(self, words: list[str]) -> None:
        """
        Do what was published for this replica: a verb, a turn, and perhaps a replica.
        """
        match words:
            case ["stop", turn_id]:
                self.tell_stop(turn_id)
            case ["lost", _]:
                self.parts.spawn(self.check())
            case ["join" | "leave" as verb, turn_id, replica] if turn_id in self.parts.holdings.own:
                self._count_remote(self.parts.holdings.own[turn_id], replica, joins=verb == "join")
            case _:
                logger.debug("a message is not for this life", words=words[:1])

    async def renew(self) -> None:
        """
        Tell the replicas of all turns that are read here, and forget remote readers that were not renewed.
        """
        now = asyncio.get_running_loop().time()
        for turn in list(self.parts.holdings.own.values()):
            if turn.remote:
                before = len(turn.remote)
                turn.remote = {replica: until for replica, until in turn.remote.items() if until > now}
                if len(turn.remote) != before:
                    self._tell_remote(turn)
        await self.parts.follower.announce("join", self.parts.follower.followed)

    def _count_remote(self, turn: OwnTurn, replica: str, *, joins: bool) -> None:
        if joins:
            turn.remote[replica] = asyncio.get_running_loop().time() + self._lease_seconds
            # Also where that is known: the first time, the turn's call may not have been about to be made yet.
            self._tell_remote(turn)
        elif turn.remote.pop(replica, None) is not None:
            self._tell_remote(turn)

    def _tell_remote(self, turn: OwnTurn) -> None:
        if self.listener is not None:
            self.listener.on_remote_readers(turn.lease.turn_id, len(turn.remote))
