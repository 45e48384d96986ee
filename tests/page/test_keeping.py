"""
What the side bar does with conversations, beyond the journey of one: pins, files out and in, and nothing to be found.
"""

import asyncio
import json
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, Page, expect

from tests.page.person import ask, open_side, shown, squeeze, wait_for_end

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.service]


async def act(page: Page, title: str, action: str) -> None:
    """
    Choose an action of a conversation's menu.
    """
    await open_side(page)
    await page.get_by_role("button", name=f"Actions for “{title}”").first.click()
    await page.get_by_role("menuitem", name=action).click()


async def test_a_pin_puts_a_chat_above_the_others(page: Page) -> None:
    """
    A pinned chat has a place of its own, also after a reload, until the pin is taken out.
    """
    await ask(page, "copper pans")
    await wait_for_end(page)
    await act(page, "copper pans", "Pin")
    pinned = page.get_by_role("region", name="Pinned")
    await expect(pinned.get_by_role("link", name="copper pans")).to_be_visible()
    await page.reload()
    await open_side(page)
    await expect(pinned.get_by_role("link", name="copper pans")).to_be_visible()
    await act(page, "copper pans", "Unpin")
    await expect(pinned).to_have_count(0)


async def test_out_and_in_again(page: Page, tmp_path: Path) -> None:
    """
    Both exports have what was said, and the JSON one comes back as a conversation that looks the same.
    """
    await ask(page, "echo **silver** spoons")
    await wait_for_end(page)
    before = await shown(page)
    title = "echo **silver** spoons"
    async with page.expect_download() as saving:
        await act(page, title, "Export as Markdown")
    markdown = await (await saving.value).path()
    assert "**silver** spoons" in await asyncio.to_thread(markdown.read_text)
    async with page.expect_download() as saving:
        await act(page, title, "Export as JSON")
    saved = await saving.value
    target = tmp_path / saved.suggested_filename
    await saved.save_as(target)
    exported = json.loads(await asyncio.to_thread(target.read_text))
    assert "silver" in json.dumps(exported)
    address = page.url
    async with page.expect_file_chooser() as choosing:
        await page.get_by_role("button", name="Import a conversation").click()
    await (await choosing.value).set_files(target)
    await expect(page).not_to_have_url(address)
    await expect(page.locator("article.answer")).to_have_count(1)
    assert await shown(page) == before == squeeze("silver spoons")


async def test_a_file_that_is_no_conversation(context: BrowserContext, url: str, tmp_path: Path) -> None:
    """
    It is refused in words, and the words can be sent away.
    """
    page = await context.new_page()
    await page.goto(url)
    await open_side(page)
    target = tmp_path / "other.json"
    await asyncio.to_thread(target.write_text, '{"what": "else"}')
    async with page.expect_file_chooser() as choosing:
        await page.get_by_role("button", name="Import a conversation").click()
    await (await choosing.value).set_files(target)
    notice = page.locator(".toast.failed")
    await expect(notice).to_contain_text("exported conversation is wrong")
    await notice.get_by_role("button", name="Close").click()
    await expect(notice).to_have_count(0)


async def test_nothing_found_is_said(page: Page) -> None:
    """
    A search without a find says so, and Escape brings the list back.
    """
    await ask(page, "tin cans")
    await wait_for_end(page)
    await open_side(page)
    search = page.get_by_role("textbox", name="Search conversations")
    await search.fill("nowhere-to-be-found")
    await expect(page.get_by_role("navigation")).to_contain_text("Nothing found.")
    await search.press("Escape")
    await expect(page.get_by_role("link", name="tin cans").first).to_be_visible()
