"""
Anthropic's SDK, unmodified (`AnthropicBedrock`), against the emulator.
"""

from collections.abc import Iterator
from typing import Any

import anthropic
import pytest

CLAUDE = "us.anthropic.claude-sonnet-4-6"
ASK: dict[str, Any] = {"model": CLAUDE, "max_tokens": 100, "messages": [{"role": "user", "content": "hello"}]}
WEATHER = {"name": "get_weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}


@pytest.fixture
def client(emulator: Any) -> Iterator[Any]:
    """
    Return a client that signs with the environment's keys.
    """
    with anthropic.AnthropicBedrock(base_url=emulator.url, aws_region="us-east-1") as sdk:
        yield sdk


def test_a_message(client: Any, emulator: Any) -> None:
    """
    A whole message arrives typed, and the signature over a literal colon or slash is right.
    """
    message = client.messages.create(**ASK)
    assert (message.stop_reason, message.content[0].type) == ("end_turn", "text")
    assert emulator.calls()[0]["auth"]["verified"] is True


def test_a_dated_model_id_is_signed_with_its_colon(client: Any) -> None:
    """
    The SDK leaves the colon of a model ID as it is; routing and signature both take that.
    """
    message = client.messages.create(**ASK | {"model": "us.anthropic.claude-haiku-4-5-20251001-v1:0"})
    assert message.role == "assistant"


def test_a_stream_folds_into_the_same_message(client: Any) -> None:
    """
    The SDK's own fold of the stream equals the whole message, but for its ID.
    """
    with client.messages.stream(**ASK) as stream:
        text = "".join(stream.text_stream)
        streamed = stream.get_final_message()
    whole = client.messages.create(**ASK)
    assert text == whole.content[0].text
    assert streamed.stop_reason == whole.stop_reason
    assert streamed.usage.output_tokens == whole.usage.output_tokens


def test_thinking_and_tools_are_accumulated(client: Any) -> None:
    """
    Thinking, its signature and a tool's arguments come together in the SDK's message.
    """
    ask = ASK | {
        "max_tokens": 2000,
        "messages": [{"role": "user", "content": "what is the weather in Oslo?"}],
        "tools": [WEATHER],
        "thinking": {"type": "enabled", "budget_tokens": 1024},
    }
    with client.messages.stream(**ask) as stream:
        message = stream.get_final_message()
    assert [block.type for block in message.content] == ["thinking", "text", "tool_use"]
    assert message.content[0].signature
    assert message.content[2].input == {"city": "Oslo"}


@pytest.mark.parametrize(
    ("name", "error", "tries"),
    [
        ("AccessDeniedException", anthropic.PermissionDeniedError, 1),
        ("ValidationException", anthropic.BadRequestError, 1),
        ("ResourceNotFoundException", anthropic.NotFoundError, 1),
        ("ThrottlingException", anthropic.RateLimitError, 3),
        ("InternalServerException", anthropic.InternalServerError, 3),
        ("ServiceUnavailableException", anthropic.InternalServerError, 3),
    ],
)
def test_http_errors_have_the_sdks_classes(
    name: str, error: type[Exception], tries: int, client: Any, emulator: Any
) -> None:
    """
    Each error has its class, and is tried as often as the SDK does.
    """
    emulator.add_fault(kind="http_error", name=name, retry_after=0.01)
    with pytest.raises(error):
        client.messages.create(**ASK)
    assert len(emulator.calls()) == tries


def test_an_exception_in_the_midst_of_a_stream(client: Any, emulator: Any) -> None:
    """
    A mid-stream exception is an APIStatusError with its name, after the text before it.
    """
    emulator.add_fault(kind="exception", name="throttlingException", message="slow down", after_tokens=2)
    with pytest.raises(anthropic.APIStatusError) as raised, client.messages.stream(**ASK) as stream:
        for _ in stream:
            pass
    assert raised.value.status_code == 200
    assert raised.value.body == {"type": "error", "error": {"type": "throttlingException", "message": "slow down"}}


def test_a_bearer_token_is_taken(emulator: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The SDK sends an API key as a bearer token, over HTTP too.
    """
    secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with anthropic.AnthropicBedrock(base_url=emulator.url, aws_region="us-east-1", api_key=secret) as sdk:
        sdk.messages.create(**ASK)
    assert emulator.calls()[0]["auth"] == {
        "kind": "bearer", "access_key_id": "AKIDEXAMPLE", "region": None, "verified": True,
    }  # fmt: skip
