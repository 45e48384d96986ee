"""
Tests of the UI message stream.
"""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outcrop.dialects.chat.replies import ChunkFramer
from outcrop.dialects.chat.sse import SSE_DONE, encode_events
from outcrop.dialects.ui_stream.endings import FINISH_REASONS, UiStreamClosing
from outcrop.dialects.ui_stream.parts import UiPart
from outcrop.dialects.ui_stream.renderer import UiStreamOpening, UiStreamRenderer, render_failure
from outcrop.turns.fold import fold, merge_deltas
from outcrop.types import (
    AnswerContinued,
    MessageStart,
    MessageStop,
    ReasoningDelta,
    StreamEvent,
    StreamFailed,
    TextDelta,
    ToolUseDelta,
    ToolUseStart,
)
from tests.dialects.ui_stream_logs import CLOSING, STOP_REASONS, event_streams, log, opening, render

BEGIN = MessageStart()
END = MessageStop(stop_reason="end_turn")


def types(parts: list[dict[str, Any]]) -> list[str]:
    """
    Name the parts' types.
    """
    return [part["type"] for part in parts]


def inner(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """
    Take the parts between the beginning and the end of the step.
    """
    names = types(parts)
    return parts[names.index("start-step") + 1 : names.index("finish-step")]


def texts_by_block(parts: list[dict[str, Any]]) -> dict[int, str]:
    """
    Join the text deltas of each content block.
    """
    texts: dict[int, str] = {}
    for part in parts:
        if part["type"] == "text-delta":
            index = int(part["id"].removeprefix("text-").partition(".")[0])
            texts[index] = texts.get(index, "") + part["delta"]
    return texts


def test_an_answer_is_opened_told_and_finished() -> None:
    """
    An answer is a message with one step, one text, and its bill in the metadata.
    """
    parts = render([BEGIN, TextDelta("Hel"), TextDelta('lo "you"\n'), END])
    assert parts == [
        {
            "type": "start",
            "messageId": "msg-turn1",
            "messageMetadata": {"turnId": "turn1", "model": "claude", "region": "us-east-1"},
        },
        {"type": "start-step"},
        {"type": "text-start", "id": "text-0"},
        {"type": "text-delta", "id": "text-0", "delta": "Hel"},
        {"type": "text-delta", "id": "text-0", "delta": 'lo "you"\n'},
        {"type": "text-end", "id": "text-0"},
        {"type": "finish-step"},
        {
            "type": "finish",
            "finishReason": "stop",
            "messageMetadata": {
                "turnId": "turn1",
                "model": "claude",
                "region": "us-east-1",
                "stopReason": "end_turn",
                "usage": {
                    "inputTokens": 3,
                    "outputTokens": 4,
                    "reasoningTokens": 0,
                    "cacheReadTokens": 5,
                    "cacheWriteTokens": 0,
                    "estimated": False,
                },
                "ttftMs": 300,
                "durationMs": 1200,
                "costUsd": 0.25,
            },
        },
    ]


def test_the_start_needs_no_entry() -> None:
    """
    The part that opens the message comes before anything is in the log, and only once.
    """
    renderer = UiStreamRenderer(opening())
    assert types([json.loads(part) for part in renderer.render(())]) == ["start"]
    assert renderer.render(()) == []
    assert renderer.terminal is None


def test_a_message_that_goes_on_keeps_its_id() -> None:
    """
    The answer to tool results bears the ID of the client's own last message.
    """
    renderer = UiStreamRenderer(UiStreamOpening(turn_id="t", model="m", region="r", message_id="theirs"))
    assert json.loads(renderer.render(())[0])["messageId"] == "theirs"


def test_a_stream_is_not_closed_before_its_end() -> None:
    """
    To close a stream without its terminal event is a mistake of the caller.
    """
    with pytest.raises(AssertionError, match="terminal"):
        UiStreamRenderer(opening()).close(CLOSING)


def test_what_is_not_known_is_left_out() -> None:
    """
    A turn without a summary has no bill in its metadata.
    """
    renderer = UiStreamRenderer(opening())
    renderer.render(log(BEGIN, END))
    assert json.loads(renderer.close(UiStreamClosing())[-1])["messageMetadata"] == {
        "turnId": "turn1",
        "model": "claude",
        "region": "us-east-1",
        "stopReason": "end_turn",
    }


@pytest.mark.parametrize("reason", [reason for reason in STOP_REASONS if reason != "stopped"])
def test_every_reason_has_a_standard_name(reason: Any) -> None:
    """
    Every stop reason is told in the standard's words, and exactly in the metadata.
    """
    finish = render([BEGIN, MessageStop(stop_reason=reason, stop_sequence="X", provider_details={"a": 1})])[-1]
    assert finish["finishReason"] == FINISH_REASONS[reason]
    metadata = finish["messageMetadata"]
    assert (metadata["stopReason"], metadata["stopSequence"], metadata["bedrock"]) == (reason, "X", {"a": 1})


def test_a_stopped_answer_is_aborted_with_its_bill() -> None:
    """
    A stopped answer ends with an abort, and its metadata come before.
    """
    parts = render([BEGIN, TextDelta("Hi"), MessageStop(stop_reason="stopped")])
    assert types(parts[4:]) == ["text-end", "finish-step", "message-metadata", "abort"]
    assert parts[-2]["messageMetadata"]["stopReason"] == "stopped"
    assert parts[-2]["messageMetadata"]["usage"]["outputTokens"] == 4


def test_a_failure_is_told_to_programs_and_to_people() -> None:
    """
    A failure closes the text, tells the bill, then the error for a program (transient) and the standard one.
    """
    failure = StreamFailed(
        code="throttled",
        message="slow down",
        status=429,
        retryable=True,
        retry_after_seconds=1.5,
        aws_error="ThrottlingException",
        aws_request_id="r-1",
    )
    parts = render([BEGIN, TextDelta("Hi"), failure])
    assert types(parts[4:]) == ["text-end", "message-metadata", "data-error", "error"]
    assert parts[-2:] == [
        {
            "type": "data-error",
            "data": {
                "code": "throttled",
                "message": "slow down",
                "retryable": True,
                "retryAfterMs": 1500,
                "awsError": "ThrottlingException",
                "awsRequestId": "r-1",
            },
            "transient": True,
        },
        {"type": "error", "errorText": "slow down"},
    ]
    assert [json.loads(part) for part in render_failure(failure)] == parts[-2:]


def test_a_turn_that_fails_before_it_begins_has_no_step() -> None:
    """
    A failure in place of an answer comes without a step.
    """
    assert types(render([StreamFailed(code="c", message="m")])) == ["start", "message-metadata", "data-error", "error"]


def test_reasoning_ends_with_its_signature() -> None:
    """
    The signature, in pieces, and an encrypted block come with the part that closes the reasoning.
    """
    events: list[StreamEvent] = [
        BEGIN,
        ReasoningDelta(text="Hm"),
        ReasoningDelta(signature="ab"),
        ReasoningDelta(signature="cd"),
        ReasoningDelta(index=1, redacted="xyz"),
        TextDelta("So", 2),
        END,
    ]
    assert inner(render(events))[:5] == [
        {"type": "reasoning-start", "id": "reasoning-0"},
        {"type": "reasoning-delta", "id": "reasoning-0", "delta": "Hm"},
        {"type": "reasoning-end", "id": "reasoning-0", "providerMetadata": {"bedrock": {"signature": "abcd"}}},
        {"type": "reasoning-start", "id": "reasoning-1"},
        {"type": "reasoning-end", "id": "reasoning-1", "providerMetadata": {"bedrock": {"redactedData": "xyz"}}},
    ]


def test_a_call_is_complete_when_another_block_goes_on() -> None:
    """
    A call of a tool streams its arguments, and is closed with the parsed ones before the next block.
    """
    events: list[StreamEvent] = [
        BEGIN,
        ToolUseStart(index=0, tool_use_id="c1", name="search"),
        ToolUseDelta(index=0, input_json='{"q":'),
        ToolUseDelta(index=0, input_json='"x"}'),
        ToolUseDelta(index=0, input_json=" "),
        TextDelta("ok", 1),
        END,
    ]
    assert inner(render(events))[:5] == [
        {"type": "tool-input-start", "toolCallId": "c1", "toolName": "search"},
        {"type": "tool-input-delta", "toolCallId": "c1", "inputTextDelta": '{"q":'},
        {"type": "tool-input-delta", "toolCallId": "c1", "inputTextDelta": '"x"}'},
        {"type": "tool-input-delta", "toolCallId": "c1", "inputTextDelta": " "},
        {"type": "tool-input-available", "toolCallId": "c1", "toolName": "search", "input": {"q": "x"}},
    ]


def test_interleaved_calls_are_each_complete() -> None:
    """
    Calls whose fragments come in turns are each closed once, when they are complete.
    """
    events: list[StreamEvent] = [
        BEGIN,
        ToolUseStart(index=0, tool_use_id="c0", name="a"),
        ToolUseDelta(index=0, input_json='{"x":{}'),
        ToolUseStart(index=1, tool_use_id="c1", name="b"),
        ToolUseDelta(index=0, input_json=","),
        ToolUseDelta(index=1, input_json="{}"),
        ToolUseDelta(index=0, input_json='"y":1}'),
        ToolUseDelta(index=1, input_json=" "),
        END,
    ]
    available = [part for part in render(events) if part["type"] == "tool-input-available"]
    assert [(part["toolCallId"], part["input"]) for part in available] == [("c1", {}), ("c0", {"x": {}, "y": 1})]


@pytest.mark.parametrize("arguments", ["[1]", '{"a":', "no", "[" * 3000])
def test_arguments_that_are_no_object_are_an_error(arguments: str) -> None:
    """
    A call whose arguments are not one JSON object is closed with an error and their text.
    """
    start = ToolUseStart(index=0, tool_use_id="c1", name="search")
    last = inner(render([BEGIN, start, ToolUseDelta(index=0, input_json=arguments), END]))[-1]
    assert (last["type"], last["input"]) == ("tool-input-error", arguments)
    assert "JSON object" in last["errorText"]


def test_a_call_without_arguments_has_none_unless_it_was_cut_off() -> None:
    """
    No arguments mean an empty object in an answer that ended by itself, and an unfinished call in one that did not.
    """
    start = ToolUseStart(index=0, tool_use_id="c1", name="search")
    assert inner(render([BEGIN, start, END]))[-1]["input"] == {}
    assert inner(render([BEGIN, start, MessageStop(stop_reason="stopped")]))[-1]["type"] == "tool-input-error"
    assert "tool-input-error" in types(render([BEGIN, start, StreamFailed(code="c", message="m")]))


def test_a_whole_answer_has_one_delta_for_each_text() -> None:
    """
    Where the client wants no stream, each text, reasoning and call has one delta.
    """
    events: list[StreamEvent] = [
        BEGIN,
        ReasoningDelta(text="a"),
        ReasoningDelta(text="b"),
        TextDelta("c", 1),
        TextDelta("d", 1),
        ToolUseStart(index=2, tool_use_id="c1", name="search"),
        ToolUseDelta(index=2, input_json="{"),
        ToolUseDelta(index=2, input_json="}"),
        END,
    ]
    parts = inner(render(events, whole=True))
    assert [part.get("delta") or part.get("inputTextDelta") for part in parts if part["type"].endswith("delta")] == [
        "ab",
        "cd",
        "{}",
    ]


def test_a_whole_answer_that_fails_shows_what_came() -> None:
    """
    A failure does not swallow the text that was held back.
    """
    parts = render([BEGIN, TextDelta("a"), TextDelta("b"), StreamFailed(code="c", message="m")], whole=True)
    assert texts_by_block(parts) == {0: "ab"}


def test_details_of_the_beginning_are_metadata() -> None:
    """
    What Bedrock says with the answer's beginning becomes the message's metadata.
    """
    parts = render([MessageStart(message_id="m1", provider_details={"x": 1}), END])
    assert parts[2] == {"type": "message-metadata", "messageMetadata": {"bedrock": {"x": 1, "messageId": "m1"}}}


def test_content_without_a_part_of_its_own_is_passed_on() -> None:
    """
    A block of an unknown kind becomes a data part, and opens no text.
    """
    assert inner(render([BEGIN, TextDelta("", 3, {"content_block": {"type": "new"}}), END])) == [
        {"type": "data-bedrock", "data": {"index": 3, "details": {"content_block": {"type": "new"}}}}
    ]
    assert inner(render([BEGIN, ToolUseDelta(index=9, input_json="{}"), END]))[0]["data"]["index"] == 9


@pytest.mark.parametrize(
    ("citation", "expected"),
    [
        (
            {"type": "web_search_result_location", "url": "https://example.com/a", "title": "A"},
            {"type": "source-url", "sourceId": "source-1", "url": "https://example.com/a", "title": "A"},
        ),
        (
            {"location": {"web": {"url": "https://example.com/b"}}},
            {"type": "source-url", "sourceId": "source-1", "url": "https://example.com/b"},
        ),
        (
            {"type": "page_location", "document_index": 0, "document_title": "Report"},
            {"type": "source-document", "sourceId": "source-1", "mediaType": "application/pdf", "title": "Report"},
        ),
        (
            {"location": {"documentChunk": {"documentIndex": 2}}},
            {
                "type": "source-document",
                "sourceId": "source-1",
                "mediaType": "application/octet-stream",
                "title": "document 2",
            },
        ),
    ],
)
def test_citations_are_sources(citation: dict[str, Any], expected: dict[str, Any]) -> None:
    """
    A citation of a web page or a document is a source, with its own words beside it.
    """
    (part,) = inner(render([BEGIN, TextDelta("", 0, {"citation": citation}), END]))
    assert part == expected | {"providerMetadata": {"bedrock": {"citation": citation}}}


@pytest.mark.parametrize("citation", [7, {"url": "javascript:alert(1)"}, {"location": "here"}, {}])
def test_other_citations_are_passed_on(citation: Any) -> None:
    """
    A citation that names no page and no document is a data part; a script is no page.
    """
    assert inner(render([BEGIN, TextDelta("", 4, {"citation": citation}), END])) == [
        {"type": "data-citation", "data": {"index": 4, "citation": citation}}
    ]


def test_a_seam_is_shown() -> None:
    """
    Where another server continued the answer, the text ends and a data part says why.
    """
    parts = inner(render([BEGIN, TextDelta("a"), AnswerContinued(reason="died"), TextDelta("b"), END]))
    assert types(parts) == ["text-start", "text-delta", "text-end", "data-seam", "text-start", "text-delta", "text-end"]
    assert parts[3]["data"] == {"reason": "died"}
    assert (parts[0]["id"], parts[4]["id"]) == ("text-0", "text-0.2")


def test_parts_travel_as_events() -> None:
    """
    Over SSE each part is one event; line breaks in it are escaped.
    """
    assert encode_events(['{"a":"b\\n"}', "{}"]) == b'data: {"a":"b\\n"}\n\ndata: {}\n\n'
    assert SSE_DONE == b"data: [DONE]\n\n"


@given(event_streams(), st.booleans(), st.data())
def test_a_stream_is_a_function_of_the_log_s_beginning(events: list[StreamEvent], whole: bool, data: Any) -> None:
    """
    However the log is cut into reads, the parts are the same, and those of its beginning are a beginning of them.
    """
    entries = log(*events)
    complete = UiStreamRenderer(opening(whole=whole)).render(entries)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(entries)), max_size=4)))
    renderer = UiStreamRenderer(opening(whole=whole))
    pieces: list[str] = []
    for start, end in zip([0, *cuts], [*cuts, len(entries)], strict=True):
        pieces += renderer.render(entries[start:end])
        assert complete[: len(pieces)] == pieces
    assert pieces == complete
    assert renderer.close(CLOSING) == renderer.close(CLOSING)


@given(event_streams(), st.booleans())
def test_the_short_way_to_a_frame_is_the_long_one(events: list[StreamEvent], whole: bool) -> None:
    """
    A text delta framed in one step is the frame of its part.
    """
    framer = ChunkFramer("r1")
    short = UiStreamRenderer(opening(whole=whole))
    expected = UiStreamRenderer(opening(whole=whole))
    for number, entry in enumerate(log(*events)):
        frame = short.frame_delta([entry], framer.prefix, number)
        parts = expected.render([entry])
        if frame is None:
            short.render([entry])
        else:
            assert [framer.frame(number, part) for part in parts] == [frame]
    assert short.frame_delta([], framer.prefix, 0) is None


@given(event_streams(), st.booleans(), st.booleans())
def test_no_text_is_lost(events: list[StreamEvent], whole: bool, merged: bool) -> None:
    """
    The text deltas are the text of the fold, block by block, however deltas were merged, and every part is well-formed.
    """
    if merged:
        events = list(merge_deltas(events))
    parts = render(events, whole=whole)
    texts = texts_by_block(parts)
    assert "".join(texts[index] for index in sorted(texts)) == fold(events).text
    for part in parts:
        decoded = msgspec.convert(part, UiPart)
        assert json.loads(msgspec.json.encode(decoded)) == part
    calls = {part["toolCallId"] for part in parts if part["type"] == "tool-input-start"}
    ends = [part["toolCallId"] for part in parts if part["type"] in {"tool-input-available", "tool-input-error"}]
    assert sorted(ends) == sorted(calls)
