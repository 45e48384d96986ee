"""
The turn log in this process's memory: the default, for one replica.

Bounded in every direction: each log by `max_log_bytes`, all finished logs together by `max_retained_bytes` and by
`retention_seconds`. Finished logs are swept when a turn begins or ends; there is no timer.
"""

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Sequence

from outcrop.errors import LeaseLost, LogFull, PositionExpired, UnknownTurn
from outcrop.turns.log import Lease, TurnState, TurnStatus
from outcrop.types import (
    LogEntry,
    MessageStop,
    ReasoningDelta,
    StreamEvent,
    StreamFailed,
    TerminalEvent,
    TextDelta,
    ToolUseDelta,
)

ENTRY_OVERHEAD_BYTES = 150
"""
What an entry takes in memory besides its text (measured: 144 bytes for a `LogEntry` with a `TextDelta`).
"""


class MemoryTurnLog:
    """
    Implement `TurnLog` in memory.

    Args:
        max_log_bytes: bound of one log; beyond it `append` raises `LogFull`.
        max_retained_bytes: bound of all final logs together; beyond it the oldest are forgotten.
        retention_seconds: how long a final log stays.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        *,
        max_log_bytes: int,
        max_retained_bytes: int,
        retention_seconds: float,
        clock: Callable[[], float],
    ) -> None:
        self.epoch = secrets.token_hex(4)
        self._max_log_bytes = max_log_bytes
        self._max_retained_bytes = max_retained_bytes
        self._retention_seconds = retention_seconds
        self._clock = clock
        self._logs: dict[str, _Log] = {}
        self._final: OrderedDict[str, float] = OrderedDict()
        self._retained_bytes = 0
        self._tokens = 0

    async def acquire(self, turn_id: str, *, owner: str) -> Lease:
        """
        Begin a log. See `TurnLog.acquire`.
        """
        self._sweep()
        if turn_id in self._logs:
            raise LeaseLost(f"turn {turn_id!r} has a producer already")
        self._tokens += 1
        self._logs[turn_id] = _Log(turn_id, owner, self._tokens)
        return Lease(turn_id, self._tokens)

    def append(self, lease: Lease, events: Sequence[StreamEvent]) -> int:
        """
        Append events and wake the readers. See `TurnLog.append`.
        """
        log = self._held(lease)
        size = log.size + (_weigh(events[0]) if len(events) == 1 else sum(map(_weigh, events)))
        if size > self._max_log_bytes:
            raise LogFull(f"the answer takes {size} bytes, limit is {self._max_log_bytes}")
        log.size = size
        log.extend(events)
        return len(log.entries)

    async def finalize(self, lease: Lease, terminal: TerminalEvent) -> int:
        """
        Append the terminal event. See `TurnLog.finalize`. The bound of one log does not hold for it.
        """
        log = self._held(lease)
        log.size += _weigh(terminal)
        log.terminal = terminal
        self._final[lease.turn_id] = self._clock() + self._retention_seconds
        self._retained_bytes += log.size
        log.extend((terminal,))
        self._sweep()
        return len(log.entries)

    def subscribe(self, turn_id: str, *, owner: str, wake: Callable[[], None], after: int = 0) -> "MemorySubscription":
        """
        Read from the entry after `after`. See `TurnLog.subscribe`.
        """
        log = self._owned(turn_id, owner)
        if not 0 <= after <= len(log.entries):
            raise PositionExpired(f"position {after} is not in the log, which ends at {len(log.entries)}")
        subscription = MemorySubscription(log, wake, after)
        log.subscriptions = (*log.subscriptions, subscription)
        return subscription

    async def read(self, turn_id: str, *, owner: str, after: int = 0) -> AsyncIterator[LogEntry]:
        """
        Yield entries until the terminal one. See `TurnLog.read`.
        """
        more = asyncio.Event()
        subscription = self.subscribe(turn_id, owner=owner, wake=more.set, after=after)
        try:
            while not subscription.ended:
                more.clear()
                for entry in subscription.take():
                    yield entry
                if not (subscription.ready or subscription.ended):
                    await more.wait()
        finally:
            subscription.close()

    async def status(self, turn_id: str, *, owner: str) -> TurnStatus:
        """
        Say where a turn stands. See `TurnLog.status`.
        """
        log = self._owned(turn_id, owner)
        return TurnStatus(turn_id=turn_id, epoch=self.epoch, last_seq=len(log.entries), state=_state(log.terminal))

    async def delete(self, turn_id: str, *, owner: str) -> None:
        """
        Forget a final log. See `TurnLog.delete`.
        """
        log = self._owned(turn_id, owner)
        if log.terminal is None:
            raise LeaseLost(f"turn {turn_id!r} is still running; stop it first")
        self._forget(turn_id)

    def _held(self, lease: Lease) -> "_Log":
        log = self._logs.get(lease.turn_id)
        if log is None or log.token != lease.token or log.terminal is not None:
            raise LeaseLost(f"turn {lease.turn_id!r} is not this producer's any more")
        return log

    def _owned(self, turn_id: str, owner: str) -> "_Log":
        log = self._logs.get(turn_id)
        if log is None or log.owner != owner:
            raise UnknownTurn(f"there is no turn {turn_id[:80]!r}")
        return log

    def _sweep(self) -> None:
        now = self._clock()
        while self._final:
            turn_id, expires_at = next(iter(self._final.items()))
            if expires_at > now and self._retained_bytes <= self._max_retained_bytes:
                return
            self._forget(turn_id)

    def _forget(self, turn_id: str) -> None:
        self._final.pop(turn_id, None)
        self._retained_bytes -= self._logs.pop(turn_id).size


class MemorySubscription:
    """
    Implement `Subscription` as an index into the log's list: a slow reader costs no memory of its own.
    """

    __slots__ = ("_log", "position", "wake")

    def __init__(self, log: "_Log", wake: Callable[[], None], position: int) -> None:
        self._log = log
        self.wake = wake
        self.position = position

    @property
    def ready(self) -> bool:
        """
        Tell whether there is something to take.
        """
        return self.position < len(self._log.entries)

    @property
    def ended(self) -> bool:
        """
        Tell whether the terminal entry has been taken.
        """
        return self._log.terminal is not None and self.position == len(self._log.entries)

    def take(self, limit: int = 256) -> Sequence[LogEntry]:
        """
        Return the next entries and move past them. See `Subscription.take`.
        """
        start = self.position
        taken = self._log.entries[start : start + limit]
        self.position = start + len(taken)
        return taken

    def close(self) -> None:
        """
        Leave.
        """
        self._log.subscriptions = tuple(other for other in self._log.subscriptions if other is not self)


class _Log:
    """
    One turn's entries. `subscriptions` is replaced, never changed, so that a reader may leave while it is being woken.
    """

    __slots__ = ("entries", "owner", "size", "subscriptions", "terminal", "token", "turn_id")

    def __init__(self, turn_id: str, owner: str, token: int) -> None:
        self.turn_id = turn_id
        self.owner = owner
        self.token = token
        self.entries: list[LogEntry] = []
        self.size = 0
        self.terminal: TerminalEvent | None = None
        self.subscriptions: tuple[MemorySubscription, ...] = ()

    def extend(self, events: Sequence[StreamEvent]) -> None:
        seq = len(self.entries)
        for event in events:
            seq += 1
            self.entries.append(LogEntry(seq, event))
        for subscription in self.subscriptions:
            subscription.wake()


def _weigh(event: StreamEvent) -> int:
    if type(event) is TextDelta:
        # The common case first, and by identity: this runs once per delta.
        return ENTRY_OVERHEAD_BYTES + len(event.text)
    if isinstance(event, TextDelta | ReasoningDelta):
        return ENTRY_OVERHEAD_BYTES + len(event.text)
    if isinstance(event, ToolUseDelta):
        return ENTRY_OVERHEAD_BYTES + len(event.input_json)
    return ENTRY_OVERHEAD_BYTES


def _state(terminal: TerminalEvent | None) -> TurnState:
    match terminal:
        case None:
            return "running"
        case MessageStop(stop_reason="stopped"):
            return "stopped"
        case StreamFailed(code="interrupted"):
            return "interrupted"
        case StreamFailed():
            return "failed"
        case _:
            return "completed"
