"""
Tests of the frames of the native dialect, and of the HTTP body.
"""

import json
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outcrop.dialects.chat.frames import ResumeRequest, parse_frame, to_resume, to_turn
from outcrop.dialects.chat.replies import (
    PING,
    ChunkFramer,
    ServerFrame,
    encode_conversation_changed,
    encode_draining,
    encode_end,
    encode_error,
    encode_no_active,
    encode_queued,
    encode_start,
)
from outcrop.dialects.chat.turn import ChatTurn, parse_chat_body
from outcrop.errors import RequestError
from outcrop.types import GenerationParams, Message, Reasoning, StreamFailed, TextPart, ToolChoice, ToolSpec

HELLO = {"id": "m1", "role": "user", "parts": [{"type": "text", "text": "hello"}]}
ANSWER = {"id": "m2", "role": "assistant", "parts": [{"type": "text", "text": "hi"}]}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


def send_fields(**changes: Any) -> dict[str, Any]:
    """
    Write a `send` frame as the stock client does, with changes; a change to ... leaves a field out.
    """
    fields = {
        "type": "send",
        "requestId": "r1",
        "id": "chat1",
        "trigger": "submit-message",
        "messages": [HELLO],
        "headers": {},
        "body": {"model": "claude"},
    } | changes
    return {name: value for name, value in fields.items() if value is not ...}


def parse_send(**changes: Any) -> ChatTurn:
    """
    Parse such a frame.
    """
    return to_turn(parse_frame(json.dumps(send_fields(**changes))))


def parse_resume(**changes: Any) -> ResumeRequest:
    """
    Parse a `resume` frame as the stock client writes it, with changes.
    """
    fields = {"type": "resume", "requestId": "r2", "id": "chat1", "headers": {}, "body": {"model": "claude"}} | changes
    return to_resume(parse_frame(json.dumps(fields)))


def test_the_stock_client_s_frame_is_a_turn() -> None:
    """
    A `send` frame becomes a request for the model of its body.
    """
    turn = parse_send(metadata={"unknown": 1}, further="ignored")
    assert (turn.chat_id, turn.whole, turn.continues, turn.parent_id) == ("chat1", False, None, None)
    assert turn.request.model == "claude"
    assert turn.request.messages == (Message("user", (TextPart(text="hello"),)),)
    assert turn.request.stream


def test_the_body_says_how_to_answer() -> None:
    """
    Every field of the body has its place in the request.
    """
    body = {
        "model": "claude",
        "system": "be brief",
        "temperature": 1,
        "topP": 0.5,
        "topK": 3,
        "maxTokens": 10,
        "stop": ["END"],
        "reasoning": {"mode": "enabled", "budgetTokens": 2048, "effort": "low"},
        "parentId": "m0",
        "stream": False,
        "tools": [{"name": "search", "inputSchema": {"type": "object"}, "description": "find", "strict": True}],
        "toolChoice": "required",
    }
    turn = parse_send(body=body)
    request = turn.request
    assert request.params == GenerationParams(
        max_tokens=10,
        temperature=1.0,
        top_p=0.5,
        top_k=3,
        stop_sequences=("END",),
        reasoning=Reasoning(mode="enabled", budget_tokens=2048, effort="low"),
    )
    assert request.system == (TextPart(text="be brief"),)
    assert request.tools == (ToolSpec(name="search", input_schema={"type": "object"}, description="find", strict=True),)
    assert request.tool_choice == ToolChoice(mode="any")
    assert (turn.whole, request.stream, turn.parent_id) == (True, False, "m0")


def test_null_is_not_given() -> None:
    """
    A field of the body that is null leaves it to the model.
    """
    turn = parse_send(body={"model": "m", "temperature": None, "stream": None, "stop": None, "system": " "})
    assert (turn.request.params, turn.request.system, turn.whole) == (GenerationParams(), (), False)


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("auto", ToolChoice(mode="auto")),
        ("none", ToolChoice(mode="none")),
        ({"type": "tool", "toolName": "search"}, ToolChoice(mode="tool", name="search")),
    ],
)
def test_the_choice_of_a_tool(choice: Any, expected: ToolChoice) -> None:
    """
    A choice is one of the words, or names a tool.
    """
    assert parse_send(body={"model": "m", "toolChoice": choice}).request.tool_choice == expected


def test_one_stop_sequence_needs_no_list() -> None:
    """
    A stop sequence may stand alone.
    """
    assert parse_send(body={"model": "m", "stop": "END"}).request.params.stop_sequences == ("END",)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"body": {"model": "m", "temprature": 1}}, "body field 'temprature' is unknown; did you mean 'temperature'?"),
        ({"body": {"model": "m", "zzz": 1}}, "body field 'zzz' is unknown; known are model, system"),
        ({"body": {"model": "m", "temperature": 3}}, "body.temperature: expected `float` <= 2.0"),
        ({"body": {"model": "m", "topK": "1"}}, "body.topK: expected `int | null`, got `str`"),
        ({"body": {"model": "m", "stop": [""]}}, "body.stop[0]: expected `str` of length >= 1"),
        ({"body": {"model": "m", "toolChoice": "maybe"}}, "body.toolChoice: invalid enum value 'maybe'"),
        ({"body": {"model": "m", "reasoning": {"mode": "on"}}}, "body.reasoning.mode: invalid enum value 'on'"),
        ({"body": {"model": "m", "tools": [{"name": "x"}]}}, "body.tools[0]: object missing required field `inputS"),
        ({"body": {}}, "body.model is missing, expected the name of a model"),
        ({"body": []}, "body is missing or no object"),
        ({"id": ...}, "object missing required field `id`"),
        ({"id": ""}, "id has 0 characters, expected 1 to 256"),
        ({"id": "a\nb"}, "id holds characters that can't be printed"),
        ({"trigger": "resume"}, "trigger: invalid enum value 'resume'"),
        ({"messages": {}}, "messages: expected `array`, got `object`"),
        ({"messages": []}, "messages holds nothing to answer"),
        ({"messages": [{"role": "tool", "parts": []}]}, "messages[0].role: invalid enum value 'tool'"),
        ({"headers": {"a": 1}}, "headers[...]: expected `str`, got `int`"),
        ({"headers": {"Idempotency-Key": "1", "idempotency-key": "2"}}, "headers has 2 fields 'idempotency-key'"),
    ],
)
def test_a_refusal_names_the_field(changes: dict[str, Any], sentence: str) -> None:
    """
    A field that is missing, unknown, of another type or out of range is named, with what is allowed.
    """
    with pytest.raises(RequestError) as caught:
        parse_send(**changes)
    assert sentence in caught.value.message


def test_a_refusal_does_not_repeat_a_long_value() -> None:
    """
    A sentence stays short, however long the value is that it refuses.
    """
    with pytest.raises(RequestError) as caught:
        parse_send(trigger="x" * 100_000)
    assert len(caught.value.message) < 300


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        ("{", "the frame is not JSON: input data was truncated"),
        (b"\xff", "the frame is not JSON"),
        ("\ud800", "the frame is not valid Unicode text"),
        ('{"type":"\\ud800"}', "the frame is not JSON"),
        ("[1]", "the frame is an array, expected a JSON object"),
        ("null", "the frame is null"),
        ("1", "the frame is a number"),
        ('{"a":' * 200 + "1" + "}" * 200, "the frame is nested deeper than 128"),
        ("[" * 100_000, "the frame is nested deeper than 128"),
        ('{"a":1e999}', "the frame is not JSON: number out of range"),
        ("{}", "type is missing or no string, expected one of send, resume, abort"),
        ('{"type":"sent","requestId":"1"}', "type is 'sent'; did you mean 'send'?"),
        ('{"type":"send"}', "requestId is missing"),
        ('{"type":"send","requestId":1}', "requestId is missing or no string"),
        ('{"type":"send","requestId":""}', "requestId has 0 characters"),
        ('{"type":"send","requestId":"$server"}', "requestId begins with '$'"),
    ],
)
def test_a_frame_without_an_address_is_refused(message: str | bytes, sentence: str) -> None:
    """
    What is no frame at all is refused with a sentence.
    """
    with pytest.raises(RequestError) as caught:
        parse_frame(message)
    assert sentence in caught.value.message


def test_deep_input_is_taken_up_to_the_bound() -> None:
    """
    Nesting of 128 is allowed.
    """
    assert parse_frame('{"type":"abort","requestId":"r","x":' + "[" * 127 + "]" * 127 + "}").kind == "abort"


def test_an_abort_needs_its_request_only() -> None:
    """
    An `abort` names a request; bytes are as good as text.
    """
    frame = parse_frame(b'{"type":"abort","requestId":"r1"}')
    assert (frame.kind, frame.request_id) == ("abort", "r1")


def test_a_regenerated_answer_is_not_sent() -> None:
    """
    To regenerate drops the named answer and what follows, or else the last one; a question that is named stays.
    """
    again = "regenerate-message"
    question = {**HELLO, "id": "m3"}
    longer = [HELLO, ANSWER, question, {**ANSWER, "id": "m4"}]
    expected = {None: 3, "m2": 1, "m3": 3, "m4": 3, "gone": 3}
    for name, count in expected.items():
        turn = parse_send(trigger=again, messages=longer, messageId=name)
        assert len(turn.request.messages) == count
        assert turn.continues is None
    assert parse_send(trigger=again).request.messages == parse_send().request.messages


def test_an_answer_may_go_on_with_the_client_s_last_message() -> None:
    """
    Where the last message is the assistant's, its ID is told.
    """
    assert parse_send(messages=[HELLO, ANSWER]).continues == "m2"


def test_the_idempotency_key_is_in_the_frame_s_headers() -> None:
    """
    A frame carries its idempotency key among its own headers, in any spelling.
    """
    assert parse_send(headers={"Idempotency-Key": "k", "other": "x"}).idempotency_key == "k"
    assert parse_send(headers=...).idempotency_key is None


def test_the_http_body_is_the_same_request() -> None:
    """
    `POST /api/chat` has the fields of the body at its top, and means the same.
    """
    body = {"id": "chat1", "messages": [HELLO], "trigger": "submit-message", "model": "claude", "temperature": 0.5}
    assert parse_chat_body(json.dumps(body).encode()) == parse_send(body={"model": "claude", "temperature": 0.5})
    with pytest.raises(RequestError, match="field 'modle' is unknown; did you mean 'model'"):
        parse_chat_body(json.dumps({"id": "c", "messages": [], "modle": "x"}).encode())
    with pytest.raises(RequestError, match=r"^model is missing"):
        parse_chat_body(json.dumps({"id": "c", "messages": []}).encode())
    with pytest.raises(RequestError, match="the body is not JSON"):
        parse_chat_body(b"")


def test_a_resume_asks_for_everything_or_for_what_is_missing() -> None:
    """
    Without a position the stream comes from the beginning; the body's other fields are passed over.
    """
    assert parse_resume() == ResumeRequest(chat_id="chat1")
    assert parse_resume().skip == 0
    resume = parse_resume(lastSequence=4, body={"turnId": "t", "epoch": "e", "model": "m"})
    assert (resume.turn_id, resume.epoch, resume.skip) == ("t", "e", 5)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"lastSequence": -1}, "lastSequence: expected `int` >= 0"),
        ({"lastSequence": "x"}, "lastSequence: expected `int | null`"),
        ({"lastSequence": 3}, "lastSequence is given without body.turnId"),
        ({"body": {"turnId": 1}}, "body.turnId: expected `str | null`, got `int`"),
        ({"id": 1}, "id: expected `str`, got `int`"),
    ],
)
def test_a_malformed_resume_is_refused(changes: dict[str, Any], sentence: str) -> None:
    """
    A position is a whole number in a turn that is named.
    """
    with pytest.raises(RequestError) as caught:
        parse_resume(**changes)
    assert sentence in caught.value.message


def test_a_chunk_frame_carries_a_part_as_it_is() -> None:
    """
    A part is put into its frame without being encoded again; the request number is quoted.
    """
    frame = ChunkFramer('r"1').frame(7, '{"type":"text-delta","id":"0","delta":"é"}')
    assert json.loads(frame) == {
        "type": "chunk",
        "requestId": 'r"1',
        "sequence": 7,
        "chunk": {"type": "text-delta", "id": "0", "delta": "é"},
    }


def test_the_server_s_frames() -> None:
    """
    Each frame has its type, its request's number, and what is known.
    """
    failure = StreamFailed(code="already_active", message="busy", retryable=True, retry_after_seconds=2, status=409)
    assert [
        json.loads(frame)
        for frame in (
            encode_start("r", turn_id="t", epoch="e"),
            encode_end("r"),
            encode_no_active("r"),
            encode_error("r", failure, turn_id="t"),
            encode_error("r", StreamFailed(code="c", message="m")),
            PING,
            encode_draining(500),
            encode_queued("r", position=2),
            encode_conversation_changed("c"),
        )
    ] == [
        {"type": "start", "requestId": "r", "turnId": "t", "epoch": "e"},
        {"type": "end", "requestId": "r"},
        {"type": "no-active", "requestId": "r"},
        {
            "type": "error",
            "requestId": "r",
            "errorText": "busy",
            "code": "already_active",
            "retryable": True,
            "retryAfterMs": 2000,
            "turnId": "t",
        },
        {"type": "error", "requestId": "r", "errorText": "m", "code": "c", "retryable": False},
        {"type": "event", "requestId": "$server", "event": "ping"},
        {"type": "event", "requestId": "$server", "event": "draining", "retryAfterMs": 500},
        {"type": "event", "requestId": "$server", "event": "queued", "forRequestId": "r", "position": 2},
        {"type": "event", "requestId": "$server", "event": "conversation-changed", "chatId": "c"},
    ]
    assert msgspec.json.decode(encode_end("r"), type=ServerFrame)


def _mutate(fields: dict[str, Any], path: list[Any], value: Any) -> None:
    """
    Put a value somewhere into JSON: follow the path as far as it goes.
    """
    place: Any = fields
    for step in path:
        keys = list(place) if isinstance(place, dict) else range(len(place))
        key = list(keys)[step % len(keys)]
        if not isinstance(place[key], dict | list) or not place[key]:
            place[key] = value
            return
        place = place[key]
    if isinstance(place, dict):
        place[next(iter(place))] = value


FILE = {"type": "file", "mediaType": "image/png", "url": "data:image/png;base64,AAAA", "filename": "a.png"}
TOOL = {"type": "tool-search", "toolCallId": "c", "state": "output-available", "input": {"q": 1}, "output": [1]}
REASONING = {"type": "reasoning", "text": "hm", "providerMetadata": {"bedrock": {"signature": "s"}}}


@given(st.lists(st.integers(0, 20), min_size=1, max_size=6), JSON)
def test_a_mutated_frame_is_parsed_or_refused(path: list[int], value: Any) -> None:
    """
    Whatever stands wherever in a frame, it is taken or refused, never an error of ours.
    """
    assistant = {"id": "m2", "role": "assistant", "parts": [REASONING, TOOL], "metadata": {"model": "claude"}}
    user = {"id": "m3", "role": "user", "parts": [FILE, {"type": "text", "text": "x"}]}
    body = {"model": "claude", "stop": ["x"], "tools": [{"name": "search", "inputSchema": {}}], "toolChoice": "auto"}
    fields = send_fields(messages=[HELLO, assistant, user], body=body)
    _mutate(fields, path, value)
    for parse in (to_turn, to_resume):
        with suppress(RequestError):
            parse(parse_frame(json.dumps(fields)))


@given(st.binary(max_size=60) | st.text(max_size=60) | JSON.map(json.dumps))
def test_any_message_is_parsed_or_refused(message: str | bytes) -> None:
    """
    Any bytes and any text are a frame, or refused.
    """
    with suppress(RequestError):
        to_turn(parse_frame(message))
    with pytest.raises(RequestError):
        parse_chat_body(message if isinstance(message, bytes) else message.encode("utf-8", "replace"))
