"""
The AWS CLI, unmodified, against the emulator.
"""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.service

CLAUDE = "us.anthropic.claude-opus-4-6-v1"
LLAMA = "meta.llama3-70b-instruct-v1:0"
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(aws: Path, emulator: Any) -> Run:
    """
    Return a function that runs one command of bedrock-runtime.
    """

    def command(*arguments: str, service: str = "bedrock-runtime") -> "subprocess.CompletedProcess[str]":
        line = [str(aws), service, *arguments, "--endpoint-url", emulator.url, "--output", "json"]
        return subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)

    return command


def test_invoke_model(run: Run, tmp_path: Path, emulator: Any) -> None:
    """
    A Messages body with all its sampling parameters goes in, Claude's own answer comes out in a file.
    """
    body = {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 200,
        "temperature": 0.5,
        "top_k": 250,
        "top_p": 0.9,
        "stop_sequences": ["\n\nHuman:"],
        "messages": [{"role": "user", "content": [{"type": "text", "text": "who are you?"}]}],
    }
    target = tmp_path / "answer.json"
    done = run("invoke-model", "--model-id", CLAUDE, "--body", json.dumps(body), str(target))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["contentType"] == "application/json"
    assert "Claude Opus 4.6" in json.loads(target.read_text())["content"][0]["text"]
    assert emulator.calls()[0]["auth"]["verified"] is True


def test_converse(run: Run) -> None:
    """
    Converse prints the answer.
    """
    messages = json.dumps([{"role": "user", "content": [{"text": "repeat after me: basalt"}]}])
    done = run("converse", "--model-id", LLAMA, "--messages", messages)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["output"]["message"]["content"] == [{"text": "basalt"}]


def test_list_foundation_models(run: Run) -> None:
    """
    The control plane is on the same endpoint.
    """
    done = run("list-foundation-models", "--by-provider", "Meta", service="bedrock")
    assert LLAMA in {model["modelId"] for model in json.loads(done.stdout)["modelSummaries"]}


def test_an_error_is_printed_with_its_name(run: Run, tmp_path: Path) -> None:
    """
    A refusal makes the command fail, and says why.
    """
    done = run("invoke-model", "--model-id", "nobody", "--body", "{}", str(tmp_path / "x"))
    assert done.returncode != 0
    assert "(ValidationException)" in done.stderr
    assert "The provided model identifier is invalid." in done.stderr
