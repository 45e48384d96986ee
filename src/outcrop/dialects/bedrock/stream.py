"""
The Bedrock dialect, what goes out by Converse: a turn's log as event-stream frames, or as one answer.

The frames are a function of the log's beginning alone, but for the last one: `metadata` says how long the call took, so
it is asked for apart, by `close`. The hot path, one text delta, builds no object and encodes its text once.
"""

from collections.abc import Iterable, Mapping, Sequence
from json.encoder import encode_basestring
from typing import Any

import msgspec

from outcrop.dialects.anthropic.citations import to_converse
from outcrop.dialects.bedrock.errors import encode_exception_frame
from outcrop.dialects.bedrock.opaque import split_opaque, takes_opaque, to_block
from outcrop.dialects.blocks import (
    Added,
    BlockWalk,
    Cited,
    Closed,
    Opened,
    Passed,
    Signed,
    Step,
    collect_blocks,
)
from outcrop.types import (
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
from outcrop.wire.eventstream import MessageEncoder

STREAM_HEADERS = ((b"content-type", b"application/vnd.amazon.eventstream"),)

STOP_REASONS: Mapping[StopReason, str] = {
    "end_turn": "end_turn",
    "max_tokens": "max_tokens",
    "stop_sequence": "stop_sequence",
    "tool_use": "tool_use",
    "pause_turn": "end_turn",
    "refusal": "content_filtered",
    "content_filtered": "content_filtered",
    "guardrail_intervened": "guardrail_intervened",
    "context_window_exceeded": "model_context_window_exceeded",
    "malformed_output": "malformed_model_output",
    "stopped": "end_turn",
    "other": "end_turn",
}
"""
Converse has no word for an answer that a client stopped: an end is what lets nobody go on.
"""

_METADATA = ("trace", "performanceConfig", "serviceTier")


def _make_encoder(event_type: str) -> MessageEncoder:
    headers = {":event-type": event_type, ":content-type": "application/json", ":message-type": "event"}
    return MessageEncoder(headers)


_ENCODERS = {
    name: _make_encoder(name)
    for name in (
        "messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata",
    )
}  # fmt: skip


class ConverseFrames:
    """
    Render one turn's log as frames of ConverseStream. One renderer serves one reader, from the log's first entry.

    Call `render` with the entries as they come, then once `close`, after the terminal entry.
    """

    def __init__(self, *, tells_stop_sequence: bool = False) -> None:
        self._walk = BlockWalk(takes_opaque)
        self._usage = Usage()
        self._stop: MessageStop | None = None
        self._tells_stop_sequence = tells_stop_sequence
        self._head = ""
        self._number = -1

    def render(self, entries: Sequence[LogEntry]) -> bytes:
        """
        Return the frames that these entries add. They follow the entries of the last call.
        """
        walk, frames = self._walk, []
        encode_delta = _ENCODERS["contentBlockDelta"].encode
        for entry in entries:
            event = entry.event
            if type(event) is TextDelta and event.index == walk.text_index and event.provider_details is None:
                if walk.text_number != self._number:
                    self._number = walk.text_number
                    self._head = f'{{"contentBlockIndex":{self._number},"delta":{{"text":'
                frames.append(encode_delta(f"{self._head}{encode_basestring(event.text)}}}}}".encode()))
            else:
                self._render_event(event, frames)
        return b"".join(frames)

    def close(self, *, latency_ms: int) -> bytes:
        """
        Return the last frame, with what is known of the turn now; nothing if the turn failed.
        """
        if self._stop is None:
            return b""
        return _frame("metadata", _to_metadata(self._usage, self._stop, latency_ms))

    def _render_event(self, event: StreamEvent, frames: list[bytes]) -> None:
        match event:
            case MessageStart():
                frames.append(_frame("messageStart", {"role": "assistant"}))
            case UsageReport():
                self._usage = event.usage
            case StreamFailed():
                frames.append(encode_exception_frame(event, "converse_stream"))
            case MessageStop():
                self._stop = event
                frames += [frame for step in self._walk.finish() for frame in _to_frames(step)]
                frames.append(_frame("messageStop", _to_ending(event, self._tells_stop_sequence)))
            case _:
                frames += [frame for step in self._walk.take(event) for frame in _to_frames(step)]


def render_answer(entries: Iterable[LogEntry], *, latency_ms: int, tells_stop_sequence: bool = False) -> bytes:
    """
    Return the whole answer of Converse. The log must have ended well: for a `StreamFailed` send the error instead.
    """
    log = list(entries)
    usage = next((entry.event.usage for entry in reversed(log) if isinstance(entry.event, UsageReport)), Usage())
    stop = log[-1].event
    assert isinstance(stop, MessageStop), "a whole answer ends well"
    content = [to_block(block) for block in collect_blocks(log, takes_opaque)]
    answer = {
        "output": {"message": {"role": "assistant", "content": content}},
        **_to_ending(stop, tells_stop_sequence),
        **_to_metadata(usage, stop, latency_ms),
    }
    return msgspec.json.encode(answer)


def _frame(event_type: str, payload: Mapping[str, Any]) -> bytes:
    return _ENCODERS[event_type].encode(msgspec.json.encode(payload))


def _delta(number: int, delta: Mapping[str, Any]) -> bytes:
    return _frame("contentBlockDelta", {"contentBlockIndex": number, "delta": delta})


def _to_frames(step: Step) -> list[bytes]:
    match step:
        case Added():
            return [_delta(step.number, _to_delta(step))]
        case Opened():
            return _open_block(step)
        case Closed():
            return [_frame("contentBlockStop", {"contentBlockIndex": step.number})]
        case Cited():
            citation = to_converse(step.citation)
            return [] if citation is None else [_delta(step.number, {"citation": citation})]
        case Signed():
            return [_delta(step.number, {"reasoningContent": {"signature": step.signature}})]
        case Passed():
            return [_delta(step.number, step.delta)]


def _to_delta(step: Added) -> dict[str, Any]:
    match step.kind:
        case "tool_use":
            return {"toolUse": {"input": step.text}}
        case "thinking":
            return {"reasoningContent": {"text": step.text}}
        case _:
            return {"text": step.text}


def _open_block(step: Opened) -> list[bytes]:
    """
    Open a block. Text and reasoning have no start event: their first delta opens them.
    """
    match step.kind:
        case "tool_use":
            start: Mapping[str, Any] = {"toolUse": {"toolUseId": step.tool_use_id, "name": step.name}}
            deltas: list[Mapping[str, Any]] = []
        case "redacted":
            return [_delta(step.number, {"reasoningContent": {"redactedContent": step.data}})]
        case "opaque":
            start, deltas = split_opaque(step.content or {})
        case _:
            return []
    opening = [_frame("contentBlockStart", {"contentBlockIndex": step.number, "start": start})] if start else []
    return opening + [_delta(step.number, delta) for delta in deltas]


def _to_ending(stop: MessageStop, tells_stop_sequence: bool) -> dict[str, Any]:
    details = stop.provider_details or {}
    reason = STOP_REASONS[stop.stop_reason]
    if reason == "malformed_model_output" and details.get("stop_reason") == "malformed_tool_use":
        reason = "malformed_tool_use"
    fields = details.get("additionalModelResponseFields")
    if tells_stop_sequence and isinstance(fields, Mapping | None):
        fields = {**(fields or {}), "stop_sequence": stop.stop_sequence}
    return {"stopReason": reason, **({} if fields is None else {"additionalModelResponseFields": fields})}


def _to_metadata(usage: Usage, stop: MessageStop, latency_ms: int) -> dict[str, Any]:
    details = stop.provider_details or {}
    said = {name: details[name] for name in _METADATA if isinstance(details.get(name), Mapping)}
    return {"usage": _to_usage(usage, details.get("usage")), "metrics": {"latencyMs": latency_ms}, **said}


def _to_usage(usage: Usage, beyond: Any) -> dict[str, Any]:
    """
    Count as Converse does: the total holds what was read from and written to the cache.
    """
    counts: dict[str, Any] = {
        "inputTokens": usage.input_tokens,
        "outputTokens": usage.output_tokens,
        "totalTokens": (usage.input_tokens + usage.output_tokens + usage.cache_read_tokens + usage.cache_write_tokens),
        "cacheReadInputTokens": usage.cache_read_tokens,
        "cacheWriteInputTokens": usage.cache_write_tokens,
    }
    if isinstance(beyond, Mapping) and isinstance(beyond.get("cacheDetails"), list):
        counts["cacheDetails"] = beyond["cacheDetails"]
    return counts
