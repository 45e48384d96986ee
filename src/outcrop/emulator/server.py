"""
Serve the emulator: HTTP/1.1 and HTTP/2 without TLS on one port, inside the caller's event loop or in its own.

The AWS SDK for JavaScript speaks HTTP/2 with prior knowledge, all others HTTP/1.1; the first bytes tell which.
uvicorn's protocols do the work; its server is left out, because it would install signal handlers and exit on its own.
"""

import asyncio
import signal
import sys
from typing import Any

from uvicorn.config import Config
from uvicorn.server import ServerState

from outcrop.emulator.app import create_app
from outcrop.emulator.protocol import EmulatorProtocol
from outcrop.emulator.settings import EmulatorConfig

_KEEP_ALIVE_SECONDS = 75
_STOP_PATIENCE_SECONDS = 5.0


class EmulatorServer:
    """
    Run an emulator in the running event loop. `stop` must be called.
    """

    def __init__(self, config: EmulatorConfig) -> None:
        self.app = create_app(config)
        """The application: its `book` and `faults` can be used directly by whoever embeds it."""
        self._config = config
        self._state = ServerState()
        self._server: asyncio.Server | None = None

    async def start(self) -> int:
        """
        Begin to serve and return the port.

        Raises:
            OSError: the address can't be bound.
        """
        config = Config(
            self.app,
            http=EmulatorProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        )
        config.load()
        loop = asyncio.get_running_loop()

        def make_protocol() -> asyncio.Protocol:
            return EmulatorProtocol(config, self._state, {}, loop)

        self._server = await loop.create_server(make_protocol, self._config.host, self._config.port, backlog=2048)
        return self.port

    @property
    def port(self) -> int:
        """
        The port that is served; the server must have been started.
        """
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def url(self) -> str:
        """
        The endpoint for SDKs; the server must have been started.
        """
        host = self._config.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    async def stop(self) -> None:
        """
        Stop serving. Calls under way are reset: an emulator has no manners to keep.
        """
        if self._server is None:
            return
        self._server.close()
        for connection in list(self._state.connections):
            connection.transport.abort()
        tasks = set(self._state.tasks)
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=_STOP_PATIENCE_SECONDS)
            for task in late:
                task.cancel()
        self._server = None


def run(config: EmulatorConfig) -> None:
    """
    Serve until SIGTERM or SIGINT, printing the endpoint first.

    Raises:
        OSError: the address can't be bound.
    """
    factory: Any = None
    if sys.platform != "win32":
        import uvloop  # noqa: PLC0415  not there on Windows

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(_serve(config))


async def _serve(config: EmulatorConfig) -> None:
    server = EmulatorServer(config)
    await server.start()
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        if sys.platform == "win32":
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stopped.set))
        else:
            loop.add_signal_handler(number, stopped.set)
    sys.stdout.write(f"emulator listens on {server.url}\n")
    sys.stdout.flush()
    try:
        await stopped.wait()
    finally:
        await server.stop()
