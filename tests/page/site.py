"""
The built page, served by the gateway's own code for it and without a gateway: the headers are the real ones.
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import uvicorn
from playwright.async_api import Page
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

import outcrop
from outcrop.server.guard import Guard, GuardRules
from outcrop.server.page import read_page
from tests.page.conftest import PATIENCE_MS

PROBES = ("/api/probe", "/v1/probe", "/model/probe")
BUILT = Path(outcrop.__file__).parent / "server" / "built"


class Site:
    """
    Be a server of a build of the page, without a gateway. It can be given another build, and it can fall silent.
    """

    def __init__(self, folder: Path) -> None:
        self.url = ""
        self.asked: list[str] = []
        """
        The paths that were asked for, in order.
        """
        self.answers = asyncio.Event()
        self.answers.set()
        self.deploy(folder)

    def deploy(self, folder: Path) -> None:
        """
        Serve another build from now on.
        """
        page = read_page(folder)
        assert page is not None
        routes = [*(Route(path, self._probe) for path in PROBES), *page.routes()]
        self._app = Guard(Starlette(routes=routes), GuardRules(hosts=frozenset()))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """
        Serve one request, as soon as the site answers.
        """
        if scope["type"] == "http":
            self.asked.append(scope["path"])
            await self.answers.wait()
            await self._app(scope, receive, send)

    async def _probe(self, request: Request) -> JSONResponse:
        return JSONResponse({"path": request.url.path})


def find_built() -> Path:
    """
    Find the built page; `make test` builds it. Without one, skip, or fail where services are required.
    """
    if not (BUILT / "index.html.gz").is_file():
        reason = "the page is not built: sh scripts/page.sh build"
        if os.environ.get("OUTCROP_REQUIRE_SERVICES") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return BUILT


@contextlib.asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[Site]:
    """
    Serve a built page, and nothing of a gateway, until the block ends.
    """
    running = Site(folder)
    server = uvicorn.Server(uvicorn.Config(running, log_level="error", lifespan="off", timeout_graceful_shutdown=1))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        running.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        task = asyncio.create_task(server.serve([listener]))
        try:
            yield running
        finally:
            running.answers.set()
            server.should_exit = True
            await task


async def wait_until(page: Page, expression: str, *, patience_ms: float = PATIENCE_MS) -> None:
    """
    Wait until an expression is true in the page. Asked from outside: the page's policy lets no text be run inside.
    """
    async with asyncio.timeout(patience_ms / 1000):
        while not await page.evaluate(expression):
            await asyncio.sleep(0.02)
