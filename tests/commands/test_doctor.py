"""
`outcrop doctor`, on this machine with its AWS setup taken away.
"""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from outcrop.commands.doctor.command import run_doctor
from outcrop.settings import load_settings
from tests.commands.conftest import Inject, RunInPipe
from tests.support import gateway_environment

SECRET = "secret-canary-5c1e"

Examine = Callable[..., tuple[int, str]]


@pytest.fixture
def examine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Examine:
    """
    Run the doctor in this process, in an environment that holds nothing but what the test says.
    """
    for name in list(os.environ):
        if name.upper().startswith(("AWS_", "OUTCROP_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("OUTCROP_PORT", "0")

    def examine(**environ: str) -> tuple[int, str]:
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        code = run_doctor(load_settings())
        return code, capsys.readouterr().out

    return examine


def closed_port() -> int:
    """
    Return a port that nobody listens on.
    """
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port: int = closed.getsockname()[1]
        return port


def test_a_sound_setup_passes(run: RunInPipe, emulator_url: str) -> None:
    """
    With credentials and an endpoint that answers, every check passes, each is named, and no secret is shown.
    """
    done = run("doctor", environ=gateway_environment(emulator_url, port="0"))
    lines = done.stdout.decode().splitlines()
    assert done.returncode == 0
    assert [line.split(":")[0] for line in lines if line.startswith("✓ ")] == [
        "✓ settings",
        "✓ versions",
        "✓ upstream",
        "✓ region",
        "✓ credentials",
        "✓ endpoint",
        "✓ network",
        "✓ clock",
        "✓ model llama3",
        "✓ model anthropic",
        "✓ port",
    ]
    assert lines[-1] == "all is well"
    assert SECRET not in done.stdout.decode() + done.stderr.decode()


def test_missing_credentials_are_a_warning(examine: Examine) -> None:
    """
    Without credentials `serve` uses the emulator: the doctor says so, and tries it.
    """
    code, shown = examine()
    assert code == 0
    assert "! upstream: no AWS credentials were found: `serve` uses the emulator" in shown
    assert "to do: for Amazon Bedrock, set AWS_BEARER_TOKEN_BEDROCK" in shown
    assert "✓ model anthropic: us.anthropic.claude" in shown


def test_missing_credentials_are_a_failure_where_the_emulator_is_forbidden(examine: Examine) -> None:
    """
    With the emulator forbidden, missing credentials fail.
    """
    code, shown = examine(OUTCROP_EMULATE="false")
    assert code == 1
    assert "✗ credentials: there are none, and emulate is false" in shown


def test_the_emulator_is_tried_where_it_is_asked_for(examine: Examine) -> None:
    """
    With the emulator asked for, credentials are not looked for, and every short name is answered.
    """
    code, shown = examine(
        OUTCROP_EMULATE="true",
        AWS_ACCESS_KEY_ID="AKIDEXAMPLE",
        AWS_SECRET_ACCESS_KEY=SECRET,
        OUTCROP_MODELS='{"mine": "meta.llama3-8b-instruct-v1:0"}',
    )
    assert code == 0
    assert "✓ upstream: the emulator, as the setting emulate says" in shown
    assert "credentials" not in shown
    assert [f"✓ model {name}: " in shown for name in ("llama3", "anthropic", "mine")] == [True] * 3


def test_an_emulator_port_in_use_fails(examine: Examine) -> None:
    """
    A taken port of the emulator fails, with what to do.
    """
    with socket.create_server(("127.0.0.1", 0)) as other:
        code, shown = examine(OUTCROP_EMULATE="true", OUTCROP_EMULATOR_PORT=str(other.getsockname()[1]))
    assert code == 1
    assert "✗ emulator: it does not start on port" in shown
    assert "set OUTCROP_EMULATOR_PORT to 0" in shown


def test_an_endpoint_that_refuses_fails(examine: Examine) -> None:
    """
    A refused connection fails, and the models are not asked.
    """
    code, shown = examine(**gateway_environment(f"http://127.0.0.1:{closed_port()}"))
    assert code == 1
    assert "✗ network: TCP to 127.0.0.1:" in shown
    assert "! models: not asked" in shown


def test_a_host_without_an_address_fails(examine: Examine) -> None:
    """
    A name that can't be resolved fails; the region is what to check.
    """
    code, shown = examine(**gateway_environment("http://bedrock.invalid"))
    assert code == 1
    assert "✗ network: the host name 'bedrock.invalid' can't be resolved" in shown
    assert "! endpoint: http://bedrock.invalid, from AWS_ENDPOINT_URL_BEDROCK_RUNTIME: prompts and answers" in shown


def test_a_region_that_is_none_fails(examine: Examine) -> None:
    """
    A region of another form fails with the sentence that `serve` would end with.
    """
    code, shown = examine(AWS_REGION="Frankfurt")
    assert code == 1
    assert "✗ settings: region must look like 'eu-central-1', got 'Frankfurt'" in shown


def test_a_denied_model_fails_alone(examine: Examine, emulator_url: str, inject: Inject) -> None:
    """
    A model that the identity may not call fails, with the permissions that it needs; the others still pass.
    """
    fault = {"kind": "http_error", "name": "AccessDeniedException"}
    inject({"match": {"model": "meta.*"}, "fault": fault})
    code, shown = examine(**gateway_environment(emulator_url))
    assert code == 1
    assert "✗ model llama3: " in shown
    assert "✓ model anthropic: " in shown


def test_a_throttled_model_is_a_warning(examine: Examine, emulator_url: str, inject: Inject) -> None:
    """
    A model whose quota is used up can be called: that is a warning.
    """
    inject({"match": {"model": "meta.*"}, "fault": {"kind": "http_error", "name": "ThrottlingException"}})
    code, shown = examine(**gateway_environment(emulator_url))
    assert code == 0
    assert "! model llama3: it can be called, but " in shown


def test_an_answer_without_its_end_fails(examine: Examine, emulator_url: str, inject: Inject) -> None:
    """
    A model whose stream breaks off fails.
    """
    inject({"match": {"model": "meta.*"}, "fault": {"kind": "cut", "after_tokens": 0}})
    code, shown = examine(**gateway_environment(emulator_url))
    assert code == 1
    assert "✗ model llama3: " in shown
