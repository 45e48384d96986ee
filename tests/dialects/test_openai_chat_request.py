"""
Bodies of `POST /v1/chat/completions`, and what becomes of them.
"""

import json
from base64 import b64encode
from typing import Any

import pytest

from outcrop.dialects.openai.chat_request import ChatCompletionCall, parse_chat_completion
from outcrop.errors import RequestError
from outcrop.types import (
    AnswerFormat,
    ChatRequest,
    DocumentPart,
    GenerationParams,
    ImagePart,
    Message,
    Part,
    Reasoning,
    TextPart,
    ToolChoice,
    ToolResultPart,
    ToolSpec,
    ToolUsePart,
)

PIXEL = "data:image/png;base64," + b64encode(b"pixels").decode()
CALL = {"id": "t1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
TOOL = {"type": "function", "function": {"name": "f", "description": "does f", "parameters": {"type": "object"}}}
OTHER_TOOL = {"type": "function", "function": {"name": "g", "strict": True}}
SPEC = ToolSpec(name="f", description="does f", input_schema={"type": "object"})
OTHER_SPEC = ToolSpec(name="g", input_schema={"type": "object", "properties": {}}, strict=True)


def parse(**fields: Any) -> ChatCompletionCall:
    """
    Parse a body with these fields beside the two that it must have.
    """
    body = {"model": "claude", "messages": [{"role": "user", "content": "hi"}], **fields}
    return parse_chat_completion(json.dumps(body).encode())


def parse_messages(*messages: dict[str, Any]) -> ChatRequest:
    """
    Parse a body with this conversation.
    """
    return parse(messages=list(messages)).request


def user(*parts: dict[str, Any]) -> tuple[Part, ...]:
    """
    Parse a message of the user with these parts.
    """
    return parse_messages({"role": "user", "content": list(parts)}).messages[0].parts


def test_a_small_request() -> None:
    """
    What is not given is left to the model, and the answer is whole.
    """
    assert parse() == ChatCompletionCall(
        request=ChatRequest(model="claude", messages=(Message("user", (TextPart(text="hi"),)),), stream=False)
    )


def test_a_conversation_with_everything() -> None:
    """
    Messages of all roles become a system prompt and a conversation of two roles.
    """
    request = parse_messages(
        {"role": "system", "content": "be kind"},
        {"role": "user", "content": [{"type": "text", "text": "look"}], "name": "ada"},
        {"role": "developer", "content": [{"type": "text", "text": "be brief"}]},
        {"role": "assistant", "content": "I look", "tool_calls": [CALL, {**CALL, "id": "t2"}], "refusal": None},
        {"role": "tool", "tool_call_id": "t1", "content": "one"},
        {"role": "tool", "tool_call_id": "t2", "content": [{"type": "text", "text": "two"}]},
        {"role": "user", "content": "and?"},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "I won't"}], "refusal": "No."},
    )
    use = ToolUsePart(tool_use_id="t1", name="f", input={"a": 1})
    assert request.system == (TextPart(text="be kind"), TextPart(text="be brief"))
    assert request.messages == (
        Message("user", (TextPart(text="look"),)),
        Message("assistant", (TextPart(text="I look"), use, ToolUsePart(tool_use_id="t2", name="f", input={"a": 1}))),
        Message(
            "user",
            (
                ToolResultPart(tool_use_id="t1", content=(TextPart(text="one"),)),
                ToolResultPart(tool_use_id="t2", content=(TextPart(text="two"),)),
                TextPart(text="and?"),
            ),
        ),
        Message("assistant", (TextPart(text="I won't"), TextPart(text="No."))),
    )


def test_files_come_inline() -> None:
    """
    Images and documents are taken out of data: URLs, or out of base64 with a name that says what they are.
    """
    content = b64encode(b"words").decode()
    assert user(
        {"type": "image_url", "image_url": {"url": PIXEL, "detail": "high"}},
        {"type": "file", "file": {"file_data": f"data:application/pdf;base64,{content}", "filename": "a.pdf"}},
        {"type": "file", "file": {"file_data": content, "filename": "b.MD"}},
        {"type": "file", "file": {"file_data": content}},
        {"type": "file", "file": {"file_data": f"data:image/JPG;base64,{content}"}},
        {"type": "file", "file": {"file_data": "DATA:text/plain,two%20words"}},
    ) == (
        ImagePart(media_type="image/png", data=b"pixels"),
        DocumentPart(media_type="application/pdf", data=b"words", name="a.pdf"),
        DocumentPart(media_type="text/markdown", data=b"words", name="b.MD"),
        DocumentPart(media_type="application/pdf", data=b"words"),
        ImagePart(media_type="image/jpeg", data=b"words"),
        DocumentPart(media_type="text/plain", data=b"two words"),
    )


def test_marks_for_the_prompt_cache_are_taken() -> None:
    """
    A breakpoint marks its part, for the shortest time that Bedrock has and that is long enough.
    """
    marks = [{"mode": "explicit"}, {"mode": "explicit", "ttl": "30m"}, {"mode": "explicit", "ttl": "12h"}, None]
    parts = user(*({"type": "text", "text": "x", "prompt_cache_breakpoint": mark} for mark in marks))
    assert parts == tuple(TextPart(text="x", cache_ttl=ttl) for ttl in ("5m", "1h", "1h", None))


def test_parameters() -> None:
    """
    Parameters keep their values; a level of effort becomes reasoning.
    """
    call = parse(
        max_completion_tokens=9, temperature=1.5, top_p=0.5, top_k=4, stop=["a", "b"], reasoning_effort="xhigh",
        metadata={"team": "a"}, service_tier="priority", stream=True, stream_options={"include_usage": True},
    )  # fmt: skip
    assert call.request.params == GenerationParams(
        max_tokens=9, temperature=1.5, top_p=0.5, top_k=4, stop_sequences=("a", "b"),
        reasoning=Reasoning(mode="adaptive", effort="xhigh"),
    )  # fmt: skip
    assert (call.request.request_metadata, call.request.service_tier) == ({"team": "a"}, "priority")
    assert (call.stream, call.request.stream, call.include_usage) == (True, True, True)


def test_one_stop_sequence() -> None:
    """
    A string is one sequence to stop at; an empty one is none.
    """
    assert parse(stop="END").request.params.stop_sequences == ("END",)
    assert parse(stop="").request.params.stop_sequences == ()


@pytest.mark.parametrize(
    ("effort", "reasoning"),
    [
        ("none", Reasoning(mode="disabled")),
        ("minimal", Reasoning(mode="adaptive", effort="low")),
        ("low", Reasoning(mode="adaptive", effort="low")),
        ("max", Reasoning(mode="adaptive", effort="max")),
        (None, None),
    ],
)
def test_effort(effort: str | None, reasoning: Reasoning | None) -> None:
    """
    No effort switches reasoning off; the least is Bedrock's lowest.
    """
    assert parse(reasoning_effort=effort).request.params.reasoning == reasoning


def test_values_that_ask_for_nothing_are_passed_over() -> None:
    """
    What SDKs send by habit is no reason to refuse a request.
    """
    habits = {
        "n": 1, "frequency_penalty": 0.0, "presence_penalty": 0, "logit_bias": {}, "logprobs": False,
        "top_logprobs": 0, "modalities": ["text"], "verbosity": "medium", "functions": [], "store": True, "seed": 7,
        "user": "u", "safety_identifier": "s", "prompt_cache_key": "k", "prompt_cache_retention": "24h",
        "prompt_cache_options": {"mode": "implicit"}, "prediction": {"type": "content", "content": "x"}, "stop": None,
        "response_format": {"type": "text"}, "service_tier": "auto", "tools": [], "parallel_tool_calls": False,
        "stream_options": None, "tool_choice": None, "metadata": {}, "audio": None,
    }  # fmt: skip
    assert parse(**habits) == parse()


@pytest.mark.parametrize(
    ("choice", "parallel", "expected", "tools"),
    [
        (None, None, None, (SPEC, OTHER_SPEC)),
        ("auto", True, ToolChoice(mode="auto"), (SPEC, OTHER_SPEC)),
        ("none", None, ToolChoice(mode="none"), (SPEC, OTHER_SPEC)),
        ("required", None, ToolChoice(mode="any"), (SPEC, OTHER_SPEC)),
        (None, False, ToolChoice(mode="auto", allow_parallel=False), (SPEC, OTHER_SPEC)),
        (
            {"type": "function", "function": {"name": "g"}},
            None,
            ToolChoice(mode="tool", name="g"),
            (SPEC, OTHER_SPEC),
        ),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "g"}}]},
            },
            None,
            ToolChoice(mode="any"),
            (OTHER_SPEC,),
        ),
    ],
)
def test_tools(choice: Any, parallel: bool | None, expected: ToolChoice | None, tools: tuple[ToolSpec, ...]) -> None:
    """
    Tools and every choice among them are taken; where only some are allowed, only those are offered.
    """
    request = parse(tools=[TOOL, OTHER_TOOL], tool_choice=choice, parallel_tool_calls=parallel).request
    assert (request.tool_choice, request.tools) == (expected, tools)


def test_a_schema_for_the_answer() -> None:
    """
    A JSON schema is asked for as such.
    """
    wanted = {"name": "place", "description": "a place", "schema": {"type": "object"}, "strict": True}
    assert parse(response_format={"type": "json_schema", "json_schema": wanted}).request.answer_format == AnswerFormat(
        json_schema={"type": "object"}, name="place", description="a place"
    )


def test_a_call_without_arguments() -> None:
    """
    An empty string of arguments is a call without any; an answer that said nothing is no message.
    """
    bare = {"id": "t1", "type": "function", "function": {"name": "f", "arguments": ""}}
    request = parse_messages(
        {"role": "assistant", "content": ""},
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": None, "tool_calls": [bare]},
    )
    assert request.messages[1].parts == (ToolUsePart(tool_use_id="t1", name="f", input={}),)
    assert len(request.messages) == 2


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"n": 2}, "n can't be served: one request has one answer"),
        ({"frequency_penalty": 0.5}, "frequency_penalty can't be served"),
        ({"logprobs": True}, "logprobs can't be served"),
        ({"modalities": ["text", "audio"]}, "modalities can't be served: answers are text"),
        ({"functions": [{"name": "f"}]}, "functions can't be served: it was replaced by tools"),
        ({"web_search_options": {}}, "web_search_options can't be served"),
        ({"response_format": {"type": "json_object"}}, "response_format can't be served: .* send a json_schema"),
        ({"response_format": {"type": "grammar"}}, "response_format.type is 'grammar', expected one of"),
        ({"frobnicate": 1}, "frobnicate is not a field that is known here"),
        ({"model": ""}, "model is empty"),
        ({"model": "m" * 3000}, "model has 3000 characters, limit is 2048"),
        ({"messages": []}, "messages has 0 entries, expected 1 to"),
        ({"messages": "hi"}, "messages is 'hi', expected a list"),
        ({"messages": [{"role": "critic", "content": "x"}]}, "role is 'critic', expected one of"),
        ({"messages": [{"role": "function", "content": "x", "name": "f"}]}, "expected a message of role 'tool'"),
        ({"messages": [{"role": "user"}]}, r"messages\[0\].content is missing"),
        ({"messages": [{"role": "user", "content": 5}]}, r"messages\[0\].content is 5, expected a string or a list"),
        ({"messages": [{"role": "tool", "content": "x"}]}, r"messages\[0\].tool_call_id is missing"),
        ({"temperature": 2.1}, "temperature is 2.1, expected a number from 0 to 2"),
        ({"temperature": True}, "temperature is true, expected a number from 0 to 2"),
        ({"top_p": 1.5}, "top_p is 1.5, expected a number from 0 to 1"),
        ({"max_tokens": 0}, "max_tokens is 0, expected a whole number from 1"),
        ({"max_tokens": 1, "max_completion_tokens": 2}, "max_tokens is 1 and max_completion_tokens is 2"),
        ({"stop": ["a"] * 65}, "stop has 65 entries, limit is 64"),
        ({"stop": [""]}, "stop.*expected a string with text"),
        ({"reasoning_effort": "huge"}, "reasoning_effort is 'huge', expected one of 'none', 'minimal', 'low'"),
        ({"service_tier": "scale"}, "service_tier is 'scale', expected one of"),
        ({"metadata": {"a": 1}}, r"metadata\['a'\] is 1, expected a string"),
        ({"metadata": {"a": "b" * 513}}, "metadata.*too long"),
        ({"metadata": {str(n): "" for n in range(17)}}, "metadata has 17 pairs, limit is 16"),
        ({"stream_options": {"include_usage": True}}, "stream_options is for a stream"),
        ({"tools": [{"type": "custom", "custom": {"name": "f"}}]}, r"tools\[0\].type is 'custom', expected one of"),
        ({"tools": [{"type": "function"}]}, r"tools\[0\].function is missing"),
        ({"tools": [TOOL] * 1025}, "tools has 1025 entries, limit is 1024"),
        ({"tool_choice": "any"}, "tool_choice is 'any', expected one of 'auto', 'none', 'required'"),
        ({"tool_choice": 1}, "tool_choice is 1, expected a word or an object"),
        (
            {"tool_choice": {"type": "function", "function": {"name": "f"}}},
            "tool_choice names 'f', which is not among the tools",
        ),
    ],
    ids=lambda value: None if isinstance(value, str) else next(iter(value)),
)
def test_what_can_t_be_served_is_refused(fields: dict[str, Any], message: str) -> None:
    """
    A request that is malformed, or asks for what there is not, is refused by the field's name.
    """
    with pytest.raises(RequestError, match=message):
        parse(**fields)


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ({"type": "image_url", "image_url": {"url": "https://a/b.png"}}, "url is no data: URL; no URL is fetched"),
        ({"type": "image_url", "image_url": {"url": "data:image/png"}}, "url is no valid data: URL"),
        ({"type": "image_url", "image_url": {"url": "data:image/png;base64,%"}}, "url is not valid base64"),
        ({"type": "image_url", "image_url": {"url": "data:image/png;base64,"}}, "url is empty"),
        ({"type": "image_url", "image_url": {"url": "data:image/png,"}}, "url is empty"),
        ({"type": "image_url", "image_url": {"url": "data:text/plain,hi"}}, "holds 'text/plain', expected image"),
        ({"type": "image_url", "image_url": PIXEL}, "image_url is .*, expected an object"),
        ({"type": "file", "file": {"file_id": "f-1"}}, "file_id can't be served: this server keeps no files"),
        ({"type": "file", "file": {}}, "file_data is missing"),
        ({"type": "file", "file": {"file_data": "data:audio/wav;base64,AAAA"}}, "holds 'audio/wav', expected"),
        ({"type": "input_audio", "input_audio": {}}, "is of type 'input_audio', which can't be served"),
        ({"type": "refusal", "refusal": "no"}, "type is 'refusal', expected one of"),
        ({"type": "text", "text": "x", "prompt_cache_breakpoint": {"mode": "implicit"}}, "mode is 'implicit'"),
        ("text", "expected an object"),
    ],
)
def test_parts_that_can_t_be_served_are_refused(part: Any, message: str) -> None:
    """
    A part that no model takes, or that is elsewhere, is refused by its place.
    """
    with pytest.raises(RequestError, match=rf"messages\[0\].content\[0\].*{message}"):
        user(part)


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ({"tool_calls": [{**CALL, "type": "custom"}]}, r"tool_calls\[0\].type is 'custom'"),
        ({"tool_calls": [{"id": "a", "type": "function"}]}, r"tool_calls\[0\].function is missing"),
        ({"tool_calls": [{**CALL, "function": {"name": "f", "arguments": "{"}}]}, "arguments is not JSON"),
        (
            {"tool_calls": [{**CALL, "function": {"name": "f", "arguments": "[]"}}]},
            "arguments is an array, expected a JSON object",
        ),
        ({"function_call": {"name": "f", "arguments": ""}}, "function_call can't be served"),
        ({"audio": {"id": "a"}}, "audio can't be served"),
        ({"reasoning_details": [{"type": "reasoning.encrypted", "data": "x"}]}, "is no reasoning of this server"),
        (
            {"reasoning_details": [{"type": "reasoning.encrypted", "data": "outcrop-reasoning-1.e30="}]},
            "is no reasoning of this server",
        ),
        ({"reasoning_details": [{"type": "reasoning.text", "data": "x"}]}, "type is 'reasoning.text'"),
    ],
)
def test_answers_that_can_t_be_sent_back_are_refused(message: dict[str, Any], said: str) -> None:
    """
    An assistant message with something that no model takes back is refused by its place.
    """
    with pytest.raises(RequestError, match=rf"messages\[0\]\..*{said}"):
        parse_messages({"role": "assistant", "content": "x", **message})
