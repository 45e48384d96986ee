"""
Where a walk through the page's states is at: the page, the servers behind it, and what a person does on the way.
"""

import asyncio
import contextlib
import struct
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.async_api import FilePayload, Locator, Page, expect

from tests.e2e.conftest import Book
from tests.page.person import WAIT_MS, open_side
from tests.page.states.look import Looker
from tests.support import Process, gateway_environment, run_outcrop

SILENCE_SECONDS = 100
"""
Longer than anybody looks: a state that lasts until it is left.
"""


class Servers:
    """
    Start gateways, and close them all at the end; those that no visit changes are started once.
    """

    last: Process
    """
    The one that was started last for one visit.
    """

    def __init__(self, emulator: str, running: contextlib.ExitStack) -> None:
        self._emulator = emulator
        self._running = running
        self._shared: dict[str, str] = {}

    async def start(self, port: str = "0", **settings: str) -> str:
        """
        Start a gateway for one visit; give its address.
        """
        self.last, url = await self._serve("--port", port, **settings)
        return url

    async def share(self, name: str, *arguments: str, **settings: str) -> str:
        """
        Give the address of a gateway for all visits that name it; what it is given is what the first one says.
        """
        if name not in self._shared:
            _, self._shared[name] = await self._serve("--port", "0", *arguments, **settings)
        return self._shared[name]

    async def _serve(self, *arguments: str, **settings: str) -> tuple[Process, str]:
        serving = run_outcrop("serve", *arguments, environ=gateway_environment(self._emulator, **settings))
        return await asyncio.to_thread(self._running.enter_context, serving)


@dataclass
class Scene:
    """
    Be a walk: one page in one size, a gateway that keeps conversations, its emulator, and more gateways where needed.
    """

    page: Page
    url: str
    book: Book
    looker: Looker
    servers: Servers
    folder: Path

    @property
    def answer(self) -> Locator:
        """
        The last answer.
        """
        return self.page.locator("article.answer").last

    def button(self, name: str) -> Locator:
        """
        Find a button by its whole name; the last one, where each message has it.
        """
        return self.page.get_by_role("button", name=name, exact=True).last

    def silence(self, **where: Any) -> None:
        """
        Let the next answer fall silent, and stay so.
        """
        self.book.inject({"kind": "silence", "seconds": SILENCE_SECONDS, **where}, times=1)

    async def open(self, url: str = "") -> None:
        """
        Load the page, and wait until it is connected.
        """
        await self.page.goto(url or self.url)
        await expect(self.page.locator('.connection[data-phase="live"]')).to_be_attached()

    async def begin(self) -> None:
        """
        Begin a new chat.
        """
        await self.button("New chat").click()
        await expect(self.page.locator("article")).to_have_count(0)

    async def ask(self, text: str, state: str = "completed") -> None:
        """
        Ask, and wait until the answer is in a state.
        """
        count = await self.page.locator("article.answer").count()
        await self.send(text)
        await expect(self.page.locator("article.answer")).to_have_count(count + 1)
        await expect(self.answer).to_have_attribute("data-state", state, timeout=WAIT_MS)
        await expect(self.answer.locator(".plain")).to_have_count(0)

    async def send(self, text: str) -> None:
        """
        Write a prompt, and send it.
        """
        box = self.page.locator("#prompt")
        await box.fill(text)
        await box.press("Enter")

    async def stop(self) -> None:
        """
        Stop the answer, and wait for its end.
        """
        await self.button("Stop").click()
        await expect(self.answer).to_have_attribute("data-state", "stopped", timeout=WAIT_MS)

    async def leave_dialog(self) -> None:
        """
        Close the dialog with Escape.
        """
        await self.page.keyboard.press("Escape")
        await expect(self.page.get_by_role("dialog")).to_have_count(0)
        await self.looker.keep_focus("a dialog")

    async def open_side(self) -> None:
        """
        Open the side bar, where it is not open.
        """
        await open_side(self.page)
        await expect(self.page.locator("#side")).to_be_visible()


State = Callable[[Scene], Awaitable[None]]
"""
Leads to a state from where the one before it in its table has left the page.
"""


def draw_picture(width: int = 640, height: int = 400) -> bytes:
    """
    Draw a PNG of hills before an evening sky.
    """

    def pixel(x: int, y: int) -> bytes:
        hill = height * 3 // 4 - (x * (width - x) * 5 // width**2) * height // 12
        return (
            bytes((40, 84 + 60 * x // width, 72))
            if y > hill
            else bytes((250 - 90 * y // height, 190 - 60 * y // height, 150))
        )

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    rows = b"".join(b"\0" + b"".join(pixel(x, y) for x in range(width)) for y in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def make_file(name: str, media_type: str, content: bytes) -> FilePayload:
    """
    Make a file as a person would choose one.
    """
    return {"name": name, "mimeType": media_type, "buffer": content}
