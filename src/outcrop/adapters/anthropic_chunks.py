"""
What Anthropic answers are made of: chunks as typed structs, and the tables that name stop reasons and errors.

Structs name only what is read; unknown fields pass through the steps in `anthropic_stream` as plain JSON.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from outcrop.adapters.payloads import Json, decode_payload
from outcrop.adapters.token_counts import METRICS_FIELD, NO_METRICS, InvocationMetrics, first_known
from outcrop.errors import (
    InvalidMessage,
    ModelFailed,
    ModelNotAvailable,
    UpstreamDenied,
    UpstreamError,
    UpstreamRejected,
    UpstreamThrottled,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from outcrop.types import StopReason, Usage

STOP_REASONS: Mapping[str, StopReason] = {
    "end_turn": "end_turn",
    "max_tokens": "max_tokens",
    "stop_sequence": "stop_sequence",
    "tool_use": "tool_use",
    "pause_turn": "pause_turn",
    "refusal": "refusal",
    "model_context_window_exceeded": "context_window_exceeded",
}
ERRORS: Mapping[str, type[UpstreamError]] = {
    "api_error": ModelFailed,
    "authentication_error": UpstreamDenied,
    "billing_error": UpstreamDenied,
    "invalid_request_error": UpstreamRejected,
    "not_found_error": ModelNotAvailable,
    "overloaded_error": UpstreamUnavailable,
    "permission_error": UpstreamDenied,
    "rate_limit_error": UpstreamThrottled,
    "request_too_large": UpstreamRejected,
    "timeout_error": UpstreamTimeout,
}
MESSAGE_FIELDS = frozenset({"id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "usage"})
DELTA_CHUNK_FIELDS = frozenset({"type", "delta", "usage"})
STOP_CHUNK_FIELDS = frozenset({"type", METRICS_FIELD})
_COUNTED = frozenset(
    {
        "input_tokens",
        "output_tokens",
        "cache_read_input_tokens",
        "cache_creation_input_tokens",
        "output_tokens_details",
    }
)


class Delta(msgspec.Struct):
    """
    Hold the delta of a block; one struct for all types, because most are one field.
    """

    type: str = ""
    text: str = ""
    partial_json: str = ""
    thinking: str = ""
    signature: str = ""
    citation: Any = None


class Chunk(msgspec.Struct):
    """
    Hold what is needed at once of a chunk; the rest of a rare chunk is read in a second pass.
    """

    type: str
    index: int = -1
    delta: Delta | None = None


class MessageFields(msgspec.Struct, kw_only=True):
    """
    Hold an Anthropic message: whole, or the empty one of `message_start`.
    """

    id: str | None = None
    content: list[Json] = []
    stop_reason: str | None = None
    stop_sequence: str | None = None
    usage: Json | None = None


class MessageStartChunk(msgspec.Struct):
    """
    Hold `message_start`.
    """

    message: MessageFields


class BlockStartChunk(msgspec.Struct):
    """
    Hold `content_block_start`; the block's fields depend on its type.
    """

    content_block: Json


class Ending(msgspec.Struct):
    """
    Hold how a message ended.
    """

    stop_reason: str | None = None
    stop_sequence: str | None = None


class MessageDeltaChunk(msgspec.Struct):
    """
    Hold `message_delta`.
    """

    delta: Ending
    usage: Json | None = None


class MessageStopChunk(msgspec.Struct):
    """
    Hold `message_stop`, with what Bedrock adds to it.
    """

    metrics: InvocationMetrics = msgspec.field(default=NO_METRICS, name=METRICS_FIELD)


class ErrorFields(msgspec.Struct):
    """
    Hold what an error says.
    """

    type: str = ""
    message: str = ""


class ErrorChunk(msgspec.Struct):
    """
    Hold `error`.
    """

    error: ErrorFields = msgspec.field(default_factory=ErrorFields)


chunk_decoder = msgspec.json.Decoder(Chunk)
message_start_decoder = msgspec.json.Decoder(MessageStartChunk)
block_start_decoder = msgspec.json.Decoder(BlockStartChunk)
message_delta_decoder = msgspec.json.Decoder(MessageDeltaChunk)
message_stop_decoder = msgspec.json.Decoder(MessageStopChunk)
message_decoder = msgspec.json.Decoder(MessageFields)
error_decoder = msgspec.json.Decoder(ErrorChunk)

_Shape = TypeVar("_Shape")


def decode(decoder: msgspec.json.Decoder[_Shape], payload: bytes) -> _Shape:
    """
    Decode one payload.

    Raises:
        InvalidMessage: the payload is not JSON, or not of the decoder's shape.
    """
    return decode_payload(decoder, payload, "an anthropic message")


def to_error(payload: bytes) -> UpstreamError:
    """
    Make the error that an `error` chunk, or an answer of type `error`, stands for.
    """
    error = decode(error_decoder, payload).error
    kind = ERRORS.get(error.type, ModelFailed)
    return kind(f"the model answered with {error.type or 'an error'!r}: {error.message}", aws_error=error.type or None)


def to_usage(usage: Json, metrics: InvocationMetrics, opening_output: int | None) -> Usage:
    """
    Count tokens: what the body says, completed by what Bedrock says beside it.

    `opening_output` is the count of `message_start`, a mere 1, used when nothing later came.

    Raises:
        InvalidMessage: a count is not a number.
    """
    input_tokens = first_known(read_count(usage, "input_tokens"), metrics.input_token_count)
    output_tokens = first_known(read_count(usage, "output_tokens"), metrics.output_token_count)
    cache_read = first_known(read_count(usage, "cache_read_input_tokens"), metrics.cache_read_input_token_count)
    cache_write = first_known(read_count(usage, "cache_creation_input_tokens"), metrics.cache_write_input_token_count)
    details = usage.get("output_tokens_details")
    reasoning = None
    if isinstance(details, dict):
        reasoning = first_known(read_count(details, "thinking_tokens"), read_count(details, "reasoning_tokens"))
    return Usage(
        input_tokens=input_tokens or 0,
        output_tokens=first_known(output_tokens, opening_output) or 0,
        reasoning_tokens=reasoning or 0,
        cache_read_tokens=cache_read or 0,
        cache_write_tokens=cache_write or 0,
        estimated=input_tokens is None or output_tokens is None,
    )


def uncounted(usage: Json) -> Json:
    """
    Return what the usage says beyond the counts that `Usage` has fields for.
    """
    return {name: value for name, value in usage.items() if name not in _COUNTED and value is not None}


def read_count(usage: Json, name: str) -> int | None:
    """
    Read one count; None if it did not come.

    Raises:
        InvalidMessage: it is not a number.
    """
    value = usage.get(name)
    if value is None:
        return None
    if type(value) is not int or value < 0:
        raise InvalidMessage(f"usage {name!r} is {value!r}, expected a number")
    return value


def read_text(block: Json, name: str) -> str:
    """
    Read a text from a content block; it is empty if it did not come.

    Raises:
        InvalidMessage: it is not a text.
    """
    value = block.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidMessage(f"content block has a {name!r} of type {type(value).__name__}, expected a string")
    return value
