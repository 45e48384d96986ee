"""
AWS's clients sign with access keys that the gateway issued, and so does AnthropicBedrock.
"""

import base64
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import anthropic
import boto3
import pytest
from anthropic import AnthropicBedrock
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from outcrop.accounts.authenticate import make_key
from outcrop.accounts.signing import make_pair
from tests.clients.proof import proves
from tests.e2e.conftest import Book
from tests.support import gateway_environment, run_outcrop

CLAUDE = "us.anthropic.claude-sonnet-4-6"
ARN = f"arn:aws:bedrock:us-east-1:123456789012:inference-profile/{CLAUDE}"
LLAMA = "meta.llama3-8b-instruct-v1:0"
MESSAGES: list[Any] = [{"role": "user", "content": [{"text": "repeat after me: ärger & “quotes”"}]}]
ALICE_ID, ALICE_SECRET = make_pair()
BOB_ID, BOB_SECRET = make_pair()
ALICE_KEY, ALICE_DIGEST = make_key()
PIXEL = base64.b64encode(
    bytes.fromhex(
        "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
        "0000000d49444154789c6360000002000001e221bc330000000049454e44ae426082"
    )
).decode()
IMAGE_TOKENS = 100
SCRIPT = Path(__file__).parent / "js" / "call.mjs"


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[str, Book]]:
    """
    Run an emulator, and a gateway that issued access keys, one of them to somebody who has a bearer key too.
    """
    pairs = {"alice": f"{ALICE_ID}:{ALICE_SECRET}", "bob": f"{BOB_ID}:{BOB_SECRET}"}
    with run_outcrop("emulate", "--port", "0", "--first-token-ms", "5", "--tokens-per-second", "2000") as (_, emulator):
        environ = gateway_environment(emulator) | {
            "OUTCROP_SIGNING_KEYS": json.dumps(pairs),
            "OUTCROP_API_KEYS": json.dumps({"alice": ALICE_DIGEST}),
        }
        with run_outcrop("serve", "--port", "0", environ=environ) as (process, url):
            yield url, Book(emulator)
            said = "\n".join(process.lines)
            assert ALICE_SECRET not in said
            assert BOB_SECRET not in said


@pytest.fixture
def book(servers: tuple[str, Book]) -> Book:
    """
    Give the emulator's book, empty.
    """
    servers[1].clear()
    return servers[1]


def make_client(url: str, key_id: str, secret: str, service: Any = "bedrock-runtime", **options: Any) -> Any:
    """
    Make a client of boto3 that signs, and does not try again.
    """
    return boto3.client(
        service,
        endpoint_url=url,
        region_name="eu-central-1",
        aws_access_key_id=key_id,
        aws_secret_access_key=secret,
        config=Config(retries={"total_max_attempts": 1}),
        **options,
    )


@proves("boto3", "plain", "streaming", "signed with our keys")
@pytest.mark.parametrize("model", [CLAUDE, ARN, LLAMA])
def test_boto3_signs(servers: tuple[str, Book], book: Book, model: str) -> None:
    """
    Every operation takes a signature, also where the model's name has colons and slashes.
    """
    with closing(make_client(servers[0], ALICE_ID, ALICE_SECRET)) as client:
        whole = client.converse(modelId=model, messages=MESSAGES)
        events = list(client.converse_stream(modelId=model, messages=MESSAGES)["stream"])
    said = "".join(event["contentBlockDelta"]["delta"]["text"] for event in events if "contentBlockDelta" in event)
    assert said == whole["output"]["message"]["content"][0]["text"] == book.calls()[0]["text_emitted"]["text"]


@proves("boto3", "signed with our keys")
def test_boto3_signs_native_bodies_and_their_headers(servers: tuple[str, Book], book: Book) -> None:
    """
    InvokeModel, its stream and CountTokens take a signature over the body and their own headers.
    """
    body = json.dumps({"prompt": "hello", "max_gen_len": 20}).encode()
    with closing(make_client(servers[0], ALICE_ID, ALICE_SECRET)) as client:
        answer = client.invoke_model(modelId=LLAMA, body=body, accept="application/json", trace="DISABLED")
        assert json.loads(answer["body"].read())["generation"]
        stream = client.invoke_model_with_response_stream(modelId=LLAMA, body=body, trace="DISABLED")
        assert list(stream["body"])
        assert client.count_tokens(modelId=CLAUDE, input={"converse": {"messages": MESSAGES}})["inputTokens"]
    operations = [call["operation"] for call in book.calls()]
    assert operations == ["InvokeModel", "InvokeModelWithResponseStream", "CountTokens"]


@proves("boto3", "listing models", "signed with our keys")
def test_the_lists_take_a_signature(servers: tuple[str, Book]) -> None:
    """
    The control plane's requests are signed for the same service.
    """
    with closing(make_client(servers[0], BOB_ID, BOB_SECRET, "bedrock")) as client:
        assert client.list_foundation_models(byProvider="Anthropic")["modelSummaries"]


@pytest.mark.parametrize(
    ("key_id", "secret", "code"),
    [
        (ALICE_ID, BOB_SECRET, "InvalidSignatureException"),
        ("AKIAIOSFODNN7EXAMPLE", ALICE_SECRET, "UnrecognizedClientException"),
    ],
    ids=["wrong secret", "unknown key"],
)
@proves("boto3", "errors before")
def test_a_wrong_key_is_refused(servers: tuple[str, Book], book: Book, key_id: str, secret: str, code: str) -> None:
    """
    The SDK raises what AWS would have said, and nothing is called.
    """
    with closing(make_client(servers[0], key_id, secret)) as client, pytest.raises(ClientError) as caught:
        client.converse(modelId=CLAUDE, messages=MESSAGES)
    assert caught.value.response["Error"]["Code"] == code
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert book.calls() == []


@proves("boto3", "errors before")
def test_a_request_without_credentials_is_refused(servers: tuple[str, Book], book: Book) -> None:
    """
    Who neither signs nor sends a key is told so by AWS's name for it.
    """
    unsigned = Config(signature_version=UNSIGNED, retries={"total_max_attempts": 1})
    client = boto3.client("bedrock-runtime", endpoint_url=servers[0], region_name="us-east-1", config=unsigned)
    with closing(client), pytest.raises(ClientError, match="MissingAuthenticationTokenException"):
        client.converse(modelId=CLAUDE, messages=MESSAGES)
    assert book.calls() == []


def test_temporary_credentials_of_aws_are_refused(servers: tuple[str, Book], book: Book) -> None:
    """
    A session token belongs to credentials that this server knows nothing of.
    """
    client = make_client(servers[0], ALICE_ID, ALICE_SECRET, aws_session_token="token")
    with closing(client), pytest.raises(ClientError, match="UnrecognizedClientException"):
        client.converse(modelId=CLAUDE, messages=MESSAGES)
    assert book.calls() == []


def test_the_name_owns_the_turn_whichever_key_it_used(servers: tuple[str, Book]) -> None:
    """
    What alice signed, alice finds with her bearer key; a signature is not taken there, and bob's turns are not hers.
    """
    url = servers[0]
    seen = []
    for key_id, secret in ((ALICE_ID, ALICE_SECRET), (BOB_ID, BOB_SECRET)):
        with closing(make_client(url, key_id, secret)) as client:
            turn_id = client.converse(modelId=CLAUDE, messages=MESSAGES)["ResponseMetadata"]["HTTPHeaders"][
                "x-outcrop-turn-id"
            ]
        request = urllib.request.Request(f"{url}/api/turns/{turn_id}", headers={"x-api-key": ALICE_KEY})
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                seen.append(response.status)
        except urllib.error.HTTPError as error:
            seen.append(error.code)
    assert seen == [200, 404]


@proves("anthropic (Python), AnthropicBedrock", "plain", "streaming", "signed with our keys")
def test_anthropic_bedrock_signs(servers: tuple[str, Book]) -> None:
    """
    Anthropic's client for Bedrock works with its base URL changed, whole and streaming.
    """
    options: dict[str, Any] = {"aws_access_key": ALICE_ID, "aws_secret_key": ALICE_SECRET, "aws_region": "us-east-1"}
    ask: dict[str, Any] = {"model": CLAUDE, "max_tokens": 50, "messages": [{"role": "user", "content": "hello"}]}
    with AnthropicBedrock(base_url=servers[0], max_retries=0, **options) as client:
        whole = client.messages.create(**ask)
        with client.messages.stream(**ask) as stream:
            said = "".join(stream.text_stream)
    assert whole.content[0].type == "text"
    assert said == whole.content[0].text


@proves("anthropic (Python), AnthropicBedrock", "errors before", "errors in mid-stream")
def test_anthropic_bedrock_raises_its_own_errors(servers: tuple[str, Book], book: Book) -> None:
    """
    A wrong secret is a refusal; an exception frame in mid-stream is an error of the SDK.
    """
    ask: dict[str, Any] = {"model": CLAUDE, "max_tokens": 50, "messages": [{"role": "user", "content": "hello"}]}
    options: dict[str, Any] = {"base_url": servers[0], "aws_region": "us-east-1", "max_retries": 0}
    with (
        AnthropicBedrock(aws_access_key=ALICE_ID, aws_secret_key="wrong", **options) as client,
        pytest.raises(anthropic.PermissionDeniedError),
    ):
        client.messages.create(**ask)
    book.inject({"kind": "exception", "name": "modelStreamErrorException", "after_tokens": 2}, times=1)
    with (
        AnthropicBedrock(aws_access_key=ALICE_ID, aws_secret_key=ALICE_SECRET, **options) as client,
        pytest.raises(Exception, match=r"(?i)model"),
        client.messages.stream(**ask) as stream,
    ):
        stream.get_final_message()


@proves("anthropic (Python), AnthropicBedrock", "tools", "images")
def test_anthropic_bedrock_calls_tools_and_sends_images(servers: tuple[str, Book]) -> None:
    """
    A round of tools, with an image in the question.
    """
    tool: Any = {"name": "weather", "input_schema": {"type": "object"}}
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
    history: list[Any] = [{"role": "user", "content": [image, {"type": "text", "text": "how is the weather there?"}]}]
    ask: dict[str, Any] = {"model": CLAUDE, "max_tokens": 50, "tools": [tool]}
    with make_anthropic_bedrock(servers[0]) as client:
        forced: Any = {"type": "tool", "name": "weather"}
        with client.messages.stream(**ask, messages=history, tool_choice=forced) as stream:
            message = stream.get_final_message()
        (call,) = [block for block in message.content if block.type == "tool_use"]
        result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "sunny"}]}
        history += [{"role": "assistant", "content": message.content}, result]
        assert client.messages.create(**ask, messages=history).content
        bare = client.messages.create(**ask, messages=[{"role": "user", "content": "how is the weather there?"}])
    assert message.usage.input_tokens >= bare.usage.input_tokens + IMAGE_TOKENS


@proves("anthropic (Python), AnthropicBedrock", "cancellation")
async def test_anthropic_bedrock_leaves(servers: tuple[str, Book], book: Book) -> None:
    """
    A client that closes its stream closes the call to Bedrock.
    """
    messages: list[Any] = [{"role": "user", "content": "emulate 8000 tokens"}]
    with make_anthropic_bedrock(servers[0]) as client:
        with client.messages.stream(model=CLAUDE, max_tokens=8000, messages=messages) as stream:
            next(stream.text_stream)
        assert (await book.ended_calls(1))[0]["outcome"] == "client_closed"


def make_anthropic_bedrock(url: str) -> AnthropicBedrock:
    """
    Make Anthropic's client for Bedrock, which signs as alice.
    """
    return AnthropicBedrock(
        base_url=url, aws_access_key=ALICE_ID, aws_secret_key=ALICE_SECRET, aws_region="us-east-1", max_retries=0
    )


@pytest.mark.service
@proves("awscli", "plain", "signed with our keys")
def test_the_command_line_signs(servers: tuple[str, Book], aws: Path) -> None:
    """
    `aws bedrock-runtime converse` prints the answer.
    """
    line = [str(aws), "bedrock-runtime", "converse", "--model-id", CLAUDE, "--endpoint-url", servers[0]]
    done = subprocess.run(
        [*line, "--messages", json.dumps(MESSAGES), "--output", "json"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=client_environment(),
    )
    assert done.returncode == 0, done.stderr
    assert "ärger" in json.loads(done.stdout)["output"]["message"]["content"][0]["text"]


@pytest.mark.service
@proves("@aws-sdk/client-bedrock-runtime", "plain", "streaming", "signed with our keys")
@pytest.mark.parametrize(("command", "version"), [("Converse", "1"), ("Converse", "2"), ("ConverseStream", "2")])
def test_the_sdk_for_javascript_signs(servers: tuple[str, Book], node: Path, command: str, version: str) -> None:
    """
    The SDK signs `host` over HTTP/1.1, and `:authority` over HTTP/2 without TLS.
    """
    ask = json.dumps({"modelId": ARN, "messages": MESSAGES})
    done = subprocess.run(
        [str(node), str(SCRIPT), servers[0], command, ask, "0", version],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env=client_environment(),
    )
    assert "reply" in json.loads(done.stdout), done.stdout


def client_environment() -> dict[str, str]:
    """
    Return an environment with alice's access key and nothing else of AWS.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return kept | {
        "AWS_ACCESS_KEY_ID": ALICE_ID,
        "AWS_SECRET_ACCESS_KEY": ALICE_SECRET,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def test_the_command_prints_what_settings_take() -> None:
    """
    `outcrop keys NAME --aws` prints an access key, and the line of the settings that lets it in.
    """
    line = [sys.executable, "-c", "from outcrop.cli import main; main()", "keys", "carol", "--aws"]
    said = subprocess.run(line, capture_output=True, text=True, timeout=30, check=True).stdout
    key_id = said.partition("AWS_ACCESS_KEY_ID=")[2].split()[0]
    secret = said.partition("AWS_SECRET_ACCESS_KEY=")[2].split()[0]
    assert f"'carol' = '{key_id}:{secret}'" in said
