"""
What a person does with the page, what is shown then, and the network between.
"""

import asyncio
import contextlib
import re

from playwright.async_api import Page, expect

from tests.e2e.conftest import Book

WAIT_MS = 20_000
LONG = "emulate 400 tokens"


class Relay:
    """
    Stand between the page and the gateway, and be cut, or fall silent.
    """

    def __init__(self, port: int) -> None:
        self._to = port
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self.url = ""
        self.passes = asyncio.Event()
        """
        While it is clear, connections stay open and nothing goes through them.
        """
        self.passes.set()

    async def start(self) -> None:
        """
        Listen.
        """
        port = int(self.url.rpartition(":")[2]) if self.url else 0
        self._server = await asyncio.start_server(self._join, "127.0.0.1", port)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def cut(self) -> None:
        """
        Close every connection, and let no new one in.
        """
        if self._server is not None:
            self._server.close()
        for writer in list(self._open):
            writer.transport.abort()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._to)
        self._open |= {writer, far_writer}
        with contextlib.suppress(OSError):
            await asyncio.gather(self._copy(reader, far_writer), self._copy(far_reader, writer))
        for each in (writer, far_writer):
            each.transport.abort()
            self._open.discard(each)

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(65_536):
            await self.passes.wait()
            writer.write(chunk)
            await writer.drain()
        writer.close()


async def ask(page: Page, text: str) -> None:
    """
    Write a prompt, and press Enter.
    """
    box = page.get_by_role("textbox", name="Prompt", exact=True)
    await box.fill(text)
    await box.press("Enter")


async def open_side(page: Page) -> None:
    """
    Show the side bar, where it is not beside the chat.
    """
    side = page.locator("#side")
    if await side.get_attribute("data-open") != "true":
        await page.get_by_role("button", name="Show conversations").click()
        await expect(side).to_have_attribute("data-open", "true")


async def wait_for_end(page: Page) -> None:
    """
    Wait until no answer is under way.
    """
    await expect(page.get_by_role("button", name="Answer again").last).to_be_enabled(timeout=WAIT_MS)
    await expect(page.get_by_role("button", name="Stop", exact=True)).to_have_count(0, timeout=WAIT_MS)


async def shown(page: Page) -> str:
    """
    Return the words of the last answer, without white space: Markdown is free in that.
    """
    return squeeze("".join(await page.locator("article.answer").last.locator(".md").all_text_contents()))


def squeeze(text: str) -> str:
    """
    Leave white space out.
    """
    return re.sub(r"\s+", "", text)


async def in_book(book: Book, at: int = -1) -> str:
    """
    Return what the emulator has sent in its last call.
    """
    calls = await asyncio.to_thread(book.calls)
    return squeeze(str(calls[at]["text_emitted"]["text"]))


async def wait_until(page: Page, expression: str) -> None:
    """
    Wait until an expression is true in the page. Asked from outside: the page's policy lets no text be run inside.
    """
    async with asyncio.timeout(WAIT_MS / 1000):
        while not await page.evaluate(expression):
            await asyncio.sleep(0.02)
