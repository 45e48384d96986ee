"""
What goes out of the Anthropic dialect, held against the official SDK's own types and readers.
"""

import json
from itertools import pairwise
from typing import Any

import anthropic
import httpx2
import pytest
from anthropic._streaming import SSEDecoder
from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import Message, RawMessageStreamEvent
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from outcrop.dialects.anthropic.errors import encode_error
from outcrop.dialects.anthropic.stream import SSE_PING, AnthropicOpening, AnthropicSse, render_message
from outcrop.errors import Draining, RequestError, UnknownModel
from outcrop.types import (
    AnswerContinued,
    LogEntry,
    MessageStart,
    MessageStop,
    ReasoningDelta,
    StreamFailed,
    TextDelta,
    ToolUseDelta,
    ToolUseStart,
    Usage,
    UsageReport,
)
from tests.dialects.anthropic_logs import CONVERSE_CITATION, answers, to_log

OPENING = AnthropicOpening(turn_id="t1", model="claude")
EVENTS: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)
HELLO = to_log(
    [
        MessageStart(message_id="msg_1"),
        UsageReport(Usage(input_tokens=9)),
        TextDelta("Hel"),
        TextDelta("lo\n\u2028é"),
        UsageReport(Usage(input_tokens=9, output_tokens=3)),
        MessageStop(stop_reason="end_turn"),
    ]
)


def render(log: list[LogEntry]) -> bytes:
    """
    Render a log at once.
    """
    return AnthropicSse(OPENING).render(log)


def read_events(stream: bytes) -> list[Any]:
    """
    Read a stream as the SDK does, and hold every event against the SDK's union, strictly.
    """
    found = []
    for sse in SSEDecoder().iter_bytes(iter([stream])):
        event = EVENTS.validate_json(sse.data, strict=True)
        assert sse.event == event.type
        found.append(event)
    return found


def accumulate(events: list[Any]) -> dict[str, Any]:
    """
    Put a message together as the SDK's streaming reader does.
    """
    snapshot: Any = None
    buffers: dict[int, bytes] = {}
    for event in events:
        snapshot = accumulate_event(event=event, current_snapshot=snapshot, json_bufs=buffers)
    return dict(json.loads(snapshot.model_dump_json(exclude_none=True, warnings=False)))


@settings(deadline=None)
@given(answers())
def test_events_fit_the_sdk_and_make_the_whole_answer(log: list[LogEntry]) -> None:
    """
    Every event fits the SDK's types, and what the SDK accumulates of them is the answer that does not stream.
    """
    whole = Message.model_validate_json(render_message(log, OPENING), strict=True)
    expected = json.loads(whole.model_dump_json(exclude_none=True))
    accumulated = accumulate(read_events(render(log)))
    assert accumulated == expected


@settings(deadline=None)
@given(answers(), st.data())
def test_a_prefix_of_the_log_renders_to_a_prefix_of_the_stream(log: list[LogEntry], data: st.DataObject) -> None:
    """
    However a log is cut, its pieces render to the same bytes: to resume is to render again and to skip.
    """
    cuts = sorted(data.draw(st.lists(st.integers(0, len(log)), max_size=4)))
    renderer = AnthropicSse(OPENING)
    pieces = [renderer.render(log[a:b]) for a, b in pairwise([0, *cuts, len(log)])]
    assert b"".join(pieces) == render(log)
    assert render(log).startswith(render(log[: cuts[0]] if cuts else []))


@settings(deadline=None)
@given(answers())
def test_blocks_open_in_order_and_close_once(log: list[LogEntry]) -> None:
    """
    Blocks are numbered from 0 without gaps, in the order in which they open, and each closes once.
    """
    events = read_events(render(log))
    opened = [event.index for event in events if event.type == "content_block_start"]
    closed = [event.index for event in events if event.type == "content_block_stop"]
    assert opened == list(range(len(opened)))
    assert sorted(closed) == opened


def test_a_conversation_as_bytes() -> None:
    """
    A plain answer comes in the SDK's order, in exactly these bytes.
    """
    assert render(HELLO).decode().split("\n\n") == [
        (
            'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_1","type":"message","role":'
            '"assistant","model":"claude","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":9,'
            '"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":0}}}'
        ),
        (
            'event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":{"type":"text",'
            '"text":""}}'
        ),
        (
            'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta",'
            '"text":"Hel"}}'
        ),
        (
            'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta",'
            '"text":"lo\\n\u2028é"}}'
        ),
        'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}',
        (
            'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn",'
            '"stop_sequence":null},"usage":{"input_tokens":9,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":3}}'
        ),
        'event: message_stop\ndata: {"type":"message_stop"}',
        "",
    ]


def test_reasoning_tools_and_citations_in_order() -> None:
    """
    Reasoning is signed once before it closes, a tool's arguments come as fragments, a citation in Anthropic's words.
    """
    log = to_log(
        [
            MessageStart(),
            ReasoningDelta(text="hm", index=3),
            ReasoningDelta(index=3, signature="c2ln"),
            TextDelta("So", 5),
            TextDelta("", 5, {"citation": CONVERSE_CITATION}),
            ToolUseStart(index=9, tool_use_id="toolu_1", name="f"),
            ToolUseDelta(index=9, input_json='{"a":'),
            ToolUseDelta(index=9, input_json="1}"),
            MessageStop(stop_reason="tool_use"),
        ]
    )
    deltas = [event.delta.type for event in read_events(render(log)) if event.type == "content_block_delta"]
    assert deltas == [
        "thinking_delta", "signature_delta", "text_delta", "citations_delta", "input_json_delta", "input_json_delta",
    ]  # fmt: skip
    whole = json.loads(render_message(log, OPENING))
    assert whole["content"][1]["citations"][0]["type"] == "char_location"
    assert whole["content"][2]["input"] == {"a": 1}


def test_a_tool_call_that_was_cut_is_not_in_the_whole_answer() -> None:
    """
    A call whose arguments never became whole can't be carried out, so a whole answer leaves it out.
    """
    log = to_log(
        [
            MessageStart(),
            ToolUseStart(index=0, tool_use_id="toolu_1", name="f"),
            ToolUseDelta(index=0, input_json='{"a":'),
            MessageStop(stop_reason="max_tokens"),
        ]
    )
    assert json.loads(render_message(log, OPENING))["content"] == []


def test_blocks_of_anthropics_own_pass_through() -> None:
    """
    A block of a kind that has no words here goes to the client as the model wrote it.
    """
    block = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}
    delta = {"type": "input_json_delta", "partial_json": '{"query":"x"}'}
    log = to_log(
        [
            MessageStart(),
            TextDelta("", 0, {"content_block": block}),
            TextDelta("", 0, {"delta": delta}),
            TextDelta("", 1, {"start": {"image": {"format": "png"}}}),
            MessageStop(stop_reason="end_turn"),
        ]
    )
    expected = [{**block, "input": {"query": "x"}}]
    assert json.loads(render_message(log, OPENING))["content"] == expected
    assert accumulate(read_events(render(log)))["content"] == expected


def test_a_seam_is_a_comment() -> None:
    """
    The place where another server went on is a comment, which no reader takes for an event.
    """
    log = [*HELLO[:3], LogEntry(4, AnswerContinued(reason="the replica\nwas lost")), *HELLO[3:]]
    assert b"\n: answer continued: the replica was lost\n\n" in render(log)
    assert read_events(render(log)) == read_events(render(HELLO))


def answer_with(status: int, headers: Any, content: bytes) -> anthropic.Anthropic:
    """
    Make a real client whose transport always gives this answer.
    """

    def reply(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(status, headers=list(headers), content=content)

    http_client = httpx2.Client(transport=httpx2.MockTransport(reply))
    return anthropic.Anthropic(api_key="k", http_client=http_client, max_retries=0)


def ask(client: anthropic.Anthropic) -> str:
    """
    Stream an answer with the SDK and return its text.
    """
    with client.messages.stream(model="claude", max_tokens=9, messages=[{"role": "user", "content": "hi"}]) as stream:
        return "".join(stream.text_stream)


def test_the_sdk_reads_a_stream_with_pings() -> None:
    """
    The unmodified SDK reads a stream, with pings anywhere in it.
    """
    content = SSE_PING + render(HELLO[:4]) + SSE_PING + render(HELLO)[len(render(HELLO[:4])) :]
    assert ask(answer_with(200, [("content-type", "text/event-stream")], content)) == "Hello\n\u2028é"


def test_the_sdk_raises_a_failure_inside_a_stream() -> None:
    """
    A turn that fails after its first words is an `APIStatusError` of the right type to the SDK.
    """
    failure = StreamFailed(code="throttled", message="too many tokens", status=429, retryable=True)
    content = render([*HELLO[:4], LogEntry(5, failure)])
    with pytest.raises(anthropic.APIStatusError) as caught:
        ask(answer_with(200, [("content-type", "text/event-stream")], content))
    assert (caught.value.type, caught.value.api_message) == ("rate_limit_error", "too many tokens")


@pytest.mark.parametrize(
    ("failure", "kind", "status"),
    [
        (RequestError("no"), anthropic.BadRequestError, 400),
        (UnknownModel("no"), anthropic.NotFoundError, 404),
        (Draining("no", retry_after_seconds=1.2), anthropic.InternalServerError, 529),
        (StreamFailed(code="deadline_exceeded", message="no", status=504), anthropic.InternalServerError, 504),
        (StreamFailed(code="throttled", message="no", status=429), anthropic.RateLimitError, 429),
    ],
)
def test_the_sdk_raises_a_refusal(failure: Any, kind: type[Exception], status: int) -> None:
    """
    A request that fails before its first byte is the SDK's error of that status, and names the request.
    """
    code, headers, body = encode_error(failure, "req_1")
    with pytest.raises(kind) as caught:
        ask(answer_with(code, headers, body))
    assert isinstance(caught.value, anthropic.APIStatusError)
    assert (caught.value.status_code, caught.value.request_id) == (status, "req_1")
    assert caught.value.error_code == failure.code
