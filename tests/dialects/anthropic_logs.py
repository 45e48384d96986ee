"""
Random turns for the dialects of numbered content blocks: valid event sequences, as logs.
"""

import json
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from outcrop.calls import ResolvedModel
from outcrop.types import (
    LogEntry,
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

CLAUDE = ResolvedModel(
    name="claude", model_id="us.anthropic.claude-x", base_id="anthropic.claude-x", family="anthropic", route="native"
)
CLAUDE_BY_CONVERSE = ResolvedModel(
    name="claude", model_id="us.anthropic.claude-x", base_id="anthropic.claude-x", family="anthropic", route="converse"
)
LLAMA = ResolvedModel(
    name="llama3", model_id="meta.llama3-70b-instruct-v1:0", base_id="meta.llama3-70b-instruct-v1:0", family="llama3"
)
QWEN = ResolvedModel(
    name="qwen", model_id="qwen.qwen3-32b-v1:0", base_id="qwen.qwen3-32b-v1:0", family="qwen", route="converse"
)

TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
COUNTS = st.integers(0, 9999)
STOP_REASONS = st.sampled_from(
    [
        "end_turn", "max_tokens", "stop_sequence", "tool_use", "pause_turn", "refusal", "content_filtered",
        "guardrail_intervened", "context_window_exceeded", "malformed_output", "stopped", "other",
    ]
)  # fmt: skip
ANTHROPIC_CITATION = {
    "type": "char_location",
    "cited_text": "grass is green",
    "document_index": 0,
    "document_title": "notes",
    "start_char_index": 0,
    "end_char_index": 14,
}
CONVERSE_CITATION = {
    "title": "notes",
    "sourceContent": [{"text": "grass is green"}],
    "location": {"documentChar": {"documentIndex": 0, "start": 0, "end": 14}},
}


def to_log(events: Sequence[StreamEvent]) -> list[LogEntry]:
    """
    Number events.
    """
    return [LogEntry(seq, event) for seq, event in enumerate(events, 1)]


@st.composite
def _text_block(draw: st.DrawFn, index: int) -> list[StreamEvent]:
    events: list[StreamEvent] = [TextDelta(text, index) for text in draw(st.lists(TEXTS, min_size=1, max_size=4))]
    citations = draw(st.lists(st.sampled_from([ANTHROPIC_CITATION, CONVERSE_CITATION]), max_size=2))
    return events + [TextDelta("", index, {"citation": citation}) for citation in citations]


@st.composite
def _reasoning_block(draw: st.DrawFn, index: int) -> list[StreamEvent]:
    if draw(st.booleans()):
        return [ReasoningDelta(index=index, redacted="c2VjcmV0")]
    events: list[StreamEvent] = [
        ReasoningDelta(text=text, index=index) for text in draw(st.lists(TEXTS, min_size=1, max_size=3))
    ]
    if draw(st.booleans()):
        events.append(ReasoningDelta(index=index, signature="c2ln"))
    return events


@st.composite
def _tool_block(draw: st.DrawFn, index: int) -> list[StreamEvent]:
    document = json.dumps(draw(st.dictionaries(TEXTS, st.integers() | TEXTS, max_size=3)))
    cuts = sorted(draw(st.lists(st.integers(0, len(document)), max_size=3)))
    pieces = [document[a:b] for a, b in zip([0, *cuts], [*cuts, len(document)], strict=True)]
    start = ToolUseStart(index=index, tool_use_id=f"toolu_{index}", name="get_weather")
    return [start, *(ToolUseDelta(index=index, input_json=piece) for piece in pieces if piece)]


@st.composite
def answers(draw: st.DrawFn) -> list[LogEntry]:
    """
    Draw a whole turn that ended well; two tool calls in a row may come interleaved.
    """
    kinds = draw(st.lists(st.sampled_from([_text_block, _reasoning_block, _tool_block]), max_size=5))
    blocks = [draw(kind(index * 2)) for index, kind in enumerate(kinds)]
    events: list[StreamEvent] = []
    for number, block in enumerate(blocks):
        before = blocks[number - 1] if number else []
        is_pair = kinds[number] is _tool_block and number and kinds[number - 1] is _tool_block
        if is_pair and before and draw(st.booleans()):
            tail = events.pop() if events and events[-1] in before[1:] else None
            events += [*block, *([tail] if tail else [])]
        else:
            events += block
    usage = Usage(
        input_tokens=draw(COUNTS),
        output_tokens=draw(COUNTS),
        cache_read_tokens=draw(COUNTS),
        reasoning_tokens=draw(st.sampled_from([0, 7])),
    )
    opening: list[StreamEvent] = [MessageStart(message_id=draw(st.none() | st.just("msg_1")))]
    if draw(st.booleans()):
        opening.append(UsageReport(Usage(input_tokens=usage.input_tokens, cache_read_tokens=usage.cache_read_tokens)))
    reason: Any = draw(STOP_REASONS)
    stop = MessageStop(stop_reason=reason, stop_sequence="END" if reason == "stop_sequence" else None)
    return to_log([*opening, *events, UsageReport(usage), stop])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
"""
Any JSON value.
"""


def mangle(body: dict[str, Any], places: list[int], junk: Any) -> dict[str, Any]:
    """
    Replace the value at a place in a JSON body, found by walking down by numbers.
    """
    copied: dict[str, Any] = json.loads(json.dumps(body))
    here: Any = copied
    for step in places:
        names = list(here) if isinstance(here, dict) else list(range(len(here))) if isinstance(here, list) else []
        if not names:
            break
        name = names[step % len(names)]
        if step is places[-1] or not isinstance(here[name], dict | list):
            here[name] = junk
            break
        here = here[name]
    return copied
