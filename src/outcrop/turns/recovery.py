"""
Close in the ledger what a crash, or a store that was down, has left open: the calls, and the answers that are kept.

The log is asked how each turn ended. One that it does not know is over: its server has died with the log.
"""

import asyncio
from collections.abc import Callable

import structlog

from outcrop.errors import PositionExpired, StoreError, UnknownTurn
from outcrop.turns.endings import to_interruption
from outcrop.turns.keeping import read_events, to_kept
from outcrop.turns.ports import Ports
from outcrop.turns.records import KeptAnswer, TurnStatus, TurnSummary, Unfinished
from outcrop.types import Usage

SWEEP_SECONDS = 30.0
ROWS_PER_SWEEP = 200
LOST = "the server that ran this answer has died, and what it had said of it is lost"

logger = structlog.get_logger(__name__)


class Recovery:
    """
    Look for open rows, at the start and from time to time.

    Args:
        runs_here: tells whether a turn runs in this process.
        unknown_seconds: how old a turn must be that the log does not know; 0 where this server is the only one.
    """

    def __init__(self, ports: Ports, runs_here: Callable[[str], bool], *, unknown_seconds: float) -> None:
        self._ports = ports
        self._runs_here = runs_here
        self._unknown_seconds = unknown_seconds

    async def run(self) -> None:
        """
        Sweep for ever.
        """
        while True:
            try:
                await self.sweep()
            except StoreError as error:
                logger.warning("open answers could not be looked for", reason=error.message)
            await asyncio.sleep(SWEEP_SECONDS)

    async def sweep(self) -> int:
        """
        Close what can be closed now; return how many rows were.

        Raises:
            StoreError: the ledger can't be read.
        """
        closed = 0
        for row in await self._ports.ledger.find_unfinished(limit=ROWS_PER_SWEEP):
            if not self._runs_here(row.turn_id):
                try:
                    closed += await self._close(row)
                except (StoreError, UnknownTurn) as error:
                    # Its log may be forgotten at any moment: the next sweep sees that.
                    logger.warning("an open answer could not be closed yet", turn_id=row.turn_id, reason=error.message)
        return closed

    async def _close(self, row: Unfinished) -> bool:
        try:
            status = await self._ports.log.status(row.turn_id, owner=row.principal_id)
        except UnknownTurn:
            return await self._close_unknown(row)
        if status.state == "running" or status.summary is None:
            # It runs elsewhere, or its log's new producer ends it.
            return False
        await self._close_ended(row, status, status.summary)
        return True

    async def _close_ended(self, row: Unfinished, status: TurnStatus, summary: TurnSummary) -> None:
        answer = None
        if status.opening.is_kept:
            answer = await self._read_answer(status, summary)
        await self._settle(row, status.state, summary.usage, answer)

    async def _read_answer(self, status: TurnStatus, summary: TurnSummary) -> KeptAnswer:
        try:
            events = await read_events(self._ports, status.opening, status.last_seq)
        except PositionExpired:
            # The log has lost its beginning: what is left of it is no prefix of the answer.
            return to_kept([], to_interruption(LOST), summary)
        return KeptAnswer(events=tuple(events), summary=summary)

    async def _close_unknown(self, row: Unfinished) -> bool:
        if self._ports.clock() - row.opened_at < self._unknown_seconds:
            return False
        usage = Usage(estimated=True)
        answer = to_kept([], to_interruption(LOST), TurnSummary(usage=usage, duration_ms=0)) if row.is_kept else None
        await self._settle(row, "interrupted", usage, answer)
        return True

    async def _settle(self, row: Unfinished, outcome: str, usage: Usage, answer: KeptAnswer | None) -> None:
        await self._ports.ledger.settle_for_another(
            turn_id=row.turn_id,
            call=row.call,
            principal_id=row.principal_id,
            model_id=row.model_id,
            outcome=outcome,
            usage=usage,
            answer=answer,
        )
        logger.warning("an answer that was left open is closed", turn_id=row.turn_id, outcome=outcome)
