"""
A real gateway with its emulator, in a process of its own, and a real Chromium to visit its page.
"""

import contextlib
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright

from tests.support import Process

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
