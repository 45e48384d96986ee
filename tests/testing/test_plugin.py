"""
The pytest plugin, in suites of another project, run by pytest itself.
"""

import subprocess
import sys

import pytest

_HEAD = """
from contextlib import closing

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EventStreamError

CLAUDE = "us.anthropic.claude-sonnet-4-6"
ASK = {"modelId": CLAUDE, "messages": [{"role": "user", "content": [{"text": "echo good morning"}]}]}
ONCE = Config(retries={"total_max_attempts": 1})

"""


def run(pytester: pytest.Pytester, suite: str, passed: int) -> None:
    """
    Run a suite by pytest in this process; warnings are errors there too.
    """
    pytester.makepyfile(_HEAD + suite)
    result = pytester.runpytest_inprocess(
        "-p", "outcrop.testing.plugin", "-W", "error", "-p", "no:cacheprovider", "-p", "no:asyncio"
    )
    result.assert_outcomes(passed=passed)


def test_a_client_of_the_fixture_gets_answers(pytester: pytest.Pytester) -> None:
    """
    `client` is a boto3 client that needs no further set-up, and `calls` tells what it did.
    """
    run(
        pytester,
        """
def test_it(bedrock_emulator):
    answer = bedrock_emulator.client("bedrock-runtime").converse(**ASK)
    assert answer["output"]["message"]["content"][0]["text"] == "good morning"
    [call] = bedrock_emulator.calls
    assert call["model"] == CLAUDE and call["outcome"] == "completed"
""",
        1,
    )


def test_faults_strike_as_often_as_they_say(pytester: pytest.Pytester) -> None:
    """
    A throttle for one time refuses the first call and no other.
    """
    run(
        pytester,
        """
def test_it(bedrock_emulator):
    bedrock_emulator.faults.throttle(model="anthropic.*", times=1)
    client = bedrock_emulator.client(config=ONCE)
    with pytest.raises(client.exceptions.ThrottlingException):
        client.converse(**ASK)
    client.converse(**ASK)
""",
        1,
    )


def test_exceptions_come_inside_streams(pytester: pytest.Pytester) -> None:
    """
    An exception of the typed API reaches boto3 from the stream's iterator.
    """
    run(
        pytester,
        """
def test_it(bedrock_emulator):
    bedrock_emulator.faults.exception("modelStreamErrorException", after_tokens=1)
    stream = bedrock_emulator.client().converse_stream(**ASK)["stream"]
    # boto3 keeps the connection of a stream that has failed until the stream is closed.
    with closing(stream), pytest.raises(EventStreamError, match="modelStreamErrorException"):
        list(stream)
""",
        1,
    )


def test_every_test_begins_afresh(pytester: pytest.Pytester) -> None:
    """
    Faults and calls of one test are not seen by the next, on the same server.
    """
    run(
        pytester,
        """
urls = []

@pytest.mark.parametrize("number", [1, 2])
def test_it(bedrock_emulator, number):
    assert bedrock_emulator.calls == []
    urls.append(bedrock_emulator.endpoint_url)
    bedrock_emulator.client(config=ONCE).converse(**ASK)
    bedrock_emulator.faults.http_error("ServiceUnavailableException")
    assert len(set(urls)) == 1
""",
        2,
    )


def test_wrong_rules_are_refused_at_once(pytester: pytest.Pytester) -> None:
    """
    A value out of its range raises where the rule is made.
    """
    run(
        pytester,
        """
def test_it(bedrock_emulator):
    from outcrop.emulator.faults import InvalidRule
    with pytest.raises(InvalidRule):
        bedrock_emulator.faults.throttle(times=0)
    with pytest.raises(InvalidRule):
        bedrock_emulator.faults.http_error("MadeUpException")
""",
        1,
    )


def test_the_environment_leads_sdks_there(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    With `bedrock_environment` code under test that makes its own clients meets the emulator.
    """
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    run(
        pytester,
        """
def test_it(bedrock_environment):
    import boto3
    client = boto3.client("bedrock-runtime")
    client.converse(**ASK)
    client.close()
    assert len(bedrock_environment.calls) == 1
""",
        1,
    )


def test_settings_can_be_overridden(pytester: pytest.Pytester) -> None:
    """
    A project's own `bedrock_emulator_config` decides, also about the keys that are verified.
    """
    run(
        pytester,
        """
from outcrop.emulator.settings import EmulatorConfig

@pytest.fixture(scope="session")
def bedrock_emulator_config():
    return EmulatorConfig(first_token_ms=0, tokens_per_second=0, region="us-west-2", keys={"AKIDEXAMPLE": "s" * 40})

def test_it(bedrock_emulator):
    bedrock_emulator.client().converse(**ASK)
    [call] = bedrock_emulator.calls
    assert call["auth"].verified and call["auth"].region == "us-west-2"
""",
        1,
    )


def test_loading_the_plugin_loads_no_emulator() -> None:
    """
    A project that has the plugin and doesn't use it pays for a small file only.
    """
    script = "import sys, outcrop.testing.plugin; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout.split()
    assert "outcrop.testing.plugin" in loaded
    assert not {"outcrop.emulator", "uvicorn", "starlette", "botocore", "boto3"} & set(loaded)
