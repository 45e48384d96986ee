"""
When to reconnect.
"""

from hypothesis import given
from hypothesis import strategies as st

from outcrop.client.backoff import FIRST_CEILING_SECONDS, LAST_CEILING_SECONDS, Backoff


def waits(backoff: Backoff, now: float = 100.0) -> list[float]:
    """
    Take waits until the end, with a clock that moves by them.
    """
    found = []
    while (wait := backoff.next_wait(now)) is not None:
        found.append(wait)
        now += wait
    return found


@given(st.floats(0.001, 1), st.floats(0, 300), st.integers(0, 50))
def test_attempts_are_bounded_in_count_and_time(chance: float, total_seconds: float, attempts: int) -> None:
    """
    Whatever chance says, neither bound is passed.
    """
    found = waits(Backoff(total_seconds=total_seconds, attempts=attempts, chance=lambda: chance))
    assert len(found) <= attempts
    assert sum(found) <= total_seconds + 0.001
    assert all(wait <= LAST_CEILING_SECONDS for wait in found)


def test_ceilings_double() -> None:
    """
    The longest possible waits double up to the last ceiling.
    """
    found = waits(Backoff(total_seconds=1000, attempts=8, chance=lambda: 1.0))
    assert found == [FIRST_CEILING_SECONDS * 2**n for n in range(6)] + [LAST_CEILING_SECONDS] * 2


def test_it_begins_anew() -> None:
    """
    After a reset, attempts and time are full again.
    """
    backoff = Backoff(total_seconds=10, attempts=1, chance=lambda: 0.5)
    assert backoff.next_wait(0) is not None
    assert backoff.next_wait(0) is None
    backoff.reset()
    assert backoff.next_wait(1000) is not None


def test_a_gateway_s_wish_is_kept() -> None:
    """
    No attempt is made before the given time, but the last one comes no later than the bound.
    """
    backoff = Backoff(total_seconds=10, attempts=5, chance=lambda: 0.0)
    assert backoff.next_wait(100, not_before=104) == 4
    assert backoff.next_wait(104, not_before=500) == 6
    assert backoff.next_wait(110) is None
