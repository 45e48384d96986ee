"""
The pytest plugin: fixtures that give each test an emulator of its own making.

The emulator is imported when the first test wants it, because pytest loads plugins in every project that has them.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from outcrop.emulator.settings import EmulatorConfig
    from outcrop.testing.emulator import BedrockEmulator


@pytest.fixture(scope="session")
def bedrock_emulator_config() -> "EmulatorConfig":
    """
    Return the emulator's settings: a free port, and no pace. Override it for others.
    """
    from outcrop.emulator.settings import EmulatorConfig  # noqa: PLC0415  see above

    return EmulatorConfig(first_token_ms=0, tokens_per_second=0)


@pytest.fixture(scope="session")
def _bedrock_emulator(bedrock_emulator_config: "EmulatorConfig") -> "Iterator[BedrockEmulator]":
    from outcrop.testing.emulator import run_emulator  # noqa: PLC0415  see above

    with run_emulator(bedrock_emulator_config) as emulator:
        yield emulator


@pytest.fixture
def bedrock_emulator(_bedrock_emulator: "BedrockEmulator") -> "Iterator[BedrockEmulator]":
    """
    Give a local Bedrock without faults and with an empty book; one server serves the whole session.
    """
    _bedrock_emulator.reset()
    yield _bedrock_emulator
    _bedrock_emulator.reset()


@pytest.fixture
def bedrock_environment(bedrock_emulator: "BedrockEmulator", monkeypatch: pytest.MonkeyPatch) -> "BedrockEmulator":
    """
    Point all AWS SDKs of this process, and of those it starts, at the emulator, by environment variables.
    """
    for name in bedrock_emulator.foreign_environment:
        monkeypatch.delenv(name, raising=False)
    for name, value in bedrock_emulator.environment().items():
        monkeypatch.setenv(name, value)
    return bedrock_emulator
