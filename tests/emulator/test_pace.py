"""
Tests of `outcrop.emulator.sending.pace`.
"""

from hypothesis import given
from hypothesis import strategies as st

from outcrop.emulator.sending.pace import Pace


@given(st.binary(min_size=4, max_size=4), st.floats(min_value=0, max_value=1))
def test_no_token_is_due_before_the_one_before_it(seed: bytes, jitter: float) -> None:
    """
    Jitter never turns two tokens around.
    """
    pace = Pace(0.25, 60, jitter, seed)
    moments = [pace.due(token) for token in range(200)]
    assert moments == sorted(moments)


def test_without_jitter_tokens_come_like_a_metronome() -> None:
    """
    Token n is due n intervals after the first.
    """
    assert [Pace(0.5, 4, 0, b"seed").due(token) for token in range(3)] == [0.5, 0.75, 1.0]


def test_jitter_repeats_itself() -> None:
    """
    Equal seeds give equal moments, other seeds others.
    """
    moments = [[Pace(0, 50, 0.5, seed).due(token) for token in range(9)] for seed in (b"aaaa", b"aaaa", b"zaaa")]
    assert moments[0] == moments[1] != moments[2]


def test_no_rate_means_at_once() -> None:
    """
    Zero tokens a second is as fast as it can.
    """
    assert Pace(0.1, 0, 1, b"seed").due(1000) == 0.1
