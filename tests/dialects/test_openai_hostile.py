"""
Bodies that nobody should send: whatever comes, it is a request or a refusal.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outcrop.dialects.openai.chat_request import parse_chat_completion
from outcrop.dialects.openai.responses_request import complete_call, parse_response_request
from outcrop.dialects.openai.responses_socket import ResponseCreate, encode_steer_failed, parse_client_event
from outcrop.dialects.openai.responses_tables import ITEMS, SOCKET_REQUEST
from outcrop.dialects.openai.responses_tables import PARTS as RESPONSE_PARTS
from outcrop.dialects.openai.tables import CHAT_REQUEST, MESSAGES, PARTS
from outcrop.errors import RequestError
from outcrop.types import ChatRequest

PIXEL = "data:image/png;base64,AAAA"
CHAT: dict[str, Any] = {
    "model": "m",
    "messages": [
        {"role": "system", "content": "x"},
        {"role": "user", "content": [{"type": "text", "text": "x"}, {"type": "image_url", "image_url": {"url": PIXEL}},
                                     {"type": "file", "file": {"file_data": "AAAA", "filename": "a.pdf"}}]},
        {"role": "assistant", "content": "x", "reasoning_details": [],
         "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "a", "content": "x"},
    ],
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {}, "strict": True}}],
    "tool_choice": {"type": "function", "function": {"name": "f"}},
    "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {}}},
    "stream": True,
    "stream_options": {"include_usage": True},
    "metadata": {"a": "b"},
    "stop": ["x"],
}  # fmt: skip
RESPONSES: dict[str, Any] = {
    "model": "m",
    "input": [
        {"role": "user", "content": [{"type": "input_text", "text": "x"}, {"type": "input_image", "image_url": PIXEL},
                                     {"type": "input_file", "file_data": "AAAA", "filename": "a.pdf"}]},
        {"type": "reasoning", "id": "r", "summary": [], "encrypted_content": None},
        {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "a", "output": "x"},
        {"id": "msg_t_0"},
    ],
    "tools": [{"type": "function", "name": "f", "parameters": {}, "strict": True}],
    "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]},
    "text": {"format": {"type": "json_schema", "name": "n", "schema": {}}},
    "reasoning": {"effort": "low", "summary": "auto"},
    "metadata": {"a": "b"},
}  # fmt: skip
WORDS = sorted({*CHAT_REQUEST, *SOCKET_REQUEST, *MESSAGES, *PARTS, *ITEMS, *RESPONSE_PARTS, "role", "type", "content"})
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(WORDS)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4),
    max_leaves=12,
)
PATIENT = settings(deadline=None)


def read_chat(body: bytes) -> ChatRequest:
    """
    Read a body of Chat Completions.
    """
    return parse_chat_completion(body).request


def read_responses(body: bytes) -> ChatRequest:
    """
    Read a body of Responses, and its echo.
    """
    call = parse_response_request(body)
    msgspec.json.encode(call.echo)
    complete_call(call, None, dict.fromkeys(call.references, next(iter(call.request.messages), None)))
    return call.request


def read_socket(body: bytes) -> ChatRequest | None:
    """
    Read a socket's message.
    """
    event = parse_client_event(body)
    if isinstance(event, ResponseCreate):
        return event.call.request
    encode_steer_failed(event)
    return None


READERS: list[Callable[[bytes], ChatRequest | None]] = [read_chat, read_responses, read_socket]


def attempt(read: Callable[[bytes], ChatRequest | None], body: bytes) -> bool:
    """
    Read a body; say whether it was taken. What was taken can be encoded again.
    """
    try:
        request = read(body)
    except RequestError as error:
        message = error.message
    else:
        msgspec.json.encode(request)
        return True
    assert len(message.encode()) < 1000
    return False


def places_in(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """
    List the places in a body.
    """
    yield path
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places_in(inner, (*path, key))


def put(body: Any, path: tuple[Any, ...], value: Any) -> Any:
    """
    Put a value at a place of a copy.
    """
    if not path:
        return value
    copy = json.loads(json.dumps(body))
    inner = copy
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return copy


@pytest.mark.parametrize(("read", "body"), [(read_chat, CHAT), (read_responses, RESPONSES)])
def test_the_samples_are_taken(read: Callable[[bytes], ChatRequest], body: dict[str, Any]) -> None:
    """
    The bodies that the other tests break are whole.
    """
    assert attempt(read, json.dumps(body).encode())


@PATIENT
@given(st.data())
def test_a_broken_body_is_refused_at_most(data: st.DataObject) -> None:
    """
    Whatever stands at whatever place of a body, it is taken or refused.
    """
    read, body = data.draw(st.sampled_from([(read_chat, CHAT), (read_responses, RESPONSES)]))
    broken = put(body, data.draw(st.sampled_from(list(places_in(body)))), data.draw(VALUES))
    attempt(read, json.dumps(broken).encode())


@PATIENT
@given(read=st.sampled_from(READERS), fields=st.dictionaries(st.sampled_from(WORDS), VALUES, max_size=6))
def test_any_object_is_refused_at_most(read: Callable[[bytes], ChatRequest | None], fields: dict[str, Any]) -> None:
    """
    Any object of known names is taken or refused; also where half a surrogate pair is written as it stands.
    """
    kind = {"type": "response.create"} if read is read_socket else {}
    attempt(read, json.dumps({"model": "m", "input": "x", **fields, **kind}).encode())


@given(read=st.sampled_from(READERS), body=st.binary(max_size=80))
def test_any_bytes_are_refused_at_most(read: Callable[[bytes], ChatRequest | None], body: bytes) -> None:
    """
    Bytes that are no JSON object are refused.
    """
    attempt(read, body)


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"model": "m", "model": "n"}',
        b'{"model": "m", "messages": [{"role": "user", "content": "\\ud800"}], "input": "\\ud800"}',
        b'{"model": "m", "temperature": NaN}',
        b'{"model": "m", "temperature": 1e999}',
        b'{"model": "m", "max_tokens": ' + b"9" * 5000 + b"}",
        b"[" * 100_000,
        b'{"model": ' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"model": "m", "input": "x", "tools": ' + b'{"a":' * 150 + b"1" + b"}" * 150 + b"}",
    ],
    ids=range(12),
)
def test_what_is_no_request_is_refused(read: Callable[[bytes], ChatRequest | None], body: bytes) -> None:
    """
    Names that come twice, half a surrogate pair, numbers that are none, deep nesting: all are refused.
    """
    assert not attempt(read, body)


@pytest.mark.parametrize("arguments", ["[" * 100_000, '{"a": "\\ud800"}', "NaN", '{"a": 1} x'])
def test_arguments_that_are_no_object_are_refused(arguments: str) -> None:
    """
    The JSON in a call's arguments is as strict as the body's.
    """
    broken = put(CHAT, ("messages", 2, "tool_calls", 0, "function", "arguments"), arguments)
    assert not attempt(read_chat, json.dumps(broken).encode())


def test_deep_arguments_are_refused() -> None:
    """
    Arguments that are nested deeper than a body may be are refused, so that no encoder meets them.
    """
    deep = '{"a":' * 900 + "1" + "}" * 900
    broken = put(CHAT, ("messages", 2, "tool_calls", 0, "function", "arguments"), deep)
    assert not attempt(read_chat, json.dumps(broken).encode())
