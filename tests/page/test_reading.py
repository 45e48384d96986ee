"""
Reading an answer: what Markdown becomes, thoughts, and a long answer that grows.
"""

import pytest
from playwright.async_api import BrowserContext, Page, expect

from tests.page.person import ask, wait_for_end, wait_until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.service]

CODE = 'print("<b>" + "&amp;")\n'
TEXT = f"""echo # A heading

1. first
2. second with **weight** and [a link](https://example.com/a)

```python
{CODE}```

| one | two |
|---|---|
| 3 | 4 |
"""
DISTANCE = "box => box.scrollHeight - box.clientHeight - box.scrollTop"


async def test_markdown_is_drawn(context: BrowserContext, page: Page) -> None:
    """
    Headings, lists, links, tables and code are themselves, and code is copied as it was written.
    """
    await context.grant_permissions(["clipboard-read", "clipboard-write"])
    await ask(page, TEXT)
    await wait_for_end(page)
    answer = page.locator("article.answer .md")
    await expect(answer.get_by_role("heading", name="A heading")).to_be_visible()
    await expect(answer.get_by_role("listitem")).to_have_count(2)
    await expect(answer.get_by_role("link", name="a link")).to_have_attribute("rel", "noopener noreferrer")
    await expect(answer.get_by_role("columnheader")).to_have_text(["one", "two"])
    await expect(answer.get_by_role("cell")).to_have_text(["3", "4"])
    await answer.get_by_role("button", name="Copy code").click()
    await expect(answer.get_by_role("status")).to_have_text("Copied")
    assert (await page.evaluate("navigator.clipboard.readText()")).rstrip("\n") == CODE.rstrip("\n")


async def test_thoughts_are_folded(page: Page) -> None:
    """
    What the model thought stands before its answer, folded; opened, it can be read.
    """
    await page.locator(".model-button").first.click()
    await page.get_by_role("combobox", name="Search models").fill("sonnet")
    await page.get_by_role("combobox", name="Search models").press("Enter")
    await page.get_by_role("button", name="Settings of the answer").click()
    await page.get_by_label("Reasoning").select_option(label="Medium")
    await page.keyboard.press("Escape")
    await ask(page, "emulate 20 tokens")
    await wait_for_end(page)
    thoughts = page.locator("details.reasoning")
    await expect(thoughts).to_have_count(1)
    await expect(thoughts.locator(".md")).to_be_hidden()
    await thoughts.get_by_text("Thoughts").click()
    await expect(thoughts.locator(".md")).to_be_visible()
    await expect(thoughts.locator(".md")).not_to_be_empty()


async def test_a_long_answer_is_followed_until_one_reads_above(page: Page) -> None:
    """
    The end stays in sight; who scrolls up stays there, and gets back to the end by a button.
    """
    await page.set_viewport_size({"width": 800, "height": 420})
    box = page.get_by_role("region", name="Messages")
    latest = page.get_by_role("button", name="Jump to latest")
    await ask(page, "emulate 700 tokens")
    await wait_until(page, "document.querySelector('.scroll').scrollTop > 200")
    assert await box.evaluate(DISTANCE) < 80
    await expect(latest).to_have_count(0)
    await box.hover()
    await page.mouse.wheel(0, -400)
    await expect(latest).to_be_visible()
    place = await box.evaluate("box => box.scrollTop")
    height = await box.evaluate("box => box.scrollHeight")
    await wait_until(page, f"document.querySelector('.scroll').scrollHeight > {height + 100}")
    assert abs(await box.evaluate("box => box.scrollTop") - place) < 80
    await latest.click()
    await expect(latest).to_have_count(0)
    await wait_for_end(page)
    assert await box.evaluate(DISTANCE) < 80
