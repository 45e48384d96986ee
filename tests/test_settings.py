"""
Tests of `outcrop.settings`.
"""

from pathlib import Path

import pytest

from outcrop.errors import SettingsError
from outcrop.settings import Settings, is_loopback, load_settings


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"OUTCROP_{name.upper()}", raising=False)
    monkeypatch.delenv("OUTCROP_CONFIG", raising=False)


def test_sources_are_ranked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """
    The command line beats the environment, which beats the file, which beats the default.
    """
    file = tmp_path / "outcrop.toml"
    file.write_text('port = 1\nmax_turns = 2\nregion = "eu-west-1"\n')
    monkeypatch.setenv("OUTCROP_PORT", "3")
    monkeypatch.setenv("OUTCROP_MAX_TURNS", "4")
    settings = load_settings({"port": 5, "host": None}, config_file=file)
    assert (settings.port, settings.max_turns, settings.region, settings.host) == (5, 4, "eu-west-1", "127.0.0.1")


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("OUTCROP_PORT", "http", ["port", "'http'", "integer"]),
        ("OUTCROP_PORT", "70000", ["port", "'70000'", "65535"]),
        ("OUTCROP_JITTER", "2", ["jitter", "'2'", "1"]),
        ("OUTCROP_LOG_LEVEL", "loud", ["log_level", "'loud'", "'debug', 'info'"]),
        ("OUTCROP_EMULATE", "maybe", ["emulate", "'maybe'", "'auto', 'true' or 'false'"]),
        ("OUTCROP_PROT", "1", ["OUTCROP_PROT", "OUTCROP_PORT"]),
        ("OUTCROP_MODELS", "llama", ["models"]),
        ("OUTCROP_ALLOWED_ORIGINS", '["chat.example.org"]', ["allowed_origins", "'chat.example.org'", "https://"]),
        ("OUTCROP_API_KEYS", '{"ci": "secret"}', ["api_keys", "'ci'", "64 hexadecimal digits"]),
        ("OUTCROP_HOST", "0.0.0.0", ["'0.0.0.0'", "api_keys", "127.0.0.1"]),
    ],
)
def test_a_wrong_setting_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, expected: list[str]
) -> None:
    """
    A wrong or unknown variable stops the start with a sentence that names it and what is allowed.
    """
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert all(part in caught.value.message for part in expected), caught.value.message


def test_a_refused_key_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    An error about a key's digest does not repeat what stood there.
    """
    monkeypatch.setenv("OUTCROP_API_KEYS", '{"ci": "canary-7f3a"}')
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert "canary" not in caught.value.message


def test_an_unknown_name_in_the_file_is_refused(tmp_path: Path) -> None:
    """
    A misspelt name in the file is refused with the nearest one.
    """
    file = tmp_path / "outcrop.toml"
    file.write_text("max_turn = 2\n")
    with pytest.raises(SettingsError, match="unknown setting max_turn; did you mean max_turns"):
        load_settings(config_file=file)


@pytest.mark.parametrize("content", ["port = ", "port = 1\nport = 2"])
def test_a_broken_file_is_refused(tmp_path: Path, content: str) -> None:
    """
    A file that is not TOML is refused with the parser's own words.
    """
    file = tmp_path / "outcrop.toml"
    file.write_text(content)
    with pytest.raises(SettingsError, match="cannot be read"):
        load_settings(config_file=file)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """
    A file that is not there is refused by its name.
    """
    with pytest.raises(SettingsError, match=r"nowhere\.toml"):
        load_settings(config_file=tmp_path / "nowhere.toml")


def test_open_bind_needs_keys() -> None:
    """
    Listening beyond loopback is allowed once there are keys.
    """
    settings = load_settings({"host": "0.0.0.0", "api_keys": {"ci": "0" * 64}})
    assert settings.host == "0.0.0.0"
    assert "0" * 64 not in repr(settings)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("localhost", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("::", False),
        ("127.0.0.1.example.org", False),
        ("192.168.0.1", False),
        ("", False),
    ],
)
def test_loopback_is_recognised(host: str, expected: bool) -> None:
    """
    Only addresses that stay on this machine count as loopback.
    """
    assert is_loopback(host) is expected


def test_every_setting_is_described() -> None:
    """
    Each setting has a docstring.
    """
    assert not [name for name, field in Settings.model_fields.items() if not field.description]
