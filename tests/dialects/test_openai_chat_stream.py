"""
Chat completions from a turn's log, with the official SDK as the referee.
"""

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from outcrop.dialects.openai.chat_request import parse_chat_completion
from outcrop.dialects.openai.chat_stream import (
    ChatAnswerOpening,
    ChatChunkRenderer,
    encode_chat_completion,
)
from outcrop.types import (
    AnswerContinued,
    LogEntry,
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

OPENING = ChatAnswerOpening(turn_id="turn1", model="claude", created=1_700_000_000, include_usage=True)
USAGE = Usage(input_tokens=3, output_tokens=4, reasoning_tokens=2, cache_read_tokens=5, cache_write_tokens=6)
THINKING: list[StreamEvent] = [
    ReasoningDelta(text="let me ", index=0),
    ReasoningDelta(text="see", index=0),
    ReasoningDelta(index=0, signature="c2ln"),
    ReasoningDelta(index=1, redacted="c2VjcmV0"),
]

PATIENT = settings(deadline=None)


def render(entries: Sequence[LogEntry], opening: ChatAnswerOpening = OPENING) -> str:
    """
    Render a finished turn.
    """
    renderer = ChatChunkRenderer(opening)
    return (renderer.render(entries) + renderer.close(USAGE)).decode()


def payloads(stream: str) -> list[str]:
    """
    List what a stream's events hold.
    """
    assert stream.endswith("\n\n")
    events = stream.removesuffix("\n\n").split("\n\n")
    return [event.removeprefix("data: ") for event in events if not event.startswith(":")]


def deltas(events: Sequence[StreamEvent]) -> list[dict[str, Any]]:
    """
    List the deltas of a finished turn.
    """
    chunks = [json.loads(payload) for payload in payloads(render(log(*events))) if payload != "[DONE]"]
    return [chunk["choices"][0]["delta"] for chunk in chunks if chunk.get("choices")]


def whole(events: Sequence[StreamEvent]) -> dict[str, Any]:
    """
    Encode and decode a whole answer.
    """
    completion: dict[str, Any] = json.loads(encode_chat_completion(OPENING, log(*events), USAGE))
    return completion


def test_a_stream_of_text() -> None:
    """
    A stream has a chunk with the role, one for each piece of text, one with the reason, one with the usage, the end.
    """
    stream = render(log(MessageStart(), TextDelta("Hé"), TextDelta('"llo\n'), MessageStop(stop_reason="end_turn")))
    head = '{"id":"chatcmpl-turn1","object":"chat.completion.chunk","created":1700000000,"model":"claude",'
    rest = ',"logprobs":null,"finish_reason":null}],"usage":null}'
    usage = (
        '"usage":{"prompt_tokens":14,"completion_tokens":4,"total_tokens":18,'
        '"prompt_tokens_details":{"cached_tokens":5,"cache_write_tokens":6},'
        '"completion_tokens_details":{"reasoning_tokens":2}}}'
    )
    end = ',"logprobs":null,"finish_reason":"stop"}],"usage":null}'
    assert payloads(stream) == [
        f'{head}"choices":[{{"index":0,"delta":{{"role":"assistant"}}{rest}',
        f'{head}"choices":[{{"index":0,"delta":{{"content":"Hé"}}{rest}',
        f'{head}"choices":[{{"index":0,"delta":{{"content":"\\"llo\\n"}}{rest}',
        f'{head}"choices":[{{"index":0,"delta":{{}}{end}',
        f'{head}"choices":[],{usage}',
        "[DONE]",
    ]


def test_usage_comes_only_where_it_is_wanted() -> None:
    """
    Without `include_usage` no chunk speaks of usage.
    """
    plain = ChatAnswerOpening(turn_id="turn1", model="claude", created=1)
    stream = render(log(MessageStart(), UsageReport(USAGE), MessageStop(stop_reason="end_turn")), plain)
    assert "usage" not in stream
    assert stream.endswith("data: [DONE]\n\n")


def test_usage_that_was_only_reported_is_told() -> None:
    """
    Where the turn's own count is not known, the model's last report holds.
    """
    renderer = ChatChunkRenderer(OPENING)
    entries = log(MessageStart(), UsageReport(Usage()), UsageReport(USAGE), MessageStop(stop_reason="end_turn"))
    renderer.render(entries)
    assert b'"prompt_tokens":14' in renderer.close(None)
    assert json.loads(encode_chat_completion(OPENING, entries, None))["usage"]["prompt_tokens"] == 14


def test_calls_are_numbered_without_gaps() -> None:
    """
    Calls of tools are numbered from 0, whatever blocks they are; one without arguments has an empty object.
    """
    made = deltas(
        [
            MessageStart(),
            TextDelta("let me look", 0),
            ToolUseStart(index=3, tool_use_id="t1", name="f"),
            ToolUseDelta(index=3, input_json='{"a":'),
            ToolUseDelta(index=3, input_json="1}"),
            ToolUseStart(index=7, tool_use_id="t2", name="g"),
            MessageStop(stop_reason="tool_use"),
        ]
    )
    calls = [delta["tool_calls"][0] for delta in made if "tool_calls" in delta]
    assert calls == [
        {"index": 0, "id": "t1", "type": "function", "function": {"name": "f", "arguments": ""}},
        {"index": 0, "function": {"arguments": '{"a":'}},
        {"index": 0, "function": {"arguments": "1}"}},
        {"index": 1, "id": "t2", "type": "function", "function": {"name": "g", "arguments": ""}},
        {"index": 1, "function": {"arguments": "{}"}},
    ]


def test_a_call_that_was_cut_stays_cut() -> None:
    """
    The arguments of a call that ran into the limit are not made whole.
    """
    start = ToolUseStart(index=0, tool_use_id="t1", name="f")
    choice = whole([MessageStart(), start, MessageStop(stop_reason="max_tokens")])["choices"][0]
    assert choice["finish_reason"] == "length"
    assert choice["message"]["tool_calls"][0]["function"]["arguments"] == ""


def test_reasoning_comes_back_as_it_was() -> None:
    """
    An assistant message of ours, sent back, holds the reasoning with its signature, the text and the call.
    """
    events: list[StreamEvent] = [
        MessageStart(),
        *THINKING,
        TextDelta("I look", 2),
        ToolUseStart(index=3, tool_use_id="t1", name="f"),
        ToolUseDelta(index=3, input_json='{"a":1}'),
        MessageStop(stop_reason="tool_use"),
    ]
    message = whole(events)["choices"][0]["message"]
    assert message["reasoning_content"] == "let me see"
    body = {"model": "claude", "messages": [{"role": "user", "content": "?"}, message]}
    assert parse_chat_completion(json.dumps(body).encode()).request.messages[1].parts == (
        ReasoningPart(text="let me see", signature="c2ln"),
        ReasoningPart(redacted="c2VjcmV0"),
        TextPart(text="I look"),
        ToolUsePart(tool_use_id="t1", name="f", input={"a": 1}),
    )
    other = {**body, "model": "another"}
    assert parse_chat_completion(json.dumps(other).encode()).request.messages[1].parts[0] == TextPart(text="I look")


def test_what_has_no_field_is_passed_on() -> None:
    """
    Citations, and what else a model's family says, come with the last delta.
    """
    made = deltas(
        [
            MessageStart(provider_details={"trace": 1}),
            TextDelta("a", 2, {"citation": {"url": "u"}}),
            MessageStop(stop_reason="pause_turn", stop_sequence="x", provider_details={"more": 2}),
        ]
    )
    assert made[-2]["provider_details"] == [
        {"index": 0, "details": {"trace": 1}},
        {"index": 1, "block": 2, "details": {"citation": {"url": "u"}}},
        {"index": 2, "details": {"stop_sequence": "x", "stop_reason": "pause_turn", "more": 2}},
    ]


@pytest.mark.parametrize(
    ("stop_reason", "finish_reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("guardrail_intervened", "content_filter"),
        ("stopped", "stop"),
        ("other", "stop"),
    ],
)
def test_reasons_have_openai_s_names(stop_reason: StopReason, finish_reason: str) -> None:
    """
    The reason for an answer's end is one of OpenAI's.
    """
    assert whole([MessageStart(), MessageStop(stop_reason=stop_reason)])["choices"][0]["finish_reason"] == finish_reason


def test_an_answer_with_calls_ends_for_them() -> None:
    """
    An answer that called a tool ends with `tool_calls`, even where the model says that it just ended.
    """
    start = ToolUseStart(index=0, tool_use_id="t1", name="f")
    completion = whole([MessageStart(), start, MessageStop(stop_reason="end_turn")])
    assert completion["choices"][0]["finish_reason"] == "tool_calls"


@pytest.mark.parametrize("arguments", ["", '{"path":"/'])
@pytest.mark.parametrize("stop_reason", ["stopped", "malformed_output"])
def test_a_call_of_a_stopped_answer_stays_as_it_came(stop_reason: StopReason, arguments: str) -> None:
    """
    An answer that was stopped, or went wrong, asks nobody to carry out its calls, and nothing is made up for them.
    """
    start = ToolUseStart(index=0, tool_use_id="t1", name="delete")
    fragments = [ToolUseDelta(index=0, input_json=arguments)] if arguments else []
    events: list[StreamEvent] = [MessageStart(), start, *fragments, MessageStop(stop_reason=stop_reason)]
    choice = whole(events)["choices"][0]
    assert choice["finish_reason"] == "stop"
    assert choice["message"]["tool_calls"][0]["function"]["arguments"] == arguments
    assert choice["message"]["provider_details"][-1]["details"]["stop_reason"] == stop_reason
    chunks = [json.loads(payload) for payload in payloads(render(log(*events))) if payload != "[DONE]"]
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks if chunk["choices"]][-1] == "stop"


def test_a_failure_ends_the_stream_without_its_mark() -> None:
    """
    An answer that breaks off ends with an error of the shape that the SDK raises, and without `[DONE]`.
    """
    failed = StreamFailed(code="throttled", message="slow down", status=429, retryable=True)
    last = payloads(render(log(MessageStart(), TextDelta("a"), failed)))[-1]
    assert json.loads(last) == {
        "error": {"message": "slow down", "type": "rate_limit_error", "param": None, "code": "rate_limit_exceeded"}
    }


def test_a_seam_is_a_comment() -> None:
    """
    Where another server went on with the answer, the stream has a comment.
    """
    entries = log(
        MessageStart(), TextDelta("a"), AnswerContinued(reason="x"), MessageStart(), TextDelta("b"),
        MessageStop(stop_reason="end_turn"),
    )  # fmt: skip
    stream = render(entries)
    assert "\n\n: continued\n\n" in stream
    assert stream.count('"role"') == 1


@PATIENT
@given(events=event_streams(), cuts=st.lists(st.integers(0, 40), max_size=6))
def test_any_cut_gives_the_same_stream(events: list[StreamEvent], cuts: list[int]) -> None:
    """
    The bytes do not depend on how the log was cut into calls.
    """
    entries = log(*events)
    renderer = ChatChunkRenderer(OPENING)
    bounds = [0, *sorted(min(cut, len(entries)) for cut in cuts), len(entries)]
    pieces = [renderer.render(entries[start:end]) for start, end in pairwise(bounds)]
    assert renderer.terminal == events[-1]
    assert (b"".join(pieces) + renderer.close(USAGE)).decode() == render(entries)


@PATIENT
@given(events=event_streams())
def test_every_chunk_is_valid(events: list[StreamEvent]) -> None:
    """
    The SDK's strict types take every chunk of any answer, and every whole answer.
    """
    *chunks, last = payloads(render(log(*events)))
    if isinstance(events[-1], StreamFailed):
        assert "error" in json.loads(last)
    else:
        assert last == "[DONE]"
        completion = encode_chat_completion(OPENING, log(*events), USAGE)
        ChatCompletion.model_validate_json(completion, strict=True)
    for chunk in chunks:
        ChatCompletionChunk.model_validate_json(chunk, strict=True)


@PATIENT
@given(events=event_streams())
def test_streams_add_up_to_the_whole(events: list[StreamEvent]) -> None:
    """
    What the SDK accumulates from a stream is the whole answer of the same log.
    """
    if isinstance(events[-1], StreamFailed):
        return
    state = ChatCompletionStreamState()
    for payload in payloads(render(log(*events)))[:-1]:
        list(state.handle_chunk(ChatCompletionChunk.model_validate_json(payload)))
    accumulated: Any = state.current_completion_snapshot.to_dict()
    expected = whole(events)
    assert _bare(accumulated["choices"][0]["message"]) == _bare(expected["choices"][0]["message"])
    assert accumulated["choices"][0]["finish_reason"] == expected["choices"][0]["finish_reason"]
    assert accumulated["usage"] == expected["usage"]


def _bare(message: Any) -> dict[str, Any]:
    """
    Leave out what is null, and what the SDK adds: the place in the list, and a result of parsing.
    """
    bare = {name: value for name, value in message.items() if value is not None and name != "parsed"}
    for call in bare.get("tool_calls", []):
        call.pop("index", None)
        call["function"].pop("parsed_arguments", None)
    return bare
