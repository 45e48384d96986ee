"""
A server knows its models: by HTTP, in its log, and fresher from Bedrock where Bedrock is asked.
"""

import asyncio
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from outcrop.catalogue.cache import find_cache_file, read_snapshot, write_snapshot
from outcrop.catalogue.snapshot import SeenModel, Snapshot
from outcrop.emulator.server import EmulatorServer
from outcrop.emulator.settings import EmulatorConfig
from outcrop.errors import SettingsError, UnknownModel
from outcrop.server.models import ModelDirectory, can_be_asked, keep_fresh
from outcrop.settings import Settings, load_settings
from tests.support import gateway_environment, run_outcrop

REGION = "us-east-1"
PAGE_FIELDS = {"name", "model_id", "title", "family"}


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Make this process's AWS setup one pair of keys and nothing else.
    """
    for name in [name for name in os.environ if name.startswith(("AWS_", "OUTCROP_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-canary")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture(scope="module")
def gateway() -> Iterator[str]:
    """
    A gateway with the embedded emulator.
    """
    with run_outcrop("serve", "--port", "0", environ={"OUTCROP_EMULATE": "true"}) as (_, url):
        yield url


@pytest.fixture
async def environ(tmp_path: Path) -> AsyncIterator[dict[str, str]]:
    """
    The environment of a gateway whose control plane is an emulator, and whose user has an empty cache.
    """
    emulator = EmulatorServer(EmulatorConfig(port=0, region=REGION))
    await emulator.start()
    yield {"AWS_ENDPOINT_URL_BEDROCK": emulator.url, "XDG_CACHE_HOME": str(tmp_path)}
    await emulator.stop()


def fetch(url: str, headers: Mapping[str, str] | None = None) -> tuple[int, Any]:
    """
    Get JSON.
    """
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=dict(headers or {})), timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def make_snapshot(url: str, *base_ids: str) -> Snapshot:
    """
    Make what the control plane might have said a moment ago.
    """
    models = tuple(
        SeenModel(
            base_id=base_id,
            title="Kept",
            provider="Acme",
            on_demand=True,
            takes_images=False,
            streams=True,
            lifecycle="active",
        )
        for base_id in base_ids
    )
    return Snapshot(region=REGION, endpoint_url=url, fetched_at=datetime.now(UTC), models=models, profiles=None)


def names_of(directory: ModelDirectory) -> set[str]:
    """
    Return the names in the menu.
    """
    return {line.name for line in directory.listed}


def test_the_models_are_served_with_all_that_is_known(gateway: str) -> None:
    """
    `GET /api/models` has what the page reads, and limits, prices, features and lifecycle.
    """
    status, body = fetch(f"{gateway}/api/models")
    assert status == 200
    assert all(set(line) >= PAGE_FIELDS for line in body["models"])
    assert [line["name"] for line in body["models"][:2]] == ["llama3", "anthropic"]
    line = next(line for line in body["models"] if line["name"] == "amazon.nova-pro-v1:0")
    assert (line["provider"], line["route"], line["context_tokens"]) == ("Amazon", "converse", 300_000)
    assert line["price"]["input"] == 0.8
    assert {line["price"]["priced_on"], line["lifecycle"]} == {"2026-11-20", "active"}
    assert (body["region"], body["refreshed_at"], body["age_seconds"]) == ("us-east-1", None, None)


def test_a_model_that_goes_away_is_served_with_a_warning(gateway: str) -> None:
    """
    The warning names the successor.
    """
    _, body = fetch(f"{gateway}/api/models")
    (line,) = (line for line in body["models"] if line["name"] == "anthropic.claude-opus-4-1-20250805-v1:0")
    assert "its successor is 'anthropic.claude-opus-4-5-20251101-v1:0'" in line["warning"]


def test_the_models_are_served_as_openai_lists_them(gateway: str) -> None:
    """
    `GET /v1/models` has OpenAI's shape, with the same names.
    """
    status, body = fetch(f"{gateway}/v1/models")
    assert (status, body["object"]) == (200, "list")
    assert all(set(line) == {"id", "object", "created", "owned_by"} for line in body["data"])
    assert {line["object"] for line in body["data"]} == {"model"}
    _, own = fetch(f"{gateway}/api/models")
    assert [line["id"] for line in body["data"]] == [line["name"] for line in own["models"]]
    assert body["data"][1]["owned_by"] == "Anthropic"


def test_both_lists_want_the_key() -> None:
    """
    Where keys are set, nobody lists models without one.
    """
    environ = {"OUTCROP_EMULATE": "true", "OUTCROP_API_KEYS": json.dumps({"alice": "0" * 64})}
    with run_outcrop("serve", "--port", "0", environ=environ) as (_, url):
        assert [fetch(f"{url}{path}")[0] for path in ("/api/models", "/v1/models")] == [401, 401]


def test_a_name_is_warned_of_once() -> None:
    """
    The first use of a model that goes away is logged with its successor, later ones are not.
    """
    directory = ModelDirectory(Settings(), REGION)
    name = "amazon.titan-text-lite-v1"
    with capture_logs() as logs:
        models = [directory.resolve(written) for written in (name, name, f"us.{name}")]
    assert {model.base_id for model in models} == {name}
    (line,) = logs
    assert line["log_level"] == "warning"
    assert "amazon.nova-micro-v1:0" in line["event"]


def test_a_profile_that_is_taken_is_logged_once() -> None:
    """
    Who writes the base ID of a profile-only model learns which profile it goes through.
    """
    directory = ModelDirectory(Settings(), REGION)
    with capture_logs() as logs:
        for _ in range(2):
            directory.resolve("writer.palmyra-x5-v1:0")
    assert [line["model_id"] for line in logs] == ["us.writer.palmyra-x5-v1:0"]


def test_unknown_names_are_not_remembered() -> None:
    """
    Names that clients make up leave nothing behind.
    """
    directory = ModelDirectory(Settings(), REGION)
    for number in range(50):
        directory.resolve(f"anthropic.claude-{number}-invented")
    assert not directory._told


def test_the_settings_steer_routes_and_add_models(tmp_path: Path) -> None:
    """
    `routes` and a catalogue of the user's own are taken.
    """
    own = tmp_path / "own.toml"
    own.write_text('[[models]]\nbase_id = "amazon.nova-pro-v1:0"\ntitle = "Ours"\n')
    directory = ModelDirectory(load_settings({"routes": {"nova": "native"}, "catalogue": own}), REGION)
    (line,) = (line for line in directory.listed if line.base_id == "amazon.nova-pro-v1:0")
    assert (line.title, line.route) == ("Ours", "native")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"models": {"ours": "acme.one"}}, "setting models: model 'ours' stands for 'acme.one'"),
        ({"routes": {"novva": "native"}}, "setting routes: 'novva' is neither a family nor a base id"),
        ({"catalogue": Path("/nowhere/own.toml")}, "'/nowhere/own.toml' can't be read"),
    ],
)
def test_settings_that_lead_nowhere_stop_the_start(given: dict[str, Any], words: str) -> None:
    """
    A wrong name is found at the start, not at the first prompt.
    """
    with pytest.raises(SettingsError, match=words):
        ModelDirectory(load_settings(given), REGION)


async def test_what_the_last_run_kept_is_known_at_once(environ: dict[str, str]) -> None:
    """
    The kept list is taken before anybody is asked, and its age is told.
    """
    path = find_cache_file(REGION, environ)
    write_snapshot(path, make_snapshot(environ["AWS_ENDPOINT_URL_BEDROCK"], "acme.one"))
    directory = ModelDirectory(Settings(), REGION)
    with pytest.raises(UnknownModel):
        directory.resolve("acme.one")
    async with keep_fresh(directory, environ, refresh=False):
        assert directory.resolve("acme.one").route == "converse"
        assert "acme.one" in names_of(directory)
        assert directory.describe()["age_seconds"] < 60


async def test_what_another_endpoint_said_is_not_taken(environ: dict[str, str]) -> None:
    """
    An emulator's list is not Bedrock's.
    """
    path = find_cache_file(REGION, environ)
    write_snapshot(path, make_snapshot("https://bedrock.us-east-1.amazonaws.com", "acme.one"))
    directory = ModelDirectory(Settings(), REGION)
    async with keep_fresh(directory, environ, refresh=False):
        assert "acme.one" not in names_of(directory)


async def test_bedrock_is_asked_in_the_background_and_its_answer_kept(environ: dict[str, str]) -> None:
    """
    The fresh list replaces what was kept, in memory and in the file.
    """
    path, url = find_cache_file(REGION, environ), environ["AWS_ENDPOINT_URL_BEDROCK"]
    write_snapshot(path, make_snapshot(url, "acme.one"))
    directory = ModelDirectory(Settings(), REGION)
    async with keep_fresh(directory, environ, refresh=True):
        assert "acme.one" in names_of(directory)
        await refreshed()
        assert "acme.one" not in names_of(directory)
        assert "amazon.nova-pro-v1:0" in names_of(directory)
    kept = read_snapshot(path, region=REGION, endpoint_url=url, now=datetime.now(UTC))
    assert kept is not None
    assert kept.fetched_at == directory.catalogue.refreshed_at


async def test_a_refresh_that_fails_is_a_line_in_the_log(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Without credentials the packaged table serves on.
    """
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    directory = ModelDirectory(Settings(), REGION)
    before = names_of(directory)
    with capture_logs() as logs:
        async with keep_fresh(directory, environ, refresh=True):
            await refreshed()
    assert [line["event"] for line in logs] == ["the list of models was not refreshed"]
    assert names_of(directory) == before


async def test_an_answer_that_can_not_be_kept_is_used_all_the_same(environ: dict[str, str], tmp_path: Path) -> None:
    """
    A cache folder that can't be written is a line in the log.
    """
    (tmp_path / "outcrop").touch()
    directory = ModelDirectory(Settings(), REGION)
    with capture_logs() as logs:
        async with keep_fresh(directory, environ, refresh=True):
            await refreshed()
    assert [line["event"] for line in logs][-1] == "the list of models was not kept"
    assert directory.catalogue.refreshed_at is not None


async def test_a_wrong_endpoint_does_not_stop_the_server(tmp_path: Path) -> None:
    """
    What the runtime does not need can't stop it.
    """
    directory = ModelDirectory(Settings(), REGION)
    with capture_logs() as logs:
        async with keep_fresh(directory, {"AWS_ENDPOINT_URL_BEDROCK": "ftp://x"}, refresh=True):
            assert names_of(directory)
    assert [line["event"] for line in logs] == ["the list of models can't be refreshed"]


async def test_leaving_ends_a_refresh_that_is_under_way(tmp_path: Path) -> None:
    """
    A control plane that does not answer holds nobody up.
    """
    asked, left = asyncio.Event(), asyncio.Event()

    async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await left.wait()
        writer.close()

    server = await asyncio.start_server(stall, "127.0.0.1", 0)
    environ = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}",
        "XDG_CACHE_HOME": str(tmp_path),
    }
    directory = ModelDirectory(Settings(), REGION)
    async with asyncio.timeout(10), keep_fresh(directory, environ, refresh=True):
        await asked.wait()
    assert directory.catalogue.refreshed_at is None
    left.set()
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize(
    ("environ", "asked"),
    [
        ({}, True),
        ({"AWS_ENDPOINT_URL": "http://x"}, True),
        ({"AWS_ENDPOINT_URL_BEDROCK_RUNTIME": "http://x"}, False),
        ({"AWS_ENDPOINT_URL_BEDROCK_RUNTIME": "http://x", "AWS_ENDPOINT_URL_BEDROCK": "http://x"}, True),
    ],
)
def test_credentials_are_not_sent_where_nobody_pointed(environ: dict[str, str], asked: bool) -> None:
    """
    A runtime that was moved elsewhere says nothing of where the control plane is.
    """
    assert can_be_asked(environ) == asked


def test_a_gateway_shows_the_age_of_what_it_learned(tmp_path: Path) -> None:
    """
    A real gateway refreshes at its start, logs it, and serves the age.
    """
    with run_outcrop("emulate", "--port", "0") as (_, emulator_url):
        environ = gateway_environment(emulator_url) | {
            "AWS_ENDPOINT_URL_BEDROCK": emulator_url,
            "XDG_CACHE_HOME": str(tmp_path),
        }
        path = find_cache_file(REGION, environ)
        write_snapshot(path, make_snapshot(emulator_url, "acme.one"))
        with run_outcrop("serve", "--port", "0", environ=environ) as (process, url):
            deadline = time.monotonic() + 20
            body = fetch(f"{url}/api/models")[1]
            while "acme.one" in {line["name"] for line in body["models"]} and time.monotonic() < deadline:
                body = fetch(f"{url}/api/models")[1]
            assert "amazon.nova-pro-v1:0" in {line["name"] for line in body["models"]}
            assert body["age_seconds"] < 60
        assert process.wait() == 0
        assert "the list of models was refreshed" in {line.get("event") for line in process.events()}


async def refreshed() -> None:
    """
    Wait until the refresh in the background has ended.
    """
    (task,) = (task for task in asyncio.all_tasks() if task.get_name() == "refresh of the models")
    async with asyncio.timeout(20):
        await asyncio.wait([task])
