"""
One reader of one turn: its place in the log, and what the turn must know of it.
"""

from collections.abc import Sequence
from typing import Protocol

from outcrop.turns.log import Subscription
from outcrop.turns.records import TurnStatus
from outcrop.types import LogEntry


class Audience(Protocol):
    """
    Be told by readers that they fall behind, and that they leave. Implemented by the turn that runs here.
    """

    def count_behind(self, change: int) -> None:
        """
        Count a reader that fell behind (1), or caught up or left (-1).
        """
        ...

    def leave(self, reader: "TurnReader") -> None:
        """
        Let a reader go.
        """
        ...


class TurnReader:
    """
    Read one turn, running here, running elsewhere, or finished.

    Args:
        subscription: the place in the log.
        turn: the turn, where it runs in this process.
    """

    def __init__(self, subscription: Subscription, turn: Audience | None) -> None:
        self._subscription = subscription
        self._turn = turn
        self._is_behind = False
        self.take = subscription.take

    take: "Take"
    """
    Return the next entries; see `Subscription.take`. Bound directly: this is called once per delta.
    """

    @property
    def ended(self) -> bool:
        """
        Tell whether the terminal entry has been taken.
        """
        return self._subscription.ended

    @property
    def status(self) -> TurnStatus:
        """
        Say where the turn stands; complete once `ended` is true.
        """
        return self._subscription.status

    def set_behind(self, behind: bool) -> None:
        """
        Say that this reader can take nothing for now, or can again: then take, for held-back deltas were appended.
        """
        if self._turn is not None and behind != self._is_behind:
            self._is_behind = behind
            self._turn.count_behind(1 if behind else -1)

    def close(self) -> None:
        """
        Leave the turn. Closing twice does no harm.
        """
        self._subscription.close()
        self.set_behind(False)
        if self._turn is not None:
            self._turn.leave(self)


class Take(Protocol):
    """
    Be `Subscription.take`.
    """

    def __call__(self, limit: int = 256) -> Sequence[LogEntry]:
        """
        Return the next entries.
        """
        ...
