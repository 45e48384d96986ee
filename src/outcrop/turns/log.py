"""
The turn log's interface: one gap-free, append-only sequence of events per turn.

One producer holds the lease and appends; any number of readers subscribe from any position. `append`, `wake` and `take`
are synchronous, so that a delta goes from Bedrock's socket to a client's without a task switch. A log whose store is
remote takes appends at once, numbers and commits them in the background, and wakes readers when the store has the
entries, never before.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from outcrop.errors import StoreError
from outcrop.turns.records import Lease, TurnOpening, TurnStatus, TurnSummary
from outcrop.types import LogEntry, StreamEvent, TerminalEvent


class Subscription(Protocol):
    """
    Be one reader's place in a log.
    """

    def take(self, limit: int = 256) -> Sequence[LogEntry]:
        """
        Return the next entries, at most `limit`, and move past them; empty when there are none yet.

        Raises:
            PositionExpired: the next entry is no longer in the log.
            EpochChanged: the log has lost entries since this reader began.
            StoreError: the log can't be read, the turn was discarded, or this reader's `wake` has raised something.
        """
        ...

    @property
    def ended(self) -> bool:
        """
        Tell whether the terminal entry has been taken.
        """
        ...

    @property
    def status(self) -> TurnStatus:
        """
        Say where the turn stands, as far as it is known here; complete once `ended` is true.
        """
        ...

    def close(self) -> None:
        """
        Leave. `wake` is not called any more. Closing twice does no harm.
        """
        ...


class ProducerListener(Protocol):
    """
    Be told by the log what concerns this replica's own turns. Calls are synchronous and must not raise.
    """

    def on_stop(self, turn_id: str) -> None:
        """
        Stop a turn: its owner asked for it, perhaps on another replica. It may be told more than once.
        """
        ...

    def on_lost(self, turn_id: str, error: StoreError) -> None:
        """
        End a turn whose lease or log is lost; nothing can be appended to it any more.
        """
        ...

    def on_remote_readers(self, turn_id: str, count: int) -> None:
        """
        Know how many other replicas read a turn now. It is told again from time to time while there are some.
        """
        ...

    def on_orphan(self, status: TurnStatus, lease: Lease) -> None:
        """
        Take over a turn whose replica has died: continue it, or finalise it as interrupted. `lease` is the new one.
        """
        ...


class TurnLog(Protocol):
    """
    Keep the logs of turns. Every look-up names the owner; another's turn looks like an unknown one.
    """

    async def open(self, listener: ProducerListener) -> None:
        """
        Get ready. Called once, before all else.

        Raises:
            StoreError: the store can't be used; the message says what to do.
        """
        ...

    async def aclose(self) -> None:
        """
        Write what is pending, as far as the store takes it, and let go. Called once, when no turn runs any more.
        """
        ...

    async def acquire(self, opening: TurnOpening) -> Lease:
        """
        Begin a log and become its producer: one atomic step with the checks of the chat and of the idempotency key.

        Raises:
            DuplicateTurn: the owner began a turn with this idempotency key before; the error names it.
            IdempotencyMismatch: they did, but with another request.
            ChatBusy: the chat has a running turn.
            LeaseLost: a turn of this name exists.
            StoreError: the store can't be reached; nothing has begun.
        """
        ...

    async def check_key(self, idempotency_key: str, fingerprint: str, *, owner: str) -> None:
        """
        Refuse an idempotency key that has begun a turn, as `acquire` would; begin nothing.

        Raises:
            DuplicateTurn: the owner began a turn with this idempotency key before; the error names it.
            IdempotencyMismatch: they did, but with another request than that of `fingerprint`.
            StoreError: the store can't be reached.
        """
        ...

    def append(self, lease: Lease, events: Sequence[StreamEvent]) -> None:
        """
        Append events, in order; all of them, or none. Neighbouring deltas may be merged before they are numbered.

        Raises:
            LeaseLost: the lease is no longer the current one, or the log is final.
            LogFull: the log would outgrow its bound.
        """
        ...

    async def flush(self, lease: Lease) -> int:
        """
        Return the last position, once the store has all that was appended. Readers find all of it then.

        Raises:
            LeaseLost: as for `append`.
            StoreError: the store can't be reached within its time-out; what was appended is written when it is back.
        """
        ...

    async def finalize(self, lease: Lease, terminal: TerminalEvent, summary: TurnSummary) -> None:
        """
        Append the terminal event and close the log for ever; it stays readable for its retention time.

        Returns once the store has it. The bound of one log does not hold for the terminal event.

        Raises:
            LeaseLost: as for `append`.
            StoreError: the store can't be reached within its time-out.
        """
        ...

    async def discard(self, lease: Lease) -> None:
        """
        Forget a turn that made no call, with its idempotency key: as if it had never begun.

        Whoever reads it by then, on any replica, is woken, and their next `take` raises a `StoreError` that says so.
        """
        ...

    async def subscribe(
        self, turn_id: str, *, owner: str, wake: Callable[[], None], after: int = 0, epoch: str | None = None
    ) -> Subscription:
        """
        Read from the entry after `after`. `wake` is called, synchronously, whenever there is something to take.

        The caller takes once right after subscribing: `wake` tells of later entries only. What `wake` raises is logged
        and ends this reader alone: its next `take` raises a `StoreError`.

        `after` is the last entry that the reader has, 0 for none; `epoch` is that of its position, where it is known.
        Whoever wants all that there is begins at the status's `first_seq - 1`: a log may have lost its beginning.

        Raises:
            UnknownTurn: there is no such log for this owner.
            PositionExpired: the position is not in this log.
            EpochChanged: the position belongs to entries that the log has lost.
            StoreError: the store can't be reached.
        """
        ...

    async def request_stop(self, turn_id: str, *, owner: str) -> None:
        """
        Have a turn stopped by whichever replica runs it. Harmless when it has ended.

        Raises:
            UnknownTurn: there is no such log for this owner.
        """
        ...

    async def status(self, turn_id: str, *, owner: str) -> TurnStatus:
        """
        Say where a turn stands.

        Raises:
            UnknownTurn: there is no such log for this owner.
        """
        ...

    async def find_chat(self, chat_id: str, *, owner: str) -> TurnStatus | None:
        """
        Find a chat's latest turn, running or finished; None where there is none, or it is forgotten.
        """
        ...

    async def delete(self, turn_id: str, *, owner: str) -> None:
        """
        Forget a final log. Its readers can take what is left. Its idempotency key stays taken.

        Raises:
            UnknownTurn: there is no such log for this owner.
            LeaseLost: the turn is still running; stop it first.
        """
        ...
