"""
The page as a person uses it, against a real gateway: what is shown at the end is what the emulator's book has.
"""

import asyncio
import re
import secrets

import pytest
from playwright.async_api import BrowserContext, Page, expect

from tests.e2e.conftest import Book
from tests.page.person import LONG, ask, in_book, open_side, shown, wait_for_end

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.service]


async def test_ask_and_read(page: Page, book: Book) -> None:
    """
    The answer comes as it is written, and at the end it is the book's, with its tokens; the chat has an address.
    """
    await ask(page, LONG)
    await expect(page.locator("article.answer")).to_have_attribute("aria-busy", "true")
    await wait_for_end(page)
    assert await shown(page) == await in_book(book)
    await expect(page).to_have_url(re.compile(r"/c/[\w-]+$"))
    await expect(page.locator("article.answer")).to_contain_text("tokens")


async def test_a_stop_is_acknowledged(page: Page, book: Book) -> None:
    """
    What is shown after it is what was kept: a prefix of the book's, and the answer says that it was stopped.
    """
    await ask(page, LONG)
    await expect(page.locator("article.answer .md").first).to_be_visible()
    await page.get_by_role("button", name="Stop", exact=True).click()
    await wait_for_end(page)
    await expect(page.locator("article.answer")).to_contain_text("You stopped this answer")
    assert (await in_book(book)).startswith(await shown(page))


async def test_versions(page: Page, book: Book) -> None:
    """
    Another answer and an edited prompt are versions beside what was there, and one can go back to each.
    """
    await ask(page, "emulate 20 tokens")
    await wait_for_end(page)
    await page.get_by_role("button", name="Answer again").click()
    await expect(page.get_by_role("button", name="Previous version")).to_be_visible()
    await wait_for_end(page)
    await page.locator("article.prompt").hover()
    await page.get_by_role("button", name="Edit").click()
    await page.get_by_role("textbox", name="Edit the prompt").fill("emulate 25 tokens")
    await page.get_by_role("textbox", name="Edit the prompt").press("Enter")
    await expect(page.locator("article.prompt")).to_contain_text("emulate 25 tokens")
    await wait_for_end(page)
    await page.locator("article.prompt").get_by_role("button", name="Previous version").click()
    await expect(page.locator("article.prompt")).to_contain_text("emulate 20 tokens")
    assert len(await asyncio.to_thread(book.calls)) == 3


async def test_two_tabs(context: BrowserContext, page: Page, book: Book) -> None:
    """
    A second tab of the same chat shows the answer while it is written, and the same end.
    """
    await ask(page, "emulate 10 tokens")
    await wait_for_end(page)
    other = await context.new_page()
    await other.goto(page.url)
    await expect(other.locator("article.answer")).to_have_count(1)
    await ask(page, LONG)
    await expect(other.locator("article.answer")).to_have_count(2)
    await asyncio.gather(wait_for_end(page), wait_for_end(other))
    assert await shown(page) == await shown(other) == await in_book(book)


async def test_conversations_are_kept(page: Page, book: Book) -> None:
    """
    A chat is found by its words, renamed, deleted and taken back.
    """
    await ask(page, "zirconium is the word")
    await wait_for_end(page)
    metal = f"A metal {secrets.token_hex(4)}"
    await open_side(page)
    search = page.get_by_role("textbox", name="Search conversations")
    await search.fill("zirconium")
    await expect(page.locator("mark").first).to_have_text("zirconium")
    await search.fill("")
    await page.get_by_role("button", name="Actions for “zirconium is the word”").first.click()
    await page.get_by_role("menuitem", name="Rename").click()
    await page.get_by_role("textbox", name="New title").fill(metal)
    await page.get_by_role("textbox", name="New title").press("Enter")
    await expect(page.get_by_role("link", name=metal)).to_be_visible()
    await page.get_by_role("button", name=f"Actions for “{metal}”").click()
    await page.get_by_role("menuitem", name="Delete").click()
    await expect(page.get_by_role("link", name=metal)).to_have_count(0)
    await page.get_by_role("button", name="Undo").click()
    await expect(page.get_by_role("link", name=metal)).to_be_visible()


async def test_a_temporary_chat_leaves_nothing(page: Page, book: Book) -> None:
    """
    It is answered, knows what was said, and is in no list.
    """
    await open_side(page)
    await page.get_by_role("button", name="Temporary chat").click()
    await ask(page, "a secret metal")
    await wait_for_end(page)
    await ask(page, "what did I say before?")
    await expect(page.locator("article.answer")).to_have_count(2)
    await wait_for_end(page)
    assert "asecretmetal" in await shown(page)
    await page.goto("/".join(page.url.split("/")[:3]))
    await open_side(page)
    await expect(page.get_by_role("link", name="a secret metal")).to_have_count(0)


async def test_two_models_side_by_side(page: Page, book: Book) -> None:
    """
    One prompt is answered by both, each in its column, on one socket.
    """
    sockets: list[str] = []
    page.on("websocket", lambda socket: sockets.append(socket.url))
    await page.reload()
    await page.get_by_role("button", name="Compare with another model").click()
    await page.get_by_role("combobox").fill("haiku")
    await page.get_by_role("combobox").press("Enter")
    await ask(page, "emulate 30 tokens")
    await expect(page.locator("article.answer")).to_have_count(2)
    await wait_for_end(page)
    assert len({call["model"] for call in await asyncio.to_thread(book.calls)}) == 2
    assert len(sockets) == 1


async def test_a_failure_says_what_helps(page: Page, book: Book) -> None:
    """
    An answer that fails says why, and what to do; doing that succeeds.
    """
    book.inject({"kind": "exception", "name": "ThrottlingException", "after_tokens": 3}, times=1)
    await ask(page, "emulate 60 tokens")
    await expect(page.locator("article.answer")).to_contain_text("Wait a little")
    await page.get_by_role("button", name="Answer again").click()
    await expect(page.locator("article.answer")).to_contain_text("First token")
    await wait_for_end(page)
    assert await shown(page) == await in_book(book)
