"""
Retrying: what may be tried again, after which wait, and how much of it there is.
"""

import pytest

from outcrop.errors import UpstreamError, UpstreamThrottled, UpstreamTimeout, UpstreamUnavailable
from outcrop.upstream.connection import ConnectionLost
from outcrop.upstream.dial import Unreachable
from outcrop.upstream.retry import STALE_SECONDS, Retries, RetryBudget, RetryPolicy

POLICY = RetryPolicy(max_attempts=3, base_seconds=1, longest_seconds=8, share=0.2, reserve=10)


def retries(
    policy: RetryPolicy = POLICY, *, draw: float = 1.0, total_at: float = 1000.0, budget: RetryBudget | None = None
) -> Retries:
    """
    Make the decisions of one call, with a fixed draw.
    """
    return Retries(policy, budget or RetryBudget(policy), random=lambda: draw, total_at=total_at)


@pytest.mark.parametrize(("draw", "waits"), [(1.0, [1, 2, 4, 8, 8]), (0.5, [0.5, 1, 2, 4, 4]), (0.0, [0, 0, 0, 0, 0])])
def test_waits_double_up_to_a_bound_with_full_jitter(draw: float, waits: list[float]) -> None:
    """
    The n-th wait is drawn from zero to twice the bound of the one before.
    """
    decisions = retries(RetryPolicy(max_attempts=6, base_seconds=1, longest_seconds=8), draw=draw)
    error = UpstreamUnavailable("x")
    assert [decisions.decide(error, status=503, now=0) for _ in range(6)] == [*waits, None]


@pytest.mark.parametrize(("after", "wait"), [(0.5, 1.0), (3.0, 3.0), (8.0, 8.0), (8.1, None)])
def test_a_wish_of_bedrock_is_honoured_if_it_fits(after: float, wait: float | None) -> None:
    """
    A wait that Bedrock asks for is the least that is waited; one beyond our bound is not sat out.
    """
    error = UpstreamThrottled("x", retry_after_seconds=after)
    assert retries().decide(error, status=429, now=0) == wait


def test_no_wait_goes_beyond_the_total() -> None:
    """
    A wait that would end after the whole call's deadline is not begun.
    """
    assert retries(total_at=1.0).decide(UpstreamUnavailable("x"), status=503, now=0) is None
    assert retries(total_at=1.1).decide(UpstreamUnavailable("x"), status=503, now=0) == 1.0


@pytest.mark.parametrize(
    ("error", "status", "again"),
    [
        (UpstreamThrottled("x"), 429, True),
        (UpstreamUnavailable("x"), 500, True),
        (UpstreamUnavailable("x"), 503, True),
        (UpstreamUnavailable("x"), 529, True),
        (UpstreamUnavailable("x"), 502, False),
        (UpstreamUnavailable("x"), 504, False),
        (UpstreamThrottled("Too many tokens per day, please wait"), 429, False),
        (UpstreamThrottled("from inside a stream"), None, False),
        (UpstreamTimeout("x"), None, False),
        (Unreachable("x", transient=True), None, True),
        (Unreachable("x", transient=False), None, False),
        (ConnectionLost("x", answered=False, reused=False, seconds=0), None, False),
        (ConnectionLost("x", answered=False, reused=True, seconds=0), None, False),
    ],
)
def test_only_what_was_not_run_is_tried_again(error: UpstreamError, status: int | None, again: bool) -> None:
    """
    Refusals that may pass and failures to connect are tried again; nothing that Bedrock may have run is.
    """
    assert (retries().decide(error, status=status, now=0) is not None) is again


@pytest.mark.parametrize(
    ("answered", "reused", "seconds", "stale"),
    [
        (False, True, 0.0, True),
        (False, True, STALE_SECONDS, True),
        (False, True, STALE_SECONDS + 0.1, False),
        (True, True, 0.0, False),
        (False, False, 0.0, False),
    ],
)
def test_only_a_kept_connection_that_closes_at_once_is_stale(
    answered: bool, reused: bool, seconds: float, stale: bool
) -> None:
    """
    A connection is stale if it was used before and closed unanswered within moments; and once per call only.
    """
    decisions = retries()
    error = ConnectionLost("x", answered=answered, reused=reused, seconds=seconds)
    assert decisions.is_stale(error) is stale
    assert decisions.is_stale(error) is False


def test_other_failures_are_not_stale() -> None:
    """
    Only the loss of a connection can be staleness.
    """
    assert retries().is_stale(UpstreamUnavailable("x")) is False


def test_the_budget_bounds_retries_to_a_share_of_calls() -> None:
    """
    Over many failing calls, retries are the reserve and a fifth of the calls.
    """
    budget = RetryBudget(POLICY)
    made = 0
    for _ in range(1000):
        decisions = retries(budget=budget)
        while decisions.decide(UpstreamUnavailable("x"), status=503, now=0) is not None:
            made += 1
    assert 200 <= made <= 210


def test_the_budget_comes_back_to_its_reserve_only() -> None:
    """
    A long good time saves up no more retries than the reserve.
    """
    budget = RetryBudget(POLICY)
    for _ in range(1000):
        budget.on_call()
    assert [budget.take() for _ in range(11)] == [True] * 10 + [False]
