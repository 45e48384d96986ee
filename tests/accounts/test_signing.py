"""
AWS access keys that this server issues: made, put into the settings, found again.
"""

import re

import pytest

from outcrop.accounts.authenticate import Authenticator, make_key
from outcrop.accounts.principal import Principal
from outcrop.accounts.signing import SigningKeys, make_pair
from outcrop.commands.keys import describe_new_key, describe_new_pair
from outcrop.errors import NotAuthenticated, SettingsError
from outcrop.settings import load_settings

KEY_ID, SECRET = make_pair()
OTHER_ID, OTHER_SECRET = make_pair()


def test_a_made_pair_has_the_shape_of_awss() -> None:
    """
    The ID is as SDKs expect it, and cannot be taken for a key of AWS's own; the secret has 240 bits.
    """
    assert re.fullmatch(r"OUTCROP[A-Z2-7]{16}", KEY_ID)
    assert re.fullmatch(r"[A-Za-z0-9_-]{40}", SECRET)
    assert (KEY_ID, SECRET) != (OTHER_ID, OTHER_SECRET)


def test_a_key_is_found_by_its_whole_id() -> None:
    """
    Nothing but the very ID finds a key.
    """
    keys = SigningKeys({"alice": f"{KEY_ID}:{SECRET}"})
    found = keys.find(KEY_ID)
    assert found is not None
    assert (found.principal, found.secret) == (Principal("key:alice", "alice"), SECRET)
    for other in ("", KEY_ID[:-1], f"{KEY_ID}A", KEY_ID.lower(), f" {KEY_ID}", SECRET, "alice", OTHER_ID):
        assert keys.find(other) is None


def test_a_name_is_one_principal_with_either_key() -> None:
    """
    What alice signs belongs to the principal whose bearer key she has.
    """
    key, digest = make_key()
    authenticator = Authenticator({"alice": digest}, SigningKeys({"alice": f"{KEY_ID}:{SECRET}"}))
    found = authenticator.signing.find(KEY_ID)
    assert found is not None
    assert authenticator.authenticate([(b"x-api-key", key.encode())]) == found.principal


@pytest.mark.parametrize("carried", [KEY_ID, SECRET, f"{KEY_ID}:{SECRET}"], ids=["key id", "secret", "pair"])
def test_a_pair_is_no_bearer_key(carried: str) -> None:
    """
    Keys that sign are for signing: neither half is let in as a bearer key, and keys are needed where only they are set.
    """
    authenticator = Authenticator({}, SigningKeys({"alice": f"{KEY_ID}:{SECRET}"}))
    assert authenticator.required
    with pytest.raises(NotAuthenticated):
        authenticator.authenticate([(b"x-api-key", carried.encode())])


def test_the_settings_take_what_the_command_prints(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A line of `outcrop keys NAME --aws` is a setting as it is, lets the server listen anywhere, and is never shown.
    """
    said = describe_new_pair("carol")
    match = re.search(r"'carol' = '([A-Z0-9]+:[^']+)'", said)
    assert match is not None
    monkeypatch.setenv("OUTCROP_HOST", "0.0.0.0")
    settings = load_settings({"signing_keys": {"carol": match[1]}})
    assert settings.signing_keys["carol"].get_secret_value() == match[1]
    secret = match[1].partition(":")[2]
    assert secret not in repr(settings) + str(settings.model_dump())


@pytest.mark.parametrize(
    "pairs",
    [
        {"a": KEY_ID},
        {"a": f"{KEY_ID}:"},
        {"a": f":{SECRET}"},
        {"a": f"{KEY_ID}:short"},
        {"a": f"{KEY_ID.lower()}:{SECRET}"},
        {"a": f"{KEY_ID}:{SECRET}\n"},
        {"a": f"{KEY_ID}/x:{SECRET}"},
        {"a": "0" * 64},
        {"a": f"{KEY_ID}:{SECRET}", "b": f"{KEY_ID}:{OTHER_SECRET}"},
    ],
    ids=range(9),
)
def test_a_wrong_pair_stops_the_start(pairs: dict[str, str]) -> None:
    """
    What is no pair, and an ID that two names have, is refused with the way to make one and without its secret.
    """
    with pytest.raises(SettingsError) as caught:
        load_settings({"signing_keys": pairs})
    assert "signing_keys" in caught.value.message
    assert "outcrop keys NAME --aws" in caught.value.message
    assert SECRET not in caught.value.message
    assert OTHER_SECRET not in caught.value.message


def test_a_bearer_key_brings_no_secret_into_the_settings() -> None:
    """
    Without `--aws` the settings' line holds the digest alone, which signs nothing.
    """
    said = describe_new_key("dave")
    key, line = said.split("\n\n")[1].strip(), said.rpartition("[api_keys]")[2]
    assert key.startswith("outcrop_")
    assert key not in line
    assert "signing_keys" not in said
