"""
Group commit of this replica's own turns.

One EVALSHA at a time carries the pending events of all turns. What comes while it is under way waits, is merged with
its neighbours, and shares the next one. Events are numbered when they are first sent and keep their numbers, so that an
exchange whose answer was lost can be repeated: Redis says how far it got.
"""

import asyncio
import math
from collections import deque
from collections.abc import Callable, Sequence

import msgspec
import structlog

from outcrop.errors import LeaseLost, StoreError
from outcrop.turns.fold import merge_deltas
from outcrop.turns.records import Lease, TurnOpening
from outcrop.turns.redis.codec import encode_batch, encode_opening
from outcrop.turns.redis.connection import Pause, RedisDown, RedisLink
from outcrop.turns.redis.keys import digest
from outcrop.turns.redis.mirror import Mirror
from outcrop.turns.redis.scripts import APPEND, APPEND_LOST, APPEND_MISMATCH, APPEND_MISSING, APPEND_STOP, RECREATE
from outcrop.types import LogEntry, StreamEvent

MAX_TURNS_PER_COMMIT = 256
MAX_ENTRIES_PER_BATCH = 1024
RUNNING_SECONDS = 86_400
"""
How long Redis keeps a turn of which it hears nothing: only for turns that no replica is left to end.
"""

COMMIT_INTERVAL_SECONDS = 0.002
"""
Least time between the beginnings of two commits.
"""

logger = structlog.get_logger(__name__)


class OwnTurn:
    """
    Hold what a turn of this replica has yet to write.

    Attributes:
        pending: events without a number; `unsent` entries have one and are not acknowledged.
        acked_seq: the newest position that Redis has acknowledged.
        size: bytes of all events, for the bound of one log.
        is_queued: waits for the next commit; `is_sending` is part of the one that is under way.
        is_closing: its terminal event is being written; the commit leaves it alone.
        remote: other replicas that read it, and until when that is believed.
    """

    __slots__ = (
        "acked_seq",
        "is_closing",
        "is_queued",
        "is_sending",
        "lease",
        "mirror",
        "nonce",
        "opening",
        "pending",
        "remote",
        "settled",
        "size",
        "unsent",
    )

    def __init__(self, opening: TurnOpening, lease: Lease, mirror: Mirror, nonce: str, *, last_seq: int = 0) -> None:
        self.opening = opening
        self.lease = lease
        self.mirror = mirror
        self.nonce = nonce
        self.acked_seq = last_seq
        self.size = 0
        self.pending: list[StreamEvent] = []
        self.unsent: list[LogEntry] = []
        self.is_queued = False
        self.is_sending = False
        self.is_closing = False
        self.settled: asyncio.Future[None] | None = None
        self.remote: dict[str, float] = {}

    def number(self) -> None:
        """
        Merge what is pending and give it numbers.
        """
        pending = self.pending
        if not pending:
            return
        events: Sequence[StreamEvent] = merge_deltas(pending) if len(pending) > 1 else pending
        self.pending = []
        seq = self.acked_seq + len(self.unsent)
        for event in events:
            seq += 1
            self.unsent.append(LogEntry(seq, event))

    def acknowledge(self, last_seq: int) -> None:
        """
        Know that Redis has the log up to a position, and give it to the readers here.
        """
        count = last_seq - self.acked_seq
        if count <= 0:
            return
        if count == len(self.unsent):
            entries, self.unsent = self.unsent, []
        else:
            entries, self.unsent = self.unsent[:count], self.unsent[count:]
        self.acked_seq = last_seq
        self.mirror.offer(entries)

    def rewind(self, last_seq: int) -> bool:
        """
        Send again what Redis has lost after a position; False where it is not in memory any more.
        """
        lost = self.mirror.entries_after(last_seq)
        count = self.acked_seq - last_seq
        if lost is None or len(lost) < count:
            return False
        self.unsent = [*lost[:count], *self.unsent]
        self.acked_seq = last_seq
        return True


class WriterEvents(msgspec.Struct, frozen=True):
    """
    Name what the writer tells: a turn was asked to stop, or is lost.
    """

    stop: Callable[[str], None]
    lose: Callable[[OwnTurn, StoreError], None]


class Writer:
    """
    Commit the pending events of this replica's turns.

    Args:
        link: Redis.
        replica: this life of the replica.
        idempotency_seconds: how long an idempotency key is kept, where a turn has to be written anew.
        events: what to tell.
    """

    def __init__(self, link: RedisLink, replica: str, idempotency_seconds: float, events: WriterEvents) -> None:
        self.commits = 0
        self._link = link
        self._replica = replica
        self._idempotency_ms = int(idempotency_seconds * 1000)
        self._events = events
        self._queue: deque[OwnTurn] = deque()
        self._suspects: deque[OwnTurn] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._idle = asyncio.Event()
        self._idle.set()

    def touch(self, turn: OwnTurn) -> None:
        """
        Have a turn's pending events committed. Cheap to call again.
        """
        if turn.is_queued:
            return
        turn.is_queued = True
        self._queue.append(turn)
        self._wake()

    def suspect(self, turn: OwnTurn) -> None:
        """
        Have a turn that Redis seems to have lost written anew.
        """
        self._suspects.append(turn)
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None:
            if not self._waiter.done():
                self._waiter.set_result(None)
            self._waiter = None

    async def run(self) -> None:
        """
        Commit for ever.
        """
        loop = asyncio.get_running_loop()
        began = -math.inf
        while True:
            if not self._queue and not self._suspects:
                self._idle.set()
                self._waiter = loop.create_future()
                await self._waiter
                self._idle.clear()
            while self._suspects:
                await self._restore(self._suspects.popleft())
            # A commit at once after a pause; under load, one for all that came in a moment.
            if (early := began + COMMIT_INTERVAL_SECONDS - loop.time()) > 0:
                await asyncio.sleep(early)
            turns = self._collect()
            if turns:
                began = loop.time()
                try:
                    await self._commit(turns)
                finally:
                    for turn in turns:
                        _settle(turn)

    async def flush(self, turn: OwnTurn) -> None:
        """
        Wait until Redis has all of a turn, or the turn is lost.
        """
        while turn.pending or turn.unsent:
            turn.settled = turn.settled or asyncio.get_running_loop().create_future()
            self.touch(turn)
            await asyncio.shield(turn.settled)

    async def drain(self) -> None:
        """
        Wait until nothing is pending.
        """
        while self._queue or not self._idle.is_set():
            self._idle.clear()
            await self._idle.wait()

    async def recreate(self, turn: OwnTurn) -> bool:
        """
        Write a turn that Redis has lost anew; its entries follow. False where another replica has it now.

        Where the beginning is no longer in memory, the log begins later and has a new epoch: readers that are attached
        here lose nothing, all others are told.
        """
        mirror = turn.mirror
        if mirror.first_seq != mirror.log_first_seq:
            mirror.epoch, mirror.log_first_seq = f"{mirror.epoch.split('.')[0]}.{mirror.first_seq}", mirror.first_seq
            logger.warning("Redis lost a log whose beginning is gone", turn_id=turn.lease.turn_id)
        arguments = begin_arguments(
            turn.opening, self._replica, self._idempotency_ms, mirror.epoch, turn.nonce, turn.lease.token
        )
        if await self._link.run(RECREATE, *arguments, mirror.log_first_seq) != b"ok":
            return False
        turn.rewind(mirror.log_first_seq - 1)
        return True

    async def _restore(self, turn: OwnTurn) -> None:
        if turn.is_closing:
            return
        turn.is_sending = True
        try:
            await self.repair(turn, None)
            self.touch(turn)
        finally:
            _settle(turn)

    def _collect(self) -> list[OwnTurn]:
        turns: list[OwnTurn] = []
        while self._queue and len(turns) < MAX_TURNS_PER_COMMIT:
            turn = self._queue.popleft()
            turn.is_queued = False
            if not turn.is_closing:
                turn.number()
                if turn.unsent:
                    turn.is_sending = True
                    turns.append(turn)
        return turns

    async def _commit(self, turns: list[OwnTurn]) -> None:
        arguments: list[bytes | str | int] = []
        reached: list[int] = []
        for turn in turns:
            unsent = turn.unsent
            entries = unsent if len(unsent) <= MAX_ENTRIES_PER_BATCH else unsent[:MAX_ENTRIES_PER_BATCH]
            lease, before = turn.lease, turn.acked_seq
            last = before + len(entries)
            reached.append(last)
            batch = encode_batch(turn.mirror.epoch, entries)
            arguments += (lease.turn_id, lease.token, before, last, turn.size, batch, RUNNING_SECONDS)
        answers = await self._send(arguments)
        self.commits += 1
        await self._settle_all(turns, reached, {int(answer[0]): answer for answer in answers})

    async def _send(self, arguments: list[bytes | str | int]) -> list[list[int]]:
        pause = Pause()
        while True:
            try:
                answers: list[list[int]] = await self._link.run(APPEND, *arguments)
                return answers
            except StoreError as error:
                # Also what Redis refused: the next attempt may find it repaired, and nothing is lost meanwhile.
                _say_refused(error)
                await pause.wait()

    async def _settle_all(self, turns: list[OwnTurn], reached: list[int], answers: dict[int, list[int]]) -> None:
        for index, turn in enumerate(turns):
            answer = answers.get(index) if answers else None
            if answer is None:
                turn.acknowledge(reached[index])
            else:
                await self._attend(turn, what=int(answer[1]), last_seq=int(answer[2]))
            if turn.pending or turn.unsent:
                self.touch(turn)

    async def _attend(self, turn: OwnTurn, *, what: int, last_seq: int) -> None:
        if what == APPEND_STOP:
            turn.acknowledge(last_seq)
            self._events.stop(turn.lease.turn_id)
        elif what == APPEND_LOST:
            self._lose(turn)
        elif what in {APPEND_MISSING, APPEND_MISMATCH}:
            await self.repair(turn, last_seq if what == APPEND_MISMATCH else None)

    async def repair(self, turn: OwnTurn, last_seq: int | None) -> None:
        """
        Agree with Redis again on how far a log goes: `last_seq` is what it has, None where it has no such turn.
        """
        if last_seq is not None and last_seq >= turn.acked_seq:
            turn.acknowledge(last_seq)
            return
        logger.warning("Redis has lost entries; they are written again", turn_id=turn.lease.turn_id, last_seq=last_seq)
        if last_seq is not None and turn.rewind(last_seq):
            return
        try:
            if not await self.recreate(turn):
                self._lose(turn)
        except StoreError as error:
            # The next commit finds the turn missing again.
            _say_refused(error)

    def _lose(self, turn: OwnTurn) -> None:
        # Where its end is being written, that is what learns of it.
        if turn.is_closing:
            return
        turn.pending, turn.unsent = [], []
        self._events.lose(turn, LeaseLost(f"turn {turn.lease.turn_id!r} was taken over by another replica"))


def begin_arguments(
    opening: TurnOpening, replica: str, idempotency_ms: int, epoch: str, nonce: str, token: int
) -> tuple[bytes | str | int, ...]:
    """
    Make the arguments of the scripts that begin a turn, but for the last.
    """
    key, chat = opening.idempotency_key, opening.chat_id
    return (
        opening.turn_id,
        replica,
        digest(opening.owner),
        encode_opening(opening),
        opening.request or b"",
        digest(opening.owner, key) if key is not None else "",
        opening.fingerprint,
        digest(opening.owner, chat) if chat is not None else "",
        idempotency_ms,
        RUNNING_SECONDS,
        epoch,
        nonce,
        token,
    )


def _settle(turn: OwnTurn) -> None:
    turn.is_sending = False
    if turn.settled is not None:
        if not turn.settled.done():
            turn.settled.set_result(None)
        turn.settled = None


def _say_refused(error: StoreError) -> None:
    if not isinstance(error, RedisDown):
        logger.error("Redis refused to take entries", reason=error.message)
