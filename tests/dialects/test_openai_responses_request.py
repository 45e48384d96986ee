"""
Bodies of `POST /v1/responses`, conversations over several responses, and the socket's messages.
"""

import json
from base64 import b64encode
from typing import Any

import pytest
from openai.types.responses import Response, ResponsesServerEvent
from pydantic import TypeAdapter

from outcrop.dialects.openai.conversation import Conversation, ItemReference, add_answer
from outcrop.dialects.openai.errors import to_error_object
from outcrop.dialects.openai.responses_request import ResponsesCall, complete_call, parse_response_request
from outcrop.dialects.openai.responses_socket import (
    SOCKET_LIMIT,
    ResponseCreate,
    ResponseSteer,
    encode_socket_error,
    encode_steer_failed,
    find_lane,
    missing_previous,
    parse_client_event,
)
from outcrop.dialects.openai.responses_stream import ResponseOpening, encode_response
from outcrop.errors import RequestError
from outcrop.types import (
    AnswerFormat,
    ChatRequest,
    DocumentPart,
    GenerationParams,
    ImagePart,
    Message,
    Reasoning,
    TextPart,
    ToolChoice,
    ToolResultPart,
    ToolSpec,
    ToolUsePart,
)

EVENT: TypeAdapter[Any] = TypeAdapter(ResponsesServerEvent)
CONTENT = b64encode(b"words").decode()
TOOL = {"type": "function", "name": "f", "description": "does f", "parameters": {"type": "object"}, "strict": True}
SCHEMA = {"type": "json_schema", "name": "place", "schema": {"type": "object"}, "strict": True}
CALL = {"type": "function_call", "call_id": "t1", "name": "f", "arguments": '{"a": 1}', "id": "fc_1", "status": None}


def parse(**fields: Any) -> ResponsesCall:
    """
    Parse a body with these fields beside the two that it must have.
    """
    return parse_response_request(json.dumps({"model": "claude", "input": "hi", **fields}).encode())


def said(text: str) -> Message:
    """
    Make a message of the user.
    """
    return Message("user", (TextPart(text=text),))


def test_a_small_request() -> None:
    """
    A string is what the user says; what is not given is left to the model, and the answer is whole.
    """
    call = parse()
    assert call.request == ChatRequest(model="claude", messages=(said("hi"),), stream=False)
    assert (call.stream, call.background, call.store, call.previous_response_id) == (False, False, True, None)


def test_items_of_every_kind() -> None:
    """
    Items become a system prompt and a conversation; neighbours of one role are one message.
    """
    call = parse(
        input=[
            {"role": "developer", "content": "be brief"},
            {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "be kind"}]},
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "look"},
                    {"type": "input_image", "image_url": f"data:image/png;base64,{CONTENT}", "detail": "auto"},
                    {"type": "input_file", "file_data": CONTENT, "filename": "a.txt"},
                ],
            },
            {"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"type": "reasoning_text", "text": "x"}]},
            {
                "type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "phase": "commentary",
                "content": [{"type": "output_text", "text": "I look", "annotations": []}],
            },
            CALL,
            {"type": "function_call_output", "call_id": "t1", "output": [{"type": "input_text", "text": "42"}]},
            {"role": "assistant", "content": [{"type": "refusal", "refusal": "so 42"}]},
        ]
    )  # fmt: skip
    assert call.request.system == (TextPart(text="be brief"), TextPart(text="be kind"))
    assert call.request.messages == (
        Message(
            "user",
            (
                TextPart(text="look"),
                ImagePart(media_type="image/png", data=b"words"),
                DocumentPart(media_type="text/plain", data=b"words", name="a.txt"),
            ),
        ),
        Message("assistant", (TextPart(text="I look"), ToolUsePart(tool_use_id="t1", name="f", input={"a": 1}))),
        Message("user", (ToolResultPart(tool_use_id="t1", content=(TextPart(text="42"),)),)),
        Message("assistant", (TextPart(text="so 42"),)),
    )


def test_parameters() -> None:
    """
    Parameters, tools and the form of the answer are taken.
    """
    call = parse(
        max_output_tokens=9, temperature=1.5, top_p=0.5, reasoning={"effort": "low", "summary": "auto"},
        tools=[TOOL], tool_choice={"type": "function", "name": "f"}, parallel_tool_calls=False,
        text={"format": SCHEMA, "verbosity": "medium"}, service_tier="flex", metadata={"a": "b"}, stream=True,
        include=["reasoning.encrypted_content"], store=False, truncation="disabled", instructions="be kind",
    )  # fmt: skip
    assert call.request == ChatRequest(
        model="claude",
        messages=(said("hi"),),
        params=GenerationParams(
            max_tokens=9, temperature=1.5, top_p=0.5, reasoning=Reasoning(mode="adaptive", effort="low")
        ),
        tools=(ToolSpec(name="f", description="does f", input_schema={"type": "object"}, strict=True),),
        tool_choice=ToolChoice(mode="tool", name="f", allow_parallel=False),
        answer_format=AnswerFormat(json_schema={"type": "object"}, name="place"),
        service_tier="flex",
        request_metadata={"a": "b"},
    )
    assert (call.store, call.instructions) == (False, "be kind")


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"text": {"format": {"type": "text"}}, "stream_options": {"include_obfuscation": False}},
        {"tools": [TOOL], "tool_choice": {"type": "function", "name": "f"}, "text": {"format": SCHEMA}},
        {
            "tools": [TOOL],
            "tool_choice": {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "f"}]},
        },
        {"user": 5, "prompt_cache_key": {}, "safety_identifier": [], "max_tool_calls": "x"},
        {"reasoning": {"effort": "none", "generate_summary": "concise"}, "service_tier": "fast", "max_tool_calls": 3},
        {"background": True, "instructions": "x", "previous_response_id": "resp_1", "tool_choice": "required",
         "tools": [TOOL]},
    ],
)  # fmt: skip
def test_the_echo_is_valid(fields: dict[str, Any]) -> None:
    """
    What a response repeats of any request is valid by the SDK's strict types.
    """
    echo = parse(**fields).echo
    encoded = encode_response(ResponseOpening(turn_id="t", model="claude", created_at=1, echo=echo), [])
    response = Response.model_validate_json(encoded, strict=True)
    assert response.instructions == fields.get("instructions")


def test_a_conversation_goes_on() -> None:
    """
    A response goes on from what was kept of the one before; instructions are each request's own.
    """
    first, conversation = complete_call(parse(instructions="be kind"))
    assert first.system == (TextPart(text="be kind"),)
    kept = add_answer(conversation, [TextPart(text="hello")], is_stopped=False)
    assert kept == Conversation(messages=(said("hi"), Message("assistant", (TextPart(text="hello"),))))
    call = parse(previous_response_id="resp_1", input=[{"role": "system", "content": "now"}, CALL], instructions=" ")
    request, after = complete_call(call, kept)
    assert request.system == after.system == (TextPart(text="now"),)
    assert request.messages == (
        said("hi"),
        Message("assistant", (TextPart(text="hello"), ToolUsePart(tool_use_id="t1", name="f", input={"a": 1}))),
    )


def test_items_can_be_referred_to() -> None:
    """
    An item that is only named is put where its name stands; one that is not there is refused.
    """
    reasoning = {"type": "item_reference", "id": "rs_t_1"}
    items = [{"role": "user", "content": "a"}, {"id": "msg_t_0"}, reasoning, {"role": "user", "content": "b"}]
    call = parse(input=items)
    assert call.references == ("msg_t_0", "rs_t_1")
    assert call.entries[1] == ItemReference("msg_t_0")
    answer = Message("assistant", (TextPart(text="x"),))
    request, _ = complete_call(call, None, {"msg_t_0": answer, "rs_t_1": None})
    assert request.messages == (said("a"), answer, said("b"))
    with pytest.raises(RequestError, match="input refers to the item 'msg_t_0', which is not there"):
        complete_call(call)


def test_nothing_is_no_request() -> None:
    """
    A request without anything said, now or before, is refused.
    """
    with pytest.raises(RequestError, match="input holds nothing to answer"):
        complete_call(parse(input=[]))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"input": None}, "input is missing"),
        ({"input": 5}, "input is 5, expected a string or a list of items"),
        ({"input": [CALL] * 100_001}, "input has 100001 items, limit is 100000"),
        ({"input": [{"role": "user", "content": 5}]}, r"input\[0\].content is 5, expected a string or a list of parts"),
        ({"tool_choice": 1}, "tool_choice is 1, expected a word or an object"),
        ({"stream_options": {"x": 1}}, "stream_options.x is not a field that is known here"),
        ({"input": [5]}, r"input\[0\] is 5, expected an item"),
        ({"input": [{"type": "mcp_call"}]}, r"input\[0\] is an item of type 'mcp_call', which can't be served"),
        ({"input": [{"type": "message", "role": "critic", "content": "x"}]}, "role is 'critic', expected one of"),
        ({"input": [{"role": "user", "content": [{"type": "output_text", "text": "x"}]}]}, "type is 'output_text'"),
        ({"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "http://a"}]}]}, "no data: URL"),
        ({"input": [{"role": "user", "content": [{"type": "input_file", "file_url": "u"}]}]}, "nothing is fetched"),
        ({"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "u"}]}]}, "file_id can't be"),
        ({"input": [{"type": "reasoning", "encrypted_content": "gAAA"}]}, "is no reasoning of this server"),
        ({"input": [{**CALL, "arguments": "1"}]}, r"input\[0\].arguments is a number, expected a JSON object"),
        ({"input": [{**CALL, "namespace": "n"}]}, "namespace can't be served"),
        ({"tools": [{"type": "web_search"}]}, r"tools\[0\] is of type 'web_search', which can't be served"),
        ({"tools": [{**TOOL, "defer_loading": True}]}, "defer_loading can't be served"),
        ({"tool_choice": {"type": "mcp"}}, "tool_choice.type is 'mcp', expected one of"),
        ({"text": {"format": {"type": "json_object"}}}, "text.format can't be served: .* send a json_schema"),
        ({"text": {"verbosity": "low"}}, "text.verbosity can't be served"),
        ({"truncation": "auto"}, "truncation can't be served"),
        ({"conversation": "conv_1"}, "conversation can't be served: conversations are kept by previous_response_id"),
        ({"prompt": {"id": "p"}}, "prompt can't be served"),
        ({"include": ["message.output_text.logprobs"]}, "include names 'message.output_text.logprobs', expected"),
        ({"background": True, "store": False}, "background is true but store is false"),
        ({"previous_response_id": ""}, "previous_response_id has 0 characters"),
        ({"reasoning": {"mode": "pro"}}, "reasoning.mode can't be served"),
        ({"reasoning": {"summary": "long"}}, "reasoning.summary is 'long', expected one of"),
        ({"stream_id": "a"}, "stream_id is not a field that is known here"),
    ],
    ids=lambda value: None if isinstance(value, str) else next(iter(value)),
)
def test_what_can_t_be_served_is_refused(fields: dict[str, Any], message: str) -> None:
    """
    A request that is malformed, or asks for what there is not, is refused by the field's name.
    """
    with pytest.raises(RequestError, match=message):
        parse(**fields)


def test_a_socket_s_request() -> None:
    """
    `response.create` is a request with a lane, always streamed.
    """
    message = json.dumps(
        {"type": "response.create", "model": "claude", "input": "hi", "stream_id": "a", "generate": False}
    )
    created = parse_client_event(message)
    assert isinstance(created, ResponseCreate)
    assert (created.stream_id, created.generate, created.call.stream) == ("a", False, True)
    assert created.call.request.stream
    assert parse_client_event(message.encode()) == created
    assert find_lane(message) == "a"


@pytest.mark.parametrize(
    ("message", "said_of_it"),
    [
        ("", "the body is not JSON"),
        ("\ud800", "not valid Unicode"),
        ("{}", "type is null, expected 'response.create' or 'response.steer'"),
        ('{"type": "response.cancel"}', "type is 'response.cancel', expected"),
        ('{"type": "response.create", "model": "m", "input": "x", "background": true}', "background can't be served"),
        ('{"type": "response.create", "model": "m", "input": "x", "stream_id": ""}', "stream_id has 0 characters"),
        ('{"type": "response.steer", "previous_response_id": "r"}', "input is missing"),
        ('{"type": "response.steer", "input": "x", "previous_response_id": "r", "stream_id": "a"}', "stream_id is not"),
    ],
)
def test_other_messages_are_refused(message: str, said_of_it: str) -> None:
    """
    A message that is no event of a client is refused; its lane is found if it has one.
    """
    with pytest.raises(RequestError, match=said_of_it):
        parse_client_event(message)
    assert find_lane(message) in {None, "a"}


def test_steering_is_given_back() -> None:
    """
    Input for an answer under way is given back with the SDK's own event.
    """
    steer = parse_client_event('{"type": "response.steer", "input": "faster", "previous_response_id": "resp_1"}')
    assert isinstance(steer, ResponseSteer)
    event = EVENT.validate_json(encode_steer_failed(steer), strict=True)
    assert (event.error.code, event.steer.input) == ("steering_not_supported", "faster")


def test_errors_of_a_socket() -> None:
    """
    What goes wrong before an answer is an event of its own, on its lane.
    """
    missing = missing_previous("resp_1")
    event = EVENT.validate_json(encode_socket_error(missing, "lane"), strict=True)
    assert (event.status, event.stream_id) == (400, "lane")
    assert (event.error.code, event.error.param) == ("previous_response_not_found", "previous_response_id")
    assert EVENT.validate_json(encode_socket_error(SOCKET_LIMIT), strict=True).stream_id is None
    assert to_error_object(SOCKET_LIMIT)["code"] == "websocket_connection_limit_reached"
