"""
The AWS CLI, unmodified, against a gateway that wants a bearer key.
"""

import base64
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from outcrop.accounts.authenticate import make_key
from tests.clients.proof import proves
from tests.e2e.conftest import Book
from tests.support import gateway_environment, run_outcrop

pytestmark = pytest.mark.service

CLIENT = "awscli"
CLAUDE = "us.anthropic.claude-sonnet-4-6"
MESSAGES = json.dumps([{"role": "user", "content": [{"text": "repeat after me: basalt"}]}])
PIXEL = base64.b64encode(
    bytes.fromhex(
        "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
        "0000000d49444154789c6360000002000001e221bc330000000049454e44ae426082"
    )
).decode()
KEY, DIGEST = make_key()
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[str, Book]]:
    """
    Run an emulator, and a gateway that wants a key.
    """
    with run_outcrop("emulate", "--port", "0", "--first-token-ms", "5", "--tokens-per-second", "2000") as (_, emulator):
        environ = gateway_environment(emulator) | {"OUTCROP_API_KEYS": json.dumps({"cli": DIGEST})}
        with run_outcrop("serve", "--port", "0", environ=environ) as (_, url):
            yield url, Book(emulator)


@pytest.fixture
def run(aws: Path, servers: tuple[str, Book]) -> Run:
    """
    Return a function that runs one command with a key, and empty the emulator's book.
    """
    servers[1].clear()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    own = {
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_MAX_ATTEMPTS": "1",
    }

    def command(service: str, *arguments: str, key: str = KEY) -> "subprocess.CompletedProcess[str]":
        environ = kept | own | {"AWS_BEARER_TOKEN_BEDROCK": key}
        line = [str(aws), service, *arguments, "--endpoint-url", servers[0], "--output", "json"]
        return subprocess.run(line, capture_output=True, text=True, timeout=60, check=False, env=environ)

    return command


@proves(CLIENT, "plain")
def test_converse(run: Run) -> None:
    """
    Converse prints the answer.
    """
    done = run("bedrock-runtime", "converse", "--model-id", CLAUDE, "--messages", MESSAGES)
    assert done.returncode == 0, done.stderr
    assert "basalt" in json.loads(done.stdout)["output"]["message"]["content"][0]["text"]


@proves(CLIENT, "plain")
def test_invoke_model(run: Run, tmp_path: Path) -> None:
    """
    A native body goes in, the model's own answer comes out in a file.
    """
    body = json.dumps({"prompt": "hello", "max_gen_len": 20})
    target = tmp_path / "answer.json"
    model = "meta.llama3-8b-instruct-v1:0"
    done = run("bedrock-runtime", "invoke-model", "--model-id", model, "--body", body, str(target))
    assert done.returncode == 0, done.stderr
    assert json.loads(target.read_text())["generation"]


@proves(CLIENT, "tools")
def test_a_tool_is_called(run: Run) -> None:
    """
    A forced tool call is printed with its arguments.
    """
    tool = {"toolSpec": {"name": "weather", "inputSchema": {"json": {"type": "object"}}}}
    config = json.dumps({"tools": [tool], "toolChoice": {"tool": {"name": "weather"}}})
    ask = ["--model-id", CLAUDE, "--messages", MESSAGES, "--tool-config", config]
    done = run("bedrock-runtime", "converse", *ask)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["stopReason"] == "tool_use"


@proves(CLIENT, "images")
def test_an_image_is_taken(run: Run) -> None:
    """
    An image in the messages reaches the model, where it costs tokens.
    """
    image, question = {"image": {"format": "png", "source": {"bytes": PIXEL}}}, {"text": "what is it?"}
    costs = []
    for content in ([question], [image, question]):
        messages = json.dumps([{"role": "user", "content": content}])
        done = run("bedrock-runtime", "converse", "--model-id", CLAUDE, "--messages", messages)
        assert done.returncode == 0, done.stderr
        costs.append(json.loads(done.stdout)["usage"]["inputTokens"])
    assert costs[1] > costs[0] + 100


@proves(CLIENT, "listing models")
def test_models_are_listed(run: Run) -> None:
    """
    The control plane's list is printed.
    """
    done = run("bedrock", "list-foundation-models", "--by-provider", "anthropic")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["modelSummaries"]


@proves(CLIENT, "counting tokens")
def test_tokens_are_counted(run: Run) -> None:
    """
    CountTokens prints a number.
    """
    counted = json.dumps({"converse": {"messages": json.loads(MESSAGES)}})
    done = run("bedrock-runtime", "count-tokens", "--model-id", CLAUDE, "--input", counted)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["inputTokens"] > 0


@proves(CLIENT, "errors before")
def test_a_refusal_is_an_exit_code_and_a_sentence(run: Run, servers: tuple[str, Book]) -> None:
    """
    What can't be served ends with an exit code that is not 0, and the sentence of the gateway.
    """
    done = run("bedrock-runtime", "converse", "--model-id", "nosuchmodel", "--messages", MESSAGES)
    assert done.returncode != 0
    assert "ResourceNotFoundException" in done.stderr
    assert "nosuchmodel" in done.stderr
    assert servers[1].calls() == []


@proves(CLIENT, "errors before")
def test_a_wrong_key_is_refused(run: Run, servers: tuple[str, Book]) -> None:
    """
    A bearer key that the gateway does not know ends with an exit code that is not 0, and costs no call.
    """
    done = run("bedrock-runtime", "converse", "--model-id", CLAUDE, "--messages", MESSAGES, key="wrong")
    assert done.returncode != 0
    assert "UnrecognizedClientException" in done.stderr
    assert servers[1].calls() == []
