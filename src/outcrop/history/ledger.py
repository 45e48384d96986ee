"""
The usage ledger in memory: one row per call to Bedrock, bounded.
"""

from collections import OrderedDict

import msgspec

from outcrop.errors import StoreError
from outcrop.types import Usage


class LedgerRow(msgspec.Struct, kw_only=True):
    """
    Hold one call: whose, of which model, how it ended (None: not yet), and what it used.
    """

    turn_id: str
    principal_id: str
    model_id: str
    outcome: str | None = None
    usage: Usage = Usage()
    attempts: int = 0


class MemoryLedger:
    """
    Implement `turns.ports.Ledger` in memory; the newest `max_rows` are kept.
    """

    def __init__(self, *, max_rows: int = 10_000) -> None:
        self.rows: OrderedDict[str, LedgerRow] = OrderedDict()
        self._max_rows = max_rows

    async def open_intent(self, *, turn_id: str, principal_id: str, model_id: str) -> None:
        """
        Write the row before the call. See `Ledger.open_intent`.
        """
        self.rows[turn_id] = LedgerRow(turn_id=turn_id, principal_id=principal_id, model_id=model_id)
        if len(self.rows) > self._max_rows:
            self._forget_oldest_settled()

    async def settle(self, *, turn_id: str, outcome: str, usage: Usage, attempts: int) -> None:
        """
        Complete the row after the call. See `Ledger.settle`.

        Raises:
            StoreError: there is no open row for this turn.
        """
        row = self.rows.get(turn_id)
        if row is None or row.outcome is not None:
            raise StoreError(f"turn {turn_id!r} has no open row in the ledger")
        row.outcome, row.usage, row.attempts = outcome, usage, attempts

    def _forget_oldest_settled(self) -> None:
        for turn_id, row in self.rows.items():
            if row.outcome is not None:
                del self.rows[turn_id]
                return
