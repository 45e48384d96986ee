"""
A real gateway with its emulator, in a process of its own, and a real Chromium to visit its page.
"""

import contextlib
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, async_playwright, expect

from tests.e2e.conftest import Book
from tests.page.person import WAIT_MS
from tests.support import Process, gateway_environment, run_outcrop

CHROMIUM_PATHS = ("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome")
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--no-first-run",
]
PACE = ["--first-token-ms", "50", "--tokens-per-second", "400", "--jitter", "0"]
PATIENCE_MS = 10_000
LOOKS: dict[str, dict[str, Any]] = {
    "wide-light": {"viewport": {"width": 1280, "height": 800}, "color_scheme": "light"},
    "narrow-dark": {
        "viewport": {"width": 390, "height": 780},
        "color_scheme": "dark",
        "has_touch": True,
        "is_mobile": True,
    },
}
"""
How the page is looked at: at a desk, and on a phone. Each journey is made in both.
"""
OFFLINE = "net::ERR_INTERNET_DISCONNECTED"
"""
What the browser says of requests while a test keeps it offline.
"""

# Without this each expectation waits five seconds, whatever the context says: less than a page waits between attempts.
expect.set_options(timeout=WAIT_MS)


class Gateway:
    """
    Be one running gateway with its embedded emulator.
    """

    def __init__(self, process: Process) -> None:
        self.process = process
        self.url = process.wait_for_url()


class Visit:
    """
    Be one visit of the page: its tab, and what the browser complained about: errors, warnings, refusals of the policy.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.complaints.append(f"page error: {error}"))

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(f"{message.type}: {message.text}")


def find_chromium() -> str:
    """
    Return the path of Chromium; without one, skip, or fail where services are required.
    """
    found = next((path for path in CHROMIUM_PATHS if Path(path).exists()), None) or shutil.which("chromium")
    if found is not None:
        return found
    reason = "Chromium is not installed; on Debian: apt-get install chromium"
    if os.environ.get("OUTCROP_REQUIRE_SERVICES") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@contextlib.contextmanager
def running_gateway(**settings: str) -> Iterator[Gateway]:
    """
    Run a gateway with settings, until the block ends.
    """
    environ = {f"OUTCROP_{name.upper()}": value for name, value in settings.items()}
    process = Process("serve", "--port", "0", "--emulate", *PACE, environ=environ)
    try:
        yield Gateway(process)
    finally:
        process.close()


@pytest.fixture(scope="module")
def emulator() -> Iterator[str]:
    """
    Run an emulator that streams at a pace that can be watched.
    """
    with run_outcrop("emulate", "--port", "0", "--first-token-ms", "50", "--tokens-per-second", "150") as (_, url):
        yield url


@pytest.fixture(scope="module")
def url(emulator: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """
    Run a gateway that keeps conversations.
    """
    path = tmp_path_factory.mktemp("kept") / "outcrop.db"
    with run_outcrop("serve", "--port", "0", environ=gateway_environment(emulator, database_url=str(path))) as (_, it):
        yield it


@pytest.fixture
def book(emulator: str) -> Book:
    """
    Give the emulator's book, empty.
    """
    found = Book(emulator)
    found.clear()
    return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """
    Run one Chromium for the module's tests.
    """
    executable = find_chromium()
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=executable, args=CHROMIUM_ARGUMENTS)
        yield chromium
        await chromium.close()


@pytest_asyncio.fixture(loop_scope="module", params=LOOKS)
async def context(browser: Browser, request: pytest.FixtureRequest) -> AsyncIterator[BrowserContext]:
    """
    Open a profile, in each look.
    """
    opened = await browser.new_context(**LOOKS[request.param], reduced_motion="reduce", locale="en-US")
    opened.set_default_timeout(WAIT_MS)
    yield opened
    await opened.close()


@pytest_asyncio.fixture(loop_scope="module")
async def page(context: BrowserContext, url: str) -> AsyncIterator[Page]:
    """
    Open the page; at the end it may not have failed on an error of its own, nor been refused anything.
    """
    visit = Visit(await context.new_page())
    await visit.page.goto(url)
    yield visit.page
    assert [one for one in visit.complaints if OFFLINE not in one] == []
