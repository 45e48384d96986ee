"""
Read Anthropic answers, streamed or whole, as events (bedrock_wire §4.1).

A whole answer runs through the same steps as a stream, so the two can't differ. Blocks of a type that is unknown here,
and their deltas, travel as the `provider_details` of empty text deltas of their own block; unknown chunks, and unknown
fields of the message, in those of `MessageStop`.
"""

from collections.abc import Callable, Mapping
from typing import ClassVar

import msgspec

from outcrop.adapters.answer_stream import GUARDRAIL_ACTION
from outcrop.adapters.anthropic_chunks import (
    DELTA_CHUNK_FIELDS,
    MESSAGE_FIELDS,
    STOP_CHUNK_FIELDS,
    STOP_REASONS,
    Chunk,
    Delta,
    MessageFields,
    block_start_decoder,
    chunk_decoder,
    decode,
    message_decoder,
    message_delta_decoder,
    message_start_decoder,
    message_stop_decoder,
    read_count,
    read_text,
    to_error,
    to_usage,
    uncounted,
)
from outcrop.adapters.payloads import Json, Kept, object_decoder
from outcrop.adapters.token_counts import NO_METRICS, InvocationMetrics, parse_metric_headers
from outcrop.errors import InvalidMessage, StreamInterrupted
from outcrop.types import (
    MessageStart,
    MessageStop,
    ReasoningDelta,
    StreamEvent,
    TextDelta,
    ToolUseDelta,
    ToolUseStart,
    UsageReport,
)

MAX_UNKNOWN_CHUNKS = 100
"""
How many chunks of unknown type are kept for `MessageStop`; those beyond are counted there as `chunks_omitted`.
"""

_KNOWN_BLOCKS = frozenset({"text", "thinking", "redacted_thinking", "tool_use"})
_KNOWN_DELTAS = frozenset({"text_delta", "citations_delta", "thinking_delta", "signature_delta", "input_json_delta"})
_BEFORE_THE_START = frozenset({"message_start", "ping", "error"})


class _Block(msgspec.Struct):
    """
    Follow one content block: its type, whether more may come, and whether a tool's arguments have begun or are whole.
    """

    kind: str
    is_open: bool = True
    has_input: bool = False
    is_complete: bool = False


class AnthropicStreamDecoder:
    """
    Turn one stream's chunks into events.

    `MessageStart` is followed by a first `UsageReport` when `message_start` counts the input, so that a turn which is
    stopped knows what it read; the last `UsageReport` stands before `MessageStop`.
    """

    def __init__(self) -> None:
        self._blocks: dict[int, _Block] = {}
        self._has_begun = False
        self._has_stopped = False
        self._usage: Json = {}
        self._opening_output: int | None = None
        self._stop_reason: str | None = None
        self._stop_sequence: str | None = None
        self._details: Json = {}
        self._unknown_chunks = Kept(MAX_UNKNOWN_CHUNKS)

    def feed(self, event_type: str, payload: bytes) -> list[StreamEvent]:
        """
        Take one chunk and return its events, often one, possibly none.

        Raises:
            InvalidMessage: the payload is not what this family sends, or not where it belongs.
            UpstreamError: the payload says that the model failed.
        """
        if event_type != "chunk":
            raise InvalidMessage(f"event type is {event_type!r}, expected 'chunk'")
        chunk = decode(chunk_decoder, payload)
        if self._has_stopped:
            raise InvalidMessage(f"{chunk.type!r} came after 'message_stop'")
        if chunk.type == "content_block_delta":
            return self._feed_delta(chunk, payload)
        if not self._has_begun and chunk.type not in _BEFORE_THE_START:
            raise InvalidMessage(f"{chunk.type!r} came before 'message_start'")
        step = self._STEPS.get(chunk.type)
        return self._keep_unknown(chunk, payload) if step is None else step(self, chunk, payload)

    def flush(self) -> list[StreamEvent]:
        """
        Take the end of the body. Nothing is ever held back.

        Raises:
            StreamInterrupted: `message_stop` has not come.
        """
        if not self._has_stopped:
            raise StreamInterrupted("the answer ended before its last event, expected 'message_stop'")
        return []

    def take_whole(self, body: bytes, metrics: InvocationMetrics) -> list[StreamEvent]:
        """
        Take a whole message as if it had been streamed, and return all of its events.

        Raises:
            InvalidMessage: the body is not an Anthropic message.
            UpstreamError: the body is an error.
        """
        fields = decode(object_decoder, body)
        if fields.get("type") == "error":
            raise to_error(body)
        if "content" not in fields:
            raise InvalidMessage("the model's answer has no 'content'")
        message = decode(message_decoder, body)
        events = self._begin(message)
        for index, block in enumerate(message.content):
            events += self._open_block(index, block)
            events += self._close_block(index)
        self._keep_details(fields, MESSAGE_FIELDS)
        self._usage.update(_known(message.usage))
        self._stop_reason, self._stop_sequence = message.stop_reason, message.stop_sequence
        return events + self._finish(metrics)

    def _feed_delta(self, chunk: Chunk, payload: bytes) -> list[StreamEvent]:
        delta, block = chunk.delta, self._blocks.get(chunk.index)
        if delta is None or block is None or not block.is_open:
            raise InvalidMessage(f"'content_block_delta' came for block {chunk.index}, which is not open")
        if delta.type == "text_delta" and block.kind == "text":
            return [TextDelta(delta.text, chunk.index)] if delta.text else []
        if delta.type in _KNOWN_DELTAS and block.kind in _KNOWN_BLOCKS:
            return self._feed_known_delta(chunk.index, block, delta)
        if block.kind in _KNOWN_BLOCKS:
            return self._keep_unknown(chunk, payload)
        return [TextDelta("", chunk.index, {"delta": decode(object_decoder, payload)["delta"]})]

    def _feed_known_delta(self, index: int, block: _Block, delta: Delta) -> list[StreamEvent]:
        match block.kind, delta.type:
            case "text", "citations_delta":
                return [TextDelta("", index, {"citation": delta.citation})]
            case "thinking", "thinking_delta":
                return [ReasoningDelta(text=delta.thinking, index=index)] if delta.thinking else []
            case "thinking", "signature_delta":
                return [ReasoningDelta(index=index, signature=delta.signature)] if delta.signature else []
            case "tool_use", "input_json_delta" if not delta.partial_json:
                return []
            case "tool_use", "input_json_delta" if not block.is_complete:
                block.has_input = True
                return [ToolUseDelta(index=index, input_json=delta.partial_json)]
        raise InvalidMessage(f"{delta.type!r} came for block {index}, which takes no more of it: it is {block.kind!r}")

    def _begin_stream(self, _chunk: Chunk, payload: bytes) -> list[StreamEvent]:
        if self._has_begun:
            raise InvalidMessage("'message_start' came twice")
        message = decode(message_start_decoder, payload).message
        self._keep_details(decode(object_decoder, payload)["message"], MESSAGE_FIELDS)
        events = self._begin(message)
        usage = _known(message.usage)
        self._opening_output = read_count(usage, "output_tokens")
        usage.pop("output_tokens", None)
        self._usage = usage
        if read_count(usage, "input_tokens") is not None:
            events.append(UsageReport(to_usage(usage, NO_METRICS, self._opening_output)))
        return events

    def _begin(self, message: MessageFields) -> list[StreamEvent]:
        self._has_begun = True
        return [MessageStart(message_id=message.id)]

    def _open_streamed_block(self, chunk: Chunk, payload: bytes) -> list[StreamEvent]:
        return self._open_block(chunk.index, decode(block_start_decoder, payload).content_block)

    def _open_block(self, index: int, content: Json) -> list[StreamEvent]:
        if index in self._blocks or index < 0:
            raise InvalidMessage(f"content block {index} was opened twice, or its index is missing")
        kind = read_text(content, "type")
        block = self._blocks[index] = _Block(kind=kind)
        match kind:
            case "text":
                return _open_text(index, content)
            case "thinking":
                return _open_thinking(index, content)
            case "redacted_thinking":
                return [ReasoningDelta(index=index, redacted=read_text(content, "data"))]
            case "tool_use":
                return _open_tool_use(index, content, block)
        return [TextDelta("", index, {"content_block": content})]

    def _close_streamed_block(self, chunk: Chunk, _payload: bytes) -> list[StreamEvent]:
        block = self._blocks.get(chunk.index)
        if block is None or not block.is_open:
            raise InvalidMessage(f"'content_block_stop' came for block {chunk.index}, which is not open")
        return self._close_block(chunk.index)

    def _close_block(self, index: int) -> list[StreamEvent]:
        """
        Close a block. A tool that takes no arguments may have sent none; its fragments must still make one document.
        """
        block = self._blocks[index]
        block.is_open = False
        if block.kind == "tool_use" and not block.has_input:
            return [ToolUseDelta(index=index, input_json="{}")]
        return []

    def _take_message_delta(self, _chunk: Chunk, payload: bytes) -> list[StreamEvent]:
        message_delta = decode(message_delta_decoder, payload)
        self._stop_reason = message_delta.delta.stop_reason or self._stop_reason
        self._stop_sequence = message_delta.delta.stop_sequence or self._stop_sequence
        self._usage.update(_known(message_delta.usage))
        fields = decode(object_decoder, payload)
        self._keep_details(fields["delta"], MESSAGE_FIELDS)
        self._keep_details(fields, DELTA_CHUNK_FIELDS)
        return []

    def _stop_stream(self, _chunk: Chunk, payload: bytes) -> list[StreamEvent]:
        self._keep_details(decode(object_decoder, payload), STOP_CHUNK_FIELDS)
        events = [event for index, block in self._blocks.items() if block.is_open for event in self._close_block(index)]
        return events + self._finish(decode(message_stop_decoder, payload).metrics)

    def _finish(self, metrics: InvocationMetrics) -> list[StreamEvent]:
        if self._stop_reason is None:
            raise InvalidMessage("the answer ended without a 'stop_reason'")
        self._has_stopped = True
        reason = STOP_REASONS.get(self._stop_reason, "other")
        details = dict(self._details)
        if reason == "other":
            details["stop_reason"] = self._stop_reason
        if extra := uncounted(self._usage):
            details["usage"] = extra
        details |= self._unknown_chunks.to_details("chunks")
        if details.get(GUARDRAIL_ACTION) == "INTERVENED":
            reason = "guardrail_intervened"
        return [
            UsageReport(to_usage(self._usage, metrics, self._opening_output)),
            MessageStop(stop_reason=reason, stop_sequence=self._stop_sequence, provider_details=details or None),
        ]

    def _raise_error(self, _chunk: Chunk, payload: bytes) -> list[StreamEvent]:
        raise to_error(payload)

    def _skip(self, _chunk: Chunk, _payload: bytes) -> list[StreamEvent]:
        return []

    def _keep_unknown(self, _chunk: Chunk, payload: bytes) -> list[StreamEvent]:
        self._unknown_chunks.add(decode(object_decoder, payload))
        return []

    def _keep_details(self, fields: Json, read: frozenset[str]) -> None:
        self._details |= {name: value for name, value in fields.items() if name not in read and value is not None}

    _STEPS: ClassVar[Mapping[str, "_Step"]] = {
        "message_start": _begin_stream,
        "content_block_start": _open_streamed_block,
        "content_block_stop": _close_streamed_block,
        "message_delta": _take_message_delta,
        "message_stop": _stop_stream,
        "ping": _skip,
        "error": _raise_error,
    }


_Step = Callable[[AnthropicStreamDecoder, Chunk, bytes], list[StreamEvent]]


def parse_whole_answer(body: bytes, headers: Mapping[str, str]) -> list[StreamEvent]:
    """
    Turn a whole answer into events; counts that the body lacks come from the headers, whose names are in lower case.

    Raises:
        InvalidMessage: the body is not an Anthropic message.
        UpstreamError: the body is an error.
    """
    return AnthropicStreamDecoder().take_whole(body, parse_metric_headers(headers))


def _known(usage: Json | None) -> Json:
    return {name: value for name, value in (usage or {}).items() if value is not None}


def _open_text(index: int, content: Json) -> list[StreamEvent]:
    text = read_text(content, "text")
    events: list[StreamEvent] = [TextDelta(text, index)] if text else []
    citations = content.get("citations") or []
    if not isinstance(citations, list):
        raise InvalidMessage(f"content block {index} has citations of type {type(citations).__name__}, expected a list")
    return events + [TextDelta("", index, {"citation": citation}) for citation in citations]


def _open_thinking(index: int, content: Json) -> list[StreamEvent]:
    text, signature = read_text(content, "thinking"), read_text(content, "signature")
    if not text and not signature:
        return []
    return [ReasoningDelta(text=text, index=index, signature=signature or None)]


def _open_tool_use(index: int, content: Json, block: _Block) -> list[StreamEvent]:
    tool_use_id, name = read_text(content, "id"), read_text(content, "name")
    if not tool_use_id or not name:
        raise InvalidMessage(f"content block {index} is a tool call without its id or its name")
    start = ToolUseStart(index=index, tool_use_id=tool_use_id, name=name)
    arguments = content.get("input")
    if not arguments:
        return [start]
    block.has_input = block.is_complete = True
    return [start, ToolUseDelta(index=index, input_json=msgspec.json.encode(arguments).decode())]
