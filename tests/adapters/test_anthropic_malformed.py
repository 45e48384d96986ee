"""
Anthropic answers that are malformed, out of order or errors are raised as what they are.
"""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outcrop.adapters.anthropic import AnthropicAdapter
from outcrop.errors import (
    InvalidMessage,
    ModelFailed,
    OutcropError,
    UpstreamError,
    UpstreamRejected,
    UpstreamThrottled,
    UpstreamUnavailable,
)
from outcrop.types import (
    MessageStart,
    MessageStop,
    StreamEvent,
)

Json = dict[str, Any]

TEXT_START: Json = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
TEXT_DELTA: Json = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}}
BLOCK_STOP: Json = {"type": "content_block_stop", "index": 0}
MESSAGE_DELTA: Json = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 5}}
MESSAGE_STOP: Json = {"type": "message_stop"}


def start(**usage: Any) -> Json:
    """
    Build a `message_start` with this usage.
    """
    return {"type": "message_start", "message": {"id": "msg_1", "content": [], "stop_reason": None, "usage": usage}}


def opened(block: Json) -> Json:
    """
    Build a `content_block_start` for block 0.
    """
    return {"type": "content_block_start", "index": 0, "content_block": block}


def changed(kind: str, **fields: Any) -> Json:
    """
    Build a `content_block_delta` for block 0.
    """
    return {"type": "content_block_delta", "index": 0, "delta": {"type": kind, **fields}}


def stream(*chunks: Json) -> list[StreamEvent]:
    """
    Decode a whole stream of chunks.
    """
    decoder = AnthropicAdapter().decoder()
    events = [event for chunk in chunks for event in decoder.feed("chunk", json.dumps(chunk).encode())]
    return events + decoder.flush()


def whole(headers: dict[str, str] | None = None, **fields: Any) -> list[StreamEvent]:
    """
    Parse a whole answer with these fields.
    """
    message = {"id": "msg_1", "type": "message", "role": "assistant", "stop_reason": "end_turn", "content": []}
    return AnthropicAdapter().parse_answer(json.dumps({**message, **fields}).encode(), headers or {})


@pytest.mark.parametrize(
    ("kind", "error_class"),
    [
        ("overloaded_error", UpstreamUnavailable),
        ("rate_limit_error", UpstreamThrottled),
        ("invalid_request_error", UpstreamRejected),
        ("api_error", ModelFailed),
        ("never_heard_of_error", ModelFailed),
    ],
)
def test_an_error_chunk_is_raised(kind: str, error_class: type[UpstreamError]) -> None:
    """
    An error inside the stream, or as the whole answer, is raised as what it means.
    """
    payload: Json = {"type": "error", "error": {"type": kind, "message": "no more"}}
    with pytest.raises(error_class, match="no more") as in_stream:
        stream(start(), TEXT_START, payload)
    with pytest.raises(error_class, match="no more") as at_once:
        whole(**payload)
    assert (in_stream.value.aws_error, at_once.value.aws_error) == (kind, kind)


@pytest.mark.parametrize(
    ("chunks", "words"),
    [
        ([TEXT_DELTA], "block 0, which is not open"),
        ([TEXT_START], "'content_block_start' came before 'message_start'"),
        ([MESSAGE_STOP], "'message_stop' came before 'message_start'"),
        ([start(), start()], "'message_start' came twice"),
        ([start(), TEXT_DELTA], "block 0, which is not open"),
        ([start(), BLOCK_STOP], "block 0, which is not open"),
        ([start(), TEXT_START, TEXT_START], "opened twice"),
        ([start(), {"type": "content_block_start", "content_block": {"type": "text"}}], "its index is missing"),
        ([start(), TEXT_START, BLOCK_STOP, TEXT_DELTA], "block 0, which is not open"),
        ([start(), TEXT_START, BLOCK_STOP, BLOCK_STOP], "block 0, which is not open"),
        ([start(), TEXT_START, {"type": "content_block_delta", "index": 0}], "block 0, which is not open"),
        ([start(), TEXT_START, changed("input_json_delta", partial_json="{")], "it is 'text'"),
        ([start(), opened({"type": "thinking"}), TEXT_DELTA], "it is 'thinking'"),
        ([start(), opened({"type": "tool_use", "name": "x"})], "without its id or its name"),
        (
            [
                start(),
                opened({"type": "tool_use", "id": "t", "name": "x", "input": {"a": 1}}),
                changed("input_json_delta", partial_json="{}"),
            ],
            "takes no more of it",
        ),
        ([start(), opened({"type": "text", "text": 5})], "'text' of type int"),
        ([start(), opened({"type": "text", "citations": "abc"})], "citations of type str"),
        ([start(), MESSAGE_STOP], "without a 'stop_reason'"),
        ([start(), MESSAGE_DELTA, MESSAGE_STOP, {"type": "ping"}], "'ping' came after 'message_stop'"),
        ([start(), MESSAGE_DELTA, MESSAGE_STOP, MESSAGE_STOP], "'message_stop' came after 'message_stop'"),
        ([start(input_tokens="many")], "'input_tokens' is 'many'"),
        ([start(input_tokens=-1)], "'input_tokens' is -1"),
        ([start(input_tokens=True)], "'input_tokens' is True"),
        ([{"type": "message_start"}], "not an anthropic message"),
        ([{"index": 0}], "not an anthropic message"),
        ([start(), changed("text_delta", text=None)], "not an anthropic message"),
    ],
)
def test_a_malformed_stream_is_refused(chunks: list[Json], words: str) -> None:
    """
    A chunk that is malformed, or not where it belongs, is refused with what is wrong.
    """
    with pytest.raises(InvalidMessage, match=words):
        stream(*chunks)


@pytest.mark.parametrize("payload", [b"", b"null", b"[]", b"{", b'{"type":"\xff"}', b'{"type":"\\ud800"}', b"[" * 9999])
def test_a_payload_that_is_no_chunk_is_refused(payload: bytes) -> None:
    """
    Bytes that are not a chunk are refused as a message of the wire, streamed or whole.
    """
    with pytest.raises(InvalidMessage):
        AnthropicAdapter().decoder().feed("chunk", payload)
    with pytest.raises(InvalidMessage):
        AnthropicAdapter().parse_answer(payload, {})


def test_another_event_type_is_refused() -> None:
    """
    The stream of this operation has one event type.
    """
    with pytest.raises(InvalidMessage, match="event type is 'metadata', expected 'chunk'"):
        AnthropicAdapter().decoder().feed("metadata", b"{}")


@pytest.mark.parametrize(
    ("fields", "headers", "words"),
    [
        ({"content": None}, {}, "not an anthropic message"),
        ({"content": ["text"]}, {}, "not an anthropic message"),
        ({"stop_reason": None}, {}, "without a 'stop_reason'"),
        ({}, {"x-amzn-bedrock-input-token-count": "4 "}, "expected a decimal number"),
    ],
)
def test_a_malformed_whole_answer_is_refused(fields: Json, headers: dict[str, str], words: str) -> None:
    """
    A whole answer that is none is refused with what is wrong.
    """
    with pytest.raises(InvalidMessage, match=words):
        whole(headers, **fields)


def test_a_body_without_content_is_refused() -> None:
    """
    An object that is no message is not an empty answer.
    """
    with pytest.raises(InvalidMessage, match="no 'content'"):
        AnthropicAdapter().parse_answer(b'{"generation":"Hi","stop_reason":"stop"}', {})


@given(
    st.lists(st.sampled_from([start(), TEXT_START, TEXT_DELTA, BLOCK_STOP, MESSAGE_DELTA, MESSAGE_STOP]), max_size=9)
)
@settings(deadline=None, max_examples=150)
def test_any_order_of_chunks_keeps_the_laws_or_is_refused(chunks: list[Json]) -> None:
    """
    Chunks in any order give a stream that opens once and ends once, or an error of ours.
    """
    try:
        events = stream(*chunks)
    except OutcropError:
        return
    assert [position for position, event in enumerate(events) if isinstance(event, MessageStart)] == [0]
    assert [p for p, event in enumerate(events) if isinstance(event, MessageStop)] == [len(events) - 1]
