"""
The official SDK in front of the OpenAI dialects: what it sends is read, what is rendered it takes. No server between.
"""

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from openai import APIError, BadRequestError, OpenAI, pydantic_function_tool
from openai.types.chat import ChatCompletionMessageParam
from pydantic import BaseModel

from outcrop.dialects.openai.chat_request import parse_chat_completion
from outcrop.dialects.openai.chat_stream import ChatAnswerOpening, ChatChunkRenderer, encode_chat_completion
from outcrop.dialects.openai.errors import encode_error
from outcrop.dialects.openai.responses_request import complete_call, parse_response_request
from outcrop.dialects.openai.responses_stream import (
    ResponseClosing,
    ResponseOpening,
    ResponsesRenderer,
    encode_response,
    encode_sse,
)
from outcrop.errors import RequestError
from outcrop.types import (
    AnswerFormat,
    ChatRequest,
    MessageStart,
    MessageStop,
    ReasoningDelta,
    ReasoningPart,
    StreamEvent,
    StreamFailed,
    TextDelta,
    TextPart,
    ToolResultPart,
    ToolSpec,
    ToolUseDelta,
    ToolUsePart,
    ToolUseStart,
    Usage,
)
from tests.dialects.ui_stream_logs import log

USAGE = Usage(input_tokens=3, output_tokens=4)
SSE = {"content-type": "text/event-stream"}


class Place(BaseModel):
    """
    Name a place; also what a tool takes.
    """

    city: str


TALK: list[StreamEvent] = [MessageStart(), TextDelta("Hel"), TextDelta("lo"), MessageStop(stop_reason="end_turn")]
JSON: list[StreamEvent] = [MessageStart(), TextDelta('{"city":"Bern"}'), MessageStop(stop_reason="end_turn")]
CALL: list[StreamEvent] = [
    MessageStart(),
    ReasoningDelta(text="hm", index=0),
    ReasoningDelta(index=0, signature="c2ln"),
    ToolUseStart(index=1, tool_use_id="t1", name="Place"),
    ToolUseDelta(index=1, input_json='{"city":'),
    ToolUseDelta(index=1, input_json='"Bern"}'),
    MessageStop(stop_reason="tool_use"),
]
BROKEN: list[StreamEvent] = [
    MessageStart(), TextDelta("Hel"), StreamFailed(code="throttled", message="slow down", status=429)
]  # fmt: skip


class Gateway:
    """
    Answer the SDK's requests with logs that are given, one after another, and keep what was asked.
    """

    def __init__(self) -> None:
        self.logs: list[list[StreamEvent]] = []
        self.asked: list[ChatRequest] = []

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        """
        Answer one request, or refuse it.
        """
        try:
            if request.url.path.endswith("/chat/completions"):
                return self._complete(request.content)
            return self._respond(request.content)
        except RequestError as error:
            status, headers, body = encode_error(error, "req-1")
            return httpx2.Response(status, headers=list(headers), content=body)

    def _complete(self, body: bytes) -> httpx2.Response:
        call = parse_chat_completion(body)
        self.asked.append(call.request)
        entries = log(*self.logs.pop(0))
        opening = ChatAnswerOpening(turn_id="t", model=call.request.model, created=1, include_usage=call.include_usage)
        if not call.stream:
            return httpx2.Response(200, content=encode_chat_completion(opening, entries, USAGE))
        renderer = ChatChunkRenderer(opening)
        return httpx2.Response(200, headers=SSE, content=renderer.render(entries) + renderer.close(USAGE))

    def _respond(self, body: bytes) -> httpx2.Response:
        call = parse_response_request(body)
        self.asked.append(complete_call(call)[0])
        entries, closing = log(*self.logs.pop(0)), ResponseClosing(usage=USAGE, completed_at=2)
        opening = ResponseOpening(turn_id="t", model=call.request.model, created_at=1, echo=call.echo)
        if not call.stream:
            return httpx2.Response(200, content=encode_response(opening, entries, closing))
        renderer = ResponsesRenderer(opening)
        return httpx2.Response(200, headers=SSE, content=encode_sse(renderer.render(entries) + renderer.close(closing)))


@pytest.fixture
def gateway() -> Gateway:
    """
    Make what answers.
    """
    return Gateway()


@pytest.fixture
def client(gateway: Gateway) -> Iterator[OpenAI]:
    """
    Make an SDK client of it.
    """
    transport = httpx2.Client(transport=httpx2.MockTransport(gateway.answer))
    with OpenAI(api_key="k", base_url="http://gateway/v1", http_client=transport, max_retries=0) as made:
        yield made


def test_chat_is_streamed(gateway: Gateway, client: OpenAI) -> None:
    """
    The SDK reads a stream's text and its usage.
    """
    gateway.logs = [TALK]
    chunks = list(
        client.chat.completions.create(
            model="m",
            messages=[{"role": "user", "content": "hi"}],
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    assert "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices) == "Hello"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == 7


def test_chat_answers_in_a_model(gateway: Gateway, client: OpenAI) -> None:
    """
    The SDK's `parse` asks for its model's schema, and makes the model of the answer; streamed, too.
    """
    gateway.logs = [JSON, JSON]
    messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": "where?"}]
    parsed = client.chat.completions.parse(model="m", messages=messages, response_format=Place)
    assert parsed.choices[0].message.parsed == Place(city="Bern")
    with client.chat.completions.stream(model="m", messages=messages, response_format=Place) as stream:
        assert stream.get_final_completion().choices[0].message.parsed == Place(city="Bern")
    wanted = gateway.asked[0].answer_format
    assert isinstance(wanted, AnswerFormat)
    assert wanted.name == "Place"


@pytest.mark.parametrize("streams", [True, False])
def test_a_tool_is_used_in_chat(gateway: Gateway, client: OpenAI, streams: bool) -> None:
    """
    The SDK's message goes back as it is: with the reasoning, the call, and then the result.
    """
    gateway.logs = [CALL, TALK]
    messages: list[Any] = [{"role": "user", "content": "where?"}]
    tools: list[Any] = [pydantic_function_tool(Place)]
    if streams:
        with client.chat.completions.stream(model="m", messages=messages, tools=tools) as stream:
            completion: Any = stream.get_final_completion()
    else:
        completion = client.chat.completions.create(model="m", messages=messages, tools=tools)
    message: Any = completion.choices[0].message
    assert (message.tool_calls[0].function.arguments, message.reasoning_content) == ('{"city":"Bern"}', "hm")
    result: Any = {"role": "tool", "tool_call_id": "t1", "content": "found"}
    client.chat.completions.create(model="m", messages=[*messages, message, result])
    _check_loop(gateway)


def _check_loop(gateway: Gateway) -> None:
    """
    Check that the second request has what the first was answered.
    """
    spec = gateway.asked[0].tools[0]
    assert isinstance(spec, ToolSpec)
    assert (spec.name, spec.strict) == ("Place", True)
    assert gateway.asked[1].messages[1].parts == (
        ReasoningPart(text="hm", signature="c2ln"),
        ToolUsePart(tool_use_id="t1", name="Place", input={"city": "Bern"}),
    )
    assert gateway.asked[1].messages[2].parts == (ToolResultPart(tool_use_id="t1", content=(TextPart(text="found"),)),)


def test_a_broken_chat_raises(gateway: Gateway, client: OpenAI) -> None:
    """
    A stream that breaks off raises the SDK's error, with what came before.
    """
    gateway.logs = [BROKEN]
    stream = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}], stream=True)
    seen = []
    with pytest.raises(APIError, match="slow down") as raised:
        seen += [chunk.choices[0].delta.content for chunk in stream]
    assert (raised.value.code, raised.value.type) == ("rate_limit_exceeded", "rate_limit_error")


def test_a_refused_field_is_named(client: OpenAI) -> None:
    """
    A request that can't be served raises the SDK's error, which names the field.
    """
    with pytest.raises(BadRequestError, match="n can't be served") as raised:
        client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}], n=2)
    assert (raised.value.param, raised.value.request_id) == ("n", "req-1")


def test_a_response_is_streamed(gateway: Gateway, client: OpenAI) -> None:
    """
    The SDK's helper adds a stream up to the response that its last event has.
    """
    gateway.logs = [TALK, TALK]
    with client.responses.stream(model="m", input="hi") as stream:
        streamed = stream.get_final_response()
    whole = client.responses.create(model="m", input="hi")
    assert streamed.output_text == whole.output_text == "Hello"
    assert streamed.usage == whole.usage
    assert streamed.to_dict(exclude_none=True)["output"] != []


def test_a_response_in_a_model(gateway: Gateway, client: OpenAI) -> None:
    """
    The SDK's `parse` asks for its model's schema, and makes the model of the answer.
    """
    gateway.logs = [JSON]
    assert client.responses.parse(model="m", input="where?", text_format=Place).output_parsed == Place(city="Bern")
    wanted = gateway.asked[0].answer_format
    assert wanted is not None
    assert wanted.json_schema["required"] == ["city"]


@pytest.mark.parametrize("parses", [True, False])
def test_a_tool_is_used_in_a_response(gateway: Gateway, client: OpenAI, parses: bool) -> None:
    """
    The SDK's output goes back as it is: with the reasoning, the call, and then the result.
    """
    gateway.logs = [CALL, TALK]
    tools: list[Any] = [{"type": "function", "name": "Place", "parameters": Place.model_json_schema(), "strict": True}]
    items: list[Any] = [{"role": "user", "content": "where?"}]
    ask: Any = client.responses.parse if parses else client.responses.create
    items += ask(model="m", input=items, tools=tools).output
    items.append({"type": "function_call_output", "call_id": "t1", "output": "found"})
    client.responses.create(model="m", input=items)
    _check_loop(gateway)


def test_a_broken_response_says_so(gateway: Gateway, client: OpenAI) -> None:
    """
    A stream that breaks off ends with an event that has what was said, and the error.
    """
    gateway.logs = [BROKEN]
    *_, last = client.responses.create(model="m", input="hi", stream=True)
    assert last.type == "response.failed"
    assert last.response.output_text == "Hel"
    assert last.response.error is not None
    assert last.response.error.code == "rate_limit_exceeded"
