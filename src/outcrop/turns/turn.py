"""
One running turn: it owns the call to Bedrock, and it is the one writer of its log.

The path of a delta is synchronous from `_take` (called from Bedrock's socket) to the readers' `wake`. Deltas that came
in one chunk are merged before they are numbered; so are those that come while every reader is behind, up to a bound.
"""

import asyncio
from collections.abc import Callable, Sequence

import structlog

from outcrop.errors import OutcropError, StoreError, StreamInterrupted, UpstreamError
from outcrop.turns.fold import estimate_usage, fold, merge_deltas
from outcrop.turns.log import Lease, Subscription, TurnLog, TurnState
from outcrop.turns.ports import Adapter, Budget, Ledger, Upstream
from outcrop.types import (
    LogEntry,
    MessageStop,
    ResolvedModel,
    StreamEvent,
    StreamFailed,
    TerminalEvent,
    TextDelta,
    ToolUseDelta,
    UpstreamCall,
    Usage,
    UsageReport,
)

MERGEABLE = frozenset({TextDelta, ToolUseDelta})

logger = structlog.get_logger(__name__)


class Turn:
    """
    Run one turn. Made and awaited by `TurnService`; readers use `subscribe`, whoever may stop it `stop`.

    Attributes:
        turn_id: its name, unguessable.
        model: what answers.
        terminal: how it ended; None while it runs.
        usage: what it used; exact once `terminal` is set and `usage.estimated` is false.
    """

    def __init__(
        self,
        *,
        turn_id: str,
        owner: str,
        model: ResolvedModel,
        call: UpstreamCall,
        adapter: Adapter,
        log: TurnLog,
        lease: Lease,
        upstream: Upstream,
        ledger: Ledger,
        budget: Budget,
        grace_seconds: float,
        merge_bytes: int,
    ) -> None:
        self.turn_id = turn_id
        self.owner = owner
        self.model = model
        self.terminal: TerminalEvent | None = None
        self.usage = Usage()
        self._call = call
        self._adapter = adapter
        self._log = log
        self._lease = lease
        self._upstream = upstream
        self._ledger = ledger
        self._budget = budget
        self._grace_seconds = grace_seconds
        self._merge_bytes = merge_bytes
        self._decoder = adapter.decoder()
        self._readers: set[TurnReader] = set()
        self._behind = 0
        self._held: list[StreamEvent] = []
        self._held_size = 0
        self._reported: Usage | None = None
        self._seen_terminal: TerminalEvent | None = None
        self._ending: StreamFailed | MessageStop | None = None
        self._exchange: asyncio.Task[int] | None = None
        self._grace_timer: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """
        Call Bedrock, append what it says, settle, and finalise the log. Raises nothing.
        """
        self._exchange = asyncio.create_task(self._converse(), name=f"exchange {self.turn_id}")
        if self._ending is not None:
            self._exchange.cancel()
        await asyncio.wait({self._exchange})
        self._cancel_grace()
        attempts = 1 if self._exchange.cancelled() or self._exchange.exception() else self._exchange.result()
        await self._finish(self._judge(self._exchange), attempts)

    def subscribe(self, wake: Callable[[], None], *, after: int = 0) -> "TurnReader":
        """
        Read this turn's log; `wake` is called whenever there is something to take. Close the reader when done.
        """
        self._cancel_grace()
        self.release()
        subscription = self._log.subscribe(self.turn_id, owner=self.owner, wake=wake, after=after)
        reader = TurnReader(self, subscription)
        self._readers.add(reader)
        return reader

    def stop(self) -> None:
        """
        Close the call to Bedrock at once and end the turn as stopped. Harmless when the turn has ended.
        """
        self._end(MessageStop(stop_reason="stopped"))

    def interrupt(self, message: str) -> None:
        """
        Close the call to Bedrock at once and end the turn as interrupted: the server's doing, not the client's.
        """
        self._end(StreamFailed(code="interrupted", message=message, status=503, retryable=True))

    def release(self) -> None:
        """
        Append what was held back for readers that were behind.
        """
        if self._held:
            held, self._held, self._held_size = self._held, [], 0
            try:
                self._log.append(self._lease, merge_deltas(held))
            except StoreError as error:
                # A reader may be what called: the failure is the turn's, not the reader's.
                self._end(to_failure(error))

    def _end(self, terminal: MessageStop | StreamFailed) -> None:
        if self._ending is None and self.terminal is None:
            self._ending = terminal
            if self._exchange is not None:
                self._exchange.cancel()

    async def _converse(self) -> int:
        if self._call.operation in {"invoke", "converse"}:
            answer = await self._upstream.fetch(self._call)
            self._record(self._adapter.parse_answer(answer.body, answer.headers))
            return answer.attempts
        end = await self._upstream.stream(self._call, self._take)
        self._record(self._decoder.flush())
        return end.attempts

    def _take(self, messages: list[tuple[str, bytes]]) -> None:
        feed = self._decoder.feed
        if len(messages) == 1:
            event_type, payload = messages[0]
            self._record(feed(event_type, payload))
            return
        events: list[StreamEvent] = []
        try:
            for event_type, payload in messages:
                events += feed(event_type, payload)
        finally:
            # Also when a message is bad: what came before it in this chunk is part of the true prefix.
            self._record(events)

    def _record(self, events: Sequence[StreamEvent]) -> None:
        for event in events:
            kind = type(event)
            if kind is UsageReport:
                self._reported = event.usage  # type: ignore[union-attr]  # narrowed by kind, which is cheaper here
            elif kind is MessageStop or kind is StreamFailed:
                self._seen_terminal = event  # type: ignore[assignment]  # narrowed by kind, which is cheaper here
                events = events[:-1]
        if not events:
            return
        if self._held or (self._behind and self._behind == len(self._readers)):
            self._hold(events)
        else:
            self._log.append(self._lease, merge_deltas(events) if len(events) > 1 else events)

    def _hold(self, events: Sequence[StreamEvent]) -> None:
        self._held.extend(events)
        for event in events:
            self._held_size += len(event.text) if isinstance(event, TextDelta) else 64
        if self._held_size >= self._merge_bytes or not all(type(event) in MERGEABLE for event in events):
            self.release()

    def _judge(self, exchange: "asyncio.Task[int]") -> TerminalEvent:
        if self._seen_terminal is not None:
            return self._seen_terminal
        if self._ending is not None:
            return self._ending
        error = StreamInterrupted("the answer was cancelled") if exchange.cancelled() else exchange.exception()
        if error is None:
            error = StreamInterrupted("the answer ended before its last event")
        self._log_failure(error)
        return to_failure(error)

    def _log_failure(self, error: BaseException) -> None:
        if not isinstance(error, OutcropError):
            logger.error("turn failed on an internal error", turn_id=self.turn_id, exc_info=error)
        elif isinstance(error, UpstreamError) and error.operator_detail:
            logger.error(
                "bedrock refused the gateway",
                turn_id=self.turn_id,
                aws_error=error.aws_error,
                aws_request_id=error.aws_request_id,
                detail=error.operator_detail,
            )

    async def _finish(self, terminal: TerminalEvent, attempts: int) -> None:
        self.release()
        self.usage = await self._count()
        outcome = outcome_of(terminal)
        try:
            await self._ledger.settle(turn_id=self.turn_id, outcome=outcome, usage=self.usage, attempts=attempts)
            await self._budget.settle(turn_id=self.turn_id, usage=self.usage)
        except StoreError as error:
            logger.exception("turn could not be settled", turn_id=self.turn_id, code=error.code)
            terminal = to_failure(error)
        self.terminal = terminal
        await self._log.finalize(self._lease, terminal)

    async def _count(self) -> Usage:
        if self._reported is not None and self._seen_terminal is not None:
            return self._reported
        events = []
        subscription = self._log.subscribe(self.turn_id, owner=self.owner, wake=lambda: None)
        while entries := subscription.take():
            events += [entry.event for entry in entries]
        subscription.close()
        if not events:
            return Usage(estimated=True)
        characters = sum(len(event.text) for event in events if isinstance(event, TextDelta))
        return estimate_usage(fold(events).usage, prompt_characters=len(self._call.body), answer_characters=characters)

    def leave(self, reader: "TurnReader") -> None:
        """
        Let a reader go; the last one starts the grace time.
        """
        if reader not in self._readers:
            return
        self._readers.discard(reader)
        if self._readers or self.terminal is not None or self._ending is not None:
            return
        if self._grace_seconds <= 0:
            self.stop()
        else:
            self._grace_timer = asyncio.get_running_loop().call_later(self._grace_seconds, self.stop)

    def count_behind(self, change: int) -> None:
        """
        Count a reader that fell behind (1), or caught up or left (-1).
        """
        self._behind += change
        if change < 0:
            self.release()

    def _cancel_grace(self) -> None:
        if self._grace_timer is not None:
            self._grace_timer.cancel()
            self._grace_timer = None


class TurnReader:
    """
    Be one reader of one turn.
    """

    def __init__(self, turn: Turn, subscription: Subscription) -> None:
        self._turn = turn
        self._subscription = subscription
        self._is_behind = False

    def take(self, limit: int = 256) -> Sequence[LogEntry]:
        """
        Return the next entries; empty when there are none yet.
        """
        return self._subscription.take(limit)

    @property
    def ended(self) -> bool:
        """
        Tell whether the terminal entry has been taken.
        """
        return self._subscription.ended

    def set_behind(self, behind: bool) -> None:
        """
        Say that this reader can take nothing for now, or can again: then take, for held-back deltas were appended.
        """
        if behind != self._is_behind:
            self._is_behind = behind
            self._turn.count_behind(1 if behind else -1)

    def close(self) -> None:
        """
        Leave the turn. Closing twice does no harm.
        """
        self._subscription.close()
        self.set_behind(False)
        self._turn.leave(self)


def to_failure(error: BaseException) -> StreamFailed:
    """
    Turn an error into the terminal event that tells of it; what is not ours is called internal and not shown.
    """
    if not isinstance(error, OutcropError):
        return StreamFailed(code="internal", message="internal error; the server's log has the details", status=500)
    upstream = error if isinstance(error, UpstreamError) else None
    return StreamFailed(
        code=error.code,
        message=error.message,
        status=error.status,
        retryable=error.retryable,
        retry_after_seconds=error.retry_after_seconds,
        aws_error=upstream.aws_error if upstream else None,
        aws_request_id=upstream.aws_request_id if upstream else None,
    )


def outcome_of(terminal: TerminalEvent) -> TurnState:
    """
    Name how a turn ended, for the ledger.
    """
    if isinstance(terminal, MessageStop):
        return "stopped" if terminal.stop_reason == "stopped" else "completed"
    return "interrupted" if terminal.code == "interrupted" else "failed"
