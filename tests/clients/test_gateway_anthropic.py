"""
Anthropic's SDK, unmodified, against the gateway.
"""

import base64
import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import anthropic
import pytest

from outcrop.accounts.authenticate import make_key
from tests.clients.proof import proves
from tests.e2e.conftest import Book
from tests.support import gateway_environment, run_outcrop

CLAUDE = "us.anthropic.claude-sonnet-4-6"
ASK: dict[str, Any] = {"model": CLAUDE, "max_tokens": 100, "messages": [{"role": "user", "content": "hello"}]}
WEATHER = {"name": "get_weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}
PIXEL = base64.b64encode(
    bytes.fromhex(
        "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
        "0000000d49444154789c6360000002000001e221bc330000000049454e44ae426082"
    )
).decode()
KEY, DIGEST = make_key()


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[str, Book]]:
    """
    Run an emulator, and a gateway that wants a key.
    """
    pace = ["--first-token-ms", "5", "--tokens-per-second", "1000", "--jitter", "0"]
    with run_outcrop("emulate", "--port", "0", *pace) as (_, emulator_url):
        environ = gateway_environment(emulator_url) | {"OUTCROP_API_KEYS": json.dumps({"sdk": DIGEST})}
        with run_outcrop("serve", "--port", "0", environ=environ) as (_, url):
            yield url, Book(emulator_url)


@pytest.fixture
def book(servers: tuple[str, Book]) -> Book:
    """
    Give the emulator's book, empty.
    """
    servers[1].clear()
    return servers[1]


@pytest.fixture
def client(servers: tuple[str, Book]) -> Iterator[anthropic.Anthropic]:
    """
    Return a client with only its URL changed, which does not try again.
    """
    with anthropic.Anthropic(base_url=servers[0], api_key=KEY, max_retries=0) as sdk:
        yield sdk


def ask_gateway(url: str, path: str) -> dict[str, Any]:
    """
    Ask the gateway's own API.
    """
    request = urllib.request.Request(url + path, headers={"x-api-key": KEY})
    with urllib.request.urlopen(request, timeout=10) as response:
        answer: dict[str, Any] = json.load(response)
    return answer


@pytest.mark.parametrize("model", [CLAUDE, "llama3", "amazon.nova-lite-v1:0"])
@proves("anthropic (Python)", "plain", "streaming")
def test_a_stream_folds_into_the_whole_message(client: anthropic.Anthropic, book: Book, model: str) -> None:
    """
    For any model, the SDK's own fold of the stream equals the whole message but for its ID.
    """
    with client.messages.stream(**ASK | {"model": model}) as stream:
        text = "".join(stream.text_stream)
        streamed = stream.get_final_message()
    whole = client.messages.create(**ASK | {"model": model})
    assert whole.content[0].type == "text"
    assert text == whole.content[0].text
    assert streamed.model_dump(exclude={"id"}) == whole.model_dump(exclude={"id"})
    assert whole.usage.output_tokens > 0
    assert len(book.calls()) == 2


@proves("anthropic (Python)", "streaming")
async def test_the_async_client(servers: tuple[str, Book]) -> None:
    """
    The asynchronous client streams as well.
    """
    sdk = anthropic.AsyncAnthropic(base_url=servers[0], auth_token=KEY, api_key=None)
    async with sdk, sdk.messages.stream(**ASK) as stream:
        message = await stream.get_final_message()
    assert message.stop_reason == "end_turn"


@proves("anthropic (Python)", "tools")
def test_tools_with_streamed_arguments(client: anthropic.Anthropic) -> None:
    """
    A forced tool call arrives with its arguments, and its result can be sent back.
    """
    forced = {"tools": [WEATHER], "tool_choice": {"type": "tool", "name": "get_weather"}}
    with client.messages.stream(**ASK | forced) as stream:
        message = stream.get_final_message()
    (call,) = [block for block in message.content if block.type == "tool_use"]
    assert (message.stop_reason, call.name) == ("tool_use", "get_weather")
    assert isinstance(call.input, dict)
    result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "sunny"}]}
    history = [*ASK["messages"], {"role": "assistant", "content": message.content}, result]
    answer = client.messages.create(**ASK | {"messages": history, "tools": [WEATHER]})
    assert answer.content


@proves("anthropic (Python)", "images")
def test_images_and_thinking(client: anthropic.Anthropic) -> None:
    """
    An inline image reaches the model, where it costs tokens; thinking comes with its signature, and may be sent back.
    """
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
    messages = [{"role": "user", "content": [image, {"type": "text", "text": "what is it?"}]}]
    thinking = {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 2000}
    bare = [{"role": "user", "content": "what is it?"}]
    without = client.messages.create(**ASK | thinking | {"messages": bare})
    with client.messages.stream(**ASK | thinking | {"messages": messages}) as stream:
        message = stream.get_final_message()
    assert message.usage.input_tokens > without.usage.input_tokens + 100
    assert [block.type for block in message.content] == ["thinking", "text"]
    assert getattr(message.content[0], "signature", "")
    history = [*messages, {"role": "assistant", "content": message.content}, {"role": "user", "content": "and now?"}]
    assert client.messages.create(**ASK | thinking | {"messages": history}).content


@pytest.mark.parametrize(
    ("wrong", "kind", "words"),
    [
        ({"model": "nosuchmodel"}, anthropic.NotFoundError, "nosuchmodel"),
        ({"max_tokens": "many"}, anthropic.BadRequestError, "max_tokens"),
        ({"messages": []}, anthropic.BadRequestError, "messages"),
        ({"mcp_servers": []}, anthropic.BadRequestError, "mcp_servers"),
        (
            {
                "messages": [
                    {"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": "http://x/y"}}]}
                ]
            },
            anthropic.BadRequestError,
            "url",
        ),
    ],
)
@proves("anthropic (Python)", "errors before")
def test_what_is_refused_is_named(
    client: anthropic.Anthropic, book: Book, wrong: dict[str, Any], kind: type[Exception], words: str
) -> None:
    """
    A request that can't be served raises the SDK's own exception with words that name the place, and costs no call.
    """
    with pytest.raises(kind, match=words):
        client.messages.create(**ASK, extra_body=wrong)
    assert book.calls() == []


@proves("anthropic (Python)", "errors before")
def test_without_a_key_nobody_is_served(servers: tuple[str, Book], book: Book) -> None:
    """
    A wrong key raises the SDK's own exception.
    """
    with (
        anthropic.Anthropic(base_url=servers[0], api_key="wrong", max_retries=0) as sdk,
        pytest.raises(anthropic.AuthenticationError),
    ):
        sdk.messages.create(**ASK)
    assert book.calls() == []


@pytest.mark.parametrize("stream", [True, False])
@proves("anthropic (Python)", "errors before")
def test_throttling_is_the_sdks_own(client: anthropic.Anthropic, book: Book, stream: bool) -> None:
    """
    Throttling before the first piece has its status, for a stream too: the SDK decides by it whether to try again.
    """
    book.inject({"kind": "http_error", "name": "ThrottlingException", "retry_after": 0.01}, times=9)
    with pytest.raises(anthropic.RateLimitError):
        client.messages.create(**ASK, stream=stream)


@proves("anthropic (Python)", "errors in mid-stream")
def test_a_failure_in_mid_stream_is_raised(client: anthropic.Anthropic, book: Book) -> None:
    """
    What came before the failure was a true beginning; then the SDK raises its own exception.
    """
    book.inject({"kind": "exception", "name": "throttlingException", "after_tokens": 3})
    pieces: list[str] = []
    with pytest.raises(anthropic.APIStatusError), client.messages.stream(**ASK) as stream:
        pieces.extend(stream.text_stream)
    assert "".join(pieces) == book.calls()[0]["text_emitted"]["text"]


@proves("anthropic (Python)", "cancellation")
async def test_leaving_stops_the_call(servers: tuple[str, Book], book: Book) -> None:
    """
    A client that closes its stream closes the call to Bedrock.
    """
    sdk = anthropic.AsyncAnthropic(base_url=servers[0], api_key=KEY)
    long = {"max_tokens": 2000, "messages": [{"role": "user", "content": "emulate 2000 tokens"}]}
    async with sdk, sdk.messages.stream(**ASK | long) as stream:
        async for _ in stream.text_stream:
            break
    assert (await book.ended_calls(1))[0]["outcome"] == "client_closed"


def test_the_turn_can_be_seen_elsewhere(servers: tuple[str, Book], client: anthropic.Anthropic) -> None:
    """
    The header names the turn, and the turns API knows it with the same text and usage.
    """
    raw = client.messages.with_raw_response.create(**ASK)
    message = raw.parse()
    turn = ask_gateway(servers[0], f"/api/turns/{raw.headers['x-outcrop-turn-id']}")
    assert message.content[0].type == "text"
    assert turn["result"]["text"] == message.content[0].text
    assert turn["usage"]["outputTokens"] == message.usage.output_tokens
