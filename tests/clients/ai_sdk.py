"""
What tests of the npm package `ai` share: its scenarios in Node, what it shows, and a gateway that pings often.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from outcrop.server.app import build_app, build_services
from outcrop.server.lifecycle import GatewayServer, make_uvicorn_config
from outcrop.server.services import UpstreamInfo
from outcrop.settings import load_settings
from outcrop.upstream.client import BedrockClient
from outcrop.upstream.credentials import StaticCredentials
from outcrop.wire.sigv4 import Credentials

SCRIPT = Path(__file__).parent / "js" / "ai_sdk.mjs"
PATIENCE_SECONDS = 60


async def play_scenario(node: Path, scenario: str, options: dict[str, Any]) -> Any:
    """
    Play one scenario of `js/ai_sdk_scenarios.mjs` in a process of its own, and return what the page then has.
    """
    pipe = asyncio.subprocess.PIPE
    arguments = [str(SCRIPT), scenario, json.dumps(options)]
    process = await asyncio.create_subprocess_exec(str(node), *arguments, stdout=pipe, stderr=pipe)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            printed, complaint = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, complaint.decode()
    return json.loads(printed)


@asynccontextmanager
async def run_pinging_gateway(emulator_url: str, ping_seconds: float) -> AsyncIterator[str]:
    """
    Run a gateway in this process, because no setting says how often it pings.
    """
    settings = load_settings({"port": 0, "database_url": "none"})
    source = StaticCredentials(credentials=Credentials("AKIDEXAMPLE", "secret"))
    info = UpstreamInfo(kind="emulator", region="us-east-1", endpoint_url=emulator_url, credentials="static")
    client = BedrockClient(endpoint_url=emulator_url, region=info.region, credentials=source)
    cleanup = AsyncExitStack()
    services = await build_services(settings, client, info, cleanup)
    services.chat_limits = msgspec.structs.replace(services.chat_limits, ping_seconds=ping_seconds)
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    server = GatewayServer(make_uvicorn_config(build_app(services), settings), services, port.set_result)
    serving = asyncio.create_task(server.serve())
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            yield f"http://127.0.0.1:{await port}"
    finally:
        server.should_exit = True
        await serving
        await cleanup.aclose()
        await client.aclose()


def text_of(message: dict[str, Any]) -> str:
    """
    Join a message's text.
    """
    return "".join(part["text"] for part in message["parts"] if part["type"] == "text")


def emitted(call: dict[str, Any]) -> str:
    """
    Return the text that the emulator has sent in a call.
    """
    return str(call["text_emitted"]["text"])


def part_of(message: dict[str, Any], kind: str) -> dict[str, Any]:
    """
    Return the message's only part of a kind.
    """
    (part,) = [part for part in message["parts"] if part["type"] == kind]
    found: dict[str, Any] = part
    return found
