"""
What this replica keeps of a log in memory, and its readers.

A mirror is a window: neighbouring entries up to the newest that is acknowledged by Redis, or published by another
replica. All readers of a turn share it; one that is behind the window gets its entries from Redis, in pages. All
mirrors together are bounded; the largest is trimmed first, from its beginning.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from outcrop.errors import EpochChanged, StoreError
from outcrop.turns.records import TurnOpening, TurnStatus, TurnSummary, state_after
from outcrop.turns.sizes import weigh
from outcrop.turns.waking import ignore, wake_all
from outcrop.types import LogEntry, MessageStop, StreamFailed, TerminalEvent


class Keeper(Protocol):
    """
    Be told by mirrors and readers what they need.
    """

    def fetch_page(self, reader: "MirrorReader") -> None:
        """
        Get a page for a reader that is behind the window, and wake it.
        """
        ...

    def fill_gap(self, mirror: "Mirror") -> None:
        """
        Catch up from Redis: the mirror has missed entries.
        """
        ...

    def let_go_of(self, mirror: "Mirror") -> None:
        """
        Know that a mirror's last reader has left.
        """
        ...


class MirrorBudget:
    """
    Bound what all mirrors take together.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._used = 0
        self._mirrors: set[Mirror] = set()

    def count(self, mirror: "Mirror", size: int) -> None:
        """
        Count bytes that a mirror took, and trim the largest until all fit. One that was dropped is not counted again.
        """
        if mirror.is_dropped:
            return
        self._used += size
        self._mirrors.add(mirror)
        while self._used > self._max_bytes:
            largest = max(self._mirrors, key=lambda each: each.size)
            if not (freed := largest.trim()):
                return
            self._used -= freed

    def drop(self, mirror: "Mirror") -> None:
        """
        Forget a mirror, for good: what is still under way for it comes to nothing.
        """
        mirror.is_dropped = True
        if mirror in self._mirrors:
            self._mirrors.discard(mirror)
            self._used -= mirror.size


class Mirror:
    """
    Keep the newest entries of one log. `readers` is replaced, never changed, so that one may leave while it is woken.

    Attributes:
        entries: the window; `first_seq` is the position of its first entry, or of the next one when it is empty.
        error: why nothing more will come; None while all is well.
        is_dropped: it was forgotten here, and takes nothing more.
    """

    __slots__ = (
        "_budget",
        "_keeper",
        "ended_at",
        "entries",
        "epoch",
        "error",
        "first_seq",
        "is_dropped",
        "log_first_seq",
        "opening",
        "readers",
        "size",
        "summary",
        "terminal",
    )

    def __init__(
        self,
        opening: TurnOpening,
        epoch: str,
        *,
        first_seq: int,
        log_first_seq: int,
        budget: MirrorBudget,
        keeper: Keeper,
    ) -> None:
        self.opening = opening
        self.epoch = epoch
        self.first_seq = first_seq
        self.log_first_seq = log_first_seq
        self.entries: list[LogEntry] = []
        self.size = 0
        self.terminal: TerminalEvent | None = None
        self.summary: TurnSummary | None = None
        self.ended_at: float | None = None
        self.error: StoreError | None = None
        self.is_dropped = False
        self.readers: tuple[MirrorReader, ...] = ()
        self._budget = budget
        self._keeper = keeper

    @property
    def turn_id(self) -> str:
        """
        Name the turn.
        """
        return self.opening.turn_id

    @property
    def last_seq(self) -> int:
        """
        Return the position of the newest entry that is known here.
        """
        return self.first_seq + len(self.entries) - 1

    @property
    def status(self) -> TurnStatus:
        """
        Say where the turn stands, as far as it is known here.
        """
        return TurnStatus(
            opening=self.opening,
            epoch=self.epoch,
            last_seq=self.last_seq,
            state=state_after(self.terminal),
            ended_at=self.ended_at,
            summary=self.summary,
            first_seq=self.log_first_seq,
        )

    def offer(
        self, entries: Sequence[LogEntry], summary: TurnSummary | None = None, ended_at: float | None = None
    ) -> None:
        """
        Take neighbouring entries that Redis has. What is known already is passed over; a gap is filled from Redis.
        """
        if self.is_dropped:
            return
        missing = entries[0].seq - self.last_seq - 1
        if missing > 0:
            self._keeper.fill_gap(self)
            return
        if missing < 0:
            if self._differs(entries[:-missing]):
                self.fail(EpochChanged("the log has lost entries that were shown, and went on without them"))
                return
            entries = entries[-missing:]
            if not entries:
                return
        self.entries += entries
        size = 0
        for entry in entries:
            size += weigh(entry.event)
        last = entries[-1].event
        if isinstance(last, MessageStop | StreamFailed):
            self.terminal, self.summary, self.ended_at = last, summary, ended_at
        self.size += size
        self._budget.count(self, size)
        self.wake()

    def _differs(self, entries: Sequence[LogEntry]) -> bool:
        known = self.entries_after(entries[0].seq - 1)
        return known is not None and known[: len(entries)] != list(entries)

    def fail(self, error: StoreError) -> None:
        """
        End: readers get what is here, and then the error.
        """
        if self.error is None and self.terminal is None:
            self.error = error
            self.wake()

    def wake(self) -> None:
        """
        Wake all readers.
        """
        wake_all(self.readers, self.turn_id)

    def entries_after(self, seq: int) -> list[LogEntry] | None:
        """
        Return the entries after a position; None where the window begins later.
        """
        if seq + 1 < self.first_seq:
            return None
        return self.entries[seq + 1 - self.first_seq :]

    def trim(self) -> int:
        """
        Drop the older half of the window; return how many bytes that gave.
        """
        count = (len(self.entries) + 1) // 2
        freed = sum(weigh(entry.event) for entry in self.entries[:count])
        del self.entries[:count]
        self.first_seq += count
        self.size -= freed
        return freed

    def attach(self, wake: Callable[[], None], after: int) -> "MirrorReader":
        """
        Add a reader.
        """
        reader = MirrorReader(self, self._keeper, wake, after)
        self.readers = (*self.readers, reader)
        return reader

    def detach(self, reader: "MirrorReader") -> None:
        """
        Let a reader go.
        """
        if reader in self.readers:
            self.readers = tuple(other for other in self.readers if other is not reader)
            if not self.readers:
                self._keeper.let_go_of(self)


class MirrorReader:
    """
    Implement `Subscription` as an index into a mirror, with a page of its own while it is behind the window.
    """

    __slots__ = ("_keeper", "error", "is_fetching", "mirror", "page", "position", "wake")

    def __init__(self, mirror: Mirror, keeper: Keeper, wake: Callable[[], None], position: int) -> None:
        self.mirror = mirror
        self.wake = wake
        self.position = position
        self.page: Sequence[LogEntry] = ()
        self.is_fetching = False
        self.error: StoreError | None = None
        self._keeper = keeper

    @property
    def ended(self) -> bool:
        """
        Tell whether the terminal entry has been taken.
        """
        return self.mirror.terminal is not None and self.position == self.mirror.last_seq

    @property
    def status(self) -> TurnStatus:
        """
        Say where the turn stands. See `Subscription.status`.
        """
        return self.mirror.status

    def take(self, limit: int = 256) -> Sequence[LogEntry]:
        """
        Return the next entries and move past them. See `Subscription.take`.
        """
        if self.page:
            return self._take_page(limit)
        if self.error is not None:
            raise self.error
        mirror = self.mirror
        start = self.position + 1 - mirror.first_seq
        if start < 0:
            return self._wait_for_page()
        taken = mirror.entries[start : start + limit]
        if not taken and mirror.error is not None:
            raise mirror.error
        self.position += len(taken)
        return taken

    def expel(self, error: StoreError) -> None:
        """
        End this reader. See `Wakeable.expel`.
        """
        self.error, self.page = error, ()
        self.close()

    def close(self) -> None:
        """
        Leave.
        """
        self.wake = ignore
        self.mirror.detach(self)

    def _take_page(self, limit: int) -> Sequence[LogEntry]:
        taken = self.page[:limit]
        self.page = self.page[limit:]
        self.position += len(taken)
        if self.page:
            return taken
        if self.position + 1 < self.mirror.first_seq:
            # The next page comes while this one is being shown.
            self._keeper.fetch_page(self)
        elif len(taken) < limit:
            is_well = self.mirror.error is None and self.error is None
            return [*taken, *self.take(limit - len(taken))] if is_well else taken
        return taken

    def _wait_for_page(self) -> Sequence[LogEntry]:
        self._keeper.fetch_page(self)
        return ()
