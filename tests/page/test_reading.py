"""
Reading an answer: what Markdown becomes, thoughts, and a long answer that grows.
"""

import re
from typing import Any

import msgspec
import pytest
from playwright.async_api import BrowserContext, Page, expect

from outcrop.types import MessageStart, MessageStop, TextDelta, TextPart
from tests.commands.kept import make_archive, stored
from tests.e2e.conftest import Book
from tests.page.person import ask, in_book, squeeze, wait_for_end, wait_until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.service]

JSON = {"content-type": "application/json"}
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
ONE_AFTER_ANOTHER = """echo A formula, $\\frac{1}{2}$, and a diagram:

```mermaid
flowchart LR
  river --> sea
```"""
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


async def test_formulas_and_diagrams_are_drawn(page: Page) -> None:
    """
    A formula becomes MathML; a diagram is drawn in a frame of its own, and its source can be seen.
    """
    await ask(page, ONE_AFTER_ANOTHER)
    await wait_for_end(page)
    answer = page.locator("article.answer .md")
    await expect(answer.locator("math mfrac")).to_be_visible()
    await expect(answer.locator("iframe.md-frame")).to_have_attribute("style", re.compile("height"))
    drawing = page.frame_locator("iframe.md-frame").locator("svg")
    await expect(drawing).to_contain_text("river")
    colour = "svg => getComputedStyle(svg.querySelector('.nodeLabel, .label')).color"
    before = await drawing.evaluate(colour)
    is_dark = await page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    await page.emulate_media(color_scheme="light" if is_dark else "dark")
    await expect(drawing).to_contain_text("river")
    assert await drawing.evaluate(colour) != before
    await answer.get_by_role("button", name="Show source").click()
    await expect(answer.locator("pre")).to_contain_text("river --> sea")


async def test_an_answer_is_copied_as_it_was_written(context: BrowserContext, page: Page, book: Book) -> None:
    """
    The copy has the Markdown of the whole answer, and not what was drawn of it.
    """
    await context.grant_permissions(["clipboard-read", "clipboard-write"])
    await ask(page, "emulate 40 tokens")
    await wait_for_end(page)
    await page.locator("article.answer").get_by_role("button", name="Copy", exact=True).click()
    await expect(page.locator("article.answer").get_by_role("button", name="Copied")).to_be_visible()
    assert squeeze(await page.evaluate("navigator.clipboard.readText()")) == await in_book(book)


async def test_a_long_conversation_is_read_from_its_end(page: Page, url: str) -> None:
    """
    Its last messages are there at once, older ones when they are wanted, and what is being read keeps its place.
    """
    names = [f"{'pa'[number % 2]}{number}" for number in range(120)]
    parents = [None, *names[:-1]]
    messages = [
        stored(name, parent, *(say(name) if name.startswith("a") else [TextPart(text=f"question {name}")]))
        for name, parent in zip(names, parents, strict=True)
    ]
    archive = make_archive("long")
    conversation = msgspec.structs.replace(archive.conversation, leaf_id=names[-1])
    archive = msgspec.structs.replace(archive, conversation=conversation, messages=tuple(messages))
    told = await page.request.post(f"{url}/api/conversations/import", data=msgspec.json.encode(archive), headers=JSON)
    await page.goto(f"{url}/c/{(await told.json())['id']}")
    await expect(page.locator("article")).to_have_count(50)
    await expect(page.locator("article").last).to_contain_text("answer a119")
    await expect(page.locator("article").last).to_be_in_viewport()
    older = page.get_by_role("button", name="Show older messages")
    for count in (100, 120):
        await older.scroll_into_view_if_needed()
        first = page.locator("article").first
        seen = await first.locator("p").last.text_content() or ""
        await older.click()
        await expect(page.locator("article")).to_have_count(count)
        await expect(page.locator("article", has_text=seen).first).to_be_in_viewport()
    await expect(older).to_have_count(0)
    await expect(page.locator("article").first).to_contain_text("question p0")


def say(name: str) -> list[Any]:
    """
    Give the events of an answer.
    """
    return [MessageStart(), TextDelta(f"answer {name}\n\n" * 4), MessageStop(stop_reason="end_turn")]


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
    await latest.focus()
    await page.keyboard.press("Enter")
    await expect(latest).to_have_count(0)
    # It had the focus, and is gone.
    await expect(box).to_be_focused()
    await wait_for_end(page)
    assert await box.evaluate(DISTANCE) < 80
