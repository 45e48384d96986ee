"""
Budgets: what is held back for running turns.
"""

from outcrop.types import Usage


class OpenBudget:
    """
    Implement `turns.ports.Budget` without a limit: reservations are counted, none is refused.
    """

    def __init__(self) -> None:
        self.reserved: dict[str, int] = {}
        self.used_output_tokens = 0

    async def reserve(self, *, turn_id: str, principal_id: str, max_output_tokens: int) -> None:  # noqa: ARG002  part of the port
        """
        Reserve for a turn. See `Budget.reserve`.
        """
        self.reserved[turn_id] = max_output_tokens

    async def settle(self, *, turn_id: str, usage: Usage) -> None:
        """
        Replace the reservation by what was used. See `Budget.settle`.
        """
        self.reserved.pop(turn_id, None)
        self.used_output_tokens += usage.output_tokens
