"""
A count asks about the very call that the request would make.
"""

import json
from base64 import b64decode
from typing import Any

import pytest

from outcrop.adapters.counting import parse_count, to_count_call
from outcrop.adapters.registry import find_adapter
from outcrop.calls import UpstreamCall
from outcrop.catalogue.resolve import resolve
from outcrop.errors import InvalidMessage
from outcrop.types import ChatRequest, GenerationParams, Message, TextPart

BASE = "anthropic.claude-haiku-4-5-20251001-v1:0"
NATIVE = resolve(f"us.{BASE}")
CONVERSE = resolve(f"us.{BASE}", routes={"anthropic": "converse"})


def ask(*, stream: bool) -> ChatRequest:
    """
    Make a request that has more than its input.
    """
    return ChatRequest(
        model=NATIVE.name,
        messages=(Message(role="user", parts=(TextPart(text="hello"),)),),
        system=(TextPart(text="be brief"),),
        params=GenerationParams(max_tokens=10, temperature=0.5),
        stream=stream,
    )


def counted(call: UpstreamCall) -> Any:
    """
    Read what a call asks CountTokens about.
    """
    body = json.loads(call.body)
    assert list(body) == ["input"]
    return body["input"]


@pytest.mark.parametrize("stream", [True, False])
def test_a_native_body_is_counted_as_it_is(stream: bool) -> None:
    """
    CountTokens gets the bytes of the native call, and the model by its base ID.
    """
    call = find_adapter(NATIVE).build_call(ask(stream=stream), NATIVE)
    count = to_count_call(call, NATIVE)
    assert (count.operation, count.model_id) == ("count_tokens", BASE)
    assert b64decode(counted(count)["invokeModel"]["body"]) == call.body


@pytest.mark.parametrize("stream", [True, False])
def test_of_a_converse_call_only_the_input_is_counted(stream: bool) -> None:
    """
    CountTokens takes no inference parameters; messages and instructions stay as they are.
    """
    call = find_adapter(CONVERSE).build_call(ask(stream=stream), CONVERSE)
    body = json.loads(call.body)
    assert "inferenceConfig" in body
    count = to_count_call(call, CONVERSE)
    assert count.model_id == BASE
    assert counted(count) == {"converse": {"messages": body["messages"], "system": body["system"]}}


def test_a_count_is_read() -> None:
    """
    The answer of CountTokens is one number.
    """
    assert parse_count(b'{"inputTokens":12}') == 12


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"inputTokens":"12"}', b'{"inputTokens":1.5}', b'{"a":' * 9999])
def test_what_is_no_count_is_an_error(body: bytes) -> None:
    """
    An answer without a whole number is a bad message, never a count of 0.
    """
    with pytest.raises(InvalidMessage, match="CountTokens"):
        parse_count(body)
