"""
boto3 and the AWS SDK for JavaScript, unmodified, against the gateway.
"""

import json
import os
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EventStreamError, InvalidEndpointConfigurationError

from outcrop.accounts.authenticate import make_key
from tests.clients.proof import proves
from tests.clients.test_catalogue_boto3 import MAX_TOKENS, TALK, text_of
from tests.e2e.conftest import Book
from tests.emulator.native import DIALECTS, streamed_text
from tests.support import gateway_environment, run_outcrop

CLAUDE = "us.anthropic.claude-sonnet-4-6"
MODELS = {
    "anthropic": CLAUDE,
    "llama3": "meta.llama3-8b-instruct-v1:0",
    "nova": "us.amazon.nova-lite-v1:0",
}
MESSAGES = [{"role": "user", "content": [{"text": "hello"}]}]
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
    "0000000d49444154789c6360000002000001e221bc330000000049454e44ae426082"
)
TOOL = {"toolSpec": {"name": "weather", "inputSchema": {"json": {"type": "object"}}}}


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[str, Book]]:
    """
    Run an emulator and a gateway.
    """
    pace = ["--first-token-ms", "5", "--tokens-per-second", "1000", "--jitter", "0"]
    with (
        run_outcrop("emulate", "--port", "0", *pace) as (_, emulator_url),
        run_outcrop("serve", "--port", "0", environ=gateway_environment(emulator_url)) as (_, url),
    ):
        yield url, Book(emulator_url)


@pytest.fixture
def book(servers: tuple[str, Book]) -> Book:
    """
    Give the emulator's book, empty.
    """
    servers[1].clear()
    return servers[1]


@pytest.fixture
def runtime(servers: tuple[str, Book]) -> Iterator[Any]:
    """
    Return a client with only its endpoint changed, which does not try again.
    """
    with closing(make_runtime(servers[0])) as client:
        yield client


def make_runtime(url: str) -> Any:
    """
    Make a client that signs with made-up keys.
    """
    return boto3.client(
        "bedrock-runtime",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="secret",
        config=Config(retries={"total_max_attempts": 1}),
    )


@pytest.mark.parametrize("model", MODELS.values())
@proves("boto3", "plain", "streaming")
def test_converse_streams_what_it_says_whole(runtime: Any, book: Book, model: str) -> None:
    """
    Converse and ConverseStream give the emulator's text, with counts and the stop reason.
    """
    ask: dict[str, Any] = {"modelId": model, "messages": MESSAGES, "inferenceConfig": {"maxTokens": MAX_TOKENS}}
    whole = runtime.converse(**ask)
    events = list(runtime.converse_stream(**ask)["stream"])
    text = text_of(whole["output"]["message"]["content"])
    assert text == book.calls()[0]["text_emitted"]["text"]
    deltas = [event["contentBlockDelta"]["delta"] for event in events if "contentBlockDelta" in event]
    assert len(deltas) > 1
    assert text_of(deltas) == text
    assert list(events[0]) == ["messageStart"]
    assert events[-1]["metadata"]["usage"] == whole["usage"]
    assert whole["stopReason"] == "end_turn"
    assert whole["ResponseMetadata"]["HTTPHeaders"]["x-outcrop-turn-id"].startswith("turn_")


@proves("boto3", "tools")
def test_a_forced_tool_call(runtime: Any) -> None:
    """
    A tool's streamed arguments are one JSON document.
    """
    config = {"tools": [TOOL], "toolChoice": {"tool": {"name": "weather"}}}
    answer = runtime.converse_stream(modelId=CLAUDE, messages=MESSAGES, toolConfig=config)
    deltas = [event["contentBlockDelta"]["delta"] for event in answer["stream"] if "contentBlockDelta" in event]
    json.loads("".join(delta["toolUse"]["input"] for delta in deltas if "toolUse" in delta))


@pytest.mark.parametrize(("family", "model"), MODELS.items())
@proves("boto3", "plain", "streaming")
def test_native_bodies_come_and_go(runtime: Any, book: Book, family: str, model: str) -> None:
    """
    A family's own body goes to Bedrock, and its own answer comes back, whole and streaming.
    """
    body = json.dumps(DIALECTS[family].write(TALK, MAX_TOKENS)).encode()
    answer = runtime.invoke_model(modelId=model, body=body)
    text = DIALECTS[family].text(json.loads(answer["body"].read()))
    chunks = runtime.invoke_model_with_response_stream(modelId=model, body=body)["body"]
    payloads = [json.loads(event["chunk"]["bytes"]) for event in chunks]
    assert text == streamed_text(family, payloads) == book.calls()[0]["text_emitted"]["text"]
    assert int(answer["ResponseMetadata"]["HTTPHeaders"]["x-amzn-bedrock-output-token-count"]) > 0
    assert {call["operation"] for call in book.calls()} == {"InvokeModel", "InvokeModelWithResponseStream"}


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"modelId": "nosuchmodel"}, "ResourceNotFoundException"),
        ({"messages": [{"role": "user", "content": [{"image": {"format": "bmp", "source": {"bytes": b"x"}}}]}]}, None),
        ({"inferenceConfig": {"temperature": 7.0}}, "ValidationException"),
    ],
)
@proves("boto3", "errors before")
def test_what_is_refused_is_a_client_error(runtime: Any, book: Book, wrong: dict[str, Any], code: str | None) -> None:
    """
    A request that can't be served is an error of AWS's own name, and costs no call.
    """
    ask = {"modelId": CLAUDE, "messages": MESSAGES} | wrong
    with pytest.raises(ClientError) as caught:
        runtime.converse(**ask)
    assert caught.value.response["Error"]["Code"] == (code or "ValidationException")
    assert book.calls() == []


@proves("boto3", "errors before", "errors in mid-stream")
def test_throttling_before_and_within_a_stream(runtime: Any, book: Book) -> None:
    """
    Before the first piece it is a ClientError, in mid-stream an EventStreamError behind a true beginning.
    """
    book.inject({"kind": "http_error", "name": "ThrottlingException", "retry_after": 0.01}, times=9)
    with pytest.raises(ClientError) as caught:
        runtime.converse_stream(modelId=CLAUDE, messages=MESSAGES)
    assert caught.value.response["Error"]["Code"] == "ThrottlingException"
    book.clear()
    book.inject({"kind": "exception", "name": "throttlingException", "after_tokens": 3})
    deltas: list[Any] = []
    stream = runtime.converse_stream(modelId=CLAUDE, messages=MESSAGES)["stream"]
    with closing(stream), pytest.raises(EventStreamError, match="throttlingException"):
        deltas.extend(event["contentBlockDelta"]["delta"] for event in stream if "contentBlockDelta" in event)
    assert book.calls()[0]["tokens_emitted"] == 3


@proves("boto3", "images")
def test_an_image_is_taken(runtime: Any, book: Book) -> None:
    """
    Bytes of an image reach the model, where they cost tokens.
    """
    runtime.converse(modelId=CLAUDE, messages=[{"role": "user", "content": [{"text": "what is it?"}]}])
    content = [{"image": {"format": "png", "source": {"bytes": PIXEL}}}, {"text": "what is it?"}]
    answer = runtime.converse(modelId=CLAUDE, messages=[{"role": "user", "content": content}])
    bare, seen = book.calls()
    assert text_of(answer["output"]["message"]["content"]) == seen["text_emitted"]["text"]
    assert seen["usage"]["input"] > bare["usage"]["input"] + 100


@proves("boto3", "cancellation")
async def test_a_stream_that_is_closed_closes_the_call(runtime: Any, book: Book) -> None:
    """
    Closing the stream closes the call to Bedrock.
    """
    ask = [{"role": "user", "content": [{"text": "emulate 4000 tokens"}]}]
    reply = runtime.converse_stream(modelId=CLAUDE, messages=ask, inferenceConfig={"maxTokens": 4000})
    next(iter(reply["stream"]))
    reply["stream"].close()
    assert (await book.ended_calls(1))[0]["outcome"] == "client_closed"


def test_a_turn_of_boto3_is_seen_elsewhere(servers: tuple[str, Book], runtime: Any) -> None:
    """
    The header names the turn; its events can be read at the turns API.
    """
    answer = runtime.converse(modelId=CLAUDE, messages=MESSAGES)
    turn_id = answer["ResponseMetadata"]["HTTPHeaders"]["x-outcrop-turn-id"]
    with urllib.request.urlopen(f"{servers[0]}/api/turns/{turn_id}/events", timeout=10) as response:
        events = response.read().decode()
    assert events.count("event: message_stop") == 1


def test_a_bearer_key_opens_the_gateway(servers: tuple[str, Book]) -> None:
    """
    Where keys are configured, a bearer token is one (boto3 sends it over HTTPS alone); a signature does not open it.
    """
    key, digest = make_key()
    emulator_url = servers[1].url
    environ = gateway_environment(emulator_url) | {"OUTCROP_API_KEYS": json.dumps({"sdk": digest})}
    with run_outcrop("serve", "--port", "0", environ=environ) as (_, url):
        with closing(make_runtime(url)) as signed, pytest.raises(ClientError) as caught:
            signed.converse(modelId=CLAUDE, messages=MESSAGES)
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] in {401, 403}
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        asked = urllib.request.Request(
            f"{url}/model/{CLAUDE}/converse", json.dumps({"messages": MESSAGES}).encode(), headers, method="POST"
        )
        with urllib.request.urlopen(asked, timeout=20) as response:
            assert json.load(response)["output"]["message"]["content"]


def test_a_bearer_key_stays_off_plain_http(
    servers: tuple[str, Book], book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    With a bearer key in its environment boto3 refuses a plain address itself, and does not fall back to a signature.
    """
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "any")
    with closing(make_runtime(servers[0])) as client, pytest.raises(InvalidEndpointConfigurationError, match="HTTPS"):
        client.converse(modelId=CLAUDE, messages=MESSAGES)
    assert book.calls() == []


@pytest.mark.service
def test_the_javascript_sdk_over_http2(node: Path, servers: tuple[str, Book], book: Book, tmp_path: Path) -> None:
    """
    Over HTTP/2 without TLS, the four operations give one text for each family.
    """
    asked = [
        {"modelId": model, "messages": MESSAGES, "body": json.dumps(DIALECTS[family].write(TALK, MAX_TOKENS))}
        for family, model in MODELS.items()
    ]
    questions, answers = tmp_path / "questions.json", tmp_path / "answers.json"
    questions.write_text(json.dumps(asked))
    script = Path(__file__).parent / "js" / "catalogue.mjs"
    keys = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret"}
    command = [str(node), str(script), servers[0], str(questions), str(answers)]
    subprocess.run(command, timeout=60, check=True, env=os.environ | keys)
    for family, reply in zip(MODELS, json.loads(answers.read_text()), strict=True):
        text = text_of(reply["whole"]["output"]["message"]["content"])
        deltas = [event["contentBlockDelta"]["delta"] for event in reply["events"] if "contentBlockDelta" in event]
        assert text_of(deltas) == text
        assert DIALECTS[family].text(reply["native"]) == streamed_text(family, reply["chunks"])
    assert len(book.calls()) == 4 * len(MODELS)
