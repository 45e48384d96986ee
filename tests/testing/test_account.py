"""
Quotas and regions of the emulator that tests have, with boto3 as the client.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from outcrop.emulator.quota import InvalidQuota, Quota
from outcrop.emulator.regions import InvalidRegions
from outcrop.emulator.settings import EmulatorConfig
from outcrop.testing.emulator import BedrockEmulator, run_emulator

_ASK: dict[str, Any] = {
    "modelId": "us.anthropic.claude-sonnet-4-6",
    "messages": [{"role": "user", "content": [{"text": "echo good morning"}]}],
    "inferenceConfig": {"maxTokens": 100},
}


@pytest.fixture(scope="module")
def served() -> Iterator[BedrockEmulator]:
    """
    Run one emulator, with a quota that no test reaches.
    """
    config = EmulatorConfig(first_token_ms=0, tokens_per_second=0, quotas=(Quota(requests_per_minute=1_000),))
    with run_emulator(config) as emulator:
        yield emulator


@pytest.fixture
def emulator(served: BedrockEmulator) -> BedrockEmulator:
    """
    Return that emulator as its settings made it.
    """
    served.reset()
    return served


def outcome(emulator: BedrockEmulator, region: str = "us-east-1") -> str:
    """
    Call a model once, and return the error's code or `ok`.
    """
    client = emulator.client(region_name=region, config=Config(retries={"total_max_attempts": 1}))
    try:
        client.converse(**_ASK)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return "ok"


def test_a_quota_throttles(emulator: BedrockEmulator) -> None:
    """
    With one request a minute the second call is throttled.
    """
    emulator.quotas.set("anthropic.*", requests_per_minute=1)
    assert [outcome(emulator), outcome(emulator)] == ["ok", "ThrottlingException"]
    assert emulator.quotas.report()["left"][0]["requests"] == 0


def test_a_second_quota_for_a_model_takes_the_place_of_the_first(emulator: BedrockEmulator) -> None:
    """
    Quotas are set model by model.
    """
    emulator.quotas.set("anthropic.*", requests_per_minute=0)
    emulator.quotas.set("anthropic.*", tokens_per_minute=100_000)
    assert outcome(emulator) == "ok"
    assert [quota["model"] for quota in emulator.quotas.report()["quotas"]] == ["*", "anthropic.*"]


def test_a_region_has_its_health(emulator: BedrockEmulator) -> None:
    """
    Of two regions that are not well, each fails in its way, and a third is served.
    """
    emulator.regions.set("us-west-2", "down")
    emulator.regions.set("us-east-2", "throttled")
    outcomes = [outcome(emulator, region) for region in ("us-west-2", "us-east-2", "us-east-1")]
    assert outcomes == ["ServiceUnavailableException", "ThrottlingException", "ok"]


def test_a_reset_returns_to_the_settings(emulator: BedrockEmulator) -> None:
    """
    What a test sets is gone with the next: quotas are those of the settings, and regions are well.
    """
    emulator.quotas.set(requests_per_minute=0)
    emulator.regions.set("us-east-1", "down")
    emulator.reset()
    [quota] = emulator.quotas.report()["quotas"]
    assert (quota["model"], quota["requests_per_minute"]) == ("*", 1_000)
    assert outcome(emulator) == "ok"
    emulator.quotas.clear()
    assert emulator.quotas.report() == {"quotas": [], "left": []}


def test_values_out_of_range_are_refused(emulator: BedrockEmulator) -> None:
    """
    A quota or a region that can't be raises, and changes nothing.
    """
    with pytest.raises(InvalidQuota, match=">= 0"):
        emulator.quotas.set("meta.*", requests_per_minute=-1)
    with pytest.raises(InvalidRegions, match="<= 1"):
        emulator.regions.set("us-east-1", "slow", pace=2)
    assert len(emulator.quotas.report()["quotas"]) == 1
    assert outcome(emulator) == "ok"
