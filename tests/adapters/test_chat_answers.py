"""
Chat Completions answers become events: text, reasoning in and beside it, tool calls, counts and reasons.
"""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outcrop.errors import InvalidMessage, ModelFailed, StreamInterrupted
from outcrop.turns.fold import fold
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
from tests.adapters.forms import METRICS, Json, stop_of, stream, whole


def delta(**fields: Any) -> Json:
    """
    Build a chunk with this delta.
    """
    return {"id": "c1", "choices": [{"index": 0, "delta": fields, "finish_reason": None}]}


def ended(reason: str = "stop", **fields: Any) -> Json:
    """
    Build the chunk that ends an answer.
    """
    return {"id": "c1", "choices": [{"index": 0, "delta": {}, "finish_reason": reason}], **METRICS, **fields}


def answer(reason: str = "stop", usage: Json | None = None, **message: Any) -> Json:
    """
    Build a whole answer with this message.
    """
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": reason}
    return {"id": "c1", "choices": [choice], "usage": usage}


def tool_call(index: int | None, **fields: Any) -> Json:
    """
    Build a fragment of a tool call.
    """
    function = {name: fields.pop(name) for name in ("name", "arguments") if name in fields}
    return {"function": function, **({} if index is None else {"index": index}), **fields}


def said(events: list[StreamEvent]) -> list[StreamEvent]:
    """
    Return what stands between the start and the counts.
    """
    assert isinstance(events[0], MessageStart)
    return events[1:-2]


def test_reasoning_in_tags_comes_before_the_text() -> None:
    """
    gpt-oss inlines its reasoning; a tag split over deltas is found.
    """
    deltas = [delta(content=piece) for piece in ("<reas", "oning>hm", " hm</reasoning", ">Hi", "!")]
    assert said(stream("openai_chat", *deltas, ended())) == [
        ReasoningDelta(text="hm"),
        ReasoningDelta(text=" hm"),
        TextDelta("Hi", 1),
        TextDelta("!", 1),
    ]


def test_half_a_tag_at_the_end_is_text() -> None:
    """
    What was held back comes out before the end.
    """
    assert said(stream("openai_chat", delta(content="<reas"), ended())) == [TextDelta("<reas")]


@pytest.mark.parametrize("family", ["jamba", "mistral_chat", "writer"])
def test_a_family_without_tags_passes_them_on(family: str) -> None:
    """
    Where nobody knows of tagged reasoning, a tag is text.
    """
    assert said(whole(family, answer(content="<think>a</think>b"))) == [TextDelta("<think>a</think>b")]


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_beside_the_text_is_reasoning(field: str) -> None:
    """
    Some servers give it a field of its own.
    """
    streamed = stream("openai_chat", delta(**{field: "hm"}), delta(content="Hi"), ended())
    assert said(streamed) == [ReasoningDelta(text="hm"), TextDelta("Hi", 1)]
    whole_message: Json = {"content": "Hi", field: "hm"}
    assert said(whole("openai_chat", answer(**whole_message))) == said(streamed)


def test_a_tools_arguments_are_streamed() -> None:
    """
    A call opens with its ID and name; its fragments are one document; calls may come side by side.
    """
    events = stream(
        "openai_chat",
        delta(content="Let me see"),
        delta(tool_calls=[tool_call(0, id="t1", name="look", arguments="")]),
        delta(tool_calls=[tool_call(0, arguments='{"q":')]),
        delta(tool_calls=[tool_call(1, id="t2", name="now"), tool_call(0, arguments='"x"}')]),
        ended("tool_calls"),
    )
    assert said(events) == [
        TextDelta("Let me see"),
        ToolUseStart(index=1, tool_use_id="t1", name="look"),
        ToolUseDelta(index=1, input_json='{"q":'),
        ToolUseStart(index=2, tool_use_id="t2", name="now"),
        ToolUseDelta(index=1, input_json='"x"}'),
        ToolUseDelta(index=2, input_json="{}"),
    ]
    assert stop_of(events).stop_reason == "tool_use"


def test_whole_calls_have_no_index() -> None:
    """
    Calls of a whole answer, or of a stream that gives each at once, are told apart by place and by ID.
    """
    calls = [tool_call(None, id=f"t{at}", name="n", arguments="{}") for at in (1, 2)]
    events = whole("mistral_chat", answer("tool_calls", content="", tool_calls=calls))
    assert fold(events).parts == tuple(ToolUsePart(tool_use_id=f"t{at}", name="n", input={}) for at in (1, 2))
    streamed = stream("mistral_chat", *(delta(tool_calls=[call]) for call in calls), ended("tool_calls"))
    assert fold(streamed).parts == fold(events).parts


def test_arguments_may_be_an_object() -> None:
    """
    A server that sends no string is understood.
    """
    call = tool_call(0, id="t1", name="n", arguments={"q": 1})
    assert fold(whole("mistral_chat", answer(tool_calls=[call]))).parts == (
        ToolUsePart(tool_use_id="t1", name="n", input={"q": 1}),
    )


def test_a_repeated_id_opens_nothing() -> None:
    """
    Servers that repeat ID and name in every fragment mean one call.
    """
    fragments = [tool_call(0, id="t1", name="n", arguments=piece) for piece in ('{"q"', ":1}")]
    events = stream("openai_chat", *(delta(tool_calls=[fragment]) for fragment in fragments), ended("tool_calls"))
    assert fold(events).parts == (ToolUsePart(tool_use_id="t1", name="n", input={"q": 1}),)


@pytest.mark.parametrize("call", [tool_call(0, id="t1"), tool_call(0, name="n"), tool_call(2, arguments="{}")])
def test_a_call_without_its_name_is_refused(call: Json) -> None:
    """
    A call that can't be answered is no call.
    """
    with pytest.raises(InvalidMessage, match="came without its id or its name"):
        stream("openai_chat", delta(tool_calls=[call]))


def test_text_after_a_call_is_a_block_of_its_own() -> None:
    """
    Blocks stay in the order in which they open.
    """
    call = tool_call(0, id="t1", name="n", arguments="{}")
    events = stream(
        "openai_chat", delta(content="a"), delta(tool_calls=[call]), delta(content="b"), ended("tool_calls")
    )
    assert fold(events).parts == (
        TextPart(text="a"),
        ToolUsePart(tool_use_id="t1", name="n", input={}),
        TextPart(text="b"),
    )


@pytest.mark.parametrize(
    ("said_reason", "meant"),
    [
        ("stop", "end_turn"),
        ("length", "max_tokens"),
        ("tool_calls", "tool_use"),
        ("content_filter", "content_filtered"),
        ("model_length", "context_window_exceeded"),
        ("boredom", "other"),
    ],
)
def test_a_reason_has_our_name(said_reason: str, meant: str) -> None:
    """
    The reasons map to ours by a table.
    """
    assert stop_of(whole("openai_chat", answer(said_reason, content="a"))).stop_reason == meant


def test_the_older_name_of_the_reason_is_read() -> None:
    """
    Older Mistral models say `stop_reason`; a number there, as some servers have it, is none.
    """
    choice = {"index": 0, "message": {"content": "a"}, "stop_reason": "length"}
    assert stop_of(whole("mistral_chat", {"choices": [choice]})).stop_reason == "max_tokens"
    with pytest.raises(InvalidMessage, match="no 'finish_reason'"):
        whole("mistral_chat", {"choices": [choice | {"stop_reason": 7}]})


def test_a_forced_tool_is_a_tools_reason() -> None:
    """
    A model that was told which tool to call says `stop`; it called a tool.
    """
    call = tool_call(0, id="t1", name="n", arguments="{}")
    assert stop_of(whole("openai_chat", answer("stop", tool_calls=[call]))).stop_reason == "tool_use"


def test_a_refusal_is_text_and_a_reason() -> None:
    """
    What the model says instead of an answer is passed on, and named.
    """
    events = whole("openai_chat", answer(content=None, refusal="I can't"))
    assert said(events) == [TextDelta("I can't")]
    assert stop_of(events).stop_reason == "refusal"


def test_the_bodys_counts_are_read() -> None:
    """
    Cached tokens are not counted twice; reasoning is counted apart.
    """
    usage = {
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 2},
    }
    report = UsageReport(Usage(input_tokens=6, output_tokens=5, reasoning_tokens=2, cache_read_tokens=4))
    assert whole("openai_chat", answer(content="a", usage=usage), {})[-2] == report
    assert stream("openai_chat", delta(content="a"), ended(usage=usage))[-2] == report


def test_counts_may_follow_the_reason() -> None:
    """
    A chunk without a choice counts; the end waits for it, and stands where the metrics are.
    """
    last = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    usage = {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4}}
    for end in (usage, usage | METRICS):
        events = stream("openai_chat", delta(content="a"), last, end)
        assert events[-2:] == [
            UsageReport(Usage(input_tokens=3, output_tokens=4)),
            MessageStop(stop_reason="end_turn"),
        ]


def test_counts_grow_with_the_answer() -> None:
    """
    A server that counts in every chunk means the last of each.
    """
    counting = delta(content="a") | {"usage": {"prompt_tokens": 3, "completion_tokens": 1}}
    events = stream("openai_chat", counting, ended(usage={"completion_tokens": 4}))
    assert events[-2] == UsageReport(Usage(input_tokens=3, output_tokens=4))


def test_metrics_in_a_whole_answer_end_it_once() -> None:
    """
    Bedrock's counts hold where they stand in the body, too.
    """
    events = whole("openai_chat", answer(content="a") | METRICS, {})
    assert events[-2] == UsageReport(Usage(input_tokens=11, output_tokens=7))
    assert [type(event) for event in events].count(MessageStop) == 1


def test_a_reason_may_be_repeated() -> None:
    """
    A server that says its reason again, beside the counts, says nothing new; another reason is refused.
    """
    last = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    assert stop_of(stream("openai_chat", delta(content="a"), last, ended())).stop_reason == "end_turn"
    with pytest.raises(InvalidMessage, match="after the one with the stop reason"):
        stream("openai_chat", last, ended("length"))


def test_usage_that_nobody_reported_is_marked() -> None:
    """
    Without any counts the usage is an estimate.
    """
    assert whole("openai_chat", answer(content="a"), {})[-2] == UsageReport(Usage(estimated=True))


@pytest.mark.parametrize("family", ["openai_chat", "writer"])
def test_a_done_marker_says_nothing(family: str) -> None:
    """
    A stream may end with the bare string `"[DONE]"`, which does not make a cut stream whole.
    """
    assert stream(family, delta(content="a"), ended(), "[DONE]") == stream(family, delta(content="a"), ended())
    with pytest.raises(StreamInterrupted):
        stream(family, delta(content="a"), "[DONE]")


def test_another_bare_string_is_refused() -> None:
    """
    Only the one marker is known.
    """
    with pytest.raises(InvalidMessage, match="not a chat completion"):
        stream("writer", "[OVER]")


def test_an_error_in_an_answer_is_the_models() -> None:
    """
    A body that says what went wrong is a failure, not an empty answer.
    """
    with pytest.raises(ModelFailed, match="the model answered with an error: out of memory"):
        whole("openai_chat", {"error": {"message": "out of memory", "type": "server_error"}})


@pytest.mark.parametrize(
    "bad",
    [
        {},
        {"choices": [{"index": 1, "delta": {"content": "a"}}]},
        {"choices": [{"delta": {"content": ["a"]}}]},
        {"choices": [{"delta": {"content": "a"}}, {"index": 1}]},
        {"choices": [], "usage": {"prompt_tokens": -1}},
        {"choices": [{"delta": {"tool_calls": [{"index": "0"}]}}]},
    ],
)
def test_what_is_no_chat_completion_is_refused(bad: Json) -> None:
    """
    A second choice, content of another type and counts below zero are refused, never guessed at.
    """
    with pytest.raises(InvalidMessage):
        stream("openai_chat", bad)


def test_the_answers_id_opens_it() -> None:
    """
    The model's own ID of the message is passed on.
    """
    assert whole("openai_chat", answer(content="a"))[0] == MessageStart(message_id="c1")


def test_unknown_fields_of_the_message_reach_the_terminal() -> None:
    """
    What stands beside the text is passed on.
    """
    assert stop_of(whole("openai_chat", answer(content="a", audio={"x": 1}))).provider_details == {"audio": {"x": 1}}


@given(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=3),
    st.data(),
)
@settings(deadline=None, max_examples=80)
def test_reasoning_text_and_tools_fold_like_the_whole(
    thought: str, text: str, arguments: dict[str, int], data: st.DataObject
) -> None:
    """
    Reasoning, text and a tool call, cut anywhere, fold to what the whole answer folds to.
    """
    content = f"<reasoning>{thought.replace('<', '(')}</reasoning>{text}"
    document = json.dumps(arguments)
    cuts = [data.draw(st.integers(0, len(part))) for part in (content, document)]
    call = tool_call(0, id="t1", name="n", arguments=document[: cuts[1]])
    streamed = stream(
        "openai_chat",
        delta(content=content[: cuts[0]]),
        delta(content=content[cuts[0] :]),
        delta(tool_calls=[call]),
        delta(tool_calls=[tool_call(0, arguments=document[cuts[1] :])]),
        ended("tool_calls"),
    )
    made = tool_call(None, id="t1", name="n", arguments=document)
    folded = fold(whole("openai_chat", answer("tool_calls", content=content, tool_calls=[made])))
    assert fold(streamed) == folded
    expected = [ReasoningPart(text=thought.replace("<", "("))] if thought else []
    assert folded.parts[: len(expected)] == tuple(expected)
