"""
Token counts as Bedrock gives them beside a model's own.

They stand in the last chunk of a stream and in the headers of a whole answer, under different names (bedrock_wire §1.4,
§2.4).
"""

from collections.abc import Mapping

import msgspec

from outcrop.errors import InvalidMessage


class InvocationMetrics(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """
    Hold `amazon-bedrock-invocationMetrics`; None is a count that did not come.
    """

    input_token_count: int | None = None
    output_token_count: int | None = None
    cache_read_input_token_count: int | None = None
    cache_write_input_token_count: int | None = None


NO_METRICS = InvocationMetrics()


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
