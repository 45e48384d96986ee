"""
The ledger in a database: one row per call, and with it, in the same transaction, what is kept of a turn.

What could not be committed at a turn's end is tried again until it is: usage is not forgotten because a disk was full.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import msgspec
import structlog
from sqlalchemy import Row, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as insert_or_pass
from sqlalchemy.dialects.sqlite import insert as insert_or_pass_in_sqlite

from outcrop.errors import StoreError
from outcrop.history.content import digest_message, encode_content, to_text
from outcrop.history.database import Database
from outcrop.history.drafts import DraftWriter, Named, read_content, touch, write_blobs
from outcrop.history.news import Announce, announce_nothing
from outcrop.history.records import Failure, TurnDraft
from outcrop.history.rows import USAGE_COLUMNS
from outcrop.history.search import index_entry
from outcrop.history.tables import calls, messages
from outcrop.history.transaction import Transaction, Work
from outcrop.history.trouble import StoreConflict
from outcrop.turns.endings import to_failure
from outcrop.turns.records import KeptAnswer, Standing, Unfinished, state_after
from outcrop.types import MessageStop, StreamFailed, Usage

MAX_LATE = 1000
MAX_LATE_BYTES = 64 << 20
PAUSES_SECONDS = (1.0, 2.0, 5.0, 10.0)
"""
Waits between attempts to write what could not be written; the last one is repeated.
"""

ClockMs = Callable[[], int]
Settling = Work[Named | None]

logger = structlog.get_logger(__name__)


class DatabaseLedger:
    """
    Implement `turns.ports.Ledger`. `aclose` it before the database.

    Args:
        clock_ms: milliseconds since 1970.
        announce: is told when a kept turn begins, and when it has ended.
    """

    def __init__(self, database: Database, clock_ms: ClockMs, announce: Announce = announce_nothing) -> None:
        self._database = database
        self._clock_ms = clock_ms
        self._announce = announce
        self._late: deque[tuple[int, Settling]] = deque()
        self._late_bytes = 0
        self._catching_up: asyncio.Task[None] | None = None

    async def aclose(self) -> None:
        """
        Try once more to write what is late, and let go.
        """
        if self._catching_up is not None:
            self._catching_up.cancel()
            await asyncio.wait({self._catching_up})
        try:
            while self._late:
                self._tell(await self._database.write(self._late[0][1]))
                self._late.popleft()
        except StoreError as error:
            logger.error("answers could not be kept", answers=len(self._late), reason=error.message)  # noqa: TRY400

    async def open_intent(
        self, *, turn_id: str, call: int, principal_id: str, model_id: str, draft: object | None = None
    ) -> None:
        """
        Write the row before the call, and the prompt. See `Ledger.open_intent`.
        """
        now = self._clock_ms()
        row = {"turn_id": turn_id, "call": call, "owner": principal_id, "model_id": model_id, "opened_at": now}

        async def work(transaction: Transaction) -> None:
            await transaction.execute(insert(calls), {**row, **to_columns(Usage()), "attempts": 0})
            if isinstance(draft, TurnDraft):
                writer = DraftWriter(transaction, now)
                await writer.write(draft, owner=principal_id, turn_id=turn_id, model_id=model_id)

        await self._database.write(work)
        if isinstance(draft, TurnDraft):
            self._announce(principal_id, draft.conversation_id)

    async def settle(
        self, *, turn_id: str, call: int, outcome: str, usage: Usage, attempts: int, answer: KeptAnswer | None = None
    ) -> None:
        """
        Complete the row after the call, and the answer. See `Ledger.settle`.
        """
        settled = {"outcome": outcome, "settled_at": self._clock_ms(), "attempts": attempts, **to_columns(usage)}
        try:
            work = partial(_settle, turn_id=turn_id, call=call, values=settled, answer=answer)
            self._tell(await self._database.write(work))
        except StoreConflict:
            raise
        except StoreError as error:
            # As its readers see it end: whatever Bedrock said, the store's failure is what they are told.
            failure = to_failure(error)
            values = {**settled, "outcome": state_after(failure)}
            told = None if answer is None else msgspec.structs.replace(answer, events=(*answer.events[:-1], failure))
            again = partial(_settle, turn_id=turn_id, call=call, values=values, answer=told, may_be_settled=True)
            self._try_later(again, 0 if answer is None else sum(len(str(event)) for event in answer.events))
            raise

    async def settle_for_another(
        self,
        *,
        turn_id: str,
        call: int,
        principal_id: str,
        model_id: str,
        outcome: str,
        usage: Usage,
        answer: KeptAnswer | None = None,
    ) -> Standing:
        """
        Complete another replica's row, or write it. See `Ledger.settle_for_another`.
        """
        now = self._clock_ms()
        settled = {"outcome": outcome, "settled_at": now, "attempts": 1, **to_columns(usage)}
        row = {"turn_id": turn_id, "call": call, "owner": principal_id, "model_id": model_id, "opened_at": now}

        async def work(transaction: Transaction) -> tuple[Standing, Named | None]:
            standing = await _find_standing(transaction, turn_id, call)
            passing = insert_or_pass_in_sqlite if self._database.kind == "sqlite" else insert_or_pass
            await transaction.execute(passing(calls).on_conflict_do_nothing(), {**row, **settled})
            named = await _settle(
                transaction, turn_id=turn_id, call=call, values=settled, answer=answer, may_be_settled=True
            )
            return standing, named

        standing, named = await self._database.write(work)
        self._tell(named)
        return standing

    async def is_accepted(self, turn_id: str) -> bool:
        """
        Tell whether a turn's question is kept. See `Ledger.is_accepted`.
        """
        answer = select(messages.c.key).where(messages.c.turn_id == turn_id)
        # Its answer may have gone on in another turn since. A row that was written for a dead replica says nothing.
        own = select(calls.c.turn_id).where(
            calls.c.turn_id == turn_id, func.coalesce(calls.c.outcome, "") != "interrupted"
        )

        async def work(transaction: Transaction) -> bool:
            return bool(await transaction.scalar(select(answer.exists() | own.exists())))

        return await self._database.read(work)

    async def find_unfinished(self, *, limit: int) -> Sequence[Unfinished]:
        """
        List calls and answers that are open. See `Ledger.find_unfinished`.
        """
        running = select(messages.c.turn_id).where(messages.c.state == "running")
        open_calls = select(calls, calls.c.turn_id.in_(running).label("is_kept")).where(calls.c.settled_at.is_(None))
        open_answers = select(calls, calls.c.turn_id.in_(running).label("is_kept")).where(calls.c.turn_id.in_(running))

        async def work(transaction: Transaction) -> list[Unfinished]:
            found: dict[tuple[str, int], Unfinished] = {}
            for statement in (open_calls, open_answers):
                for row in await transaction.execute(statement.order_by(calls.c.opened_at).limit(limit)):
                    found[row.turn_id, row.call] = _to_unfinished(row)
            return sorted(found.values(), key=lambda row: row.opened_at)[:limit]

        return await self._database.read(work)

    def _tell(self, named: Named | None) -> None:
        if named is not None:
            self._announce(*named)

    def _try_later(self, work: Settling, size: int) -> None:
        if len(self._late) >= MAX_LATE or self._late_bytes + size > MAX_LATE_BYTES:
            logger.error("an answer is not kept: too many wait to be written already", waiting=len(self._late))
            return
        self._late.append((size, work))
        self._late_bytes += size
        if self._catching_up is None or self._catching_up.done():
            self._catching_up = asyncio.create_task(self._catch_up(), name="answers that could not be kept yet")

    async def _catch_up(self) -> None:
        logger.warning("answers wait to be kept until the database can be written again")
        attempt = 0
        while self._late:
            await asyncio.sleep(PAUSES_SECONDS[min(attempt, len(PAUSES_SECONDS) - 1)])
            size, work = self._late[0]
            try:
                self._tell(await self._database.write(work))
            except StoreError:
                attempt += 1
                continue
            self._late.popleft()
            self._late_bytes -= size
            attempt = 0
        logger.info("all answers are kept again")


async def _settle(
    transaction: Transaction,
    *,
    turn_id: str,
    call: int,
    values: dict[str, Any],
    answer: KeptAnswer | None,
    may_be_settled: bool = False,
) -> Named | None:
    """
    Complete a row, and the answer; return whose conversation that has changed.
    """
    is_open = (calls.c.turn_id == turn_id) & (calls.c.call == call) & calls.c.settled_at.is_(None)
    done = await transaction.execute(update(calls).where(is_open), values)
    if done.rowcount != 1 and not may_be_settled:
        raise StoreConflict(f"call {call} of turn {turn_id!r} has no open row in the ledger")
    if answer is None:
        return None
    return await _finish_answer(transaction, turn_id, answer, ended_at=values["settled_at"])


async def _find_standing(transaction: Transaction, turn_id: str, call: int) -> Standing:
    row = (await transaction.execute(select(messages).where(messages.c.turn_id == turn_id))).one_or_none()
    if row is None or row.state == "running":
        return Standing(is_accepted=row is not None)
    terminal = (await read_content(transaction, row))[0][-1]
    assert isinstance(terminal, MessageStop | StreamFailed), "a kept answer ends with its terminal event"
    which = select(calls).where(calls.c.turn_id == turn_id, calls.c.call == call)
    spent = (await transaction.execute(which)).one_or_none()
    used = Usage() if spent is None else Usage(**{name: getattr(spent, name) for name in (*USAGE_COLUMNS, "estimated")})
    return Standing(terminal=terminal, usage=used)


async def _finish_answer(transaction: Transaction, turn_id: str, answer: KeptAnswer, *, ended_at: int) -> Named | None:
    found = select(messages).where(messages.c.turn_id == turn_id, messages.c.state == "running").with_for_update()
    row = (await transaction.execute(found)).one_or_none()
    if row is None:
        # It was finished before, or deleted with its conversation.
        return None
    terminal = answer.events[-1]
    assert isinstance(terminal, MessageStop | StreamFailed), "a kept answer ends with its terminal event"
    before, found_blobs = await read_content(transaction, row)
    content = (*before, *answer.events)
    encoded, taken_out = encode_content(content)
    summary, columns = answer.summary, to_columns(answer.summary.usage)
    failure = None
    if isinstance(terminal, StreamFailed):
        failure = Failure(code=terminal.code, message=terminal.message, retryable=terminal.retryable)
    values = {
        "state": state_after(terminal),
        "content": encoded,
        "digest": digest_message("assistant", content, encoded),
        "ended_at": ended_at,
        "failure": None if failure is None else msgspec.json.encode(failure),
        **{name: (getattr(row, name) or 0) + columns[name] for name in USAGE_COLUMNS},
        "estimated": bool(row.estimated) or summary.usage.estimated,
        "cost_usd": _add(row.cost_usd, summary.cost_usd),
        "duration_ms": (row.duration_ms or 0) + summary.duration_ms,
        "ttft_ms": row.ttft_ms if row.ttft_ms is not None else summary.ttft_ms,
    }
    await transaction.execute(update(messages).where(messages.c.key == row.key), values)
    await write_blobs(transaction, row.conversation_key, taken_out.keys() - found_blobs.keys(), taken_out)
    await index_entry(transaction, conversation_key=row.conversation_key, message_key=row.key, written=to_text(content))
    return await touch(transaction, row.conversation_key, ended_at, {})


def to_columns(usage: Usage) -> dict[str, Any]:
    """
    Take usage as columns.
    """
    return {**{name: getattr(usage, name) for name in USAGE_COLUMNS}, "estimated": usage.estimated}


def _to_unfinished(row: Row[Any]) -> Unfinished:
    return Unfinished(
        turn_id=row.turn_id,
        call=row.call,
        principal_id=row.owner,
        model_id=row.model_id,
        opened_at=row.opened_at / 1000,
        is_kept=bool(row.is_kept),
    )


def _add(one: float | None, other: float | None) -> float | None:
    return other if one is None else one + (other or 0.0)
