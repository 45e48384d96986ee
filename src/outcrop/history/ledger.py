"""
The usage ledger in memory: one row per call to Bedrock, bounded.
"""

from collections import OrderedDict
from collections.abc import Sequence

import msgspec

from outcrop.errors import StoreError
from outcrop.turns.records import KeptAnswer, Standing, Unfinished
from outcrop.types import Usage


class LedgerRow(msgspec.Struct, kw_only=True):
    """
    Hold one call: of which turn, its number there, whose, of which model, how it ended (None: not yet), what it used.
    """

    turn_id: str
    principal_id: str
    model_id: str
    call: int = 1
    outcome: str | None = None
    usage: Usage = Usage()
    attempts: int = 0


class MemoryLedger:
    """
    Implement `turns.ports.Ledger` in memory; the newest `max_rows` are kept.
    """

    def __init__(self, *, max_rows: int = 10_000) -> None:
        self.rows: OrderedDict[tuple[str, int], LedgerRow] = OrderedDict()
        self._max_rows = max_rows

    async def open_intent(
        self, *, turn_id: str, call: int, principal_id: str, model_id: str, draft: object | None = None
    ) -> None:
        """
        Write the row before the call. See `Ledger.open_intent`. What is to be kept of a conversation can't be.
        """
        if draft is not None:
            raise StoreError("this server keeps no conversations")
        self._add(LedgerRow(turn_id=turn_id, call=call, principal_id=principal_id, model_id=model_id))

    async def settle(
        self,
        *,
        turn_id: str,
        call: int,
        outcome: str,
        usage: Usage,
        attempts: int,
        answer: KeptAnswer | None = None,  # noqa: ARG002  part of the port
    ) -> None:
        """
        Complete the row after the call. See `Ledger.settle`.

        Raises:
            StoreError: there is no open row for this call.
        """
        row = self.rows.get((turn_id, call))
        if row is None or row.outcome is not None:
            raise StoreError(f"call {call} of turn {turn_id!r} has no open row in the ledger")
        row.outcome, row.usage, row.attempts = outcome, usage, attempts

    async def settle_for_another(
        self,
        *,
        turn_id: str,
        call: int,
        principal_id: str,
        model_id: str,
        outcome: str,
        usage: Usage,
        answer: KeptAnswer | None = None,  # noqa: ARG002  part of the port
    ) -> Standing:
        """
        Complete another replica's row, or write it. See `Ledger.settle_for_another`.
        """
        row = self.rows.get((turn_id, call))
        if row is None:
            row = LedgerRow(turn_id=turn_id, call=call, principal_id=principal_id, model_id=model_id)
            self._add(row)
        if row.outcome is None:
            row.outcome, row.usage, row.attempts = outcome, usage, 1
        return Standing()

    async def is_accepted(self, turn_id: str) -> bool:
        """
        Tell whether a turn's first call has a row. See `Ledger.is_accepted`.
        """
        return (turn_id, 1) in self.rows

    async def find_unfinished(self, *, limit: int) -> Sequence[Unfinished]:  # noqa: ARG002  part of the port
        """
        List nothing: what was open here is gone with the process. See `Ledger.find_unfinished`.
        """
        return ()

    def _add(self, row: LedgerRow) -> None:
        self.rows[row.turn_id, row.call] = row
        if len(self.rows) > self._max_rows:
            self._forget_oldest_settled()

    def _forget_oldest_settled(self) -> None:
        for key, row in self.rows.items():
            if row.outcome is not None:
                del self.rows[key]
                return
