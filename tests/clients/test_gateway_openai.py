"""
OpenAI's SDK for Python, unmodified, against a gateway and an emulator in processes of their own.
"""

import base64
import json
import re
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import OpenAI
from openai.types.chat import ChatCompletionToolParam
from openai.types.responses import FunctionToolParam, Response
from pydantic import BaseModel

from tests.clients.proof import proves
from tests.e2e.conftest import Book
from tests.support import gateway_environment, run_outcrop

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 20
MODEL = "gpt-4o"
WEATHER_SCHEMA: dict[str, object] = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
}
CHAT_TOOL: ChatCompletionToolParam = {
    "type": "function",
    "function": {"name": "get_weather", "parameters": WEATHER_SCHEMA},
}
TOOL: FunctionToolParam = {"type": "function", "name": "get_weather", "parameters": WEATHER_SCHEMA, "strict": False}
PIXEL = base64.b64encode(
    bytes.fromhex(
        "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
        "1f15c4890000000d49444154789c6360f8cfc000000301010018dd8db00000000049454e44ae426082"
    )
).decode()

OLD_SOCKETS = pytest.mark.filterwarnings(r"ignore:connect\(\) must be used as a context manager:DeprecationWarning")
"""
The SDK calls the package `websockets` in its older way.
"""


class Place(BaseModel):
    """
    Name a place.
    """

    city: str


@pytest.fixture(scope="module")
def emulator_url() -> Iterator[str]:
    """
    Run an emulator, quick but paced.
    """
    pace = ["--first-token-ms", "10", "--tokens-per-second", "400", "--jitter", "0"]
    with run_outcrop("emulate", "--port", "0", *pace) as (_, url):
        yield url


@pytest.fixture(scope="module")
def gateway_url(emulator_url: str) -> Iterator[str]:
    """
    Run a gateway that knows a fixed model name of its clients.
    """
    environ = gateway_environment(emulator_url, models=json.dumps({MODEL: "us.anthropic.claude-sonnet-4-6"}))
    with run_outcrop("serve", "--port", "0", environ=environ) as (_, url):
        yield url


@pytest.fixture
def book(emulator_url: str) -> Iterator[Book]:
    """
    Give the emulator's book, cleared.
    """
    found = Book(emulator_url)
    found.clear()
    yield found
    found.clear()


@pytest.fixture
def client(gateway_url: str, book: Book) -> Iterator[OpenAI]:
    """
    Return a client that tries once.
    """
    assert book.calls() == []
    with OpenAI(api_key="any", base_url=f"{gateway_url}/v1", max_retries=0) as sdk:
        yield sdk


def wait_for_call(book: Book) -> dict[str, Any]:
    """
    Return the first call, once it has an outcome.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        calls = book.calls()
        if calls and calls[0]["outcome"]:
            return calls[0]
        time.sleep(0.02)
    raise AssertionError("the call did not end")


def user(text: str) -> Any:
    """
    Make the messages of a short chat.
    """
    return [{"role": "user", "content": text}]


def read_turn(gateway_url: str, turn_id: str, action: str = "") -> Any:
    """
    Ask the turns API.
    """
    address, method = f"{gateway_url}/api/turns/{turn_id}{action}", "POST" if action else "GET"
    headers = {"content-type": "application/json"}
    request = urllib.request.Request(address, b"{}" if action else None, headers, method=method)
    with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
        return json.load(answer)


@proves("openai (Python)", "plain")
def test_a_completion(client: OpenAI, book: Book) -> None:
    """
    A whole completion arrives typed, under the client's own model name, and names its turn and its request.
    """
    raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=user("emulate 20 tokens"))
    completion = raw.parse()
    assert completion.choices[0].message.content == book.calls()[0]["text_emitted"]["text"]
    assert (completion.model, completion.choices[0].finish_reason) == (MODEL, "stop")
    assert completion.usage is not None
    assert completion.usage.completion_tokens == 20
    assert raw.headers["x-outcrop-turn-id"] == completion.id.removeprefix("chatcmpl-")
    assert raw.request_id is not None


@proves("openai (Python)", "streaming")
def test_a_streamed_completion_is_the_whole_one(client: OpenAI) -> None:
    """
    The SDK's own fold of a stream, with its usage chunk, equals the whole completion but for its names.
    """
    ask: dict[str, Any] = {"model": MODEL, "messages": user("emulate 30 tokens")}
    with client.chat.completions.stream(**ask, stream_options={"include_usage": True}) as stream:
        streamed = stream.get_final_completion().model_dump(exclude={"id", "created"}, exclude_none=True)
    whole = client.chat.completions.create(**ask).model_dump(exclude={"id", "created"}, exclude_none=True)
    for completion in (streamed, whole):
        # The SDK's fold adds an index to what it does not know.
        for choice in completion["choices"]:
            choice["message"].pop("provider_details", None)
    assert streamed == whole
    assert streamed["usage"]["completion_tokens"] == 30


@proves("openai (Python)", "tools")
def test_a_tools_arguments_are_streamed(client: OpenAI) -> None:
    """
    A call of a tool arrives in pieces which the SDK joins, and the tool's result goes back.
    """
    question = user("what is the weather in Oslo?")
    ask: dict[str, Any] = {"model": MODEL, "messages": question, "tools": [CHAT_TOOL]}
    with client.chat.completions.stream(**ask) as stream:
        events = list(stream)
        message = stream.get_final_completion().choices[0].message
    pieces = [event.arguments_delta for event in events if event.type == "tool_calls.function.arguments.delta"]
    assert len(pieces) > 1
    assert message.tool_calls is not None
    call = message.tool_calls[0]
    assert json.loads(call.function.arguments) == {"city": "Oslo"} == json.loads("".join(pieces))
    result = {"role": "tool", "tool_call_id": call.id, "content": "12 degrees"}
    asked = {"role": "assistant", "tool_calls": [call.model_dump(include={"id", "type", "function"})]}
    ask["messages"] = [*question, asked, result]
    assert client.chat.completions.create(**ask).choices[0].finish_reason == "stop"


@proves("openai (Python)", "images")
def test_an_image_goes_along(client: OpenAI, book: Book) -> None:
    """
    An image in a data URL reaches the model, where it costs tokens.
    """
    text = {"type": "text", "text": "emulate 5 tokens"}
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
    for content in ([text], [text, image]):
        messages: Any = [{"role": "user", "content": content}]
        assert client.chat.completions.create(model=MODEL, messages=messages).choices[0].message.content
    bare, seen = book.calls()
    assert seen["usage"]["input"] > bare["usage"]["input"] + 100


def test_an_answer_follows_its_schema(client: OpenAI, book: Book) -> None:
    """
    The SDK's `parse` may send its model's schema to Claude, and makes the model of the answer, in both APIs.
    """
    prompt = 'echo {"city": "Oslo"}'
    completion = client.chat.completions.parse(model=MODEL, messages=user(prompt), response_format=Place)
    assert completion.choices[0].message.parsed == Place(city="Oslo")
    response = client.responses.parse(model=MODEL, input=prompt, text_format=Place)
    assert response.output_parsed == Place(city="Oslo")
    assert [call["outcome"] for call in book.calls()] == ["completed", "completed"]


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("ValidationException", openai.BadRequestError),
        ("ResourceNotFoundException", openai.NotFoundError),
        ("ThrottlingException", openai.RateLimitError),
        ("InternalServerException", openai.InternalServerError),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
@proves("openai (Python)", "errors before")
def test_errors_have_the_sdks_classes(
    name: str, error: type[Exception], client: OpenAI, book: Book, *, stream: bool
) -> None:
    """
    An error before the answer has its class, with and without a stream, in both APIs.
    """
    book.inject({"kind": "http_error", "name": name, "retry_after": 0})
    with pytest.raises(error):
        client.chat.completions.create(model=MODEL, messages=user("hello"), stream=stream)
    with pytest.raises(error):
        client.responses.create(model=MODEL, input="hello", stream=stream)


@proves("openai (Python)", "errors before")
def test_refusals_have_the_sdks_classes(client: OpenAI, book: Book) -> None:
    """
    What can't be served is refused before Bedrock is called, with the place at fault.
    """
    with pytest.raises(openai.NotFoundError) as unknown:
        client.chat.completions.create(model="no-such-model", messages=user("hello"))
    assert unknown.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model=MODEL, messages=user("hello"), n=2)
    assert refused.value.param == "n"
    with pytest.raises(openai.BadRequestError) as missing:
        client.responses.create(model=MODEL, input="hello", previous_response_id="resp_none")
    assert missing.value.code == "previous_response_not_found"
    assert book.calls() == []


@proves("openai (Python)", "errors in mid-stream")
def test_an_error_in_the_midst_of_a_stream(client: OpenAI, book: Book) -> None:
    """
    A failure after the first piece is an exception after that piece; in Responses it is the last event.
    """
    book.inject({"kind": "exception", "name": "throttlingException", "after_tokens": 5})
    stream = client.chat.completions.create(model=MODEL, messages=user("emulate 40 tokens"), stream=True)
    assert next(stream).choices[0].delta.role == "assistant"
    assert next(stream).choices[0].delta.content
    with pytest.raises(openai.APIError) as raised:
        list(stream)
    assert raised.value.code == "rate_limit_exceeded"
    *_, last = client.responses.create(model=MODEL, input="emulate 40 tokens", stream=True)
    assert last.type == "response.failed"
    assert last.response.error is not None
    assert last.response.error.code == "rate_limit_exceeded"


@pytest.mark.parametrize("stored", [False, None])
@proves("openai (Python)", "cancellation")
def test_a_client_that_leaves_stops_its_answer(client: OpenAI, book: Book, stored: bool | None) -> None:
    """
    Closing a stream that nobody can come back to closes the call to Bedrock.
    """
    prompt = "emulate 4000 tokens"
    stream: Any = (
        client.chat.completions.create(model=MODEL, messages=user(prompt), stream=True)
        if stored is None
        else client.responses.create(model=MODEL, input=prompt, stream=True, store=stored)
    )
    next(iter(stream))
    stream.close()
    assert wait_for_call(book)["outcome"] == "client_closed"


def test_a_client_that_stops_waiting_stops_its_answer(client: OpenAI, book: Book) -> None:
    """
    A whole answer whose client gives up is stopped.
    """
    with pytest.raises(openai.APITimeoutError):
        client.chat.completions.create(model=MODEL, messages=user("emulate 4000 tokens"), timeout=0.5)
    assert wait_for_call(book)["outcome"] == "client_closed"


def test_one_key_is_one_call(client: OpenAI, book: Book) -> None:
    """
    Repeated with its `Idempotency-Key`, a request has the same answer and makes no second call.
    """
    headers = {"Idempotency-Key": "openai-key"}
    ask: dict[str, Any] = {"model": MODEL, "messages": user("emulate 10 tokens"), "extra_headers": headers}
    first, second = client.chat.completions.create(**ask), client.chat.completions.create(**ask)
    assert first == second
    assert len(book.calls()) == 1


@proves("openai (Python)", "listing models")
def test_models_are_listed_and_described(client: OpenAI) -> None:
    """
    Names from the settings are models like others; a full model ID can be asked for; an unknown name is not found.
    """
    assert MODEL in {model.id for model in client.models.list()}
    assert client.models.retrieve(MODEL).id == MODEL
    assert client.models.retrieve("anthropic.claude-haiku-4-5-20251001-v1:0").owned_by
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("no-such-model")


@proves("openai (Python)", "plain", "streaming")
def test_a_streamed_response_is_the_whole_one(client: OpenAI) -> None:
    """
    A stream's last event has the response that `retrieve` finds; its numbers have no gap; its text is the deltas.
    """
    events = list(client.responses.create(model=MODEL, input="emulate 30 tokens", stream=True))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    last = events[-1]
    assert last.type == "response.completed"
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    found = client.responses.retrieve(last.response.id)
    assert found.model_dump() == last.response.model_dump()
    assert found.output_text == text
    whole = client.responses.create(model=MODEL, input="emulate 30 tokens")
    assert (whole.output_text, whole.usage) == (text, found.usage)


@proves("openai (Python)", "resume")
def test_a_dropped_stream_is_resumed(client: OpenAI, book: Book) -> None:
    """
    After a dropped connection, the stream goes on after the last event that the client has: nothing is lost or twice.
    """
    stream = client.responses.create(model=MODEL, input="emulate 300 tokens", stream=True)
    seen = [event for event, _ in zip(stream, range(12), strict=False)]
    stream.close()
    assert seen[0].type == "response.created"
    response_id, position = seen[0].response.id, seen[-1].sequence_number
    rest = list(client.responses.retrieve(response_id, stream=True, starting_after=position))
    events = [*seen, *rest]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    call = wait_for_call(book)
    assert (call["outcome"], call["text_emitted"]["text"]) == ("completed", text)
    again = list(client.responses.retrieve(response_id, stream=True))
    assert [event.model_dump() for event in again] == [event.model_dump() for event in events]


def test_a_background_response_is_polled(client: OpenAI) -> None:
    """
    A response in the background is returned at once, and is complete later though nobody reads it.
    """
    response = client.responses.create(model=MODEL, input="emulate 50 tokens", background=True)
    assert response.status in {"queued", "in_progress"}
    deadline = time.monotonic() + PATIENCE_SECONDS
    while response.status in {"queued", "in_progress"} and time.monotonic() < deadline:
        time.sleep(0.05)
        response = client.responses.retrieve(response.id)
    assert response.status == "completed"
    assert response.usage is not None
    assert response.usage.output_tokens == 50


@proves("openai (Python)", "cancellation")
def test_a_response_is_cancelled_then_deleted(client: OpenAI, book: Book) -> None:
    """
    Cancelling closes the call to Bedrock; a running response can't be deleted; a deleted one is not found.
    """
    response = client.responses.create(model=MODEL, input="emulate 4000 tokens", background=True)
    with pytest.raises(openai.ConflictError):
        client.responses.delete(response.id)
    assert client.responses.cancel(response.id).status == "cancelled"
    assert wait_for_call(book)["outcome"] == "client_closed"
    assert client.responses.cancel(response.id).status == "cancelled"
    client.responses.delete(response.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(response.id)


def test_responses_go_on_from_each_other(client: OpenAI, book: Book) -> None:
    """
    `previous_response_id` brings the whole conversation along, also a tool's call, but not the instructions.
    """
    ask: dict[str, Any] = {"model": MODEL, "tools": [TOOL]}
    first: Response = client.responses.create(input="what is the weather in Oslo?", instructions="Be brief.", **ask)
    call = next(item for item in first.output if item.type == "function_call")
    assert json.loads(call.arguments) == {"city": "Oslo"}
    result: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "12 degrees"}
    second = client.responses.create(input=[result], previous_response_id=first.id, **ask)
    assert second.status == "completed"
    assert second.previous_response_id == first.id
    listed = list(client.responses.input_items.list(second.id, order="asc", limit=2))
    kinds = [item.type for item in listed]
    assert (kinds[0], kinds[-1], "function_call" in kinds) == ("message", "function_call_output", True)
    reference: Any = {"type": "item_reference", "id": second.output[0].id}
    third = client.responses.create(model=MODEL, input=[*user("what?"), reference, *user("say it again")])
    assert third.status == "completed"
    assert len(book.calls()) == 3


def test_a_response_that_is_not_stored_is_not_found(client: OpenAI) -> None:
    """
    With `store` false, nobody comes back to a response: not to read it, and not to go on from it.
    """
    response = client.responses.create(model=MODEL, input="emulate 5 tokens", store=False)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(response.id)
    with pytest.raises(openai.BadRequestError):
        client.responses.create(model=MODEL, input="go on", previous_response_id=response.id)


def test_a_turn_has_one_log_for_every_dialect(client: OpenAI, gateway_url: str) -> None:
    """
    A turn that the SDK has begun is seen and stopped through the turns API.
    """
    raw = client.responses.with_raw_response.create(model=MODEL, input="emulate 4000 tokens", background=True)
    turn_id = raw.headers["x-outcrop-turn-id"]
    assert read_turn(gateway_url, turn_id)["state"] == "running"
    assert read_turn(gateway_url, turn_id, "/stop")["turnId"] == turn_id
    assert client.responses.cancel(raw.parse().id).status == "cancelled"
    assert read_turn(gateway_url, turn_id)["state"] == "stopped"


@OLD_SOCKETS
def test_a_socket_has_lanes(client: OpenAI) -> None:
    """
    On the SDK's own socket, lanes answer beside each other, and go on from responses that are not stored.
    """
    with client.responses.connect() as socket:
        for lane in ("a", "b"):
            socket.response.create(model=MODEL, input="emulate 20 tokens", stream_id=lane, store=False)
        done: dict[str, Any] = {}
        while len(done) < 2:
            event: Any = socket.recv()
            if event.type == "response.completed":
                done[event.stream_id] = event.response
        assert done["a"].output_text == done["b"].output_text
        socket.response.create(
            model=MODEL, input="go on", previous_response_id=done["a"].id, max_output_tokens=10, stream_id="b"
        )
        following = read_response(socket)
        assert (following.status, following.previous_response_id) == ("incomplete", done["a"].id)
    assert client.responses.retrieve(following.id) == following


@OLD_SOCKETS
def test_a_socket_tells_errors_and_goes_on(client: OpenAI) -> None:
    """
    Errors and refused steering are events; the socket serves on, and can prepare a response without an answer.
    """
    with client.responses.connect() as socket:
        socket.response.create(model=MODEL, input="hello", previous_response_id="resp_none", stream_id="a")
        missing: Any = socket.recv()
        assert (missing.type, missing.error.code) == ("error", "previous_response_not_found")
        assert missing.stream_id == "a"
        socket.response.steer(input="faster", previous_response_id="resp_none")
        assert socket.recv().type == "response.steer.failed"
        socket.response.create(model=MODEL, input="remember this", generate=False)
        prepared = read_response(socket)
        assert (prepared.status, prepared.output) == ("completed", [])
        socket.response.create(model=MODEL, input="emulate 5 tokens", previous_response_id=prepared.id)
        assert read_response(socket).status == "completed"


def read_response(socket: Any) -> Any:
    """
    Read a socket's events to the end of one response.
    """
    for event in socket:
        if event.type in {"response.completed", "response.incomplete", "response.failed", "error"}:
            assert event.type != "error", event
            return event.response
    raise AssertionError("the socket has closed")


def read_examples(language: str, url: str) -> list[str]:
    """
    Take the blocks of docs/openai.md in a language, for a gateway at another address.
    """
    page = (ROOT / "docs" / "openai.md").read_text().replace("http://127.0.0.1:8080", url)
    blocks: list[str] = re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)
    return blocks


def run_example(*command: str) -> str:
    """
    Run a block to its end, and return what it printed.
    """
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS * 3, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
