"""
Turns that run on other replicas: one connection for all that is published to this replica.

A channel's confirmation starts a catch-up from Redis, the first time and after every lost connection, so that nothing
published before it is missed; what is published twice is passed over. A connection on which nothing comes any more,
without a word, is found out by asking at every beat.
"""

import asyncio
from typing import Protocol

import structlog

from outcrop.errors import EpochChanged, StoreError
from outcrop.turns.redis.codec import DISCARDED, parse_batch
from outcrop.turns.redis.connection import Listener, Pause, RedisLink
from outcrop.turns.redis.loader import Loader, Spawn
from outcrop.turns.redis.mirror import Mirror
from outcrop.turns.redis.scripts import ANNOUNCE
from outcrop.turns.waking import not_begun

logger = structlog.get_logger(__name__)


class Affairs(Protocol):
    """
    Be told what other replicas say about this one's turns.
    """

    def obey(self, words: list[str]) -> None:
        """
        Do what was published for this replica: a verb, a turn, and perhaps a replica.
        """
        ...

    async def check(self) -> None:
        """
        Look after the own turns now.
        """
        ...


class Follower:
    """
    Keep the mirrors of remote turns up to date, and hear what other replicas say about this one's turns.

    Args:
        link: Redis.
        replica: this life of the replica.
        loader: fills gaps.
        spawn: runs something in the background.
        producer: is given what is published for this replica, and told when its own turns need a look.

    Attributes:
        messages: how many have come; `answers` counts those to a probe.
    """

    def __init__(
        self,
        link: RedisLink,
        replica: str,
        *,
        loader: Loader,
        spawn: Spawn,
        producer: "Affairs",
    ) -> None:
        self.messages = 0
        self.answers = 0
        self._link = link
        self._replica = replica
        self._loader = loader
        self._spawn = spawn
        self._producer = producer
        self._control = f"{link.prefix}ctl:{replica}".encode()
        self._mirrors: dict[bytes, Mirror] = {}
        self._listener: Listener | None = None
        self._patience: asyncio.Timeout | None = None
        self._is_probed = False

    @property
    def followed(self) -> list[str]:
        """
        Name the turns that are followed.
        """
        return [mirror.turn_id for mirror in self._mirrors.values()]

    def follow(self, mirror: Mirror) -> None:
        """
        Keep a mirror up to date from now on.
        """
        channel = self._channel(mirror)
        before = self._mirrors.get(channel)
        self._mirrors[channel] = mirror
        if before is None:
            self._spawn(self._send("SUBSCRIBE", channel.decode()))
            self._spawn(self.announce("join", [mirror.turn_id]))
        elif before is not mirror:
            before.fail(EpochChanged("the log has lost entries since this reader began"))
            self._loader.fill_gap(mirror)

    def unfollow(self, mirror: Mirror) -> None:
        """
        Leave a mirror as it is.
        """
        channel = self._channel(mirror)
        if self._mirrors.get(channel) is mirror:
            del self._mirrors[channel]
            self._spawn(self._send("UNSUBSCRIBE", channel.decode()))
            self._spawn(self.announce("leave", [mirror.turn_id]))

    async def announce(self, verb: str, turn_ids: list[str]) -> None:
        """
        Tell the turns' replicas that this one reads them, or no longer does; losing it is repaired by the next time.
        """
        if turn_ids:
            try:
                await self._link.run(ANNOUNCE, self._replica, verb, *turn_ids)
            except StoreError:
                return

    def probe(self) -> None:
        """
        Ask for a sign of life: where none comes within the time of an exchange, the connection is made again.
        """
        if self._patience is not None and not self._is_probed:
            self._is_probed = True
            self._patience.reschedule(asyncio.get_running_loop().time() + self._link.timeout_seconds)
            self._spawn(self._send("PING"))

    async def run(self) -> None:
        """
        Receive for ever.
        """
        pause = Pause()
        while True:
            try:
                listener = await self._link.listen()
            except StoreError:
                await pause.wait()
                continue
            try:
                self._listener = listener
                await listener.send("SUBSCRIBE", self._control.decode(), *(name.decode() for name in self._mirrors))
                pause = Pause()
                await self._hear(listener)
            except StoreError:
                await pause.wait()
            except TimeoutError:
                logger.warning("Redis publishes nothing more on this connection; it is made again")
            finally:
                self._listener = None
                listener.close()

    async def _hear(self, listener: Listener) -> None:
        """
        Receive until the connection is lost (StoreError), or stays silent when it is probed (TimeoutError).
        """
        try:
            async with asyncio.timeout(None) as self._patience:
                while True:
                    message = await listener.receive()
                    if self._is_probed:
                        self._is_probed = False
                        self._patience.reschedule(None)
                    self._receive(message)
        finally:
            self._patience, self._is_probed = None, False

    def _receive(self, message: list[bytes]) -> None:
        kind, channel = message[0], message[1]
        if kind == b"message":
            self.messages += 1
            if channel == self._control:
                self._producer.obey(message[2].decode().split(" "))
                return
            mirror = self._mirrors.get(channel)
            if mirror is not None:
                self._apply(mirror, message[2])
        elif kind == b"subscribe":
            if channel == self._control:
                # What was published meanwhile is missed: look.
                self._spawn(self._producer.check())
            elif channel in self._mirrors:
                self._loader.fill_gap(self._mirrors[channel])
        elif kind == b"pong":
            self.answers += 1

    def _apply(self, mirror: Mirror, encoded: bytes) -> None:
        if encoded == DISCARDED:
            mirror.fail(not_begun())
            self.unfollow(mirror)
            return
        batch = parse_batch(encoded)
        if batch.epoch != mirror.epoch:
            self._loader.fill_gap(mirror)
            return
        mirror.offer(batch.entries, batch.summary, batch.ended_at)
        if mirror.terminal is not None:
            self.unfollow(mirror)

    async def _send(self, *words: str) -> None:
        # While there is no connection, the next one begins with all channels.
        if self._listener is not None:
            try:
                await self._listener.send(*words)
            except StoreError:
                return

    def _channel(self, mirror: Mirror) -> bytes:
        return f"{self._link.prefix}on:{mirror.turn_id}".encode()
