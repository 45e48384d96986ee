"""
A family that nobody has heard of: one adapter, one catalogue entry, one file for the emulator, and it works end to end.
"""

from contextlib import AsyncExitStack
from pathlib import Path

import pytest

import outcrop.emulator.app
from outcrop.adapters.registry import ADAPTERS
from outcrop.catalogue.models import add_file, load_catalogue
from outcrop.emulator.families.table import FAMILIES
from outcrop.emulator.server import EmulatorServer
from outcrop.emulator.settings import EmulatorConfig
from outcrop.server.app import build_services
from outcrop.server.services import UpstreamInfo
from outcrop.settings import load_settings
from outcrop.upstream.client import BedrockClient
from outcrop.upstream.credentials import StaticCredentials
from outcrop.wire.sigv4 import Credentials
from tests.adapters.test_new_family import PebbleAdapter
from tests.e2e.made_up import emulated_pebble
from tests.e2e.matrix import CASES, ask

CATALOGUE = Path(__file__).parent / "made_up" / "pebble.toml"


async def test_a_made_up_family_takes_three_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    With its three files in their places, a made-up model answers, streamed as whole, by its name alone.
    """
    monkeypatch.setitem(ADAPTERS, "pebble", PebbleAdapter())
    monkeypatch.setitem(FAMILIES, "pebble", emulated_pebble.FAMILY)
    extended = add_file(load_catalogue(), CATALOGUE)
    monkeypatch.setattr(outcrop.emulator.app, "load_catalogue", lambda: extended)
    async with AsyncExitStack() as cleanup:
        emulator = EmulatorServer(EmulatorConfig(first_token_ms=0, tokens_per_second=0))
        await emulator.start()
        cleanup.push_async_callback(emulator.stop)
        client = BedrockClient(
            endpoint_url=emulator.url,
            region="us-east-1",
            credentials=StaticCredentials(credentials=Credentials("AKIDEXAMPLE", "secret")),
        )
        cleanup.push_async_callback(client.aclose)
        info = UpstreamInfo(kind="emulator", region="us-east-1", endpoint_url=emulator.url, credentials="static")
        services = await build_services(
            load_settings({"catalogue": CATALOGUE, "database_url": "none"}), client, info, cleanup
        )
        whole = await ask(services, "quarry.pebble-1", CASES["text"], stream=False)
        streamed = await ask(services, "quarry.pebble-1", CASES["text"], stream=True)
    assert whole.text == streamed.text
    assert "basalt 山 🏔️" in whole.text
