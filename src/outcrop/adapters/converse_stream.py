"""
Read Converse answers, streamed or whole, as events (docs/bedrock_wire.md §5.2, §5.3).

Text and reasoning blocks have no start event: the first delta of an unseen index opens the block. What Converse says
that has no event here (images, citations, tools that Bedrock runs itself, blocks and deltas of unknown kinds) travels
as the `provider_details` of empty text deltas of its block; unknown events, and unknown fields, in those of
`MessageStop`, which is held until the counts have come behind it.
"""

import binascii
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from typing import ClassVar, Literal

import msgspec

from outcrop.adapters.converse_shapes import (
    PADDING,
    STOP_REASONS,
    CitationsContent,
    Content,
    ReasoningPiece,
    StopEvent,
    ToolUse,
    WholeReasoning,
    block_start_decoder,
    block_stop_decoder,
    convert,
    delta_decoder,
    metadata_decoder,
    read_fields,
    read_payload,
    start_decoder,
    stop_decoder,
    uncounted,
    whole_decoder,
)
from outcrop.adapters.payloads import Json, decode_payload, unread
from outcrop.errors import InvalidMessage, StreamInterrupted
from outcrop.types import (
    MessageStart,
    MessageStop,
    ReasoningDelta,
    StreamEvent,
    TextDelta,
    ToolUseDelta,
    ToolUseStart,
    Usage,
    UsageReport,
)

MAX_UNKNOWN_EVENTS = 100
"""
How many events of unknown type are kept for `MessageStop`; those beyond are counted there as `events_omitted`.
"""

_NO_BLOCK = -1
_READ_FIELDS = frozenset({PADDING, "role", "output", "stopReason", "additionalModelResponseFields", "usage"})
_Stage = Literal["expected", "running", "stopped", "done"]
_Kind = Literal["text", "reasoning", "tool_use", "opaque"]


class _Block(msgspec.Struct):
    """
    Follow one content block. `kind` is None until something says what it is.
    """

    kind: _Kind | None = None
    is_open: bool = True
    has_input: bool = False
    redacted: bytes = b""


class ConverseStreamDecoder:
    """
    Turn one stream's messages into events.
    """

    def __init__(self) -> None:
        self._stage: _Stage = "expected"
        self._blocks: dict[int, _Block] = {}
        self._open_text = _NO_BLOCK
        self._stop: StopEvent | None = None
        self._usage: Usage | None = None
        self._details: Json = {}
        self._unknown_events: list[Json] = []
        self._omitted_events = 0

    def feed(self, event_type: str, payload: bytes) -> list[StreamEvent]:
        """
        Take one message and return its events, often one, possibly none.

        Raises:
            InvalidMessage: the payload is not what Converse sends, or not where it belongs.
        """
        if event_type == "contentBlockDelta":
            return self._feed_delta(payload)
        if self._stage == "done":
            raise InvalidMessage(f"{event_type!r} came after the end of the answer")
        step = self._STEPS.get(event_type)
        return self._keep_unknown(event_type, payload) if step is None else step(self, payload)

    def flush(self) -> list[StreamEvent]:
        """
        Take the end of the body and return the terminal, if it still waits for counts that have not come.

        Raises:
            StreamInterrupted: `messageStop` has not come.
        """
        if self._stage == "done":
            return []
        if self._stop is None:
            raise StreamInterrupted("the answer ended before its last event, expected 'messageStop'")
        return self._finish(self._stop)

    def take_whole(self, body: bytes) -> list[StreamEvent]:
        """
        Take a whole answer as if it had been streamed, and return all of its events.

        Raises:
            InvalidMessage: the body is not an answer of Converse.
        """
        fields = read_fields(body)
        events: list[StreamEvent] = [MessageStart()]
        for index, content in enumerate(read_payload(whole_decoder, body).output.message.content):
            events += _read_content(index, content)
        self._stop = read_payload(stop_decoder, body)
        self._usage = read_payload(metadata_decoder, body).usage.to_usage()
        self._keep_usage(fields)
        self._details |= unread(fields, _READ_FIELDS)
        return events + self._finish(self._stop)

    def _feed_delta(self, payload: bytes) -> list[StreamEvent]:
        event = decode_payload(delta_decoder, payload, "one of converse")
        index, delta = event.content_block_index, event.delta
        text = delta.text
        if text is not None and index == self._open_text:
            return [TextDelta(text, index)] if text else []
        block = self._find_block(index)
        if block.kind != "opaque":
            if text is not None:
                _enter(block, index, "text")
                self._open_text = index
                return [TextDelta(text, index)] if text else []
            if delta.tool_use is not None:
                return _feed_input(block, index, delta.tool_use.input)
            if delta.reasoning_content is not None and delta.reasoning_content != _NO_PIECE:
                _enter(block, index, "reasoning")
                return _feed_reasoning(block, index, delta.reasoning_content)
        return _pass_on(block, index, payload)

    def _find_block(self, index: int) -> _Block:
        """
        Return the block that a delta is for; the first delta of an unseen index opens it.
        """
        self._expect("running", "contentBlockDelta")
        block = self._blocks.setdefault(index, _Block())
        if not block.is_open:
            raise InvalidMessage(f"'contentBlockDelta' came for block {index}, which is closed")
        return block

    def _begin(self, payload: bytes) -> list[StreamEvent]:
        self._expect("expected", "messageStart")
        read_payload(start_decoder, payload)
        self._stage = "running"
        details = unread(read_fields(payload), _READ_FIELDS)
        return [MessageStart(provider_details=details or None)]

    def _open_block(self, payload: bytes) -> list[StreamEvent]:
        self._expect("running", "contentBlockStart")
        event = read_payload(block_start_decoder, payload)
        index = event.content_block_index
        if index in self._blocks:
            raise InvalidMessage(f"'contentBlockStart' came for block {index}, which is there already")
        block = self._blocks[index] = _Block()
        start = unread(event.start, frozenset())
        if not start or "text" in start:
            return []
        if "toolUse" in start:
            use = convert(start["toolUse"], ToolUse, f"the start of block {index}")
            if use.type is None:
                block.kind = "tool_use"
                return [ToolUseStart(index=index, tool_use_id=use.tool_use_id, name=use.name)]
        block.kind = "opaque"
        return [TextDelta("", index, {"start": start})]

    def _close_streamed_block(self, payload: bytes) -> list[StreamEvent]:
        self._expect("running", "contentBlockStop")
        index = read_payload(block_stop_decoder, payload).content_block_index
        block = self._blocks.setdefault(index, _Block())
        if not block.is_open:
            raise InvalidMessage(f"'contentBlockStop' came for block {index}, which is closed")
        return self._close_block(index, block)

    def _close_block(self, index: int, block: _Block) -> list[StreamEvent]:
        """
        Close a block. A tool that takes no arguments may have sent none; its fragments must still make one document.
        """
        block.is_open = False
        if self._open_text == index:
            self._open_text = _NO_BLOCK
        if block.kind == "tool_use" and not block.has_input:
            return [ToolUseDelta(index=index, input_json="{}")]
        if block.redacted:
            return [ReasoningDelta(index=index, redacted=b64encode(block.redacted).decode())]
        return []

    def _take_stop(self, payload: bytes) -> list[StreamEvent]:
        self._expect("running", "messageStop")
        self._stop = read_payload(stop_decoder, payload)
        self._stage = "stopped"
        self._details |= unread(read_fields(payload), _READ_FIELDS)
        open_blocks = [(index, block) for index, block in self._blocks.items() if block.is_open]
        events = [event for index, block in open_blocks for event in self._close_block(index, block)]
        return events if self._usage is None else events + self._finish(self._stop)

    def _take_metadata(self, payload: bytes) -> list[StreamEvent]:
        """
        Take the counts. They come last by AWS's model; should they come before `messageStop`, they wait for it.
        """
        if self._stage == "expected" or self._usage is not None:
            raise InvalidMessage("'metadata' came before 'messageStart', or twice")
        self._usage = read_payload(metadata_decoder, payload).usage.to_usage()
        fields = read_fields(payload)
        self._keep_usage(fields)
        self._details |= unread(fields, _READ_FIELDS)
        return [] if self._stop is None else self._finish(self._stop)

    def _finish(self, stop: StopEvent) -> list[StreamEvent]:
        self._stage = "done"
        reason = STOP_REASONS.get(stop.stop_reason, "other")
        details = dict(self._details)
        if reason == "other" or stop.stop_reason == "malformed_tool_use":
            details["stop_reason"] = stop.stop_reason
        stop_sequence, additional = _read_additional(stop)
        if additional:
            details["additionalModelResponseFields"] = additional
        if self._unknown_events:
            details["events"] = self._unknown_events
        if self._omitted_events:
            details["events_omitted"] = self._omitted_events
        return [
            UsageReport(self._usage or Usage(estimated=True)),
            MessageStop(stop_reason=reason, stop_sequence=stop_sequence, provider_details=details or None),
        ]

    def _keep_usage(self, fields: Json) -> None:
        if extra := uncounted(fields):
            self._details["usage"] = extra

    def _keep_unknown(self, event_type: str, payload: bytes) -> list[StreamEvent]:
        if len(self._unknown_events) < MAX_UNKNOWN_EVENTS:
            self._unknown_events.append({event_type: read_fields(payload)})
        else:
            self._omitted_events += 1
        return []

    def _expect(self, stage: _Stage, event_type: str) -> None:
        if self._stage != stage:
            place = {"expected": "before 'messageStart'", "running": "twice"}.get(self._stage, "after 'messageStop'")
            raise InvalidMessage(f"{event_type!r} came {place}")

    _STEPS: ClassVar[Mapping[str, "_Step"]] = {
        "messageStart": _begin,
        "contentBlockStart": _open_block,
        "contentBlockStop": _close_streamed_block,
        "messageStop": _take_stop,
        "metadata": _take_metadata,
    }


_Step = Callable[[ConverseStreamDecoder, bytes], list[StreamEvent]]
_NO_PIECE = ReasoningPiece()


def _enter(block: _Block, index: int, kind: _Kind) -> None:
    if block.kind is None:
        block.kind = kind
    elif block.kind != kind:
        raise InvalidMessage(f"a piece of {kind!r} came for block {index}, which is {block.kind!r}")


def _feed_input(block: _Block, index: int, fragment: str) -> list[StreamEvent]:
    if block.kind != "tool_use":
        raise InvalidMessage(f"a tool's input came for block {index}, which no 'contentBlockStart' opened for a tool")
    if not fragment:
        return []
    block.has_input = True
    return [ToolUseDelta(index=index, input_json=fragment)]


def _feed_reasoning(block: _Block, index: int, piece: ReasoningPiece) -> list[StreamEvent]:
    """
    Read a piece of reasoning. A redacted block is held until it is whole: halves of base64 don't make a whole.
    """
    if piece.redacted_content is not None:
        block.redacted += _decode_redacted(piece.redacted_content, index)
    if not piece.text and not piece.signature:
        return []
    return [ReasoningDelta(text=piece.text or "", index=index, signature=piece.signature or None)]


def _pass_on(block: _Block, index: int, payload: bytes) -> list[StreamEvent]:
    delta = unread(read_fields(payload)["delta"], frozenset())
    if block.kind is None:
        block.kind = "text" if "citation" in delta else "opaque"
    if block.kind == "text" and "citation" in delta:
        return [TextDelta("", index, {"citation": delta["citation"]})]
    return [TextDelta("", index, {"delta": delta})]


def _read_content(index: int, fields: Json) -> list[StreamEvent]:
    """
    Read a block of a whole answer.
    """
    content = convert(fields, Content, f"content block {index}")
    if content.text is not None:
        return [TextDelta(content.text, index)] if content.text else []
    if content.tool_use is not None and content.tool_use.type is None:
        use = content.tool_use
        arguments = msgspec.json.encode(use.input or {}).decode()
        start = ToolUseStart(index=index, tool_use_id=use.tool_use_id, name=use.name)
        return [start, ToolUseDelta(index=index, input_json=arguments)]
    if content.reasoning_content is not None and content.reasoning_content != _NO_REASONING:
        return _read_reasoning(index, content.reasoning_content)
    if content.citations_content is not None:
        return _read_cited(index, content.citations_content)
    return [TextDelta("", index, {"content_block": unread(fields, frozenset())})]


_NO_REASONING = WholeReasoning()


def _read_reasoning(index: int, reasoning: WholeReasoning) -> list[StreamEvent]:
    if reasoning.redacted_content is not None:
        content = _decode_redacted(reasoning.redacted_content, index)
        return [ReasoningDelta(index=index, redacted=b64encode(content).decode())] if content else []
    said = reasoning.reasoning_text
    if said is None or not (said.text or said.signature):
        return []
    return [ReasoningDelta(text=said.text, index=index, signature=said.signature or None)]


def _read_cited(index: int, cited: CitationsContent) -> list[StreamEvent]:
    text = "".join(piece.text for piece in cited.content)
    events: list[StreamEvent] = [TextDelta(text, index)] if text else []
    return events + [TextDelta("", index, {"citation": citation}) for citation in cited.citations]


def _decode_redacted(redacted: str, index: int) -> bytes:
    try:
        return b64decode(redacted, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidMessage(f"the redacted reasoning of block {index} is not base64") from error


def _read_additional(stop: StopEvent) -> tuple[str | None, object]:
    """
    Take the stop sequence, which Claude is asked for, out of the model's own fields.
    """
    fields = stop.additional_model_response_fields
    if not isinstance(fields, dict) or not isinstance(fields.get("stop_sequence"), str | None):
        return None, fields
    return fields.get("stop_sequence"), unread(fields, frozenset({"stop_sequence"}))
