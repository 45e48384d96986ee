"""
Tests of `outcrop.emulator.regions`: what requests to a region meet, and how its health is set.
"""

import json
from typing import Any

import pytest

from outcrop.emulator.regions import MAX_REGIONS, InvalidRegions, RegionBook, parse_regions
from tests.emulator.conftest import LLAMA, Reply, StartEmulator, Wire

BODY = {"messages": [{"role": "user", "content": [{"text": "echo good morning"}]}]}


async def ask(wire: Wire, region: str) -> Reply:
    """
    Call a model, signed for a region.
    """
    scope = f"AKIDEXAMPLE/20261121/{region}/bedrock/aws4_request"
    signature = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature={'0' * 64}"
    return await wire.call("converse", LLAMA, BODY, {"authorization": signature})


async def set_regions(wire: Wire, **regions: Any) -> Reply:
    """
    Set the regions' health; underscores stand for dashes.
    """
    document = {name.replace("_", "-"): health for name, health in regions.items()}
    return await wire.request("PUT", "/_emulator/regions", json.dumps(document).encode())


async def test_a_region_is_down_and_others_are_not(wire: Wire) -> None:
    """
    A request signed for a region that is down is 503, one for another region is served.
    """
    assert (await set_regions(wire, us_east_1={"health": "down"}, us_west_2={"health": "ok"})).status == 200
    down = await ask(wire, "us-east-1")
    assert (down.status, down.error) == (503, "serviceunavailableexception")
    assert (await ask(wire, "us-west-2")).status == 200
    assert [call["outcome"] for call in await wire.calls()] == ["refused:ServiceUnavailableException", "completed"]


async def test_a_region_throttles(wire: Wire) -> None:
    """
    A request to a throttled region is 429 with the words for too many requests.
    """
    await set_regions(wire, us_west_2={"health": "throttled"})
    throttled = await ask(wire, "us-west-2")
    assert (throttled.status, throttled.error) == (429, "throttlingexception")
    assert throttled.json() == {"message": "Too many requests, please wait before trying again."}


async def test_requests_without_region_have_the_emulators(wire: Wire) -> None:
    """
    An unsigned request meets the health of the emulator's own region, on the control plane too.
    """
    await set_regions(wire, us_east_1={"health": "down"})
    assert (await wire.call("converse", LLAMA, BODY)).status == 503
    assert (await wire.request("GET", "/foundation-models")).status == 503


async def test_a_slow_region_takes_its_time(start_emulator: StartEmulator) -> None:
    """
    With a tenth of its pace a region needs ten times as long to the first token.
    """
    wire = await start_emulator(first_token_ms=10)
    await set_regions(wire, us_west_2={"health": "slow", "pace": 0.1})
    assert (await ask(wire, "us-east-1")).status == 200
    slow = await ask(wire, "us-west-2")
    assert slow.json()["metrics"]["latencyMs"] >= 100


async def test_a_region_is_slow_where_there_is_no_pace(wire: Wire) -> None:
    """
    An emulator without any pace has one in a slow region: two tokens more at 60 a second, and half of that.
    """
    await set_regions(wire, us_west_2={"health": "slow", "pace": 0.5})
    slow = await ask(wire, "us-west-2")
    tokens = slow.json()["usage"]["outputTokens"]
    assert tokens > 1
    assert slow.json()["metrics"]["latencyMs"] >= (tokens - 1) * 1000 / 30 - 1


async def test_health_can_be_read_and_cleared(wire: Wire) -> None:
    """
    `PUT` replaces all regions, `GET` shows them, `DELETE` makes them well.
    """
    await set_regions(wire, us_east_1={"health": "down"})
    await set_regions(wire, us_west_2={"health": "slow", "pace": 0.5})
    shown = (await wire.request("GET", "/_emulator/regions")).json()
    assert shown == {"us-west-2": {"health": "slow", "pace": 0.5}}
    assert (await wire.request("DELETE", "/_emulator/regions")).status == 204
    assert (await wire.request("GET", "/_emulator/regions")).json() == {}
    assert (await ask(wire, "us-west-2")).status == 200


@pytest.mark.parametrize(
    "document",
    [
        [],
        {"moon": {"health": "ok"}},
        {"us-east-1\n": {"health": "ok"}},
        {"us-east-1": "down"},
        {"us-east-1": {}},
        {"us-east-1": {"health": "ill"}},
        {"us-east-1": {"health": "slow", "pace": 0}},
        {"us-east-1": {"health": "slow", "pace": 2}},
        {"us-east-1": {"health": "ok", "since": 1}},
    ],
    ids=str,
)
async def test_wrong_health_is_refused_with_what_is_allowed(wire: Wire, document: Any) -> None:
    """
    A document that is none changes nothing and is answered by what it may be.
    """
    reply = await wire.request("PUT", "/_emulator/regions", json.dumps(document).encode())
    assert reply.status == 400
    assert "health (ok, down, slow, throttled) and pace" in reply.json()["message"]
    assert (await wire.request("GET", "/_emulator/regions")).json() == {}


def test_regions_are_bounded() -> None:
    """
    There can't be more than a hundred.
    """
    regions = {f"us-east{'x' * number}-1": {"health": "ok"} for number in range(12)}
    assert len(parse_regions(json.dumps(regions).encode())) == 12
    many = {f"a{chr(97 + n // 26)}-{chr(97 + n % 26) * 2}-1": {"health": "ok"} for n in range(MAX_REGIONS + 1)}
    with pytest.raises(InvalidRegions, match="limit is 100"):
        parse_regions(json.dumps(many).encode())


def test_unknown_regions_are_well() -> None:
    """
    A region that nobody spoke of has its usual pace.
    """
    assert RegionBook().pace_in("eu-west-1") == 1
