"""
How the server listens, and how it ends: on SIGTERM it stops accepting, lets answers finish, closes the rest, exits 0.
"""

import asyncio
import contextlib
from collections.abc import Callable
from types import FrameType
from typing import Any

import structlog
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.auto_zttp_impl import AutoZttpProtocol
from uvicorn.protocols.http.zttp_impl import ZttpProtocol

from outcrop.http.protocol import PatientProtocol
from outcrop.server.direct import DirectSocket
from outcrop.server.services import Services
from outcrop.settings import Settings

FAREWELL_SECONDS = 2.0
"""
How long sockets get to take their close frame, after their answers have ended.
"""

logger = structlog.get_logger(__name__)


class GatewayServer(uvicorn.Server):
    """
    Be uvicorn's server, with a drain before its shutdown.
    """

    def __init__(self, config: uvicorn.Config, services: Services, on_listening: Callable[[int], None]) -> None:
        super().__init__(config)
        self._services = services
        self._on_listening = on_listening

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002  the signature of a signal handler
        """
        Begin the drain on the first signal; interrupt what still runs on the second.

        Unlike uvicorn's own, this does not raise the signal again at the end: a drained server has exited well.
        """
        if self.should_exit:
            self.force_exit = True
            self._loop.call_soon_threadsafe(self._services.turns.interrupt_all)
        self.should_exit = True

    async def startup(self, sockets: list[Any] | None = None) -> None:
        """
        Listen, and tell on which port.
        """
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        if self.started:
            self._on_listening(self.servers[0].sockets[0].getsockname()[1])

    async def shutdown(self, sockets: list[Any] | None = None) -> None:
        """
        Drain, then shut down.
        """
        for server in self.servers:
            server.close()
        services = self._services
        for session in list(services.sessions):
            session.drain()
        await services.turns.drain(services.settings.drain_timeout_seconds)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(services.no_sessions.wait(), FAREWELL_SECONDS)
        logger.info("drained", sockets_left=len(services.sessions))
        await super().shutdown(sockets)


class BoundedHttp(PatientProtocol):
    """
    Serve HTTP/1.1 and HTTP/2 on one port; drop a connection that does not complete its first request in time.
    """

    handshake_timeout_seconds: float = 10.0

    def connection_made(self, transport: Any) -> None:
        """
        Start the clock.
        """
        super().connection_made(transport)
        self.loop.call_later(self.handshake_timeout_seconds, _drop_if_silent, transport)


def _drop_if_silent(transport: asyncio.Transport) -> None:
    if transport.is_closing():
        return
    protocol = transport.get_protocol()
    waiting_for_bytes = isinstance(protocol, AutoZttpProtocol)
    waiting_for_headers = isinstance(protocol, ZttpProtocol) and protocol.scope is None
    if waiting_for_bytes or waiting_for_headers:
        transport.abort()


def make_uvicorn_config(app: ASGIApp, settings: Settings) -> uvicorn.Config:
    """
    Configure uvicorn as the gateway needs it.
    """
    times = {
        "handshake_timeout_seconds": settings.handshake_timeout_seconds,
        "slow_reader_timeout_seconds": settings.slow_reader_timeout_seconds,
    }
    http = type("Http", (BoundedHttp,), times)
    socket = type("Socket", (DirectSocket,), {"max_unsent_bytes": settings.max_unsent_bytes})
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=http,
        ws=socket,
        # A little more than a prompt may have, so that ours is the error that a client sees.
        ws_max_size=settings.max_prompt_bytes + (64 << 10),
        ws_per_message_deflate=False,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=5,
    )
