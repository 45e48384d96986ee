"""
The Anthropic dialect, what goes out: a turn's log as server-sent events, or as one message.

The bytes are a function of the log's beginning alone: to resume, render from the first entry and skip what the client
has. `message_start` waits for the entry after the log's first one, because the input's count may stand there. The hot
path, one text delta, builds no object and encodes its text once.
"""

from collections.abc import Iterable, Mapping, Sequence
from json.encoder import encode_basestring
from typing import Any

import msgspec

from outcrop.dialects.anthropic.citations import to_anthropic
from outcrop.dialects.anthropic.errors import to_error_object
from outcrop.dialects.blocks import (
    Added,
    BlockWalk,
    Cited,
    Closed,
    Opened,
    Passed,
    Signed,
    Step,
    WholeBlock,
    collect_blocks,
    parse_arguments,
)
from outcrop.types import (
    AnswerContinued,
    LogEntry,
    MessageStart,
    MessageStop,
    StopReason,
    StreamEvent,
    StreamFailed,
    TextDelta,
    Usage,
    UsageReport,
)

SSE_HEADERS = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
)
SSE_PING = b'event: ping\ndata: {"type": "ping"}\n\n'
"""
Keeps a silent stream alive. It may stand anywhere and is not a part of the log.
"""

STOP_REASONS: Mapping[StopReason, str] = {
    "end_turn": "end_turn",
    "max_tokens": "max_tokens",
    "stop_sequence": "stop_sequence",
    "tool_use": "tool_use",
    "pause_turn": "pause_turn",
    "refusal": "refusal",
    "content_filtered": "refusal",
    "guardrail_intervened": "refusal",
    "context_window_exceeded": "model_context_window_exceeded",
    "malformed_output": "end_turn",
    "stopped": "end_turn",
    "other": "end_turn",
}
"""
Anthropic has no word for an answer that a client stopped or that is malformed: an end is what lets nobody go on.
"""

_DELTA_HEAD = '{{"type":"content_block_delta","index":{number},"delta":{{"type":"{kind}","{field}":'
_DELTAS = {
    "text": ("text_delta", "text"),
    "thinking": ("thinking_delta", "thinking"),
    "tool_use": ("input_json_delta", "partial_json"),
}
_EMPTY_BLOCKS: Mapping[str, Mapping[str, Any]] = {
    "text": {"type": "text", "text": ""},
    "thinking": {"type": "thinking", "thinking": "", "signature": ""},
}
Named = tuple[str, str]


class AnthropicOpening(msgspec.Struct, frozen=True, kw_only=True):
    """
    Say what an answer needs to know of its turn from the beginning.

    `model` is what the client wrote, `request_id` what an error names, the turn's ID where nothing else is known.
    """

    turn_id: str
    model: str
    request_id: str | None = None


class MessageEvents:
    """
    Turn a log's events into those of the Messages API: pairs of the event's name and its JSON text.

    The name of a comment, which says that another server goes on with the answer, is empty.
    """

    def __init__(self, opening: AnthropicOpening) -> None:
        self.walk = BlockWalk(takes_opaque)
        self._opening = opening
        self._start: MessageStart | None = None
        self._usage = Usage()

    def take(self, event: StreamEvent) -> list[Named]:
        """
        Take one event of the log.
        """
        named: list[Named] = []
        if isinstance(event, UsageReport):
            self._usage = event.usage
        if self._start is not None:
            start, self._start = self._start, None
            named.append(self._open(start))
        match event:
            case MessageStart():
                self._start = event
            case AnswerContinued():
                named.append(("", f"answer continued: {' '.join(event.reason.split())}"))
            case MessageStop():
                self._end(event, named)
            case StreamFailed():
                named.append(("error", encode(to_error_object(event, self._request_id))))
            case _:
                named += [pair for step in self.walk.take(event) if (pair := to_named(step)) is not None]
        return named

    @property
    def usage(self) -> Usage:
        """
        Return what was counted so far.
        """
        return self._usage

    @property
    def _request_id(self) -> str:
        return self._opening.request_id or self._opening.turn_id

    def _open(self, start: MessageStart) -> Named:
        message = {
            **message_head(self._opening, start),
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {**to_usage(self._usage), "output_tokens": min(1, self._usage.output_tokens)},
        }
        return "message_start", encode({"type": "message_start", "message": message})

    def _end(self, stop: MessageStop, named: list[Named]) -> None:
        named += [pair for step in self.walk.finish() if (pair := to_named(step)) is not None]
        delta = {"type": "message_delta", "delta": to_ending(stop), "usage": to_usage(self._usage)}
        named += [("message_delta", encode(delta)), ("message_stop", '{"type":"message_stop"}')]


class AnthropicSse:
    """
    Render one turn's log as server-sent events. One renderer serves one reader, from the log's first entry.
    """

    def __init__(self, opening: AnthropicOpening) -> None:
        self._events = MessageEvents(opening)
        self._head = ""
        self._number = -1

    def render(self, entries: Sequence[LogEntry]) -> bytes:
        """
        Return the bytes that these entries add. They follow the entries of the last call.
        """
        walk = self._events.walk
        written: list[str] = []
        for entry in entries:
            event = entry.event
            if type(event) is TextDelta and event.index == walk.text_index and event.provider_details is None:
                if walk.text_number != self._number:
                    self._number = walk.text_number
                    self._head = f"event: content_block_delta\ndata: {delta_head('text', self._number)}"
                written.append(f"{self._head}{encode_basestring(event.text)}}}}}\n\n")
            else:
                written += [
                    f"event: {name}\ndata: {text}\n\n" if name else f": {text}\n\n"
                    for name, text in self._events.take(event)
                ]
        return "".join(written).encode()


def render_message(entries: Iterable[LogEntry], opening: AnthropicOpening) -> bytes:
    """
    Return the whole answer as one message. The log must have ended well: for a `StreamFailed` send the error instead.
    """
    log = list(entries)
    start = next((entry.event for entry in log if isinstance(entry.event, MessageStart)), MessageStart())
    usage = next((entry.event.usage for entry in reversed(log) if isinstance(entry.event, UsageReport)), Usage())
    stop = log[-1].event
    assert isinstance(stop, MessageStop), "a whole answer ends well"
    message = {
        **message_head(opening, start),
        "content": [to_block(block) for block in collect_blocks(log, takes_opaque)],
        **to_ending(stop),
        "usage": to_usage(usage),
    }
    return encode(message).encode()


def takes_opaque(content: Mapping[str, Any]) -> bool:
    """
    Say whether a block or delta of unknown kind is one of Anthropic's: those name their type.
    """
    return isinstance(content.get("type"), str)


def encode(value: Any) -> str:
    """
    Encode as JSON text.
    """
    return msgspec.json.encode(value).decode()


def delta_head(kind: str, number: int) -> str:
    """
    Return what a delta of a block begins with, up to the text itself; two braces close it.
    """
    name, field = _DELTAS[kind]
    return _DELTA_HEAD.format(number=number, kind=name, field=field)


def message_head(opening: AnthropicOpening, start: MessageStart) -> dict[str, Any]:
    """
    Return what is known of a message from its start.
    """
    message_id = start.message_id or f"msg_{opening.turn_id}"
    return {"id": message_id, "type": "message", "role": "assistant", "model": opening.model}


def to_usage(usage: Usage) -> dict[str, Any]:
    """
    Count as Anthropic does.
    """
    counts: dict[str, Any] = {
        "input_tokens": usage.input_tokens,
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "cache_read_input_tokens": usage.cache_read_tokens,
        "output_tokens": usage.output_tokens,
    }
    if usage.reasoning_tokens:
        counts["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    return counts


def to_ending(stop: MessageStop) -> dict[str, Any]:
    """
    Say why a message ended.
    """
    ending: dict[str, Any] = {"stop_reason": STOP_REASONS[stop.stop_reason], "stop_sequence": stop.stop_sequence}
    details = (stop.provider_details or {}).get("stop_details")
    return ending | ({"stop_details": details} if isinstance(details, Mapping) else {})


def to_named(step: Step) -> Named | None:
    """
    Write one step of the walk as an event; None where Anthropic has no words for it.
    """
    match step:
        case Added():
            return "content_block_delta", f"{delta_head(step.kind, step.number)}{encode_basestring(step.text)}}}}}"
        case Opened():
            start = {"type": "content_block_start", "index": step.number, "content_block": _open_block(step)}
            return "content_block_start", encode(start)
        case Closed():
            return "content_block_stop", f'{{"type":"content_block_stop","index":{step.number}}}'
        case Cited():
            citation = to_anthropic(step.citation)
            return None if citation is None else _delta(step.number, {"type": "citations_delta", "citation": citation})
        case Signed():
            return _delta(step.number, {"type": "signature_delta", "signature": step.signature})
        case Passed():
            return _delta(step.number, step.delta)


def to_block(block: WholeBlock) -> Mapping[str, Any]:
    """
    Write one block of a whole message.
    """
    match block.opened.kind:
        case "text":
            citations = [found for one in block.citations if (found := to_anthropic(one)) is not None]
            return {"type": "text", "text": block.text, **({"citations": citations} if citations else {})}
        case "thinking":
            return {"type": "thinking", "thinking": block.text, "signature": block.signature}
        case "tool_use":
            return {**_open_block(block.opened), "input": parse_arguments(block.pieces) or {}}
        case "redacted":
            return _open_block(block.opened)
    fragments = [str(delta.get("partial_json", "")) for delta in block.deltas]
    arguments = parse_arguments(fragments) if any(fragments) else None
    return {**_open_block(block.opened), **({"input": arguments} if arguments else {})}


def _delta(number: int, delta: Mapping[str, Any]) -> Named:
    return "content_block_delta", encode({"type": "content_block_delta", "index": number, "delta": delta})


def _open_block(step: Opened) -> Mapping[str, Any]:
    match step.kind:
        case "tool_use":
            return {"type": "tool_use", "id": step.tool_use_id, "name": step.name, "input": {}}
        case "redacted":
            return {"type": "redacted_thinking", "data": step.data}
        case "opaque":
            return step.content or {"type": "text", "text": ""}
        case kind:
            return _EMPTY_BLOCKS[kind]
