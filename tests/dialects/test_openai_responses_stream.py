"""
Responses from a turn's log, with the official SDK as the referee.
"""

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai import omit
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.responses import Response, ResponsesServerEvent, ResponseStreamEvent
from pydantic import TypeAdapter

from outcrop.dialects.openai.responses_items import read_output_item
from outcrop.dialects.openai.responses_request import parse_response_request
from outcrop.dialects.openai.responses_socket import add_lane
from outcrop.dialects.openai.responses_stream import (
    ResponseClosing,
    ResponseOpening,
    ResponsesRenderer,
    encode_response,
    encode_sse,
)
from outcrop.types import (
    AnswerContinued,
    Message,
    MessageStart,
    MessageStop,
    ReasoningDelta,
    ReasoningPart,
    StopReason,
    StreamEvent,
    StreamFailed,
    TextDelta,
    TextPart,
    ToolUseDelta,
    ToolUsePart,
    ToolUseStart,
    Usage,
    UsageReport,
)
from tests.dialects.ui_stream_logs import event_streams, log

EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
SOCKET_EVENT: TypeAdapter[Any] = TypeAdapter(ResponsesServerEvent)
CLOSING = ResponseClosing(
    usage=Usage(input_tokens=3, output_tokens=4, reasoning_tokens=2, cache_read_tokens=5), completed_at=1_700_000_009
)
TOOL = {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": False}
BODY: dict[str, Any] = {"model": "claude", "input": "hi", "tools": [TOOL], "metadata": {"a": "b"}}
SUMMARISED = {**BODY, "reasoning": {"summary": "auto", "effort": "high"}}
BACKGROUND = {**BODY, "background": True}
THINKING: list[StreamEvent] = [
    ReasoningDelta(text="let me ", index=0),
    ReasoningDelta(text="see", index=0),
    ReasoningDelta(index=0, signature="c2ln"),
]

PATIENT = settings(deadline=None)


def opening(body: dict[str, Any]) -> ResponseOpening:
    """
    Open the response to a request.
    """
    echo = parse_response_request(json.dumps(body).encode()).echo
    return ResponseOpening(turn_id="turn1", model="claude", created_at=1_700_000_000, echo=echo)


def render(events: Sequence[StreamEvent], body: dict[str, Any] = BODY, starting_after: int = -1) -> list[str]:
    """
    Render a finished turn.
    """
    renderer = ResponsesRenderer(opening(body), starting_after=starting_after)
    return renderer.render(log(*events)) + renderer.close(CLOSING)


def decode(events: Sequence[StreamEvent], body: dict[str, Any] = BODY) -> list[dict[str, Any]]:
    """
    Render a finished turn, and decode its events.
    """
    return [json.loads(event) for event in render(events, body)]


def whole(events: Sequence[StreamEvent], body: dict[str, Any] = BODY) -> dict[str, Any]:
    """
    Encode and decode the object of a finished turn.
    """
    response: dict[str, Any] = json.loads(encode_response(opening(body), log(*events), CLOSING))
    return response


def test_a_stream_of_text() -> None:
    """
    A text is one item with one part: each opens, grows and closes with its own events.
    """
    made = decode([MessageStart(), TextDelta("He"), TextDelta("llo"), MessageStop(stop_reason="end_turn")])
    assert [(event["type"].removeprefix("response."), event.get("delta", event.get("text"))) for event in made] == [
        ("created", None),
        ("in_progress", None),
        ("output_item.added", None),
        ("content_part.added", None),
        ("output_text.delta", "He"),
        ("output_text.delta", "llo"),
        ("output_text.done", "Hello"),
        ("content_part.done", None),
        ("output_item.done", None),
        ("completed", None),
    ]
    assert [event["sequence_number"] for event in made] == list(range(10))
    part = {"type": "output_text", "text": "Hello", "annotations": [], "logprobs": []}
    item = {"id": "msg_turn1_0", "type": "message", "status": "completed", "role": "assistant", "content": [part]}
    response = made[-1]["response"]
    assert response["output"] == [made[-2]["item"]] == [item]
    assert response["usage"]["input_tokens"] == 8
    assert response["usage"]["input_tokens_details"] == {"cached_tokens": 5, "cache_write_tokens": 0}
    assert (response["metadata"], response["completed_at"]) == ({"a": "b"}, 1_700_000_009)


def test_a_call_is_an_item() -> None:
    """
    A call of a tool has its ID, its name, its arguments piece by piece; one without any has an empty object.
    """
    made = decode(
        [
            MessageStart(),
            ToolUseStart(index=1, tool_use_id="t1", name="f"),
            ToolUseDelta(index=1, input_json='{"a":'),
            ToolUseDelta(index=1, input_json="1}"),
            ToolUseStart(index=2, tool_use_id="t2", name="f"),
            MessageStop(stop_reason="tool_use"),
        ]
    )
    arguments = [(event["output_index"], event["delta"]) for event in made if event["type"].endswith("arguments.delta")]
    assert arguments == [(0, '{"a":'), (0, "1}"), (1, "{}")]
    assert [(item["call_id"], item["arguments"]) for item in made[-1]["response"]["output"]] == [
        ("t1", '{"a":1}'),
        ("t2", "{}"),
    ]


def test_a_call_that_was_cut_stays_cut() -> None:
    """
    The arguments of a call that ran into the limit are not made whole, and the item is incomplete.
    """
    start = ToolUseStart(index=0, tool_use_id="t1", name="f")
    item = whole([MessageStart(), start, MessageStop(stop_reason="max_tokens")])["output"][0]
    assert (item["arguments"], item["status"]) == ("", "incomplete")


@pytest.mark.parametrize(
    ("body", "event", "field"),
    [(BODY, "reasoning_text", "content"), (SUMMARISED, "reasoning_summary_text", "summary")],
)
def test_reasoning_is_shown_where_the_client_looks(body: dict[str, Any], event: str, field: str) -> None:
    """
    Reasoning is the item's content, or its summary where the client asked for one; it comes back as it was.
    """
    events = [MessageStart(), *THINKING, TextDelta("so", 1), MessageStop(stop_reason="end_turn")]
    made = decode(events, body)
    assert [one["delta"] for one in made if one["type"] == f"response.{event}.delta"] == ["let me ", "see"]
    item = made[-1]["response"]["output"][0]
    assert item[field][0]["text"] == "let me see"
    assert read_output_item(item, "claude") == Message(
        "assistant", (ReasoningPart(text="let me see", signature="c2ln"),)
    )
    assert read_output_item(item, "another") is None


def test_the_output_can_be_sent_back() -> None:
    """
    A response's output, put into the next input, is what the model said.
    """
    events = [
        MessageStart(), *THINKING, ReasoningDelta(index=1, redacted="c2VjcmV0"), TextDelta("I look", 2),
        ToolUseStart(index=3, tool_use_id="t1", name="f"), ToolUseDelta(index=3, input_json='{"a":1}'),
        MessageStop(stop_reason="tool_use"),
    ]  # fmt: skip
    result = {"type": "function_call_output", "call_id": "t1", "output": "42"}
    body = {**BODY, "input": [{"role": "user", "content": "?"}, *whole(events)["output"], result]}
    messages = parse_response_request(json.dumps(body).encode()).request.messages
    assert [message.role for message in messages] == ["user", "assistant", "user"]
    assert messages[1].parts == (
        ReasoningPart(text="let me see", signature="c2ln"),
        ReasoningPart(redacted="c2VjcmV0"),
        TextPart(text="I look"),
        ToolUsePart(tool_use_id="t1", name="f", input={"a": 1}),
    )


@pytest.mark.parametrize(
    ("stop_reason", "event", "status", "reason"),
    [
        ("end_turn", "completed", "completed", None),
        ("stop_sequence", "completed", "completed", None),
        ("pause_turn", "completed", "completed", None),
        ("max_tokens", "incomplete", "incomplete", "max_output_tokens"),
        ("context_window_exceeded", "incomplete", "incomplete", "max_output_tokens"),
        ("refusal", "incomplete", "incomplete", "content_filter"),
        ("stopped", "incomplete", "cancelled", None),
    ],
)
def test_an_end_has_its_event_and_its_status(
    stop_reason: StopReason, event: str, status: str, reason: str | None
) -> None:
    """
    A response is completed, incomplete for a reason that OpenAI knows, or cancelled.
    """
    last = decode([MessageStart(), TextDelta("a"), MessageStop(stop_reason=stop_reason)])[-1]
    response = last["response"]
    assert (last["type"], response["status"]) == (f"response.{event}", status)
    assert response["incomplete_details"] == (reason and {"reason": reason})
    assert response["output"][0]["status"] == ("completed" if status == "completed" else "incomplete")


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (StreamFailed(code="throttled", message="slow down", status=429), "rate_limit_exceeded"),
        (StreamFailed(code="upstream_rejected", message="no", status=400), "invalid_prompt"),
        (StreamFailed(code="interrupted", message="cut"), "server_error"),
    ],
)
def test_a_failure_is_the_last_event(failure: StreamFailed, code: str) -> None:
    """
    An answer that breaks off keeps what was said, and says why with one of OpenAI's codes beside our own.
    """
    last = decode([MessageStart(), TextDelta("a"), failure])[-1]
    assert last["type"] == "response.failed"
    assert last["response"]["status"] == "failed"
    assert last["response"]["output"][0]["content"][0]["text"] == "a"
    error = last["response"]["error"]
    assert (error["code"], error["message"], error["reason"]) == (code, failure.message, failure.code)


def test_a_background_response_is_queued_first() -> None:
    """
    A response in the background is queued until the log has its first entry, then in progress.
    """
    renderer = ResponsesRenderer(opening(BACKGROUND))
    first = [json.loads(event) for event in renderer.render([])]
    assert [(event["type"], event["response"]["status"]) for event in first] == [
        ("response.created", "queued"),
        ("response.queued", "queued"),
    ]
    then = [json.loads(event) for event in renderer.render(log(MessageStart()))]
    assert [(event["type"], event["response"]["status"]) for event in then] == [("response.in_progress", "in_progress")]


def test_the_object_of_a_running_turn() -> None:
    """
    Whoever asks before the end gets the response as far as it has come.
    """
    queued = json.loads(encode_response(opening(BACKGROUND), []))
    assert (queued["status"], queued["output"]) == ("queued", [])
    running = json.loads(
        encode_response(opening(BACKGROUND), log(MessageStart(), UsageReport(Usage()), TextDelta("so f")))
    )
    Response.model_validate(running, strict=True)
    assert (running["status"], running["usage"]) == ("in_progress", None)
    assert running["output"][0]["content"][0]["text"] == "so f"
    assert running["output"][0]["status"] == "in_progress"


def test_what_has_no_field_is_passed_on() -> None:
    """
    Citations, and what else a model's family says, stand in the object at the end.
    """
    response = whole([MessageStart(), TextDelta("a", 0, {"citation": 1}), MessageStop(stop_reason="other")])
    assert response["provider_details"] == [
        {"index": 0, "block": 0, "details": {"citation": 1}},
        {"index": 1, "details": {"stop_reason": "other"}},
    ]


def test_server_sent_events_bear_their_type() -> None:
    """
    Each server-sent event has the type in a field of its own, and the JSON in one line.
    """
    events = render(
        [MessageStart(), TextDelta("a\nb\u2028"), AnswerContinued(reason="x"), MessageStop(stop_reason="end_turn")]
    )
    for event, text in zip(events, encode_sse(events).decode().split("\n\n"), strict=False):
        assert text == f"event: {json.loads(event)['type']}\ndata: {event}"
        assert "\n" not in event


@PATIENT
@given(events=event_streams(), cuts=st.lists(st.integers(0, 40), max_size=6), body=st.sampled_from([BODY, BACKGROUND]))
def test_any_cut_gives_the_same_events(events: list[StreamEvent], cuts: list[int], body: dict[str, Any]) -> None:
    """
    The events do not depend on how the log was cut into calls.
    """
    entries = log(*events)
    renderer = ResponsesRenderer(opening(body))
    bounds = [0, *sorted(min(cut, len(entries)) for cut in cuts), len(entries)]
    pieces = [renderer.render(entries[start:end]) for start, end in pairwise(bounds)]
    assert renderer.terminal == events[-1]
    assert [event for piece in pieces for event in piece] + renderer.close(CLOSING) == render(events, body)


@PATIENT
@given(events=event_streams(), position=st.integers(-1, 60), body=st.sampled_from([BODY, SUMMARISED, BACKGROUND]))
def test_a_reader_goes_on_where_it_was(events: list[StreamEvent], position: int, body: dict[str, Any]) -> None:
    """
    `starting_after` leaves out exactly the events up to that number.
    """
    complete = render(events, body)
    assert [json.loads(event)["sequence_number"] for event in complete] == list(range(len(complete)))
    assert render(events, body, position) == complete[position + 1 :]


@PATIENT
@given(events=event_streams(), body=st.sampled_from([BODY, SUMMARISED, BACKGROUND]))
def test_every_event_is_valid(events: list[StreamEvent], body: dict[str, Any]) -> None:
    """
    The SDK's strict types take every event of any answer; of a socket, too.
    """
    made = render(events, body)
    for event in made:
        EVENT.validate_json(event, strict=True)
    for event in add_lane(made, "lane\n1"):
        assert SOCKET_EVENT.validate_json(event, strict=True).stream_id == "lane\n1"


@PATIENT
@given(events=event_streams(), body=st.sampled_from([BODY, SUMMARISED]))
def test_streams_add_up_to_the_whole(events: list[StreamEvent], body: dict[str, Any]) -> None:
    """
    What the SDK accumulates from a stream is the object of the same log, which is in the last event.
    """
    state: ResponseStreamState[Any] = ResponseStreamState(input_tools=omit, text_format=omit)
    made = render(events, body)
    for event in made:
        state.handle_event(EVENT.validate_json(event))
    response = whole(events, body)
    Response.model_validate(response, strict=True)
    assert json.loads(made[-1])["response"] == response
    snapshot = state._ResponseStreamState__current_snapshot  # type: ignore[attr-defined]  # it has no other way to it
    for grown, item in zip(snapshot.output, response["output"], strict=True):
        assert grown.id == item["id"]
        if grown.type == "message":
            assert [part.text for part in grown.content] == [part["text"] for part in item["content"]]
        elif grown.type == "function_call":
            assert (grown.arguments, grown.call_id) == (item["arguments"], item["call_id"])


@PATIENT
@given(events=event_streams(), size=st.integers(0, 40))
def test_a_prefix_gives_a_prefix(events: list[StreamEvent], size: int) -> None:
    """
    A log's beginning renders to the beginning of its events, and its object is valid at every point.
    """
    entries = log(*events)[:size]
    renderer = ResponsesRenderer(opening(BODY))
    made = renderer.render(entries)
    assert render(events)[: len(made)] == made
    Response.model_validate_json(encode_response(opening(BODY), entries), strict=True)
