"""
`RedisTurnLog`: the turn log for many replicas. See the package for its parts.
"""

import asyncio
import secrets
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import structlog

from outcrop.errors import (
    EpochChanged,
    LeaseLost,
    LogFull,
    StoreError,
)
from outcrop.turns.log import ProducerListener
from outcrop.turns.records import Lease, TurnOpening, TurnStatus, TurnSummary
from outcrop.turns.redis.closing import Closer, Retention
from outcrop.turns.redis.codec import TurnRecord
from outcrop.turns.redis.connection import RedisDown, RedisLink
from outcrop.turns.redis.follower import Follower
from outcrop.turns.redis.holdings import Holdings
from outcrop.turns.redis.keys import digest, is_turn_id, name_life
from outcrop.turns.redis.loader import Loader, Patience
from outcrop.turns.redis.membership import Duties, Membership
from outcrop.turns.redis.mirror import MirrorBudget, MirrorReader
from outcrop.turns.redis.producer import Parts, Producer
from outcrop.turns.redis.refusals import check_acquired, check_position, checked_turn_id, refuse_key, unknown
from outcrop.turns.redis.scripts import ACQUIRE, DELETE, DISCARD, STOP
from outcrop.turns.redis.writer import OwnTurn, Writer, WriterEvents, begin_arguments
from outcrop.turns.sizes import weigh
from outcrop.turns.waking import not_begun
from outcrop.types import StreamEvent, TerminalEvent

logger = structlog.get_logger(__name__)


class RedisTurnLog:
    """
    Implement `TurnLog` in Redis 6.2 or newer, or Valkey; not in a cluster.

    An append returns at once and is written in the background; readers see an entry when Redis has acknowledged it,
    never before. While Redis is down nothing is shown and nothing is lost: events wait, within `max_log_bytes` a turn.
    Redis that comes back without its data is given the running turns again from memory.

    Args:
        url: `redis://host:port/0`, `rediss://…` or `unix://path`.
        replica_id: this replica's name; each start of it is another life, told apart by itself.
        max_log_bytes: bound of one log; beyond it `append` raises `LogFull`.
        max_retained_bytes: bound of all final logs together; beyond it the oldest are forgotten.
        retention_seconds: how long a final log stays.
        idempotency_seconds: how long an idempotency key is remembered.
        lease_seconds: silence after which this replica's turns are taken over.
        mirror_bytes: what this process keeps in memory of all logs that it writes or reads.
        store_timeout_seconds: bound of `acquire`, `finalize`, `subscribe` and look-ups while Redis is down.
        outage_seconds: how long the end of a turn is tried to be written.
        prefix: begins every key and channel.
        clock: seconds since 1970.

    Raises:
        SettingsError: the URL can't be understood.
    """

    def __init__(
        self,
        url: str,
        *,
        replica_id: str,
        max_log_bytes: int,
        max_retained_bytes: int,
        retention_seconds: float,
        idempotency_seconds: float = 86_400,
        lease_seconds: float = 10,
        mirror_bytes: int = 48 << 20,
        store_timeout_seconds: float = 5,
        outage_seconds: float = 60,
        prefix: str = "outcrop:",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.replica = name_life(replica_id)
        self._max_log_bytes = max_log_bytes
        self._idempotency_ms = int(idempotency_seconds * 1000)
        self._store_seconds = store_timeout_seconds
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing: set[asyncio.Task[None]] = set()
        self._link = link = RedisLink(url, prefix=prefix, timeout_seconds=store_timeout_seconds)
        self._producer = Producer(self.replica, lease_seconds)
        events = WriterEvents(self._producer.tell_stop, self._producer.lose)
        self._writer = Writer(link, self.replica, idempotency_seconds, events)
        retention = Retention(seconds=max(1, int(retention_seconds)), max_bytes=max_retained_bytes)
        self._closer = Closer(
            link, self._writer, self.replica, retention=retention, outage_seconds=outage_seconds, clock=clock
        )
        patience = Patience(
            store_seconds=store_timeout_seconds, outage_seconds=outage_seconds, restore_seconds=2 * lease_seconds
        )
        self._loader = Loader(link, self._spawn, patience)
        self._follower = Follower(link, self.replica, loader=self._loader, spawn=self._spawn, producer=self._producer)
        self._holdings = Holdings(MirrorBudget(mirror_bytes), self._loader, self._follower)
        self._membership = Membership(
            link, self.replica, lease_seconds=lease_seconds, own=self._holdings.own, writer=self._writer, events=events,
            duties=Duties(self._follower.probe, self._producer.adopt, self._producer.renew),
        )  # fmt: skip
        self._producer.check_own = self._membership.check_own
        self._producer.parts = Parts(link, self._loader, self._follower, self._writer, self._holdings, self._spawn)

    async def open(self, listener: ProducerListener) -> None:
        """
        Reach Redis, take a lease and begin to listen. See `TurnLog.open`.
        """
        self._producer.listener = listener
        try:
            await self._link.open()
            await self._membership.beat()
        except RedisDown as error:
            raise StoreError(f"{error.message}; start it, or correct the setting turn_log") from error
        for part in (self._writer, self._follower, self._membership):
            self._spawn(part.run())

    async def aclose(self) -> None:
        """
        Write what is pending, give the lease up, and let go. See `TurnLog.aclose`.
        """
        try:
            async with asyncio.timeout(self._store_seconds):
                if self._closing:
                    await asyncio.wait(self._closing)
                await self._writer.drain()
                await self._membership.leave()
        except TimeoutError:
            logger.warning("Redis did not take everything before the end", turns=len(self._holdings.own))
        await self.let_go()

    async def let_go(self) -> None:
        """
        End all background work and close all connections, as a death would: nothing is written or told.
        """
        tasks = [*self._tasks, *self._closing]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await self._link.aclose()

    async def acquire(self, opening: TurnOpening) -> Lease:
        """
        Begin a log. See `TurnLog.acquire`.
        """
        if not is_turn_id(opening.turn_id):
            raise StoreError(f"turn {opening.turn_id[:80]!r} is named with other characters than letters and digits")
        nonce = secrets.token_hex(8)
        lease = Lease(opening.turn_id, 1)
        epoch = secrets.token_hex(4)
        arguments = begin_arguments(opening, self.replica, self._idempotency_ms, epoch, nonce, lease.token)
        try:
            answer = await self._link.insist(ACQUIRE, *arguments, 1, seconds=self._store_seconds)
        except (RedisDown, asyncio.CancelledError):
            # It may have begun all the same.
            self._spawn(self._undo(opening, lease))
            raise
        check_acquired(opening, [bytes(part) for part in answer])
        mirror = self._holdings.make_mirror(opening, answer[1].decode(), first_seq=1, log_first_seq=1)
        self._holdings.own[opening.turn_id] = OwnTurn(opening, lease, mirror, nonce)
        return lease

    async def check_key(self, idempotency_key: str, fingerprint: str, *, owner: str) -> None:
        """
        Refuse a key that is taken. See `TurnLog.check_key`.
        """
        key = f"{self._link.prefix}key:{digest(owner, idempotency_key)}"
        taken = await self._link.retry(lambda: self._link.execute("GET", key), seconds=self._store_seconds)
        if taken is not None:
            raise refuse_key(taken, fingerprint)

    def append(self, lease: Lease, events: Sequence[StreamEvent]) -> None:
        """
        Take events; they are written in the background. See `TurnLog.append`.
        """
        turn = self._holdings.held(lease)
        size = turn.size + (weigh(events[0]) if len(events) == 1 else sum(map(weigh, events)))
        if size > self._max_log_bytes:
            raise LogFull(f"the answer takes {size} bytes, limit is {self._max_log_bytes}")
        turn.size = size
        turn.pending += events
        if not turn.is_queued:
            self._writer.touch(turn)

    async def flush(self, lease: Lease) -> int:
        """
        Return the last position. See `TurnLog.flush`.
        """
        turn = self._holdings.held(lease)
        try:
            async with asyncio.timeout(self._store_seconds):
                await self._writer.flush(turn)
        except TimeoutError:
            raise StoreError(
                f"the turn log (Redis) can't be reached; turn {lease.turn_id!r} is not in it yet"
            ) from None
        return self._holdings.held(lease).acked_seq

    async def finalize(self, lease: Lease, terminal: TerminalEvent, summary: TurnSummary) -> None:
        """
        Append the terminal event. See `TurnLog.finalize`. After its time-out this goes on for `outage_seconds`.
        """
        turn = self._holdings.held(lease)
        turn.is_closing = True
        task = asyncio.create_task(self._close(turn, terminal, summary))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
        task.add_done_callback(_retrieve)
        done, _ = await asyncio.wait({task}, timeout=self._store_seconds)
        if not done:
            raise StoreError(f"the turn log (Redis) can't be reached; turn {lease.turn_id!r} ends when it is back")
        task.result()

    async def discard(self, lease: Lease) -> None:
        """
        Forget a turn that made no call. See `TurnLog.discard`.
        """
        turn = self._holdings.held(lease)
        turn.is_closing = True
        self._holdings.forget(turn)
        try:
            await self._discard(turn.opening, lease, seconds=self._store_seconds)
        except (RedisDown, asyncio.CancelledError):
            self._spawn(self._undo(turn.opening, lease))
            raise
        finally:
            # Not before: who asks again at once must not meet the old turn.
            turn.mirror.fail(not_begun())

    async def subscribe(
        self, turn_id: str, *, owner: str, wake: Callable[[], None], after: int = 0, epoch: str | None = None
    ) -> MirrorReader:
        """
        Read from the entry after `after`. See `TurnLog.subscribe`.
        """
        turn = self._holdings.find_own(turn_id, owner)
        if turn is not None:
            check_position(turn.mirror, after, epoch, turn.acked_seq)
            return turn.mirror.attach(wake, after)
        record = await self._look(turn_id, owner, epoch)
        mirror = self._holdings.mirrors.get(turn_id)
        if mirror is None or mirror.error is not None or mirror.epoch != record.epoch:
            mirror = self._holdings.mirror_record(record)
        reader = mirror.attach(wake, after)
        try:
            check_position(mirror, after, epoch, max(mirror.last_seq, record.last_seq))
            if record.state != "running" and mirror.terminal is None:
                await self._loader.catch_up(mirror)
        except BaseException:
            reader.close()
            raise
        if record.state == "running" and turn_id not in self._holdings.own:
            self._follower.follow(mirror)
        return reader

    async def request_stop(self, turn_id: str, *, owner: str) -> None:
        """
        Have a turn stopped. See `TurnLog.request_stop`.
        """
        turn = self._holdings.find_own(turn_id, owner)
        if turn is not None:
            self._producer.tell_stop(turn_id)
            return
        answer = await self._link.insist(STOP, checked_turn_id(turn_id), digest(owner), seconds=self._store_seconds)
        if answer == b"unknown":
            raise unknown(turn_id)

    async def status(self, turn_id: str, *, owner: str) -> TurnStatus:
        """
        Say where a turn stands. See `TurnLog.status`.
        """
        turn = self._holdings.find_own(turn_id, owner)
        if turn is not None:
            return turn.mirror.status
        return (await self._look(turn_id, owner, None)).status

    async def find_chat(self, chat_id: str, *, owner: str) -> TurnStatus | None:
        """
        Find a chat's latest turn. See `TurnLog.find_chat`.
        """
        _, record = await self._loader.look("", digest(owner, chat_id))
        return record.status if record is not None else None

    async def delete(self, turn_id: str, *, owner: str) -> None:
        """
        Forget a final log. See `TurnLog.delete`.
        """
        answer = await self._link.insist(DELETE, checked_turn_id(turn_id), digest(owner), seconds=self._store_seconds)
        if answer == b"unknown":
            raise unknown(turn_id)
        if answer == b"running":
            raise LeaseLost(f"turn {turn_id!r} is still running; stop it first")
        self._holdings.mirrors.pop(turn_id, None)

    async def _look(self, turn_id: str, owner: str, epoch: str | None) -> TurnRecord:
        store_epoch, record = await self._loader.look(checked_turn_id(turn_id))
        if record is not None and record.owner == digest(owner):
            return record
        if epoch is not None and epoch != store_epoch:
            raise EpochChanged("the turn log has lost its contents since then")
        raise unknown(turn_id)

    async def _close(self, turn: OwnTurn, terminal: TerminalEvent, summary: TurnSummary) -> None:
        try:
            await self._closer.close(turn, terminal, summary)
            self._holdings.forget(turn)
        except LeaseLost:
            self._holdings.hand_over(turn)
            raise
        except StoreError as error:
            turn.mirror.fail(error)
            self._holdings.forget(turn)
            # When Redis is back this turn has no end there: it is an orphan of this very replica.
            self._membership.later.append(lambda: self._producer.adopt(turn.lease.turn_id))
            logger.exception("the end of a turn could not be written", turn_id=turn.lease.turn_id)
            raise

    async def _discard(self, opening: TurnOpening, lease: Lease, *, seconds: float) -> None:
        await self._link.insist(
            DISCARD,
            lease.turn_id,
            lease.token,
            digest(opening.owner, opening.idempotency_key) if opening.idempotency_key is not None else "",
            digest(opening.owner, opening.chat_id) if opening.chat_id is not None else "",
            self.replica,
            seconds=seconds,
        )

    async def _undo(self, opening: TurnOpening, lease: Lease) -> None:
        try:
            await self._discard(opening, lease, seconds=self._store_seconds)
        except StoreError:
            self._membership.later.append(lambda: self._discard(opening, lease, seconds=self._store_seconds))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _retrieve(task: "asyncio.Task[None]") -> None:
    """
    Take note of a failure that nobody waits for any more; it has been logged.
    """
    if not task.cancelled():
        task.exception()
