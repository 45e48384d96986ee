"""
The four deadlines of a call, watched by one timer.

They are separate because they mean different things: no connection, no beginning, silence in the middle, and an answer
that never ends.
"""

import asyncio
from collections.abc import Callable

import msgspec

from outcrop.errors import UpstreamTimeout


class Deadlines(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold the lengths of a call's deadlines.

    `connect_seconds` covers waiting for a free connection, name look-up, TCP and TLS. `first_byte_seconds` runs from
    the request to the answer's headers and, for a stream, to the first byte of its body. `idle_seconds` is the longest
    silence after that. `total_seconds` covers the whole call with all of its attempts.
    """

    connect_seconds: float = 5.0
    first_byte_seconds: float = 60.0
    idle_seconds: float = 30.0
    total_seconds: float = 600.0

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            if not 0 < getattr(self, name) < float("inf"):
                raise ValueError(f"deadline {name!r} must be a positive number of seconds, got {getattr(self, name)!r}")


def total_passed(deadlines: Deadlines) -> UpstreamTimeout:
    """
    Build the error for a call that took too long as a whole.
    """
    return UpstreamTimeout(f"the deadline of {deadlines.total_seconds:g} s for the whole call to Bedrock passed")


CLOCK_GRAIN_SECONDS = 0.002
"""
uvloop's clock and timers count whole milliseconds: a timer may fire a little before its time by the loop's own clock,
and one that is armed again for the rest of that millisecond fires at once, over and over.
"""


class Watch:
    """
    Watch one exchange with one timer that is moved only when it fires.

    Set `last_seen` to the loop's time at every sign of life; that is all that a chunk costs. `is_held` says that it is
    us who do not read, which is no silence of Bedrock's.
    """

    def __init__(
        self,
        deadlines: Deadlines,
        total_at: float,
        *,
        is_held: Callable[[], bool],
        expire: Callable[[UpstreamTimeout], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._deadlines = deadlines
        self._total_at = total_at
        self._is_held = is_held
        self._expire = expire
        self._begun = False
        self._timer: asyncio.TimerHandle | None = None
        self.last_seen = self._loop.time()
        self._arm()

    def begin(self) -> None:
        """
        Pass from waiting for the first byte to watching for silence.
        """
        self._begun = True
        self.last_seen = self._loop.time()
        self._arm()

    def stop(self) -> None:
        """
        Watch no longer.
        """
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _limit(self) -> float:
        return self._deadlines.idle_seconds if self._begun else self._deadlines.first_byte_seconds

    def _arm(self) -> None:
        self.stop()
        self._timer = self._loop.call_at(min(self.last_seen + self._limit(), self._total_at), self._check)

    def _check(self) -> None:
        now = self._loop.time()
        due = now + CLOCK_GRAIN_SECONDS
        if due >= self._total_at:
            self._give_up(total_passed(self._deadlines))
        elif due < self.last_seen + self._limit():
            self._arm()
        elif self._is_held():
            self.last_seen = now
            self._arm()
        elif self._begun:
            what = "silence in the middle of Bedrock's answer"
            self._give_up(UpstreamTimeout(f"the deadline of {self._limit():g} s for {what} passed"))
        else:
            what = "the first byte of Bedrock's answer"
            self._give_up(UpstreamTimeout(f"the deadline of {self._limit():g} s for {what} passed"))

    def _give_up(self, error: UpstreamTimeout) -> None:
        self.stop()
        self._expire(error)
