"""
How blocks are numbered, opened and closed where a model's events come in an unusual order.
"""

from collections.abc import Mapping
from typing import Any

from outcrop.dialects.blocks import BlockWalk, Closed, Opened, Passed, Signed, collect_blocks
from outcrop.types import ReasoningDelta, StreamEvent, TextDelta, ToolUseDelta, ToolUseStart, Usage, UsageReport
from tests.dialects.anthropic_logs import to_log


def takes_all(content: Mapping[str, Any]) -> bool:
    """
    Take every block of unknown kind.
    """
    return True


def walk(*events: StreamEvent) -> list[Any]:
    """
    Walk through events to the end.
    """
    walker = BlockWalk(takes_all)
    return [step for event in events for step in walker.take(event)] + walker.finish()


def marks(steps: list[Any]) -> list[str]:
    """
    Show where blocks open and close: `+0` and `-0`.
    """
    edges = [step for step in steps if isinstance(step, Opened | Closed)]
    return [f"{'+' if isinstance(step, Opened) else '-'}{step.number}" for step in edges]


def test_calls_whose_fragments_are_mixed_stay_open_side_by_side() -> None:
    """
    A call that is not complete when another begins stays open, and takes its later fragments.
    """
    steps = walk(
        ToolUseStart(index=0, tool_use_id="a", name="f"),
        ToolUseStart(index=1, tool_use_id="b", name="f"),
        ToolUseDelta(index=1, input_json="{}"),
        ToolUseDelta(index=0, input_json="{}"),
    )
    assert marks(steps) == ["+0", "+1", "-0", "-1"]


def test_a_complete_call_closes_when_another_begins() -> None:
    """
    Blocks do not overlap without need; a fragment that comes after a call was complete is not one.
    """
    steps = walk(
        ToolUseStart(index=0, tool_use_id="a", name="f"),
        ToolUseDelta(index=0, input_json='{"x":1}'),
        ToolUseStart(index=1, tool_use_id="b", name="f"),
        ToolUseDelta(index=0, input_json=" "),
        ToolUseDelta(index=7, input_json="{}"),
    )
    assert marks(steps) == ["+0", "-0", "+1", "-1"]


def test_a_text_that_goes_on_after_another_block_is_a_new_block() -> None:
    """
    What was closed can't be opened again: the rest of a text gets a number of its own.
    """
    events: list[StreamEvent] = [TextDelta("a", 0), ReasoningDelta(text="b", index=1, signature="s"), TextDelta("c", 0)]
    steps = walk(*events, UsageReport(Usage()))
    assert marks(steps) == ["+0", "-0", "+1", "-1", "+2", "-2"]
    assert [step.signature for step in steps if isinstance(step, Signed)] == ["s"]
    assert [block.text for block in collect_blocks(to_log(events), takes_all)] == ["a", "b", "c"]


def test_a_delta_of_unknown_kind_opens_its_block_or_joins_it() -> None:
    """
    An unknown delta opens an opaque block where none is open, and belongs to the one that is.
    """
    steps = walk(TextDelta("", 0, {"delta": {"x": 1}}), TextDelta("a", 1), TextDelta("", 1, {"delta": {"y": 1}}))
    assert marks(steps) == ["+0", "-0", "+1", "-1"]
    assert [(step.number, step.delta) for step in steps if isinstance(step, Passed)] == [(0, {"x": 1}), (1, {"y": 1})]


def test_the_fast_path_knows_the_open_text_only() -> None:
    """
    The numbers for writing plain deltas directly are there while a text is open, and gone when it is closed.
    """
    walker = BlockWalk(takes_all)
    walker.take(ReasoningDelta(text="b", index=4))
    assert (walker.text_index, walker.text_number) == (-1, -1)
    walker.take(TextDelta("a", 5))
    assert (walker.text_index, walker.text_number) == (5, 1)
    walker.take(ToolUseStart(index=6, tool_use_id="a", name="f"))
    assert (walker.text_index, walker.text_number) == (-1, -1)
