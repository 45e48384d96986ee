"""
Values that look harmless and are not what a schema allows; each was once served, or answered with an internal error.
"""

import json
from collections.abc import Callable
from typing import Any

import pytest

from outcrop.dialects.anthropic.errors import encode_error
from outcrop.dialects.anthropic.request import parse_messages_request
from outcrop.dialects.bedrock.invoke import parse_count_tokens, parse_invoke
from outcrop.dialects.bedrock.request import parse_converse
from outcrop.dialects.openai.chat_request import parse_chat_completion
from outcrop.dialects.openai.responses_note import ResponseNote, encode_note, parse_note
from outcrop.dialects.openai.responses_request import parse_response_request
from outcrop.errors import RequestError
from tests.dialects.anthropic_logs import CLAUDE, LLAMA

LONG = "x" * 65
SCHEMA = {"type": "object", "properties": {}}
CALL = {"id": "t1", "type": [], "function": {"name": "f", "arguments": "{}"}}
ALLOWED = {"type": "allowed_tools", "allowed_tools": {"mode": "auto"}}


def refusal(parse: Callable[[bytes], object], body: Any) -> str:
    """
    Return how a body is refused.
    """
    with pytest.raises(RequestError) as caught:
        parse(json.dumps(body).encode())
    return str(caught.value)


@pytest.mark.parametrize(
    ("change", "begins"),
    [
        ({"n": True}, "n can't be served"),
        ({"logprobs": 0}, "logprobs can't be served"),
        ({"tool_choice": ALLOWED}, "tool_choice.allowed_tools.tools is missing"),
        ({"messages": [{"role": "assistant", "tool_calls": [CALL]}]}, "messages[0].tool_calls[0].type is a list"),
    ],
)
def test_chat_completions_take_no_value_for_another(change: dict[str, Any], begins: str) -> None:
    """
    True is not 1, an empty list is not a missing type, and a choice among no tools is none.
    """
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], **change}
    assert refusal(parse_chat_completion, body).startswith(begins)


def test_a_choice_of_a_response_names_its_tools() -> None:
    """
    `allowed_tools` without `tools` is refused.
    """
    body = {"model": "m", "input": "hi", "tool_choice": {"type": "allowed_tools", "mode": "auto"}}
    assert refusal(parse_response_request, body) == "tool_choice.tools is missing"


@pytest.mark.parametrize(
    ("change", "begins"),
    [
        ({"tools": [{"type": [], "name": "f", "input_schema": SCHEMA}]}, "tools[0] is of type '[]'"),
        ({"tools": [{"type": {}, "name": "f", "input_schema": SCHEMA}]}, "tools[0] is of type '{}'"),
    ],
)
def test_a_tool_of_claude_has_a_word_for_its_type(change: dict[str, Any], begins: str) -> None:
    """
    A tool whose type is a list or an object is refused by its place.
    """
    assert refuse_message([{"type": "text", "text": "hi"}], **change).startswith(begins)


@pytest.mark.parametrize(
    ("block", "place"),
    [
        ({"type": "text", "text": "hi", "citations": [7]}, "messages[0].content[0].citations[0] is 7"),
        (
            {"type": "image", "source": {"type": "base64", "media_type": "x", "data": "eA=="}},
            "messages[0].content[0].source.media_type is 'x'",
        ),
    ],
)
def test_a_block_of_claude_is_refused_where_it_is_wrong(block: dict[str, Any], place: str) -> None:
    """
    A citation that is no object, and an image of an unknown type, are refused by their places.
    """
    assert refuse_message([block]).startswith(place)


def refuse_message(content: list[dict[str, Any]], **change: Any) -> str:
    """
    Return how a message to Claude is refused.
    """
    body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": content}], **change}
    return refusal(lambda raw: parse_messages_request(raw, resolve=lambda _: CLAUDE), body)


def test_a_client_s_fault_is_never_the_server_s() -> None:
    """
    Whatever status of a client's a refusal has, the Anthropic dialect answers with one of a client's.
    """
    for status in range(400, 500):
        kind = type("Refused", (RequestError,), {"status": status})
        assert 400 <= encode_error(kind("no"), "req_1")[0] < 500, status


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"serviceTier": {}}, "serviceTier.type is missing"),
        ({"outputConfig": {"textFormat": {}}}, "outputConfig.textFormat.type is missing"),
        (
            {"toolConfig": {"tools": [{"toolSpec": {"name": LONG, "inputSchema": {"json": SCHEMA}}}]}},
            "toolConfig.tools[0].toolSpec.name has 65 characters",
        ),
    ],
)
def test_converse_needs_what_the_service_needs(change: dict[str, Any], place: str) -> None:
    """
    Members that AWS's model requires are required, and its bounds of names hold, before any call.
    """
    body = {"messages": [{"role": "user", "content": [{"text": "hi"}]}], **change}
    assert refuse_converse(body).startswith(place)


@pytest.mark.parametrize(
    ("block", "place"),
    [
        ({"toolUse": {"toolUseId": LONG, "name": "f", "input": {}}}, "toolUse.toolUseId has 65"),
        ({"toolUse": {"toolUseId": "t", "name": LONG, "input": {}}}, "toolUse.name has 65"),
        ({"toolResult": {"toolUseId": LONG, "content": []}}, "toolResult.toolUseId has 65"),
        ({"document": {"name": "x" * 201, "source": {"text": "x"}}}, "document.name has 201"),
        (
            {"document": {"name": "x", "citations": {}, "source": {"text": "x"}}},
            "document.citations.enabled is missing",
        ),
    ],
)
def test_a_block_of_converse_keeps_the_service_s_bounds(block: dict[str, Any], place: str) -> None:
    """
    A name that the service would refuse for its length is refused before the call.
    """
    message = refuse_converse({"messages": [{"role": "user", "content": [block]}]})
    assert message.startswith(f"messages[0].content[0].{place}")


def refuse_converse(body: dict[str, Any]) -> str:
    """
    Return how Converse refuses a body.
    """
    return refusal(lambda raw: parse_converse(raw, model=CLAUDE, stream=False), body)


@pytest.mark.parametrize(
    ("counted", "place"), [(7, "input.converse is 7"), ({"zz": 1}, "input.converse.zz is not a field")]
)
def test_a_counted_request_is_refused_by_its_place(counted: Any, place: str) -> None:
    """
    A request to be counted that is malformed as a whole is named by where it stands.
    """
    said = refusal(lambda raw: parse_count_tokens(raw, model=CLAUDE), {"input": {"converse": counted}})
    assert said.startswith(place)


@pytest.mark.parametrize(
    ("name", "value"), [("stream", []), ("stream", {}), ("stream", 0), ("model", []), ("model", {})]
)
def test_a_native_body_says_nothing_that_its_path_does_not(name: str, value: Any) -> None:
    """
    `stream` and `model` in a native body are refused unless they repeat the path, whatever their type.
    """
    body = {"prompt": "hi", name: value}
    said = refusal(lambda raw: parse_invoke(raw, headers={}, model=LLAMA, stream=False), body)
    assert said.startswith(f"{name} is ")


def test_a_note_keeps_integers_of_any_size() -> None:
    """
    A schema with integers of more than 64 bits is repeated as it came.
    """
    note = ResponseNote(echo={"tools": [{"parameters": {"maximum": 10**30}}]})
    assert parse_note(encode_note(note)) == note
