"""
A real gateway with its emulator, in a process of its own, and a real Chromium to visit its page.
"""

import contextlib
import json
import os
import shutil
import urllib.request
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

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

    def health(self) -> dict[str, Any]:
        """
        Return what `/healthz` says.
        """
        with urllib.request.urlopen(f"{self.url}/healthz", timeout=5) as answer:
            health: dict[str, Any] = json.load(answer)
        return health

    def break_calls(self, fault: Mapping[str, Any], *, times: int) -> None:
        """
        Let the emulator treat its next calls with a fault.
        """
        rule = json.dumps({"fault": fault, "times": times}).encode()
        url = f"{self.health()['emulator_url']}/_emulator/faults"
        with urllib.request.urlopen(urllib.request.Request(url, data=rule, method="POST"), timeout=5) as answer:
            assert answer.status == 201

    def slow_down(self) -> None:
        """
        Let the next answer take long enough for anything that a test wants to do meanwhile.
        """
        self.break_calls({"kind": "slow", "tokens_per_second": 40}, times=1)

    def mend(self) -> None:
        """
        Let the emulator treat calls as usual again.
        """
        url = f"{self.health()['emulator_url']}/_emulator/faults"
        urllib.request.urlopen(urllib.request.Request(url, method="DELETE"), timeout=5).close()


class Visit:
    """
    Be one visit of the page: its tab, and what the browser complained about.

    A test whose failure the browser is bound to report names it in `expected`.
    """

    def __init__(self, page: Page, gateway_url: str) -> None:
        self.page = page
        self.url = gateway_url
        self.expected: list[str] = []
        self._complaints: list[str] = []
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self._complaints.append(f"page error: {error}"))

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self._complaints.append(f"{message.type}: {message.text}")

    @property
    def complaints(self) -> list[str]:
        """
        What the browser said and nobody expected: errors, warnings, refusals of the content security policy.
        """
        return [one for one in self._complaints if not any(words in one for words in self.expected)]

    async def open(self, url: str | None = None, phase: str = "Ready") -> None:
        """
        Load the page and wait for a state of the connection.
        """
        await self.page.goto(url or self.url)
        await self.wait_for(phase)

    async def wait_for(self, phase: str) -> None:
        """
        Wait for a state of the connection.
        """
        await self.page.locator(f'#state[data-phase="{phase}"]').wait_for()

    async def send(self, prompt: str) -> None:
        """
        Write a prompt and press Enter.
        """
        await self.page.locator("#prompt").fill(prompt)
        await self.page.locator("#prompt").press("Enter")

    async def ask(self, prompt: str) -> str:
        """
        Send a prompt, wait for the whole answer, and return its text as drawn.
        """
        await self.send(prompt)
        await self.page.locator('.exchange:last-of-type[data-outcome="complete"]').wait_for()
        return await self.answer()

    async def answer(self) -> str:
        """
        Return the last answer's text, whatever it is by now.
        """
        return await self.page.locator(".answer").last.text_content() or ""

    async def state(self) -> str:
        """
        Return the state of the connection in the words that a person reads.
        """
        return await self.page.locator("#state").inner_text()


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
def gateway() -> Iterator[Gateway]:
    """
    Run a gateway that the module's tests share.
    """
    with running_gateway() as running:
        yield running


@pytest.fixture
def own_gateway() -> Iterator[Gateway]:
    """
    Run a gateway that the test may break.
    """
    with running_gateway() as running:
        yield running


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


@pytest_asyncio.fixture(loop_scope="module")
async def visit(browser: Browser, gateway: Gateway) -> AsyncIterator[Visit]:
    """
    Open an empty tab in a fresh profile; at the end nothing may have upset the browser.
    """
    context = await browser.new_context(viewport={"width": 1000, "height": 700}, reduced_motion="reduce")
    context.set_default_timeout(PATIENCE_MS)
    visit = Visit(await context.new_page(), gateway.url)
    yield visit
    await context.close()
    assert visit.complaints == []
