"""
Bedrock's own counts are read from headers, and a count that is none is refused.
"""

import pytest

from outcrop.adapters.token_counts import (
    NO_COUNTS,
    NO_METRICS,
    InvocationMetrics,
    TokenCounts,
    first_known,
    parse_metric_headers,
    to_usage,
)
from outcrop.errors import InvalidMessage
from outcrop.types import Usage


def test_all_counts_are_read() -> None:
    """
    Each of the four headers gives its count.
    """
    kinds = ("input", "output", "cache-read-input", "cache-write-input")
    headers = {f"x-amzn-bedrock-{kind}-token-count": str(count) for count, kind in enumerate(kinds)}
    assert parse_metric_headers({**headers, "content-type": "application/json"}) == InvocationMetrics(
        input_token_count=0,
        output_token_count=1,
        cache_read_input_token_count=2,
        cache_write_input_token_count=3,
    )


def test_missing_headers_are_unknown_counts() -> None:
    """
    No header is no count, not zero.
    """
    assert parse_metric_headers({}) == NO_METRICS


@pytest.mark.parametrize("value", ["", "-1", "1.5", " 1", "١", "9" * 19])
def test_a_count_that_is_no_number_is_refused(value: str) -> None:
    """
    Only plain decimal digits, and not endless ones, are a count.
    """
    with pytest.raises(InvalidMessage, match="expected a decimal number"):
        parse_metric_headers({"x-amzn-bedrock-input-token-count": value})


def test_zero_is_known() -> None:
    """
    A count of zero is better than a later one.
    """
    assert first_known(None, 0, 5) == 0


def test_a_bodys_counts_win_over_those_beside_it() -> None:
    """
    What the body does not say is taken from Bedrock; reasoning is known to bodies only.
    """
    beside = InvocationMetrics(input_token_count=9, output_token_count=8, cache_read_input_token_count=7)
    counts = TokenCounts(input_tokens=0, reasoning_tokens=3, cache_write_tokens=2)
    assert to_usage(counts, beside) == Usage(
        input_tokens=0, output_tokens=8, reasoning_tokens=3, cache_read_tokens=7, cache_write_tokens=2
    )


@pytest.mark.parametrize("counts", [NO_COUNTS, TokenCounts(input_tokens=0), TokenCounts(output_tokens=0)])
def test_a_count_that_nobody_knows_is_an_estimate(counts: TokenCounts) -> None:
    """
    Both counts must be known; zero is known.
    """
    assert to_usage(counts, NO_METRICS) == Usage(estimated=True)
