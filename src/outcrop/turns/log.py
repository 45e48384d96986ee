"""
The turn log's interface: one gap-free, append-only sequence of events per turn.

One producer holds the lease and appends; any number of readers subscribe from any position. `append` and `wake` are
synchronous, so that a delta goes from Bedrock's socket to a client's without a task switch. An implementation whose
store is remote wakes its readers when the store has the entry, never before.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Literal, Protocol

import msgspec

from outcrop.types import LogEntry, StreamEvent, TerminalEvent

TurnState = Literal["running", "completed", "stopped", "failed", "interrupted"]


class Lease(msgspec.Struct, frozen=True):
    """
    Prove that its holder is a turn's one producer. `token` grows with every lease (a fencing token).
    """

    turn_id: str
    token: int


class TurnStatus(msgspec.Struct, frozen=True, kw_only=True):
    """
    Say where a turn stands. A position is `(turn_id, epoch, seq)`; a changed epoch means that the log lost data.
    """

    turn_id: str
    epoch: str
    last_seq: int
    state: TurnState


class Subscription(Protocol):
    """
    Be one reader's place in a log.
    """

    def take(self, limit: int = 256) -> Sequence[LogEntry]:
        """
        Return the next entries, at most `limit`, and move past them; empty when there are none yet.
        """
        ...

    @property
    def ended(self) -> bool:
        """
        Tell whether the terminal entry has been taken.
        """
        ...

    def close(self) -> None:
        """
        Leave. `wake` is not called any more. Closing twice does no harm.
        """
        ...


class TurnLog(Protocol):
    """
    Keep the logs of turns. Every look-up names the owner; another's turn looks like an unknown one.
    """

    async def acquire(self, turn_id: str, *, owner: str) -> Lease:
        """
        Begin a log and become its producer.

        Raises:
            LeaseLost: the turn exists already.
        """
        ...

    def append(self, lease: Lease, events: Sequence[StreamEvent]) -> int:
        """
        Append events and wake the readers. Returns the last sequence number. All of the events, or none.

        Raises:
            LeaseLost: the lease is no longer the current one, or the log is final.
            LogFull: the log would outgrow its bound.
        """
        ...

    async def finalize(self, lease: Lease, terminal: TerminalEvent) -> int:
        """
        Append the terminal event and close the log for ever; it stays readable for its retention time.

        Raises:
            LeaseLost: as for `append`.
        """
        ...

    def subscribe(self, turn_id: str, *, owner: str, wake: Callable[[], None], after: int = 0) -> Subscription:
        """
        Read from the entry after `after`. `wake` is called, synchronously, whenever there is something to take.

        The caller takes once right after subscribing: `wake` tells of later entries only.

        Raises:
            UnknownTurn: there is no such log for this owner.
            PositionExpired: the position is not in this log.
        """
        ...

    def read(self, turn_id: str, *, owner: str, after: int = 0) -> AsyncIterator[LogEntry]:
        """
        Yield the entries after `after`, wait for more, and end after the terminal one. Quiet when cancelled.
        """
        ...

    async def status(self, turn_id: str, *, owner: str) -> TurnStatus:
        """
        Say where a turn stands.

        Raises:
            UnknownTurn: there is no such log for this owner.
        """
        ...

    async def delete(self, turn_id: str, *, owner: str) -> None:
        """
        Forget a final log. Its readers can take what is left.

        Raises:
            UnknownTurn: there is no such log for this owner.
            LeaseLost: the turn is still running; stop it first.
        """
        ...
