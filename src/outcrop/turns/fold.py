"""
Pure functions over events: merge neighbours, fold an answer, estimate what was not counted.
"""

from collections.abc import Iterable, Sequence

import msgspec

from outcrop.nesting import parse_object
from outcrop.types import (
    ReasoningDelta,
    ReasoningPart,
    StreamEvent,
    TerminalEvent,
    TextDelta,
    TextPart,
    ToolUseDelta,
    ToolUsePart,
    ToolUseStart,
    Usage,
    UsageReport,
)

CHARACTERS_PER_TOKEN = 4
"""
The usual rule of thumb for English text; estimates made with it are marked as such.
"""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold a whole answer: the fold of its events. `terminal` is None while the turn runs.
    """

    parts: tuple[TextPart | ReasoningPart | ToolUsePart, ...]
    usage: Usage | None
    terminal: TerminalEvent | None

    @property
    def text(self) -> str:
        """
        Join the text parts.
        """
        return "".join(part.text for part in self.parts if isinstance(part, TextPart))


def merge_deltas(events: Sequence[StreamEvent]) -> Sequence[StreamEvent]:
    """
    Join neighbouring text deltas, and neighbouring pieces of tool input, of one block; change nothing else.
    """
    merged: list[StreamEvent] = []
    run: list[str] = []
    for event in events:
        last = merged[-1] if merged else None
        if type(event) is TextDelta and type(last) is TextDelta and _same_text_block(last, event):
            run.append(event.text)
            continue
        if type(event) is ToolUseDelta and type(last) is ToolUseDelta and last.index == event.index:
            run.append(event.input_json)
            continue
        _close_run(merged, run)
        merged.append(event)
        run = [event.text if type(event) is TextDelta else event.input_json if type(event) is ToolUseDelta else ""]
    _close_run(merged, run)
    return merged


def _same_text_block(one: TextDelta, other: TextDelta) -> bool:
    return one.index == other.index and one.provider_details is None and other.provider_details is None


def _close_run(merged: list[StreamEvent], run: list[str]) -> None:
    if len(run) > 1:
        last = merged[-1]
        if type(last) is TextDelta:
            merged[-1] = TextDelta("".join(run), last.index)
        elif type(last) is ToolUseDelta:
            merged[-1] = ToolUseDelta(index=last.index, input_json="".join(run))


def fold(events: Iterable[StreamEvent]) -> Answer:
    """
    Fold events into the whole answer. A prefix folds to the answer so far; an unfinished tool call is not in it.
    """
    blocks: dict[int, list[StreamEvent]] = {}
    usage: Usage | None = None
    terminal: TerminalEvent | None = None
    for event in events:
        if isinstance(event, TextDelta | ReasoningDelta | ToolUseStart | ToolUseDelta):
            blocks.setdefault(event.index, []).append(event)
        elif isinstance(event, UsageReport):
            usage = event.usage
        elif isinstance(event, TerminalEvent):
            terminal = event
    parts = tuple(part for index in sorted(blocks) for part in _fold_block(blocks[index]))
    return Answer(parts=parts, usage=usage, terminal=terminal)


def _fold_block(block: list[StreamEvent]) -> list[TextPart | ReasoningPart | ToolUsePart]:
    first = block[0]
    if isinstance(first, TextDelta):
        text = "".join(event.text for event in block if isinstance(event, TextDelta))
        return [TextPart(text=text)] if text else []
    if isinstance(first, ReasoningDelta):
        deltas = [event for event in block if isinstance(event, ReasoningDelta)]
        signature = "".join(event.signature or "" for event in deltas)
        redacted = "".join(event.redacted or "" for event in deltas)
        text = "".join(event.text for event in deltas)
        return [ReasoningPart(text=text, signature=signature or None, redacted=redacted or None)]
    return _fold_tool_use(first, block) if isinstance(first, ToolUseStart) else []


def _fold_tool_use(start: ToolUseStart, block: list[StreamEvent]) -> list[TextPart | ReasoningPart | ToolUsePart]:
    arguments = "".join(event.input_json for event in block if isinstance(event, ToolUseDelta))
    value = parse_object(arguments or "{}")
    return [] if value is None else [ToolUsePart(tool_use_id=start.tool_use_id, name=start.name, input=value)]


def estimate_usage(reported: Usage | None, *, prompt_characters: int, answer_characters: int) -> Usage:
    """
    Fill in what Bedrock did not report, marked as estimated. What it did report is kept where it is the larger.
    """
    known = reported or Usage()
    seen_input = known.input_tokens + known.cache_read_tokens + known.cache_write_tokens
    return msgspec.structs.replace(
        known,
        input_tokens=known.input_tokens if seen_input else -(-prompt_characters // CHARACTERS_PER_TOKEN),
        output_tokens=max(known.output_tokens, -(-answer_characters // CHARACTERS_PER_TOKEN)),
        estimated=True,
    )


def add_usage(one: Usage, other: Usage) -> Usage:
    """
    Add the token counts of two calls; the sum is an estimate if one of them is.
    """
    return Usage(
        input_tokens=one.input_tokens + other.input_tokens,
        output_tokens=one.output_tokens + other.output_tokens,
        reasoning_tokens=one.reasoning_tokens + other.reasoning_tokens,
        cache_read_tokens=one.cache_read_tokens + other.cache_read_tokens,
        cache_write_tokens=one.cache_write_tokens + other.cache_write_tokens,
        estimated=one.estimated or other.estimated,
    )
