"""
`outcrop models`: the table and the JSON, what is kept for later runs, and what is said where something is wrong.
"""

import os
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from outcrop.catalogue.models import load_catalogue
from outcrop.commands.models import print_models
from outcrop.errors import OutcropError
from outcrop.settings import load_settings
from tests.commands.conftest import RunInPipe
from tests.support import run_outcrop

HAIKU = "anthropic.claude-haiku-4-5-20251001-v1:0"
Show = Callable[..., str]


@pytest.fixture(scope="module")
def control_plane() -> Iterator[str]:
    """
    An emulator that stands for Bedrock's control plane.
    """
    with run_outcrop("emulate", "--port", "0") as (_, url):
        yield url


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """
    Make this process a user's in eu-west-1, without credentials; return where the user's cache will be.
    """
    for name in [name for name in os.environ if name.startswith(("AWS_", "OUTCROP_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "outcrop" / "models-eu-west-1.json"


@pytest.fixture
def show(cache: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]) -> Show:
    """
    Run the command in this process on a terminal of some width, and return what it printed.
    """

    def show(*, width: int = 80, as_json: bool = False, everything: bool = False, **environ: str) -> str:
        for name, value in {"COLUMNS": str(width), "TERM": "dumb", **environ}.items():
            monkeypatch.setenv(name, value)
        print_models(load_settings(), as_json=as_json, everything=everything)
        return capsysbinary.readouterr().out.decode()

    return show


def decode(text: str | bytes) -> Any:
    """
    Read JSON.
    """
    return msgspec.json.decode(text)


def test_models_are_listed_as_json(run: RunInPipe) -> None:
    """
    `--json` lists the short names first, with what Bedrock gets in the region and all that is known.
    """
    done = run("models", "--json", environ={"AWS_REGION": "eu-west-1", "XDG_CACHE_HOME": "/nowhere"})
    assert done.returncode == 0
    listing = decode(done.stdout)
    assert [model["name"] for model in listing["models"][:2]] == ["llama3", "anthropic"]
    claude = listing["models"][1]
    assert claude["model_id"] == f"eu.{HAIKU}"
    assert {"features", "price", "context_tokens", "lifecycle", "warning", "route"} <= set(claude)
    assert (listing["region"], listing["refreshed_at"]) == ("eu-west-1", None)


@pytest.mark.parametrize("width", [80, 100, 140])
def test_the_table_fits_and_cuts_no_name(show: Show, width: int) -> None:
    """
    No line is longer than the terminal, and every name is there to its last letter, folded where it must be.
    """
    shown = show(everything=True, width=width)
    assert max(len(line) for line in shown.splitlines()) <= width
    assert read_first_column(shown) == {"llama3", "anthropic", *load_catalogue().models}


def test_the_table_says_what_a_user_asks(show: Show) -> None:
    """
    What Bedrock gets, how the model is called, its limits, price and state stand in its line.
    """
    shown = show(width=140)
    (nova,) = (line for line in shown.splitlines() if line.strip().startswith("amazon.nova-pro-v1:0"))
    assert re.split(r"\s{2,}", nova.strip()) == [
        "amazon.nova-pro-v1:0", "the same", "nova, converse", "300K/10K", "0.8/3.2", "active",
    ]  # fmt: skip
    (opus,) = (line for line in shown.splitlines() if line.strip().startswith("anthropic.claude-opus-5-5"))
    assert "eu.…" in opus
    assert "eu-west-1: never refreshed from Bedrock; list prices in USD per million tokens, read 2026-11-20" in shown


def test_what_goes_away_is_warned_of_once(show: Show) -> None:
    """
    Below the table stands each warning with the successor.
    """
    warnings = [line.strip() for line in show(width=200).splitlines() if line.startswith("! ")]
    assert len(warnings) == len(set(warnings)) > 3
    assert (
        "! model 'anthropic.claude-opus-4-1-20250805-v1:0' is a legacy model and will end on 2027-01-08; "
        "its successor is 'anthropic.claude-opus-4-5-20251101-v1:0'"
    ) in warnings


def test_what_bedrock_says_is_kept_for_later_runs(run: RunInPipe, show: Show, cache: Path, control_plane: str) -> None:
    """
    After `--refresh` the list and its age are known without credentials, and the file is the user's alone.
    """
    asking = {
        "AWS_ENDPOINT_URL_BEDROCK": control_plane,
        "AWS_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "secret-canary",
        "XDG_CACHE_HOME": os.environ["XDG_CACHE_HOME"],
    }
    first = decode(run("models", "--json", "--refresh", environ=asking).stdout)
    later = decode(show(as_json=True, AWS_ENDPOINT_URL_BEDROCK=control_plane))
    assert first["refreshed_at"] is not None
    assert later["refreshed_at"] == first["refreshed_at"]
    assert later["models"] == first["models"]
    assert stat.S_IMODE(cache.stat().st_mode) == 0o600
    assert b"secret-canary" not in cache.read_bytes()
    assert "eu-west-1: refreshed from Bedrock" in show(width=140)


def test_the_emulator_has_no_age(show: Show, cache: Path) -> None:
    """
    Where only the emulator is used, what Bedrock once said is not looked at.
    """
    cache.parent.mkdir()
    cache.mkdir()
    assert decode(show(as_json=True, OUTCROP_EMULATE="true"))["refreshed_at"] is None


def test_a_damaged_cache_counts_as_none(show: Show, cache: Path) -> None:
    """
    Whatever is in the file, the packaged table is shown.
    """
    cache.parent.mkdir()
    cache.write_bytes(b"\x00[[[")
    assert decode(show(as_json=True))["refreshed_at"] is None


def test_a_users_own_models_are_listed(show: Show, tmp_path: Path) -> None:
    """
    A catalogue of the user's own and routes come from the settings.
    """
    own = tmp_path / "own.toml"
    own.write_text('[[models]]\nbase_id = "amazon.nova-pro-v1:0"\ntitle = "Ours"\n')
    listing = decode(show(as_json=True, OUTCROP_CATALOGUE=str(own), OUTCROP_ROUTES='{"nova": "native"}'))
    (nova,) = (model for model in listing["models"] if model["name"] == "amazon.nova-pro-v1:0")
    assert (nova["title"], nova["route"]) == ("Ours", "native")


def test_a_refresh_without_credentials_is_one_sentence(run: RunInPipe) -> None:
    """
    It ends with exit code 1 and says what is missing.
    """
    environ = {"AWS_REGION": "eu-west-1", "AWS_ENDPOINT_URL_BEDROCK": "http://127.0.0.1:9"}
    done = run("models", "--refresh", environ=environ)
    assert done.returncode == 1
    assert re.fullmatch(r"outcrop: there are no usable AWS credentials: [^\n]+\n", done.stderr.decode())


@pytest.mark.parametrize(
    ("name", "value", "refresh", "words"),
    [
        ("OUTCROP_EMULATE", "true", True, "setting emulate is 'true'"),
        ("AWS_ENDPOINT_URL_BEDROCK", "ftp://x", True, "endpoint url must begin with"),
        ("OUTCROP_CATALOGUE", "/nowhere/own.toml", False, "'/nowhere/own.toml' can't be read"),
        ("OUTCROP_ROUTES", '{"novva": "native"}', False, "did you mean 'nova'"),
        ("OUTCROP_MODELS", '{"ours": "acme.one"}', False, "model 'ours' stands for 'acme.one'"),
    ],
)
def test_what_can_not_be_done_is_said(
    cache: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, refresh: bool, words: str
) -> None:
    """
    A wrong setting is named, and nothing is listed.
    """
    monkeypatch.setenv(name, value)
    with pytest.raises(OutcropError, match=words):
        print_models(load_settings(), as_json=True, refresh=refresh)


def read_first_column(shown: str) -> set[str]:
    """
    Put the folded names of a table together again: a row begins where its last column, the state, is filled.
    """
    lines = shown.splitlines()
    (rule,) = (number for number, line in enumerate(lines) if line.strip().startswith("──"))
    width = lines[rule - 1].index("Bedrock gets")
    names: list[str] = []
    for line in lines[rule + 1 :]:
        if not line.strip() or line.startswith("!"):
            break
        if line.rstrip().endswith(("active", "legacy", "end of life", "unknown")):
            names.append("")
        names[-1] += line[:width].strip()
    return set(names)
