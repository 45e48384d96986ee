"""
The AWS SDK for JavaScript, unmodified, against the emulator: HTTP/2 without TLS, with prior knowledge.
"""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.service

CLAUDE = "us.anthropic.claude-sonnet-4-6"
LLAMA = "meta.llama3-70b-instruct-v1:0"
HELLO = [{"role": "user", "content": [{"text": "hello"}]}]
SCRIPT = Path(__file__).parent / "js" / "call.mjs"
Call = Callable[..., Any]


@pytest.fixture
def call(node: Path, emulator: Any) -> Call:
    """
    Return a function that runs one command in Node and gives what came of it.
    """

    def run(command: str, *, abort_after: int = 0, **members: Any) -> Any:
        arguments = [str(node), str(SCRIPT), emulator.url, command, json.dumps(members), str(abort_after)]
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=True)
        return json.loads(done.stdout)

    return run


def test_converse_over_http_2(call: Call, emulator: Any) -> None:
    """
    A whole answer comes over HTTP/2, and the signature over `:authority` is right.
    """
    reply = call("Converse", modelId=CLAUDE, messages=HELLO)["reply"]
    assert reply["stopReason"] == "end_turn"
    (entry,) = emulator.calls()
    assert (entry["http_version"], entry["auth"]["verified"]) == ("2", True)


def test_converse_stream_over_http_2(call: Call) -> None:
    """
    All events of a stream come over HTTP/2, in order.
    """
    events = call("ConverseStream", modelId=LLAMA, messages=HELLO)["reply"]["events"]
    kinds = list(dict.fromkeys(next(iter(event)) for event in events))
    assert kinds == ["messageStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata"]


def test_invoke_model_with_response_stream_over_http_2(call: Call, emulator: Any) -> None:
    """
    Native chunks come over HTTP/2, and they are the text that the book has.
    """
    body = json.dumps({"prompt": "emulate 300 tokens"})
    events = call("InvokeModelWithResponseStream", modelId=LLAMA, body=body)["reply"]["events"]
    assert "".join(event["generation"] for event in events) == emulator.calls()[0]["text_emitted"]["text"]


def test_a_list_over_http_1(call: Call, emulator: Any) -> None:
    """
    The control plane's client speaks HTTP/1.1 to the same port.
    """
    assert call("ListInferenceProfiles", maxResults=3)["reply"]["inferenceProfileSummaries"]
    assert emulator.calls()[0]["http_version"] == "1.1"


def test_an_http_error_has_its_class(call: Call, emulator: Any) -> None:
    """
    A refusal is the SDK's own exception, with its words.
    """
    error = call("Converse", modelId="nobody", messages=HELLO)["error"]
    assert (error["name"], error["message"]) == ("ValidationException", "The provided model identifier is invalid.")


def test_throttling_is_tried_again(call: Call, emulator: Any) -> None:
    """
    The SDK tries a throttled call again, and the book counts it.
    """
    emulator.add_fault(kind="http_error", name="ThrottlingException", times=1)
    assert "reply" in call("Converse", modelId=LLAMA, messages=HELLO)
    assert [entry["outcome"] for entry in emulator.calls()] == ["fault:http_error", "completed"]


def test_an_exception_in_the_midst_of_a_stream(call: Call, emulator: Any) -> None:
    """
    A mid-stream exception is thrown under its class's name.
    """
    emulator.add_fault(kind="exception", name="throttlingException", message="slow down", after_tokens=2)
    error = call("ConverseStream", modelId=LLAMA, messages=HELLO)["error"]
    assert (error["name"], error["message"]) == ("ThrottlingException", "slow down")


@pytest.mark.parametrize("kind", ["cut", "reset"])
def test_a_broken_connection_has_no_terminal(kind: str, call: Call, emulator: Any) -> None:
    """
    Over HTTP/2 the SDK takes a broken connection for the stream's end: only the missing messageStop tells.
    """
    emulator.add_fault(kind=kind, after_tokens=2)
    events = call("ConverseStream", modelId=LLAMA, messages=HELLO)["reply"]["events"]
    assert [next(iter(event)) for event in events] == ["messageStart", "contentBlockDelta", "contentBlockDelta"]


def test_an_aborted_stream_is_noticed(call: Call, emulator: Any) -> None:
    """
    A client that aborts one HTTP/2 stream is noticed in silence, with the tokens that it got.
    """
    emulator.add_fault(kind="silence", where="after_tokens", tokens=3, seconds=30)
    call("ConverseStream", modelId=LLAMA, messages=HELLO, abort_after=4)
    (entry,) = emulator.calls()
    assert (entry["outcome"], entry["tokens_emitted"]) == ("client_closed", 3)
