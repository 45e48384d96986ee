"""
Logs for tests of the UI message stream: strategies by the laws of event streams, and whole streams of them.
"""

import json
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from outcrop.dialects.ui_stream.endings import UiStreamClosing
from outcrop.dialects.ui_stream.renderer import UiStreamOpening, UiStreamRenderer
from outcrop.types import (
    AnswerContinued,
    LogEntry,
    MessageStart,
    MessageStop,
    ReasoningDelta,
    StopReason,
    StreamEvent,
    StreamFailed,
    TextDelta,
    ToolUseDelta,
    ToolUseStart,
    Usage,
    UsageReport,
)

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=90)
DETAILS = st.dictionaries(st.sampled_from(["citation", "content_block", "delta"]), st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=6,
), min_size=1)  # fmt: skip
STOP_REASONS: list[StopReason] = [
    "end_turn", "max_tokens", "stop_sequence", "tool_use", "pause_turn", "refusal", "content_filtered",
    "guardrail_intervened", "context_window_exceeded", "malformed_output", "stopped", "other",
]  # fmt: skip
USAGE = Usage(input_tokens=3, output_tokens=4, cache_read_tokens=5)
CLOSING = UiStreamClosing(usage=USAGE, duration_ms=1200, ttft_ms=300, cost_usd=0.25)


def opening(*, whole: bool = False) -> UiStreamOpening:
    """
    Open a turn.
    """
    return UiStreamOpening(turn_id="turn1", model="claude", region="us-east-1", whole=whole)


def log(*events: StreamEvent) -> list[LogEntry]:
    """
    Number events.
    """
    return [LogEntry(seq, event) for seq, event in enumerate(events, 1)]


def render(events: Sequence[StreamEvent], *, whole: bool = False) -> list[dict[str, Any]]:
    """
    Render a finished turn, and decode its parts.
    """
    renderer = UiStreamRenderer(opening(whole=whole))
    parts = renderer.render(log(*events)) + renderer.close(CLOSING)
    return [json.loads(part) for part in parts]


@st.composite
def _text_block(draw: st.DrawFn, index: int) -> list[StreamEvent]:
    deltas = draw(st.lists(st.tuples(TEXTS, st.none() | st.none() | DETAILS), min_size=1, max_size=5))
    return [TextDelta(text, index, details) for text, details in deltas]


@st.composite
def _reasoning_block(draw: st.DrawFn, index: int) -> list[StreamEvent]:
    if draw(st.booleans()):
        return [ReasoningDelta(index=index, redacted="c2VjcmV0")]
    texts: list[StreamEvent] = [ReasoningDelta(text=text, index=index) for text in draw(st.lists(TEXTS, max_size=4))]
    return [*texts, ReasoningDelta(index=index, signature="c2ln")]


@st.composite
def _tool_block(draw: st.DrawFn, index: int) -> list[StreamEvent]:
    arguments = json.dumps(draw(st.dictionaries(TEXTS, TEXTS | st.integers(-(2**53), 2**53), max_size=3)))
    arguments = draw(st.sampled_from([arguments, arguments, "[1]", "{", ""]))
    cuts = sorted(draw(st.lists(st.integers(0, len(arguments)), max_size=3)))
    pieces = [arguments[start:end] for start, end in zip([0, *cuts], [*cuts, len(arguments)], strict=True)]
    deltas: list[StreamEvent] = [ToolUseDelta(index=index, input_json=piece) for piece in pieces]
    return [ToolUseStart(index=index, tool_use_id=f"call{index}", name="search"), *deltas]


@st.composite
def _interleave(draw: st.DrawFn, blocks: list[list[StreamEvent]]) -> list[StreamEvent]:
    merged: list[StreamEvent] = []
    queues = [list(block) for block in blocks]
    while queues := [queue for queue in queues if queue]:
        merged.append(queues[draw(st.integers(0, len(queues) - 1))].pop(0))
    return merged


@st.composite
def event_streams(draw: st.DrawFn) -> list[StreamEvent]:
    """
    Make a stream by the laws: one start, blocks in any order and sometimes interleaved, one end.
    """
    kinds = draw(st.lists(st.sampled_from([_text_block, _reasoning_block, _tool_block]), max_size=5))
    blocks = [draw(kind(index)) for index, kind in enumerate(kinds)]
    body = draw(_interleave(blocks)) if draw(st.booleans()) else [event for block in blocks for event in block]
    extras: list[StreamEvent] = [UsageReport(USAGE), AnswerContinued(reason="moved")]
    for extra in draw(st.lists(st.sampled_from(extras), max_size=2)):
        body.insert(draw(st.integers(0, len(body))), extra)
    start = MessageStart(message_id=draw(st.none() | st.just("msg_1")), provider_details=draw(st.none() | DETAILS))
    if draw(st.booleans()):
        body = body[: draw(st.integers(0, len(body)))]
        end: StreamEvent = StreamFailed(
            code="throttled", message="slow down", retryable=True, retry_after_seconds=1.5, aws_request_id="r-1"
        )
    else:
        end = MessageStop(stop_reason=draw(st.sampled_from(STOP_REASONS)), provider_details=draw(st.none() | DETAILS))
    return [start, *body, end]
