"""
Read Nova's answers, streamed or whole, as events (docs/bedrock_wire.md §4.7, from recollection).

Chunks have the members of ConverseStream (§5.3), each wrapped in an object with its name. Reasoning, where a model
gives it, is read in both forms that Converse has for it. Names of cache counts come with and without `Count`.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from outcrop.adapters.answer_stream import AnswerDecoder
from outcrop.adapters.payloads import Json, decode_payload, object_decoder, unread
from outcrop.adapters.token_counts import (
    METRICS_FIELD,
    NO_COUNTS,
    NO_METRICS,
    Count,
    InvocationMetrics,
    TokenCounts,
    first_known,
    parse_metric_headers,
)
from outcrop.types import StopReason, StreamEvent

STOP_REASONS: Mapping[str, StopReason] = {
    "end_turn": "end_turn",
    "max_tokens": "max_tokens",
    "stop_sequence": "stop_sequence",
    "tool_use": "tool_use",
    "content_filtered": "content_filtered",
    "guardrail_intervened": "guardrail_intervened",
    "malformed_model_output": "malformed_output",
    "malformed_tool_use": "malformed_output",
    "model_context_window_exceeded": "context_window_exceeded",
}
_WHAT = "a nova answer"
_CHUNK_FIELDS = frozenset(
    {
        *("messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata"),
        METRICS_FIELD,
    }
)
_STOP_FIELDS = frozenset({"stopReason"})
_METADATA_FIELDS = frozenset({"usage", "metrics"})
_ANSWER_FIELDS = frozenset({"output", "stopReason", "usage", "metrics"})


class _ToolUse(msgspec.Struct, rename="camel"):
    """
    Hold a tool call: its opening, a fragment, or all of it.
    """

    tool_use_id: str = ""
    name: str = ""
    input: str | dict[str, Any] = ""


class _ReasoningText(msgspec.Struct):
    """
    Hold a whole block's reasoning.
    """

    text: str = ""


class _Reasoning(msgspec.Struct, rename="camel"):
    """
    Hold reasoning: a delta of it, or a whole block.
    """

    text: str = ""
    reasoning_text: _ReasoningText = msgspec.field(default_factory=_ReasoningText)


class _Content(msgspec.Struct, rename="camel"):
    """
    Hold a content block, or a piece of one; one of the fields is there.
    """

    text: str | None = None
    tool_use: _ToolUse | None = None
    reasoning_content: _Reasoning | None = None


class _BlockDelta(msgspec.Struct, rename="camel"):
    """
    Hold a piece of a block.
    """

    delta: _Content
    content_block_index: int = 0


class _BlockStart(msgspec.Struct, rename="camel"):
    """
    Hold the opening of a block.
    """

    start: _Content = msgspec.field(default_factory=_Content)
    content_block_index: int = 0


class _Stop(msgspec.Struct, rename="camel"):
    """
    Hold why the answer ended.
    """

    stop_reason: str


class _Usage(msgspec.Struct, rename="camel"):
    """
    Hold the counts.
    """

    input_tokens: Count | None = None
    output_tokens: Count | None = None
    cache_read_input_token_count: Count | None = None
    cache_read_input_tokens: Count | None = None
    cache_write_input_token_count: Count | None = None
    cache_write_input_tokens: Count | None = None


class _Metadata(msgspec.Struct):
    """
    Hold what follows the answer.
    """

    usage: _Usage | None = None


class _Chunk(msgspec.Struct, rename="camel"):
    """
    Hold a chunk of a stream; one of the members is there.
    """

    content_block_delta: _BlockDelta | None = None
    content_block_start: _BlockStart | None = None
    message_stop: _Stop | None = None
    metadata: _Metadata | None = None
    metrics: InvocationMetrics = msgspec.field(default=NO_METRICS, name=METRICS_FIELD)


class _Message(msgspec.Struct):
    """
    Hold the whole message.
    """

    content: list[_Content]


class _Output(msgspec.Struct):
    """
    Hold what a whole answer wraps its message in.
    """

    message: _Message


class _Answer(msgspec.Struct, rename="camel"):
    """
    Hold a whole answer.
    """

    output: _Output
    stop_reason: str | None = None
    usage: _Usage | None = None


_chunk_decoder = msgspec.json.Decoder(_Chunk)
_answer_decoder = msgspec.json.Decoder(_Answer)


class NovaDecoder(AnswerDecoder):
    """
    Turn one stream's chunks into events.
    """

    reason_field = "stopReason"

    def take_whole(self, body: bytes) -> list[StreamEvent]:
        """
        Take a whole answer as if it had been streamed, and return all of its events.

        Raises:
            InvalidMessage: the body is not a Nova answer, or does not say why it ended.
        """
        answer = decode_payload(_answer_decoder, body, _WHAT)
        events = self._begin()
        fields = decode_payload(object_decoder, body, _WHAT)
        for index, content in enumerate(answer.output.message.content):
            known = self._take_content(index, content)
            events += self._pass_on(fields["output"]["message"]["content"][index]) if known is None else known
        self._reason = answer.stop_reason
        self._count(_to_counts(answer.usage), NO_METRICS)
        self._keep_details(unread(fields, _ANSWER_FIELDS))
        return events + self.end_whole()

    def _take(self, payload: bytes) -> list[StreamEvent]:
        chunk = decode_payload(_chunk_decoder, payload, _WHAT)
        events = [] if self._has_begun else self._begin()
        if chunk.content_block_delta is not None:
            self._check_order(has_content=True)
            piece = chunk.content_block_delta
            known = self._take_content(piece.content_block_index, piece.delta)
            if known is None:
                known = self._pass_on(decode_payload(object_decoder, payload, _WHAT)["contentBlockDelta"]["delta"])
            return events + known
        if chunk.content_block_start is not None:
            self._check_order(has_content=True)
            opening = chunk.content_block_start
            return events + (self._take_content(opening.content_block_index, opening.start) or [])
        return events + self._take_end(chunk, payload)

    def _take_end(self, chunk: _Chunk, payload: bytes) -> list[StreamEvent]:
        """
        Take a chunk without content: the end and what follows it, or one that is not known here.
        """
        fields = decode_payload(object_decoder, payload, _WHAT)
        self._keep_details(unread(fields, _CHUNK_FIELDS))
        if chunk.message_stop is not None:
            self._check_order(has_content=True)
            self._reason = chunk.message_stop.stop_reason
            self._keep_details(unread(fields["messageStop"], _STOP_FIELDS))
        if chunk.metadata is not None:
            self._count(_to_counts(chunk.metadata.usage), NO_METRICS)
            self._keep_details(unread(fields["metadata"], _METADATA_FIELDS))
        self._count(NO_COUNTS, chunk.metrics)
        is_last = chunk.metadata is not None or chunk.metrics is not NO_METRICS
        return self._finish() if is_last and self._reason is not None and not self.has_stopped else []

    def _take_content(self, index: int, content: _Content) -> list[StreamEvent] | None:
        """
        Take content; None if it is of a kind that is not known here.
        """
        if content.text is not None:
            return self._blocks.add_text(content.text) if content.text else []
        if content.tool_use is not None:
            call = content.tool_use
            return self._blocks.add_tool_use(index, call.tool_use_id, call.name, _to_fragment(call.input))
        if content.reasoning_content is not None:
            reasoning = content.reasoning_content.text or content.reasoning_content.reasoning_text.text
            return self._blocks.add_reasoning(reasoning) if reasoning else None
        return None

    def _pass_on(self, content: Json) -> list[StreamEvent]:
        return self._blocks.add_unknown({"content": content})

    def _to_stop_reason(self, reason: str) -> StopReason:
        return STOP_REASONS.get(reason, "other")


def parse_whole_answer(body: bytes, headers: Mapping[str, str]) -> list[StreamEvent]:
    """
    Turn a whole answer into events; counts that the body lacks come from the headers, whose names are in lower case.

    Raises:
        InvalidMessage: the body is not a Nova answer, or does not say why it ended.
    """
    return NovaDecoder(metrics=parse_metric_headers(headers)).take_whole(body)


def _to_fragment(arguments: str | Json) -> str:
    if isinstance(arguments, str):
        return arguments
    return msgspec.json.encode(arguments).decode() if arguments else ""


def _to_counts(usage: _Usage | None) -> TokenCounts:
    if usage is None:
        return NO_COUNTS
    return TokenCounts(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=first_known(usage.cache_read_input_token_count, usage.cache_read_input_tokens),
        cache_write_tokens=first_known(usage.cache_write_input_token_count, usage.cache_write_input_tokens),
    )
