"""
The page for everyone: the keyboard alone, input methods, screen readers, the smallest screen, other languages.

Rules of accessibility are in `test_states.py`, for each state of the page.
"""

import re
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.page.states.look import SIZES
from tests.page.states.reading import SAMPLE
from tests.support import gateway_environment, run_outcrop

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.service]

WAIT_MS = 20_000


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """
    Run a gateway that keeps conversations.
    """
    path = tmp_path_factory.mktemp("kept") / "outcrop.db"
    pace = ["--first-token-ms", "10", "--tokens-per-second", "400"]
    with run_outcrop("emulate", "--port", "0", *pace) as (_, emulator):
        environ = gateway_environment(emulator, database_url=str(path))
        with run_outcrop("serve", "--port", "0", environ=environ) as (_, found):
            yield found


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser, url: str) -> AsyncIterator[Page]:
    """
    Open the page, and wait until it is connected.
    """
    context = await browser.new_context(**SIZES["wide"], reduced_motion="reduce", locale="en-US")
    context.set_default_timeout(WAIT_MS)
    opened = await context.new_page()
    await opened.goto(url)
    await expect(opened.locator('.connection[data-phase="live"]')).to_be_attached()
    yield opened
    await context.close()


async def ask(page: Page, text: str) -> None:
    """
    Ask, and wait for the end of the answer.
    """
    box = page.get_by_role("textbox", name="Prompt", exact=True)
    await box.fill(text)
    await box.press("Enter")
    await expect(page.locator("article.answer").last).to_have_attribute("data-state", "completed", timeout=WAIT_MS)


async def test_the_smallest_screen(page: Page) -> None:
    """
    At 320 pixels everything is there, and nothing scrolls sideways.
    """
    await page.set_viewport_size({"width": 320, "height": 600})
    await ask(page, f"echo {SAMPLE}")
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await expect(page.get_by_role("textbox", name="Prompt", exact=True)).to_be_in_viewport()


async def test_the_keyboard_alone(page: Page) -> None:
    """
    Choose a model, ask, stop, ask again, rename and delete the chat, and read the list of keys: without a pointer.
    """
    keys = page.keyboard
    await expect(page.locator("#prompt")).to_be_focused()
    await keys.press("Shift+Tab")
    for _ in range(12):
        if await page.locator(".model-button").first.evaluate("each => each === document.activeElement"):
            break
        await keys.press("Shift+Tab")
    await keys.press("Enter")
    await expect(page.get_by_role("combobox")).to_be_focused()
    await keys.type("sonnet")
    await keys.press("ArrowDown")
    await keys.press("Enter")
    await expect(page.get_by_role("combobox")).to_have_count(0)
    await expect(page.locator(".model-button").first).to_contain_text("Sonnet")
    await page.locator("#prompt").focus()
    await keys.type("emulate 600 tokens")
    await keys.press("Enter")
    await expect(page.locator("article.answer .md").first).to_be_visible()
    await keys.press("Escape")
    await expect(page.locator("article.answer")).to_have_attribute("data-state", "stopped", timeout=WAIT_MS)
    await page.get_by_role("button", name=re.compile("^Actions for")).first.focus()
    await keys.press("Enter")
    await keys.press("Enter")
    await expect(page.get_by_role("textbox", name="New title")).to_be_focused()
    await keys.press("Control+A")
    await keys.type("By keyboard")
    await keys.press("Enter")
    await expect(page.get_by_role("link", name="By keyboard")).to_be_visible()
    await page.get_by_role("button", name="Actions for “By keyboard”").focus()
    await keys.press("Enter")
    await keys.press("End")
    await keys.press("Enter")
    await expect(page.get_by_role("link", name="By keyboard")).to_have_count(0)
    await page.get_by_role("button", name="New chat").focus()
    await keys.press("?")
    await expect(page.get_by_role("dialog")).to_contain_text("Stop the answer")
    await keys.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)


async def test_an_input_method_keeps_its_enter(page: Page) -> None:
    """
    While characters are composed, Enter belongs to that; afterwards it sends. With Shift it begins a line.
    """
    box = page.locator("#prompt")
    await box.fill("にほん")
    await box.dispatch_event("keydown", {"key": "Enter", "isComposing": True, "bubbles": True})
    await expect(page.locator("article.prompt")).to_have_count(0)
    await box.press("Shift+Enter")
    await box.press_sequentially("go")
    await expect(box).to_have_value("にほん\ngo")
    await box.press("Enter")
    await expect(page.locator("article.prompt")).to_have_count(1)


async def test_readers_hear_sentences(page: Page) -> None:
    """
    A region beside the answer speaks of its begin, of whole sentences, and of its end.
    """
    await ask(page, "echo One sentence. Another one.")
    heard = page.get_by_role("log")
    await expect(heard).to_contain_text("answers.")
    await expect(heard).to_contain_text("The answer is complete.")


async def test_german(browser: Browser, url: str) -> None:
    """
    The page speaks the browser's language, and says which it is.
    """
    context = await browser.new_context(locale="de-DE")
    opened = await context.new_page()
    await opened.goto(url)
    await expect(opened.get_by_role("button", name="Neuer Chat")).to_be_visible(timeout=WAIT_MS)
    assert await opened.evaluate("document.documentElement.lang") == "de"
    await context.close()
