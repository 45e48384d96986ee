"""
When to try to reconnect, and when to give up. Pure: time and chance are arguments.
"""

from collections.abc import Callable

FIRST_CEILING_SECONDS = 0.25
LAST_CEILING_SECONDS = 8.0


class Backoff:
    """
    Give the waits between attempts: anything from 0 to a ceiling that doubles (full jitter), bounded in count and time.

    Args:
        total_seconds: time from the first attempt to the last; 0 means that there is none.
        attempts: how many there are at most.
        chance: returns a number from 0 to 1, as `random.random` does.
    """

    def __init__(self, *, total_seconds: float, attempts: int, chance: Callable[[], float]) -> None:
        self._total_seconds = total_seconds
        self._attempts = attempts
        self._chance = chance
        self._made = 0
        self._deadline: float | None = None

    def reset(self) -> None:
        """
        Begin anew: what was lost is found.
        """
        self._made = 0
        self._deadline = None

    def next_wait(self, now: float, *, not_before: float = 0.0) -> float | None:
        """
        Return the seconds to wait before the next attempt; None: give up.

        Args:
            now: a clock's reading, in seconds.
            not_before: no attempt is made earlier, as long as there is time for one at all.
        """
        if self._deadline is None:
            self._deadline = now + self._total_seconds
        if self._made >= self._attempts or now >= self._deadline:
            return None
        # The fifth doubling is the last that matters.
        ceiling: float = min(FIRST_CEILING_SECONDS * (1 << min(self._made, 5)), LAST_CEILING_SECONDS)
        self._made += 1
        at = max(now + self._chance() * ceiling, not_before)
        return max(min(at, self._deadline) - now, 0.0)
