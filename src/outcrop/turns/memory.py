"""
The turn log in this process's memory: the default, for one replica.

Bounded in every direction: each log by `max_log_bytes`, all finished logs together by `max_retained_bytes` and by
`retention_seconds`. Finished logs are swept when a turn begins or ends; there is no timer.
"""

import secrets
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import NamedTuple

from outcrop.errors import (
    ChatBusy,
    DuplicateTurn,
    EpochChanged,
    IdempotencyMismatch,
    LeaseLost,
    LogFull,
    PositionExpired,
    StoreError,
    UnknownTurn,
)
from outcrop.turns.log import ProducerListener
from outcrop.turns.records import Lease, TurnOpening, TurnStatus, TurnSummary, state_after
from outcrop.turns.sizes import weigh
from outcrop.turns.waking import ignore, not_begun, wake_all
from outcrop.types import LogEntry, StreamEvent, TerminalEvent

MAX_IDEMPOTENCY_KEYS = 100_000


class MemoryTurnLog:
    """
    Implement `TurnLog` in memory.

    Args:
        max_log_bytes: bound of one log; beyond it `append` raises `LogFull`.
        max_retained_bytes: bound of all final logs together; beyond it the oldest are forgotten.
        retention_seconds: how long a final log stays.
        idempotency_seconds: how long an idempotency key is remembered; at most 100,000 are, the newest.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        *,
        max_log_bytes: int,
        max_retained_bytes: int,
        retention_seconds: float,
        clock: Callable[[], float],
        idempotency_seconds: float = 86_400,
    ) -> None:
        self.epoch = secrets.token_hex(4)
        self._max_log_bytes = max_log_bytes
        self._max_retained_bytes = max_retained_bytes
        self._retention_seconds = retention_seconds
        self._idempotency_seconds = idempotency_seconds
        self._clock = clock
        self._logs: dict[str, _Log] = {}
        self._final: OrderedDict[str, float] = OrderedDict()
        self._retained_bytes = 0
        self._tokens = 0
        self._chats: dict[tuple[str, str], str] = {}
        self._keys: OrderedDict[tuple[str, str], _Key] = OrderedDict()
        self._listener: ProducerListener | None = None

    async def open(self, listener: ProducerListener) -> None:
        """
        Get ready. See `TurnLog.open`.
        """
        self._listener = listener

    async def aclose(self) -> None:
        """
        Let go. See `TurnLog.aclose`.
        """

    def holds(self, turn_id: str) -> bool:
        """
        Tell whether this log has a turn, whoever owns it.
        """
        return turn_id in self._logs

    def check(self, opening: TurnOpening) -> None:
        """
        Refuse a turn whose key or chat is taken here. See `TurnLog.acquire`, which does this too.

        Raises:
            DuplicateTurn: the owner began a turn with this idempotency key before.
            IdempotencyMismatch: they did, but with another request.
            ChatBusy: the chat has a running turn.
        """
        if opening.idempotency_key is not None:
            self._check_key(opening.idempotency_key, opening.fingerprint, opening.owner)
        self._check_chat(opening)

    async def check_key(self, idempotency_key: str, fingerprint: str, *, owner: str) -> None:
        """
        Refuse a key that is taken. See `TurnLog.check_key`.
        """
        self._sweep()
        self._check_key(idempotency_key, fingerprint, owner)

    async def acquire(self, opening: TurnOpening) -> Lease:
        """
        Begin a log. See `TurnLog.acquire`.
        """
        self._sweep()
        turn_id = opening.turn_id
        if turn_id in self._logs:
            raise LeaseLost(f"turn {turn_id!r} has a producer already")
        self.check(opening)
        if opening.idempotency_key is not None:
            expires_at = self._clock() + self._idempotency_seconds
            self._keys[opening.owner, opening.idempotency_key] = _Key(turn_id, opening.fingerprint, expires_at)
        if opening.chat_id is not None:
            self._chats[opening.owner, opening.chat_id] = turn_id
        self._tokens += 1
        self._logs[turn_id] = _Log(opening, self.epoch, self._tokens)
        return Lease(turn_id, self._tokens)

    def append(self, lease: Lease, events: Sequence[StreamEvent]) -> None:
        """
        Append events and wake the readers. See `TurnLog.append`.
        """
        log = self._held(lease)
        size = log.size + (weigh(events[0]) if len(events) == 1 else sum(map(weigh, events)))
        if size > self._max_log_bytes:
            raise LogFull(f"the answer takes {size} bytes, limit is {self._max_log_bytes}")
        log.size = size
        log.extend(events)

    async def flush(self, lease: Lease) -> int:
        """
        Return the last position. See `TurnLog.flush`.
        """
        return len(self._held(lease).entries)

    async def finalize(self, lease: Lease, terminal: TerminalEvent, summary: TurnSummary) -> None:
        """
        Append the terminal event. See `TurnLog.finalize`. The bound of one log does not hold for it.
        """
        log = self._held(lease)
        now = self._clock()
        log.size += weigh(terminal) + len(log.opening.note or b"")
        log.terminal, log.summary, log.ended_at = terminal, summary, now
        self._final[lease.turn_id] = now + self._retention_seconds
        self._retained_bytes += log.size
        log.extend((terminal,))
        self._sweep()

    async def discard(self, lease: Lease) -> None:
        """
        Forget a turn that made no call. See `TurnLog.discard`.
        """
        log = self._held(lease)
        opening = log.opening
        self._forget(lease.turn_id)
        if opening.idempotency_key is not None:
            self._keys.pop((opening.owner, opening.idempotency_key), None)
        log.fail(not_begun())

    async def subscribe(
        self, turn_id: str, *, owner: str, wake: Callable[[], None], after: int = 0, epoch: str | None = None
    ) -> "MemorySubscription":
        """
        Read from the entry after `after`. See `TurnLog.subscribe`.
        """
        if epoch is not None and epoch != self.epoch:
            raise EpochChanged("this server has begun a new log since then")
        log = self._owned(turn_id, owner)
        if not 0 <= after <= len(log.entries):
            raise PositionExpired(f"position {after} is not in the log, which ends at {len(log.entries)}")
        subscription = MemorySubscription(log, wake, after)
        log.subscriptions = (*log.subscriptions, subscription)
        return subscription

    async def request_stop(self, turn_id: str, *, owner: str) -> None:
        """
        Have a turn stopped. See `TurnLog.request_stop`.
        """
        self._owned(turn_id, owner)
        if self._listener is not None:
            self._listener.on_stop(turn_id)

    async def status(self, turn_id: str, *, owner: str) -> TurnStatus:
        """
        Say where a turn stands. See `TurnLog.status`.
        """
        return self._owned(turn_id, owner).status

    async def find_chat(self, chat_id: str, *, owner: str) -> TurnStatus | None:
        """
        Find a chat's latest turn. See `TurnLog.find_chat`.
        """
        self._sweep()
        log = self._logs.get(self._chats.get((owner, chat_id), ""))
        return log.status if log is not None else None

    async def delete(self, turn_id: str, *, owner: str) -> None:
        """
        Forget a final log. See `TurnLog.delete`.
        """
        log = self._owned(turn_id, owner)
        if log.terminal is None:
            raise LeaseLost(f"turn {turn_id!r} is still running; stop it first")
        self._retained_bytes -= log.size
        self._forget(turn_id)

    def _check_key(self, idempotency_key: str, fingerprint: str, owner: str) -> None:
        known = self._keys.get((owner, idempotency_key))
        if known is None:
            return
        if known.fingerprint != fingerprint:
            raise IdempotencyMismatch("this idempotency key was used for another request")
        raise DuplicateTurn("this idempotency key has begun a turn already", turn_id=known.turn_id)

    def _check_chat(self, opening: TurnOpening) -> None:
        log = self._logs.get(self._chats.get((opening.owner, opening.chat_id or ""), ""))
        if log is not None and log.terminal is None:
            raise ChatBusy("a turn of this chat is already active; stop it, or wait", turn_id=log.opening.turn_id)

    def _held(self, lease: Lease) -> "_Log":
        log = self._logs.get(lease.turn_id)
        if log is None or log.token != lease.token or log.terminal is not None:
            raise LeaseLost(f"turn {lease.turn_id!r} is not this producer's any more")
        return log

    def _owned(self, turn_id: str, owner: str) -> "_Log":
        log = self._logs.get(turn_id)
        if log is None or log.opening.owner != owner:
            raise UnknownTurn(f"there is no turn {turn_id[:80]!r}")
        return log

    def _sweep(self) -> None:
        now = self._clock()
        while self._final:
            turn_id, expires_at = next(iter(self._final.items()))
            if expires_at > now and self._retained_bytes <= self._max_retained_bytes:
                break
            self._retained_bytes -= self._logs[turn_id].size
            self._forget(turn_id)
        while self._keys and (
            len(self._keys) > MAX_IDEMPOTENCY_KEYS or next(iter(self._keys.values())).expires_at <= now
        ):
            self._keys.popitem(last=False)

    def _forget(self, turn_id: str) -> None:
        self._final.pop(turn_id, None)
        opening = self._logs.pop(turn_id).opening
        if opening.chat_id is not None and self._chats.get((opening.owner, opening.chat_id)) == turn_id:
            del self._chats[opening.owner, opening.chat_id]


class _Key(NamedTuple):
    turn_id: str
    fingerprint: str
    expires_at: float


class MemorySubscription:
    """
    Implement `Subscription` as an index into the log's list: a slow reader costs no memory of its own.
    """

    __slots__ = ("_error", "_log", "position", "wake")

    def __init__(self, log: "_Log", wake: Callable[[], None], position: int) -> None:
        self._log = log
        self._error: StoreError | None = None
        self.wake = wake
        self.position = position

    @property
    def ended(self) -> bool:
        """
        Tell whether the terminal entry has been taken.
        """
        return self._log.terminal is not None and self.position == len(self._log.entries)

    @property
    def status(self) -> TurnStatus:
        """
        Say where the turn stands.
        """
        return self._log.status

    def take(self, limit: int = 256) -> Sequence[LogEntry]:
        """
        Return the next entries and move past them. See `Subscription.take`.
        """
        if self._error is not None:
            raise self._error
        start = self.position
        taken = self._log.entries[start : start + limit]
        if not taken and self._log.error is not None:
            raise self._log.error
        self.position = start + len(taken)
        return taken

    def expel(self, error: StoreError) -> None:
        """
        End this reader. See `Wakeable.expel`.
        """
        self._error = error
        self.close()

    def close(self) -> None:
        """
        Leave.
        """
        self.wake = ignore
        self._log.subscriptions = tuple(other for other in self._log.subscriptions if other is not self)


class _Log:
    """
    One turn's entries. `subscriptions` is replaced, never changed, so that a reader may leave while it is being woken.
    """

    __slots__ = (
        "ended_at",
        "entries",
        "epoch",
        "error",
        "opening",
        "size",
        "subscriptions",
        "summary",
        "terminal",
        "token",
    )

    def __init__(self, opening: TurnOpening, epoch: str, token: int) -> None:
        self.opening = opening
        self.epoch = epoch
        self.token = token
        self.entries: list[LogEntry] = []
        self.size = 0
        self.terminal: TerminalEvent | None = None
        self.summary: TurnSummary | None = None
        self.ended_at: float | None = None
        self.error: StoreError | None = None
        self.subscriptions: tuple[MemorySubscription, ...] = ()

    @property
    def status(self) -> TurnStatus:
        return TurnStatus(
            opening=self.opening,
            epoch=self.epoch,
            last_seq=len(self.entries),
            state=state_after(self.terminal),
            ended_at=self.ended_at,
            summary=self.summary,
        )

    def extend(self, events: Sequence[StreamEvent]) -> None:
        seq = len(self.entries)
        for event in events:
            seq += 1
            self.entries.append(LogEntry(seq, event))
        wake_all(self.subscriptions, self.opening.turn_id)

    def fail(self, error: StoreError) -> None:
        self.error = error
        wake_all(self.subscriptions, self.opening.turn_id)
