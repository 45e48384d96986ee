"""
The end of a Responses socket's time, on a server in this process: an hour is too long for a test.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from outcrop.server.app import EMULATOR_CREDENTIALS, build_services
from outcrop.server.lifecycle import make_uvicorn_config
from outcrop.server.openai_socket import ResponsesEndpoint
from outcrop.server.services import UpstreamInfo
from outcrop.settings import Settings
from outcrop.upstream.client import BedrockClient
from outcrop.upstream.credentials import StaticCredentials
from outcrop.upstream.deadlines import Deadlines
from outcrop.upstream.pool import PoolLimits

NOBODY = "http://127.0.0.1:9"
WAIT_SECONDS = 30


class HastyEndpoint(ResponsesEndpoint):
    """
    Serve sockets that end soon.
    """

    max_seconds = 0.3


@pytest.fixture
async def url() -> AsyncIterator[str]:
    """
    Serve hasty sockets on a free port; Bedrock is out of reach.
    """
    settings = Settings(port=0, database_url="none")
    client = BedrockClient(
        endpoint_url=NOBODY,
        region="us-east-1",
        credentials=StaticCredentials(credentials=EMULATOR_CREDENTIALS),
        deadlines=Deadlines(connect_seconds=1, first_byte_seconds=1, idle_seconds=1, total_seconds=1),
        limits=PoolLimits(max_connections=1),
    )
    info = UpstreamInfo(kind="bedrock", region="us-east-1", endpoint_url=NOBODY, credentials="none needed")
    cleanup = AsyncExitStack()
    services = await build_services(settings, client, info, cleanup)
    app = Starlette(routes=[WebSocketRoute("/v1/responses", HastyEndpoint(services))])
    server = uvicorn.Server(make_uvicorn_config(app, settings))
    serving = asyncio.create_task(server.serve())
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            while not server.started:
                await asyncio.sleep(0.01)
        yield f"ws://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/v1/responses"
    finally:
        server.should_exit = True
        await serving
        await client.aclose()
        await cleanup.aclose()


async def test_a_socket_ends_after_its_time(url: str) -> None:
    """
    A socket that was open for its time is told so, and closed.
    """
    async with connect(url, compression=None) as socket, asyncio.timeout(WAIT_SECONDS):
        event = json.loads(await socket.recv())
        assert (event["type"], event["error"]["code"]) == ("error", "websocket_connection_limit_reached")
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        assert socket.close_code == 1000


async def test_an_unknown_model_is_an_event(url: str) -> None:
    """
    A request for a model that nobody knows is answered with an error on the socket.
    """
    async with connect(url, compression=None) as socket, asyncio.timeout(WAIT_SECONDS):
        await socket.send(json.dumps({"type": "response.create", "model": "no-such-model", "input": "hello"}))
        event = json.loads(await socket.recv())
        assert (event["type"], event["status"], event["error"]["code"]) == ("error", 404, "model_not_found")
