"""
Tests of `outcrop.emulator.settings`.
"""

from typing import Any

import pytest

from outcrop.emulator.settings import EmulatorConfig
from outcrop.errors import SettingsError


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"port": 65_536}, "emulator's port is 65536, expected 0 to 65535"),
        ({"first_token_ms": -1}, "first_token_ms is -1"),
        ({"tokens_per_second": -5}, "tokens_per_second is -5"),
        ({"jitter": 1.5}, "jitter is 1.5, expected 0 to 1"),
        ({"host": ""}, "can't be empty"),
    ],
)
def test_values_out_of_range_are_refused(settings: dict[str, Any], text: str) -> None:
    """
    A setting that makes no sense is named with what is allowed.
    """
    with pytest.raises(SettingsError, match=text):
        EmulatorConfig(**settings)


def test_secrets_are_not_shown() -> None:
    """
    Printing the settings shows whose keys there are, not the keys.
    """
    shown = repr(EmulatorConfig(keys={"AKID": "canary"}))
    assert ("AKID" in shown, "canary" in shown) == (True, False)
