"""
One running turn: it owns the call to Bedrock, and it is the one writer of its log.

The path of a delta is synchronous from `_take` (called from Bedrock's socket) to the readers' `wake`. Deltas that came
in one chunk are merged before they are numbered; so are those that come while every reader is behind, up to a bound.
"""

import asyncio
from collections.abc import Callable, Sequence

import msgspec
import structlog

from outcrop.calls import ResolvedModel, UpstreamCall
from outcrop.errors import LeaseLost, StoreError, StreamInterrupted
from outcrop.turns.endings import log_failure, to_failure, to_interruption
from outcrop.turns.fold import add_usage, estimate_usage, merge_deltas
from outcrop.turns.keeping import read_events, to_kept
from outcrop.turns.ports import Adapter, Ports
from outcrop.turns.reader import TurnReader
from outcrop.turns.records import KeptAnswer, Lease, TurnOpening, TurnSummary, state_after
from outcrop.types import (
    MessageStart,
    MessageStop,
    ReasoningDelta,
    StreamEvent,
    StreamFailed,
    TerminalEvent,
    TextDelta,
    ToolUseDelta,
    ToolUseStart,
    Usage,
    UsageReport,
)

MERGEABLE = frozenset({TextDelta, ToolUseDelta})

logger = structlog.get_logger(__name__)


class TurnPlan(msgspec.Struct, frozen=True, kw_only=True):
    """
    Say what a turn is to do.

    Attributes:
        call_number: 1, or more where another replica's answer is continued.
        spent: what the calls before this one used.
    """

    opening: TurnOpening
    lease: Lease
    model: ResolvedModel
    call: UpstreamCall
    adapter: Adapter
    call_number: int = 1
    spent: Usage = Usage()


class Turn:
    """
    Run one turn. Made and awaited by `TurnService`; readers use `subscribe`, whoever may stop it `stop`.

    Attributes:
        turn_id: its name, unguessable.
        terminal: how it ended; None while it runs.
        usage: what its calls used; exact once `terminal` is set and `usage.estimated` is false.
        is_lost: another replica has the log now, and tells of the end.
    """

    def __init__(self, plan: TurnPlan, ports: Ports, *, grace_seconds: float, merge_bytes: int) -> None:
        self.turn_id = plan.opening.turn_id
        self.owner = plan.opening.owner
        self.plan = plan
        self.terminal: TerminalEvent | None = None
        self.usage = Usage()
        self._ports = ports
        self._append = ports.log.append
        self._lease = plan.lease
        self._grace_seconds = grace_seconds
        self._merge_bytes = merge_bytes
        self._decoder = plan.adapter.decoder()
        self._readers: set[TurnReader] = set()
        self._remote_readers = 0
        self._behind = 0
        self._held: list[StreamEvent] = []
        self._held_size = 0
        self._characters = 0
        self._has_begun = False
        self._first_at: float | None = None
        self._reported: Usage | None = None
        self._seen_terminal: TerminalEvent | None = None
        self._ending: StreamFailed | MessageStop | None = None
        self._broken: StreamFailed | None = None
        self.is_lost = False
        self._exchange: asyncio.Task[int] | None = None
        self._grace_timer: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """
        Call Bedrock, append what it says, settle, and finalise the log.

        Raises:
            StoreError: the end could not be written.
        """
        self._exchange = asyncio.create_task(self._converse(), name=f"exchange {self.turn_id}")
        if self._ending is not None:
            self._exchange.cancel()
        await asyncio.wait({self._exchange})
        self._cancel_grace()
        # Before the end is judged: what was held back belongs to the answer, and may not fit.
        self.release()
        attempts = 1 if self._exchange.cancelled() or self._exchange.exception() else self._exchange.result()
        await self._finish(self._judge(self._exchange), attempts)

    async def break_off(self, error: Exception) -> None:
        """
        End a turn whose end could not be made; its answer is kept later. Harmless where it has ended.
        """
        if self.terminal is not None or self.is_lost:
            return
        self.terminal = to_failure(error)
        try:
            await self._settle(self.terminal, self._count(), 1, None)
            await self._ports.log.finalize(self._lease, self.terminal, self._summarise(1))
        except StoreError as failure:
            logger.warning("a turn that broke off could not be ended", turn_id=self.turn_id, reason=failure.message)

    async def subscribe(self, wake: Callable[[], None], *, after: int = 0, epoch: str | None = None) -> TurnReader:
        """
        Read this turn's log; `wake` is called whenever there is something to take. Close the reader when done.
        """
        self.release()
        try:
            subscription = await self._ports.log.subscribe(
                self.turn_id, owner=self.owner, wake=wake, after=after, epoch=epoch
            )
        except BaseException:
            # A reader that was cancelled here, or can't read, has left before it came.
            self.abandon()
            raise
        reader = TurnReader(subscription, self)
        self._readers.add(reader)
        self._cancel_grace()
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
        self._end(to_interruption(message))

    def lose(self, error: StoreError) -> None:
        """
        Close the call to Bedrock at once: the log is another's now, who ends it.
        """
        self.is_lost = True
        self._end(to_failure(error))

    def release(self) -> None:
        """
        Append what was held back for readers that were behind.
        """
        if self._held:
            held, self._held, self._held_size = self._held, [], 0
            try:
                self._append(self._lease, merge_deltas(held))
            except StoreError as error:
                # A reader may be what called: the failure is the turn's, not the reader's.
                self._broken = to_failure(error)
                self.is_lost = self.is_lost or isinstance(error, LeaseLost)
                self._end(self._broken)

    def leave(self, reader: TurnReader) -> None:
        """
        Let a reader go; the last one starts the grace time. See `Audience.leave`.
        """
        if reader in self._readers:
            self._readers.discard(reader)
            self.abandon()

    def abandon(self) -> None:
        """
        Start the grace time if nobody reads this turn.
        """
        if self._readers or self._remote_readers or self.terminal is not None or self._ending is not None:
            return
        if self._grace_seconds <= 0:
            self.stop()
        elif self._grace_timer is None:
            self._grace_timer = asyncio.get_running_loop().call_later(self._grace_seconds, self.stop)

    def count_behind(self, change: int) -> None:
        """
        Count a reader that fell behind (1), or caught up or left (-1). See `Audience.count_behind`.
        """
        self._behind += change
        if change < 0:
            self.release()

    def set_remote_readers(self, count: int) -> None:
        """
        Know how many other replicas read this turn: they count as readers, and they are never behind.
        """
        self._remote_readers = count
        if count:
            self._cancel_grace()
            self.release()
        else:
            self.abandon()

    def _end(self, terminal: MessageStop | StreamFailed) -> None:
        if self._ending is None and self.terminal is None:
            self._ending = terminal
            if self._exchange is not None:
                self._exchange.cancel()

    async def _converse(self) -> int:
        call, upstream = self.plan.call, self._ports.upstream
        if call.operation in {"invoke", "converse"}:
            answer = await upstream.fetch(call)
            self._record(self.plan.adapter.parse_answer(answer.body, answer.headers))
            return answer.attempts
        end = await upstream.stream(call, self._take)
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
        terminal: TerminalEvent | None = None
        for event in events:
            kind = type(event)
            if kind is TextDelta or kind is ReasoningDelta:
                self._characters += len(event.text)  # type: ignore[union-attr]  # narrowed by kind: cheaper here
                if self._first_at is None:
                    self._first_at = self._ports.clock()
            elif kind is UsageReport:
                self._reported = event.usage  # type: ignore[union-attr]  # narrowed by kind, which is cheaper here
            elif kind is MessageStop or kind is StreamFailed:
                terminal = event  # type: ignore[assignment]  # narrowed by kind, which is cheaper here
                events = events[:-1]
            elif kind is MessageStart:
                self._has_begun = True
            elif kind is ToolUseStart and self._first_at is None:
                self._first_at = self._ports.clock()
        if events:
            self._put(events)
        if terminal is not None:
            # Not before: an answer whose last piece does not fit into the log has not ended well.
            self._seen_terminal = terminal

    def _put(self, events: Sequence[StreamEvent]) -> None:
        if self._held or (self._behind and self._behind == len(self._readers) and not self._remote_readers):
            self._hold(events)
        else:
            self._append(self._lease, merge_deltas(events) if len(events) > 1 else events)

    def _hold(self, events: Sequence[StreamEvent]) -> None:
        self._held.extend(events)
        for event in events:
            self._held_size += len(event.text) if isinstance(event, TextDelta) else 64
        if self._held_size >= self._merge_bytes or not all(type(event) in MERGEABLE for event in events):
            self.release()

    def _judge(self, exchange: "asyncio.Task[int]") -> TerminalEvent:
        if self._broken is not None:
            return self._broken
        if self._seen_terminal is not None:
            return self._seen_terminal
        if self._ending is not None:
            return self._ending
        error = StreamInterrupted("the answer was cancelled") if exchange.cancelled() else exchange.exception()
        if error is None:
            error = StreamInterrupted("the answer ended before its last event")
        self.is_lost = self.is_lost or isinstance(error, LeaseLost)
        log_failure(self.turn_id, error)
        return to_failure(error)

    async def _finish(self, terminal: TerminalEvent, attempts: int) -> None:
        used = self._count()
        self.usage = add_usage(self.plan.spent, used)
        summary = self._summarise(attempts)
        answer = None if self.is_lost else await self._collect(terminal, summary)
        if self.is_lost:
            await self._yield_to_another(terminal, used)
            return
        try:
            await self._settle(terminal, used, attempts, answer)
        except StoreError as error:
            logger.exception("turn could not be settled", turn_id=self.turn_id, code=error.code)
            terminal = to_failure(error)
        self.terminal = terminal
        try:
            await self._ports.log.finalize(self._lease, terminal, summary)
        except LeaseLost as error:
            self.is_lost = True
            logger.warning("turn was ended by another replica", turn_id=self.turn_id, reason=error.message)

    async def _settle(self, terminal: TerminalEvent, used: Usage, attempts: int, answer: KeptAnswer | None) -> None:
        await self._ports.ledger.settle(
            turn_id=self.turn_id,
            call=self.plan.call_number,
            outcome=state_after(terminal),
            usage=used,
            attempts=attempts,
            answer=answer,
        )
        await self._ports.budget.settle(turn_id=self.turn_id, usage=used)

    async def _collect(self, terminal: TerminalEvent, summary: TurnSummary) -> KeptAnswer | None:
        """
        Return the answer that is to be kept: what the log has. None where it can't say so now; it is kept later then.
        """
        if not self.plan.opening.is_kept:
            return None
        try:
            last_seq = await self._ports.log.flush(self._lease)
            return to_kept(await read_events(self._ports, self.plan.opening, last_seq), terminal, summary)
        except LeaseLost:
            self.is_lost = True
        except StoreError as error:
            logger.warning("an answer can't be kept yet", turn_id=self.turn_id, reason=error.message)
        return None

    async def _yield_to_another(self, terminal: TerminalEvent, used: Usage) -> None:
        self.terminal = terminal
        logger.warning("turn was taken over by another replica", turn_id=self.turn_id)
        await self._ports.ledger.settle_for_another(
            turn_id=self.turn_id,
            call=self.plan.call_number,
            principal_id=self.owner,
            model_id=self.plan.model.model_id,
            outcome="interrupted",
            usage=used,
        )
        await self._ports.budget.settle(turn_id=self.turn_id, usage=used)

    def _summarise(self, attempts: int) -> TurnSummary:
        started_at, now = self.plan.opening.started_at, self._ports.clock()
        first_at = self._first_at
        return TurnSummary(
            usage=self.usage,
            duration_ms=max(0, round((now - started_at) * 1000)),
            ttft_ms=None if first_at is None else max(0, round((first_at - started_at) * 1000)),
            cost_usd=self._ports.price(self.plan.model, self.usage),
            attempts=attempts,
        )

    def _count(self) -> Usage:
        if self._reported is not None and self._seen_terminal is not None:
            return self._reported
        if not self._has_begun:
            return Usage(estimated=True)
        prompt_characters = len(self.plan.call.body)
        return estimate_usage(self._reported, prompt_characters=prompt_characters, answer_characters=self._characters)

    def _cancel_grace(self) -> None:
        if self._grace_timer is not None:
            self._grace_timer.cancel()
            self._grace_timer = None
