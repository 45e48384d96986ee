"""
Clients send back what they were sent: an answer of any dialect, replayed as its clients do, is a request that is taken.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from outcrop.adapters.registry import find_adapter
from outcrop.calls import ResolvedModel
from outcrop.dialects.anthropic.request import parse_messages_request
from outcrop.dialects.anthropic.stream import AnthropicOpening, render_message
from outcrop.dialects.bedrock.request import parse_converse
from outcrop.dialects.bedrock.stream import render_answer
from outcrop.dialects.chat.turn import parse_chat_body
from outcrop.dialects.openai.chat_request import parse_chat_completion
from outcrop.dialects.openai.chat_stream import ChatAnswerOpening, encode_chat_completion
from outcrop.dialects.openai.responses_request import complete_call, parse_response_request
from outcrop.dialects.openai.responses_stream import ResponseOpening, encode_response
from outcrop.dialects.ui_stream.message import to_answer_parts
from outcrop.types import (
    ChatRequest,
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
)
from tests.dialects.anthropic_logs import CLAUDE, CLAUDE_BY_CONVERSE, to_log
from tests.dialects.ui_stream_logs import CLOSING, opening

SIGNED: list[StreamEvent] = [ReasoningDelta(text="hm", index=0), ReasoningDelta(index=0, signature="c2ln")]
CALLED: list[StreamEvent] = [
    ToolUseStart(index=2, tool_use_id="t1", name="look"),
    ToolUseDelta(index=2, input_json='{"at":1}'),
    MessageStop(stop_reason="tool_use"),
]
BLANK_BEFORE_A_CALL: list[StreamEvent] = [MessageStart(), *SIGNED, TextDelta("\n\n", 1), *CALLED]
CUT: list[StreamEvent] = [MessageStart(), ReasoningDelta(text="hm", index=0), MessageStop(stop_reason="max_tokens")]


def replay_chat(events: Sequence[StreamEvent], result: str | None) -> ChatRequest:
    """
    Send back a completion's message.
    """
    made = encode_chat_completion(ChatAnswerOpening(turn_id="t", model="claude", created=1), to_log(events), None)
    message = json.loads(made)["choices"][0]["message"]
    answer = {"role": "tool", "tool_call_id": "t1", "content": result} if result else {"role": "user", "content": "go"}
    messages = [{"role": "user", "content": "hi"}, message, answer]
    return parse_chat_completion(
        json.dumps({"model": "claude", "max_tokens": 9, "messages": messages}).encode()
    ).request


def replay_responses(events: Sequence[StreamEvent], result: str | None) -> ChatRequest:
    """
    Send back a response's output.
    """
    made = encode_response(ResponseOpening(turn_id="t", model="claude", created_at=1, echo={}), to_log(events))
    answer: dict[str, Any] = {"role": "user", "content": "go"}
    if result:
        answer = {"type": "function_call_output", "call_id": "t1", "output": result}
    items = [{"role": "user", "content": "hi"}, *json.loads(made)["output"], answer]
    body = {"model": "claude", "max_output_tokens": 9, "input": items}
    return complete_call(parse_response_request(json.dumps(body).encode()))[0]


def replay_anthropic(events: Sequence[StreamEvent], result: str | None) -> ChatRequest:
    """
    Send back a message's content.
    """
    made = render_message(to_log(events), AnthropicOpening(turn_id="t", model="claude"))
    answer: Any = [{"type": "tool_result", "tool_use_id": "t1", "content": result}] if result else "go"
    messages = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": json.loads(made)["content"]},
        {"role": "user", "content": answer},
    ]
    body = {"model": "claude", "max_tokens": 9, "messages": messages}
    return parse_messages_request(json.dumps(body).encode(), resolve=lambda _: CLAUDE)


def replay_converse(events: Sequence[StreamEvent], result: str | None) -> ChatRequest:
    """
    Send back Converse's message.
    """
    made = json.loads(render_answer(to_log(events), latency_ms=1))["output"]["message"]
    answer: Any = {"toolResult": {"toolUseId": "t1", "content": [{"text": result}]}} if result else {"text": "go"}
    messages = [{"role": "user", "content": [{"text": "hi"}]}, made, {"role": "user", "content": [answer]}]
    body = {"messages": messages, "inferenceConfig": {"maxTokens": 9}}
    return parse_converse(json.dumps(body).encode(), model=CLAUDE, stream=False).chat


def replay_page(events: Sequence[StreamEvent], result: str | None) -> ChatRequest:
    """
    Send back a page's message, with the tool's output in it.
    """
    parts, _ = to_answer_parts(events, opening(), CLOSING)
    if result:
        parts[-1] |= {"state": "output-available", "output": result}
    messages = [
        {"id": "a", "role": "user", "parts": [{"type": "text", "text": "hi"}]},
        {"id": "b", "role": "assistant", "parts": parts},
    ]
    if not result:
        messages.append({"id": "c", "role": "user", "parts": [{"type": "text", "text": "go"}]})
    body = {"id": "c1", "model": "claude", "maxTokens": 9, "messages": messages}
    return parse_chat_body(json.dumps(body).encode()).request


REPLAYS: Mapping[str, Callable[[Sequence[StreamEvent], str | None], ChatRequest]] = {
    "chat": replay_chat,
    "responses": replay_responses,
    "anthropic": replay_anthropic,
    "converse": replay_converse,
    "page": replay_page,
}
BY_ROUTE = pytest.mark.parametrize("model", [CLAUDE, CLAUDE_BY_CONVERSE], ids=["native", "converse"])


@BY_ROUTE
@pytest.mark.parametrize("dialect", REPLAYS)
def test_a_blank_before_a_call_does_no_harm(dialect: str, model: ResolvedModel) -> None:
    """
    Reasoning and a call go back with the call's result; the blank text that stood between them is not sent.
    """
    request = REPLAYS[dialect](BLANK_BEFORE_A_CALL, "a stone")
    said = [part for part in request.messages[1].parts if not isinstance(part, TextPart)]
    assert said == [
        ReasoningPart(text="hm", signature="c2ln"),
        ToolUsePart(tool_use_id="t1", name="look", input={"at": 1}),
    ]
    sent = json.loads(find_adapter(model).build_call(request, model).body)["messages"]
    assert [message["role"] for message in sent] == ["user", "assistant", "user"]
    assert len(sent[1]["content"]) == 2


@BY_ROUTE
@pytest.mark.parametrize("dialect", ["chat", "responses", "page"])
def test_reasoning_that_was_cut_does_no_harm(dialect: str, model: ResolvedModel) -> None:
    """
    Reasoning that was cut before its signature goes out, and does not go back.
    """
    request = REPLAYS[dialect](CUT, None)
    assert [message.role for message in request.messages] == ["user"]
    sent = json.loads(find_adapter(model).build_call(request, model).body)["messages"]
    assert len(sent[0]["content"]) == 2
