"""
What the page says of its connection, of refusals and of keys, and that it is true.
"""

import asyncio
import json
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, Page, expect

from outcrop.accounts.authenticate import make_key
from tests.e2e.conftest import Book
from tests.page.person import LONG, Relay, ask, in_book, shown, wait_for_end
from tests.support import gateway_environment, run_outcrop

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.service]

SILENCE_MS = 26_000


async def test_a_connection_that_fell_silent(context: BrowserContext, url: str, book: Book) -> None:
    """
    A socket that is open and dead is noticed by its missing heartbeat, and the answer goes on over another one.
    """
    relay = Relay(int(url.rpartition(":")[2]))
    await relay.start()
    page = await context.new_page()
    await page.clock.install()
    await page.goto(relay.url)
    await ask(page, LONG)
    await expect(page.locator("article.answer .md").first).to_be_visible()
    relay.passes.clear()
    await page.clock.fast_forward(SILENCE_MS)
    connection = page.locator(".connection")
    await expect(connection).not_to_have_attribute("data-phase", "live")
    await expect(page.locator("article.answer")).to_have_attribute("aria-busy", "true")
    relay.passes.set()
    await page.clock.fast_forward(SILENCE_MS)
    await wait_for_end(page)
    await expect(connection).to_have_attribute("data-phase", "live")
    assert await shown(page) == await in_book(book)
    assert len(await asyncio.to_thread(book.calls)) == 1
    await relay.cut()


async def test_the_browser_says_it_is_offline(context: BrowserContext, page: Page) -> None:
    """
    The page says so, and is connected again when the network is back.
    """
    connection = page.locator(".connection")
    await expect(connection).to_have_attribute("data-phase", "live")
    await context.set_offline(True)
    await expect(connection).not_to_have_attribute("data-phase", "live")
    await context.set_offline(False)
    await expect(connection).to_have_attribute("data-phase", "live")
    await expect(connection).to_contain_text("Connected")


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("ThrottlingException", "Wait a little"),
        ("AccessDeniedException", "Choose another one"),
        ("ValidationException", "Change the prompt"),
    ],
)
async def test_a_refusal_says_what_helps(page: Page, book: Book, name: str, remedy: str) -> None:
    """
    What Bedrock refuses before the first word is told with a remedy, and answering again works.
    """
    book.inject({"kind": "http_error", "name": name})
    await ask(page, "emulate 8 tokens")
    answer = page.locator("article.answer")
    await expect(answer).to_have_attribute("data-state", "failed")
    await expect(answer.locator(".failure")).to_contain_text(remedy)
    book.clear()
    await page.get_by_role("button", name="Answer again").click()
    await expect(answer).to_have_attribute("data-state", "completed")
    assert await shown(page) == await in_book(book)


async def test_an_answer_that_breaks_off(page: Page, book: Book) -> None:
    """
    What came before a failure stays, is a prefix of what Bedrock sent, and is not taken for the whole.
    """
    book.inject({"kind": "exception", "name": "ModelStreamErrorException", "after_tokens": 20}, times=1)
    await ask(page, LONG)
    answer = page.locator("article.answer")
    await expect(answer).to_have_attribute("data-state", "failed")
    await expect(answer.locator(".failure")).to_contain_text("Answer again")
    kept = await shown(page)
    assert kept
    assert (await in_book(book)).startswith(kept)


async def test_a_key_is_asked_for(context: BrowserContext, emulator: str, tmp_path: Path) -> None:
    """
    A wrong key is refused in words, the right one opens the page; it is in no address, and only in this tab.
    """
    key, digest = make_key()
    asked: list[str] = []
    page = await context.new_page()
    page.on("request", lambda request: asked.append(request.url))
    page.on("websocket", lambda socket: asked.append(socket.url))
    settings = {"database_url": str(tmp_path / "outcrop.db"), "api_keys": json.dumps({"ann": digest})}
    with run_outcrop("serve", "--port", "0", environ=gateway_environment(emulator, **settings)) as (_, url):
        await page.goto(url)
        box = page.get_by_label("This server wants a key")
        await box.fill("outcrop_wrong")
        await box.press("Enter")
        await expect(box).to_have_value("")
        await expect(box).to_have_attribute("type", "password")
        await box.fill(key)
        await box.press("Enter")
        await expect(box).to_have_count(0)
        await ask(page, "emulate 5 tokens")
        await wait_for_end(page)
        await page.reload()
        await expect(page.locator("article.answer")).to_have_count(1)
        other = await context.new_page()
        await other.goto(url)
        await expect(other.get_by_label("This server wants a key")).to_be_visible()
    assert any(each.startswith("ws") for each in asked)
    assert not any(key in each for each in asked)
    assert key not in await page.evaluate("JSON.stringify({...localStorage}) + document.cookie")
