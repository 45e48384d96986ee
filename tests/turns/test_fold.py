"""
Tests of `outcrop.turns.fold`.
"""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outcrop.turns.fold import estimate_usage, fold, merge_deltas
from outcrop.types import (
    MessageStart,
    MessageStop,
    ReasoningDelta,
    ReasoningPart,
    StreamEvent,
    TextDelta,
    TextPart,
    ToolUseDelta,
    ToolUsePart,
    ToolUseStart,
    Usage,
    UsageReport,
)

EVENTS: st.SearchStrategy[StreamEvent] = st.one_of(
    st.builds(TextDelta, st.text(max_size=5), st.integers(0, 2)),
    st.builds(TextDelta, st.just(""), st.just(0), st.just({"citation": 1})),
    st.builds(ReasoningDelta, text=st.text(max_size=5), index=st.just(3)),
    st.builds(ToolUseDelta, input_json=st.text(max_size=5), index=st.integers(4, 5)),
    st.builds(ToolUseStart, index=st.integers(4, 5), tool_use_id=st.just("t"), name=st.just("n")),
    st.just(UsageReport(Usage(output_tokens=1))),
)


@given(st.lists(EVENTS))
def test_merging_does_not_change_the_fold(events: list[StreamEvent]) -> None:
    """
    A merged log folds to the same answer as the unmerged one.
    """
    assert fold(merge_deltas(events)) == fold(events)


@given(st.lists(EVENTS))
def test_merging_is_complete_and_loses_no_details(events: list[StreamEvent]) -> None:
    """
    After merging, no two neighbours could be merged, and events with details stand as they were.
    """
    merged = merge_deltas(events)
    assert merge_deltas(merged) == merged
    assert [event for event in merged if isinstance(event, TextDelta) and event.provider_details] == [
        event for event in events if isinstance(event, TextDelta) and event.provider_details
    ]


def test_a_whole_answer_is_folded() -> None:
    """
    Blocks become parts in the order of their index; the last usage counts.
    """
    answer = fold(
        [
            MessageStart(),
            UsageReport(Usage(input_tokens=1)),
            ReasoningDelta(text="hm", index=0),
            ReasoningDelta(signature="s", index=0),
            TextDelta("a", 1),
            ToolUseStart(index=2, tool_use_id="t", name="n"),
            ToolUseDelta(index=2, input_json='{"x":'),
            TextDelta("b", 1),
            ToolUseDelta(index=2, input_json="1}"),
            UsageReport(Usage(input_tokens=1, output_tokens=2)),
            MessageStop(stop_reason="tool_use"),
        ]
    )
    assert answer.parts == (
        ReasoningPart(text="hm", signature="s"),
        TextPart(text="ab"),
        ToolUsePart(tool_use_id="t", name="n", input={"x": 1}),
    )
    assert answer.text == "ab"
    assert answer.usage == Usage(input_tokens=1, output_tokens=2)
    assert answer.terminal == MessageStop(stop_reason="tool_use")


def test_an_unfinished_tool_call_is_not_in_the_answer() -> None:
    """
    Arguments that stop in the middle make no tool call; a call without arguments has none.
    """
    start = ToolUseStart(index=0, tool_use_id="t", name="n")
    assert fold([start, ToolUseDelta(index=0, input_json='{"x":')]).parts == ()
    assert fold([start]).parts == (ToolUsePart(tool_use_id="t", name="n", input={}),)


@pytest.mark.parametrize("depth", [600, 997, 5000])
@pytest.mark.parametrize("is_cut", [False, True])
def test_a_call_that_nests_too_deep_is_not_in_the_answer(depth: int, *, is_cut: bool) -> None:
    """
    Arguments that could not be read or written everywhere count as unfinished; what stands beside them is kept.
    """
    arguments = '{"a":' + "[" * depth + ("" if is_cut else "]" * depth + "}")
    events: list[StreamEvent] = [TextDelta("a", 0)]
    events += [ToolUseStart(index=1, tool_use_id="u", name="f"), ToolUseDelta(index=1, input_json=arguments)]
    assert fold(events).parts == (TextPart(text="a"),)


def test_a_call_that_nests_deep_enough_for_people_is_in_the_answer() -> None:
    """
    Whatever a tool's schema would describe is read.
    """
    arguments = '{"a":' * 100 + "1" + "}" * 100
    parts = fold([ToolUseStart(index=0, tool_use_id="u", name="f"), ToolUseDelta(index=0, input_json=arguments)]).parts
    assert isinstance(parts[0], ToolUsePart)
    assert msgspec.json.encode(parts[0].input).decode() == arguments


def test_estimates_keep_what_was_reported() -> None:
    """
    An estimate fills gaps, rounds up, and never lowers a reported count.
    """
    assert estimate_usage(None, prompt_characters=9, answer_characters=1) == Usage(
        input_tokens=3, output_tokens=1, estimated=True
    )
    reported = Usage(input_tokens=7, output_tokens=5, cache_read_tokens=2)
    assert estimate_usage(reported, prompt_characters=900, answer_characters=8) == Usage(
        input_tokens=7, output_tokens=5, cache_read_tokens=2, estimated=True
    )
