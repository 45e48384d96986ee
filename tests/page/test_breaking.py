"""
What breaks between the page and its server: whatever it is, the text shown at the end is what the emulator's book has.
"""

import asyncio
import re
import signal
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, Page, expect

from tests.e2e.conftest import Book
from tests.page.person import LONG, WAIT_MS, Relay, ask, in_book, shown, wait_for_end
from tests.support import gateway_environment, run_outcrop

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.service]


async def begin(page: Page) -> None:
    """
    Ask for a long answer, and wait until it has begun.
    """
    await ask(page, LONG)
    await expect(page.locator("article.answer .md").first).to_be_visible()


async def visit(context: BrowserContext, url: str) -> Page:
    """
    Open the page in a tab, and begin a long answer.
    """
    page = await context.new_page()
    await page.goto(url)
    await begin(page)
    return page


async def visit_through_relay(context: BrowserContext, url: str) -> tuple[Page, Relay]:
    """
    Open the page behind a relay, and begin a long answer.
    """
    relay = Relay(int(url.rpartition(":")[2]))
    await relay.start()
    return await visit(context, relay.url), relay


async def test_a_reload_in_mid_answer(page: Page, book: Book) -> None:
    """
    Nothing is lost and nothing doubled: the answer goes on in the new page, and ends as the book's.
    """
    await begin(page)
    await page.reload()
    await wait_for_end(page)
    assert await shown(page) == await in_book(book)
    assert len(await asyncio.to_thread(book.calls)) == 1


async def test_a_lost_network(context: BrowserContext, url: str, book: Book) -> None:
    """
    The connection says that it is lost, and goes on where it was when the network is back.
    """
    page, relay = await visit_through_relay(context, url)
    await relay.cut()
    await expect(page.locator('.connection[data-phase="waiting"]')).to_be_visible(timeout=WAIT_MS)
    await relay.start()
    await wait_for_end(page)
    assert await shown(page) == await in_book(book)
    assert len(await asyncio.to_thread(book.calls)) == 1
    await relay.cut()


async def test_offline_in_mid_answer(context: BrowserContext, page: Page, book: Book) -> None:
    """
    While the browser is offline the page says so, and the answer goes on; back again it is whole.
    """
    await begin(page)
    await context.set_offline(True)
    await expect(page.locator('.connection[data-phase="offline"]')).to_be_visible()
    await context.set_offline(False)
    await wait_for_end(page)
    assert await shown(page) == await in_book(book)
    assert len(await asyncio.to_thread(book.calls)) == 1


async def test_a_stop_while_the_network_is_away(context: BrowserContext, url: str, book: Book) -> None:
    """
    It is carried out once the server can be reached, and only then the page says that the answer is stopped.
    """
    page, relay = await visit_through_relay(context, url)
    await relay.cut()
    await expect(page.locator('.connection[data-phase="waiting"]')).to_be_visible(timeout=WAIT_MS)
    await page.get_by_role("button", name="Stop", exact=True).click()
    await expect(page.locator("article.answer")).to_have_attribute("data-state", "running")
    await relay.start()
    await wait_for_end(page)
    await expect(page.locator("article.answer")).to_contain_text("You stopped this answer")
    [call] = await asyncio.to_thread(book.calls)
    assert call["outcome"] != "completed"
    assert (await in_book(book)).startswith(await shown(page))
    await relay.cut()


async def test_a_killed_server(context: BrowserContext, emulator: str, book: Book, tmp_path: Path) -> None:
    """
    After kill -9 the answer is interrupted, with a true prefix on the screen; the next server continues it when asked.
    """
    environ = gateway_environment(emulator, database_url=str(tmp_path / "outcrop.db"))
    with run_outcrop("serve", "--port", "0", environ=environ) as (process, url):
        page = await visit(context, url)
        process.send_signal(signal.SIGKILL)
    with run_outcrop("serve", "--port", url.rpartition(":")[2], environ=environ):
        await expect(page.locator("article.answer")).to_contain_text("interrupted")
        assert (await in_book(book)).startswith(await shown(page))
        await page.get_by_role("button", name="Continue").click()
        await expect(page.locator("article.prompt").last).to_contain_text("go on exactly where you stopped")
        await expect(page.locator("article.answer")).to_have_count(2)
        await wait_for_end(page)
        assert await shown(page) == await in_book(book)


async def test_a_server_that_is_stopped_in_order(
    context: BrowserContext, emulator: str, book: Book, tmp_path: Path
) -> None:
    """
    It says that it restarts and lets the answer end; the page goes on with the next server.
    """
    environ = gateway_environment(emulator, database_url=str(tmp_path / "outcrop.db"))
    with run_outcrop("serve", "--port", "0", environ=environ) as (process, url):
        page = await visit(context, url)
        process.send_signal(signal.SIGTERM)
        await expect(page.locator('.connection[data-phase="draining"]')).to_be_visible()
        await wait_for_end(page)
        assert await shown(page) == await in_book(book)
        await asyncio.to_thread(process.wait)
    with run_outcrop("serve", "--port", url.rpartition(":")[2], environ=environ):
        await expect(page.locator('.connection[data-phase="live"]')).to_be_visible(timeout=WAIT_MS)
        await ask(page, "emulate 12 tokens")
        await expect(page.locator("article.answer")).to_have_count(2)
        await wait_for_end(page)
        assert await shown(page) == await in_book(book)


async def test_a_part_of_the_page_that_does_not_come(context: BrowserContext, url: str, book: Book) -> None:
    """
    What draws messages is asked for again until it comes; meanwhile the page says that it loads, and loses nothing.
    """
    page = await context.new_page()
    parts = re.compile("/assets/Messages-")
    await page.route(parts, lambda route: route.abort())
    await page.goto(url)
    await ask(page, "emulate 12 tokens")
    await expect(page.locator(".messages")).to_contain_text("Loading")
    await page.unroute(parts)
    await expect(page.locator("article.answer")).to_have_count(1)
    await wait_for_end(page)
    assert await shown(page) == await in_book(book)
