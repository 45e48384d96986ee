"""
When a call is tried again, how long it waits before, and how many retries an outage may cause.

Only what can't have been answered is tried again:

- no connection could be made;
- a connection that had been kept alive closed before any byte of an answer, within `STALE_SECONDS` of the request: the
  peer had closed it while the request was on its way. One further attempt on a fresh connection, at once;
- Bedrock answered 429, 500, 503 or 529, the model not being loaded yet included.

Never tried again: anything after a 200; and a fresh connection that broke after the request was sent, for Bedrock may
have run the request, and would run and bill it twice.
"""

import re
from collections.abc import Callable

import msgspec

from outcrop.errors import UpstreamError
from outcrop.upstream.connection import ConnectionLost
from outcrop.upstream.dial import Unreachable

RETRIED_STATUSES = frozenset({429, 500, 503, 529})
STALE_SECONDS = 2.0
"""
A stale connection shows itself after one round trip. One that breaks later may have broken under a running request.
"""

_DAILY = re.compile(r"per day", re.IGNORECASE)


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold the bounds of retrying.

    Waits are drawn from 0 to `base_seconds` doubled with each attempt, at most `longest_seconds` (full jitter). Over
    time, at most `share` of the calls may be retried; `reserve` retries are there for a start.
    """

    max_attempts: int = 3
    base_seconds: float = 0.5
    longest_seconds: float = 8.0
    share: float = 0.2
    reserve: float = 10.0


class RetryBudget:
    """
    Count what all calls of a client may retry, so that an outage is not answered with a multiple of the load.
    """

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy
        self._tokens = policy.reserve

    def on_call(self) -> None:
        """
        Earn a share of a retry with a new call.
        """
        self._tokens = min(self._policy.reserve, self._tokens + self._policy.share)

    def take(self) -> bool:
        """
        Spend one retry; false where none is left.
        """
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class Retries:
    """
    Decide for one call.

    Args:
        random: gives numbers from 0 to 1.
        total_at: when the whole call must be over, on the clock of `decide`.
    """

    def __init__(
        self, policy: RetryPolicy, budget: RetryBudget, *, random: Callable[[], float], total_at: float
    ) -> None:
        self._policy = policy
        self._budget = budget
        self._random = random
        self._total_at = total_at
        self._failures = 0
        self._stale_seen = False
        budget.on_call()

    def is_stale(self, error: UpstreamError) -> bool:
        """
        Say, once per call, that the failure is that of a connection closed while it was kept alive.

        Such an attempt counts neither as a failure nor against the budget: it did not reach Bedrock.
        """
        if self._stale_seen or not isinstance(error, ConnectionLost):
            return False
        self._stale_seen = error.reused and not error.answered and error.seconds <= STALE_SECONDS
        return self._stale_seen

    def decide(self, error: UpstreamError, *, status: int | None, now: float) -> float | None:
        """
        Return the seconds to wait before the next attempt, or None to give up.

        `status` is the one of Bedrock's answer, None where there was none.
        """
        self._failures += 1
        if self._failures >= self._policy.max_attempts or not _may_succeed(error, status):
            return None
        ceiling = min(self._policy.longest_seconds, self._policy.base_seconds * 2 ** (self._failures - 1))
        wait = max(ceiling * self._random(), error.retry_after_seconds or 0.0)
        # A wait that Bedrock wants and that is longer than ours is the client's to know, not ours to sit out.
        if wait > self._policy.longest_seconds or now + wait >= self._total_at:
            return None
        return wait if self._budget.take() else None


def _may_succeed(error: UpstreamError, status: int | None) -> bool:
    if status is None:
        return isinstance(error, Unreachable) and error.transient
    return status in RETRIED_STATUSES and not (status == 429 and _DAILY.search(error.message))
