"""
What Converse answers are made of: events as typed structs, and the table of stop reasons (docs/bedrock_wire.md §5.3).

Required fields are those of AWS's own model. They are what finds a payload that is nested under its event's name (item
0.7 there): it lacks them, and is refused instead of being read as an empty event.
"""

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

import msgspec

from outcrop.adapters.payloads import Json, decode_payload, object_decoder, unread
from outcrop.adapters.token_counts import Count
from outcrop.errors import InvalidMessage
from outcrop.types import StopReason, Usage

STOP_REASONS: Mapping[str, StopReason] = {
    "end_turn": "end_turn",
    "tool_use": "tool_use",
    "max_tokens": "max_tokens",
    "stop_sequence": "stop_sequence",
    "guardrail_intervened": "guardrail_intervened",
    "content_filtered": "content_filtered",
    "malformed_model_output": "malformed_output",
    "malformed_tool_use": "malformed_output",
    "model_context_window_exceeded": "context_window_exceeded",
    "refusal": "refusal",
    "pause_turn": "pause_turn",
}
"""
Those of AWS's model, and the two that Claude has beyond them.
"""

PADDING = "p"
"""
A field of random length against those who watch sizes (§2.3); it says nothing.
"""

_COUNTED = frozenset({"inputTokens", "outputTokens", "totalTokens", "cacheReadInputTokens", "cacheWriteInputTokens"})


class ToolInput(msgspec.Struct, gc=False):
    """
    Hold a fragment of a tool's arguments.
    """

    input: str


class ReasoningPiece(msgspec.Struct, gc=False, rename="camel"):
    """
    Hold a piece of reasoning: one of its fields.
    """

    text: str | None = None
    signature: str | None = None
    redacted_content: str | None = None


class Delta(msgspec.Struct, gc=False, rename="camel"):
    """
    Hold what is read of a delta; a delta without any of it is read in a second pass.
    """

    text: str | None = None
    tool_use: ToolInput | None = None
    reasoning_content: ReasoningPiece | None = None


class BlockDelta(msgspec.Struct, gc=False, rename="camel"):
    """
    Hold `contentBlockDelta`.
    """

    content_block_index: Count
    delta: Delta


class BlockStart(msgspec.Struct, rename="camel"):
    """
    Hold `contentBlockStart`.
    """

    content_block_index: Count
    start: Json


class BlockStop(msgspec.Struct, rename="camel"):
    """
    Hold `contentBlockStop`.
    """

    content_block_index: Count


class StartEvent(msgspec.Struct):
    """
    Hold `messageStart`.
    """

    role: str


class StopEvent(msgspec.Struct, rename="camel"):
    """
    Hold how an answer ended: `messageStop`, or that part of a whole answer.
    """

    stop_reason: str
    additional_model_response_fields: Any = None


class TokenUsage(msgspec.Struct, rename="camel"):
    """
    Hold the counts. `inputTokens` is without what was read from or written to the cache.
    """

    input_tokens: Count
    output_tokens: Count
    cache_read_input_tokens: Count | None = None
    cache_write_input_tokens: Count | None = None

    def to_usage(self) -> Usage:
        """
        Convert to our own counts.
        """
        return Usage(
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            cache_read_tokens=self.cache_read_input_tokens or 0,
            cache_write_tokens=self.cache_write_input_tokens or 0,
        )


class MetadataEvent(msgspec.Struct):
    """
    Hold the counts of `metadata`, or that part of a whole answer.
    """

    usage: TokenUsage


class AnswerMessage(msgspec.Struct):
    """
    Hold the message of a whole answer.
    """

    role: str
    content: list[Json]


class Output(msgspec.Struct):
    """
    Hold the output of a whole answer.
    """

    message: AnswerMessage


class WholeOutput(msgspec.Struct):
    """
    Hold the part of a whole answer that a stream sends in blocks.
    """

    output: Output


class ToolUse(msgspec.Struct, rename="camel"):
    """
    Hold a tool call, or its start; `type` is there when Bedrock itself runs the tool.
    """

    tool_use_id: Annotated[str, msgspec.Meta(min_length=1)]
    name: Annotated[str, msgspec.Meta(min_length=1)]
    input: Any = None
    type: str | None = None


class ReasoningText(msgspec.Struct):
    """
    Hold a whole block's reasoning.
    """

    text: str
    signature: str | None = None


class WholeReasoning(msgspec.Struct, rename="camel"):
    """
    Hold a whole block of reasoning: one of its fields.
    """

    reasoning_text: ReasoningText | None = None
    redacted_content: str | None = None


class CitedText(msgspec.Struct):
    """
    Hold a piece of text that citations stand for.
    """

    text: str = ""


class CitationsContent(msgspec.Struct):
    """
    Hold a whole text with its citations.
    """

    content: list[CitedText] = []
    citations: list[Any] = []


class Content(msgspec.Struct, rename="camel"):
    """
    Hold what is read of a whole content block; one without any of it is passed on as it is.
    """

    text: str | None = None
    tool_use: ToolUse | None = None
    reasoning_content: WholeReasoning | None = None
    citations_content: CitationsContent | None = None


delta_decoder = msgspec.json.Decoder(BlockDelta)
block_start_decoder = msgspec.json.Decoder(BlockStart)
block_stop_decoder = msgspec.json.Decoder(BlockStop)
start_decoder = msgspec.json.Decoder(StartEvent)
stop_decoder = msgspec.json.Decoder(StopEvent)
metadata_decoder = msgspec.json.Decoder(MetadataEvent)
whole_decoder = msgspec.json.Decoder(WholeOutput)

_Shape = TypeVar("_Shape")


def convert(value: Any, shape: type[_Shape], where: str) -> _Shape:
    """
    Convert plain JSON to a struct; `where` names its place in an error.

    Raises:
        InvalidMessage: it has not the struct's shape.
    """
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        raise InvalidMessage(f"{where} is not one of converse: {error}") from error


def uncounted(fields: Mapping[str, Any]) -> Json:
    """
    Return what the usage in `fields` says beyond the counts that `Usage` has fields for.
    """
    return unread(fields["usage"], _COUNTED)


def read_payload(decoder: msgspec.json.Decoder[_Shape], payload: bytes) -> _Shape:
    """
    Read one payload.

    Raises:
        InvalidMessage: the payload is not JSON, or not of the decoder's shape.
    """
    return decode_payload(decoder, payload, "one of converse")


def read_fields(payload: bytes) -> Json:
    """
    Read all fields of a payload.

    Raises:
        InvalidMessage: the payload is not a JSON object.
    """
    return decode_payload(object_decoder, payload, "one of converse")
