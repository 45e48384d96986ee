"""
Token counts: those that a model's body holds, and those that Bedrock gives beside it.

Bedrock's stand in the last chunk of a stream and in the headers of a whole answer, under different names
(docs/bedrock_wire.md §1.4, §2.4).
"""

from collections.abc import Mapping
from typing import Annotated

import msgspec

from outcrop.errors import InvalidMessage
from outcrop.types import Usage

METRICS_FIELD = "amazon-bedrock-invocationMetrics"

Count = Annotated[int, msgspec.Meta(ge=0)]


class InvocationMetrics(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """
    Hold `amazon-bedrock-invocationMetrics`; None is a count that did not come.
    """

    input_token_count: int | None = None
    output_token_count: int | None = None
    cache_read_input_token_count: int | None = None
    cache_write_input_token_count: int | None = None


NO_METRICS = InvocationMetrics()


class TokenCounts(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold what a body counted, under our names; None is a count that did not come.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None


NO_COUNTS = TokenCounts()


def to_usage(counts: TokenCounts, beside: InvocationMetrics) -> Usage:
    """
    Count tokens: what the body says, completed by what Bedrock says beside it. What neither says is an estimate of 0.
    """
    read = first_known(counts.input_tokens, beside.input_token_count)
    written = first_known(counts.output_tokens, beside.output_token_count)
    return Usage(
        input_tokens=read or 0,
        output_tokens=written or 0,
        reasoning_tokens=counts.reasoning_tokens or 0,
        cache_read_tokens=first_known(counts.cache_read_tokens, beside.cache_read_input_token_count) or 0,
        cache_write_tokens=first_known(counts.cache_write_tokens, beside.cache_write_input_token_count) or 0,
        estimated=read is None or written is None,
    )


def parse_metric_headers(headers: Mapping[str, str]) -> InvocationMetrics:
    """
    Read the counts from a whole answer's headers, whose names are in lower case.

    Raises:
        InvalidMessage: a count is not a decimal number.
    """
    return InvocationMetrics(
        input_token_count=_read_count(headers, "x-amzn-bedrock-input-token-count"),
        output_token_count=_read_count(headers, "x-amzn-bedrock-output-token-count"),
        cache_read_input_token_count=_read_count(headers, "x-amzn-bedrock-cache-read-input-token-count"),
        cache_write_input_token_count=_read_count(headers, "x-amzn-bedrock-cache-write-input-token-count"),
    )


def _read_count(headers: Mapping[str, str], name: str) -> int | None:
    value = headers.get(name)
    if value is None:
        return None
    if not (value.isascii() and value.isdigit() and len(value) <= 18):
        raise InvalidMessage(f"header {name!r} is {value[:40]!r}, expected a decimal number")
    return int(value)


def first_known(*counts: int | None) -> int | None:
    """
    Return the first count that is known.
    """
    return next((count for count in counts if count is not None), None)
