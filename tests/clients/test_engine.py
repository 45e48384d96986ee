"""
A server that nobody here wrote, standing in for a local model, answers as Bedrock through the emulator's engine.
"""

import socket
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from tests.clients.tools import find_engine_python
from tests.support import run_outcrop

pytestmark = pytest.mark.service

MODELS = ["meta.llama3-70b-instruct-v1:0", "us.anthropic.claude-opus-4-6-v1", "qwen.qwen3-32b-v1:0"]
PATIENCE_SECONDS = 30


@pytest.fixture(scope="module")
def engine_url() -> Iterator[str]:
    """
    Run the OpenAI-compatible server on a free port.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [str(find_engine_python()), "-m", "uvicorn", "app.openai_app:app", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_for_port(port)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()
            process.wait(PATIENCE_SECONDS)


def wait_for_port(port: int) -> None:
    """
    Wait until somebody listens.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        with socket.socket() as attempt:
            if attempt.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("the engine's server did not start")


@pytest.fixture(scope="module")
def bedrock(engine_url: str) -> Iterator[Any]:
    """
    Give a boto3 client of an emulator with this engine.
    """
    arguments = ["--engine", "openai", "--engine-url", engine_url, "--engine-model", "gpt-4.1:mock-text"]
    with run_outcrop("emulate", "--port", "0", *arguments) as (_, url):
        yield boto3.client(
            "bedrock-runtime",
            endpoint_url=url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )


@pytest.mark.parametrize("model", MODELS)
def test_whole_and_streamed_answers_are_the_engines(bedrock: Any, model: str) -> None:
    """
    Converse gives the engine's text, whole and streamed, and none of the emulator's own.
    """
    asked = {"modelId": model, "messages": [{"role": "user", "content": [{"text": "Hello"}]}]}
    whole = bedrock.converse(**asked)["output"]["message"]["content"][0]["text"]
    events = list(bedrock.converse_stream(**asked)["stream"])
    pieces = [event["contentBlockDelta"]["delta"]["text"] for event in events if "contentBlockDelta" in event]
    assert "".join(pieces) == whole
    assert "nice to meet you" in whole
    assert "outcrop" not in whole
    assert events[-2]["messageStop"]["stopReason"] == "end_turn"
