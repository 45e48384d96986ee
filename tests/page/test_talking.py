"""
Asking with all that the prompt offers: models, settings, files; and what can be done after an answer.
"""

import asyncio
import base64
import json
from typing import Any

import pytest
from playwright.async_api import FilePayload, Page, expect

from tests.e2e.conftest import Book
from tests.page.person import LONG, ask, in_book, shown, wait_for_end

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.service]

DOT = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
PICTURE: FilePayload = {"name": "dot.png", "mimeType": "image/png", "buffer": base64.b64decode(DOT)}
SETTINGS = "Settings of the answer"
GIVE = """(target, [kind, name, type, content]) => {
    const transfer = new DataTransfer()
    const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0))
    transfer.items.add(new File([bytes], name, {type}))
    const rest = {bubbles: true, cancelable: true}
    if (kind === 'paste') target.dispatchEvent(new ClipboardEvent('paste', {...rest, clipboardData: transfer}))
    else for (const step of ['dragover', 'drop'])
        target.dispatchEvent(new DragEvent(step, {...rest, dataTransfer: transfer}))
}"""


def note_questions(page: Page) -> list[dict[str, Any]]:
    """
    Give the list into which each `send` frame of the page will be put. Load the page after that.
    """
    questions: list[dict[str, Any]] = []

    def hear(payload: str | bytes) -> None:
        frame = json.loads(payload)
        if frame["type"] == "send":
            questions.append(frame)

    page.on("websocket", lambda socket: socket.on("framesent", hear))
    return questions


async def choose_model(page: Page, words: str) -> None:
    """
    Search for a model and take the first that is found, by keys.
    """
    await page.locator(".model-button").first.click()
    box = page.get_by_role("combobox", name="Search models")
    await box.fill(words)
    await box.press("Enter")
    await expect(page.get_by_role("dialog")).to_have_count(0)


async def test_the_model_menu(page: Page, book: Book) -> None:
    """
    A word narrows it, arrows move in it, Enter takes what they are at, and that model answers.
    """
    await page.locator(".model-button").first.click()
    box = page.get_by_role("combobox", name="Search models")
    await expect(page.get_by_role("option").first).to_be_visible()
    everything = await page.get_by_role("option").count()
    await box.fill("haiku")
    assert 1 < await page.get_by_role("option").count() < everything
    await box.press("ArrowDown")
    active = page.locator('[role="option"][data-active="true"]')
    name = await active.locator(".model-name").inner_text()
    title = await active.locator(".model-title").inner_text()
    await box.press("Enter")
    await expect(page.locator(".model-button").first).to_contain_text(title)
    await ask(page, "emulate 5 tokens")
    await wait_for_end(page)
    assert "haiku" in name
    assert "haiku" in (await asyncio.to_thread(book.calls))[0]["model"]


async def test_settings_count_for_the_next_answer(page: Page, book: Book) -> None:
    """
    What is set goes along, what is out of range does not, and the longest answer is Bedrock's own limit.
    """
    questions = note_questions(page)
    await page.reload()
    await choose_model(page, "haiku")
    await page.get_by_role("button", name=SETTINGS).click()
    await page.get_by_label("System prompt").fill("You are a lighthouse.")
    await page.get_by_label("Longest answer, in tokens").fill("7")
    await page.get_by_label("Temperature").fill("3")
    await expect(page.get_by_role("dialog")).to_contain_text("3 is not in this range")
    await page.get_by_label("Temperature").fill("0,5")
    await page.keyboard.press("Escape")
    await ask(page, "emulate 50 tokens")
    await expect(page.locator("article.answer")).to_contain_text("The answer reached its longest length")
    [question] = questions
    assert question["body"]["temperature"] == 0.5
    assert question["body"]["system"] == "You are a lighthouse."
    assert (await asyncio.to_thread(book.calls))[0]["usage"]["output"] == 7


async def test_an_answer_in_one_piece(page: Page, book: Book) -> None:
    """
    With the switch off Bedrock is asked for the whole answer.
    """
    await page.get_by_role("button", name=SETTINGS).click()
    await page.get_by_label("Show the answer while it is written").uncheck()
    await page.keyboard.press("Escape")
    await ask(page, "emulate 30 tokens")
    await wait_for_end(page)
    await expect(page.locator("article.answer .md")).not_to_be_empty()
    assert await shown(page) == await in_book(book)
    assert "Stream" not in (await asyncio.to_thread(book.calls))[0]["operation"]


@pytest.mark.parametrize("way", ["button", "paste", "drop"])
async def test_a_picture_goes_along(page: Page, book: Book, way: str) -> None:
    """
    It can be chosen, pasted or dropped; it is shown before it is sent, and in the conversation.
    """
    await choose_model(page, "haiku")
    if way == "button":
        async with page.expect_file_chooser() as choosing:
            await page.get_by_role("button", name="Attach files").click()
        await (await choosing.value).set_files(PICTURE)
    else:
        await page.locator("#prompt").evaluate(GIVE, [way, "dot.png", "image/png", DOT])
    await expect(page.get_by_role("list", name="Attached files")).to_contain_text("dot.png")
    await ask(page, "What is this?")
    await wait_for_end(page)
    await expect(page.get_by_role("img", name="Image dot.png")).to_be_visible()
    await expect(page.get_by_role("list", name="Attached files")).to_have_count(0)
    assert (await asyncio.to_thread(book.calls))[0]["outcome"] == "completed"


async def test_the_largest_files_that_fit_are_sent(page: Page, book: Book) -> None:
    """
    Pictures and documents of the largest size that Bedrock takes arrive whole, several at once, and are kept.
    """
    await choose_model(page, "haiku")
    large, other = (
        FilePayload(name=name, mimeType="image/png", buffer=PICTURE["buffer"] + bytes(3_749_000))
        for name in ("large.png", "other.png")
    )
    text: FilePayload = {"name": "long.txt", "mimeType": "text/plain", "buffer": b"one line\n" * 490_000}
    await page.locator('input[type="file"][multiple]').set_input_files([large, other, text])
    await expect(page.get_by_role("button", name="Remove long.txt")).to_be_visible()
    await ask(page, "What are these?")
    await wait_for_end(page)
    [call] = await asyncio.to_thread(book.calls)
    assert call["outcome"] == "completed"
    await page.reload()
    await expect(page.locator("article.prompt").get_by_role("img")).to_have_count(2)
    await expect(page.locator("article.prompt")).to_contain_text("long.txt")


async def test_files_that_cannot_be_sent_are_named(page: Page) -> None:
    """
    A kind that no model takes, and a picture that is too large, are refused in words; the rest is taken.
    """
    await choose_model(page, "haiku")
    program: FilePayload = {"name": "setup.exe", "mimeType": "application/octet-stream", "buffer": b"MZ"}
    large: FilePayload = {"name": "large.png", "mimeType": "image/png", "buffer": bytes(3_750_001)}
    await page.locator('input[type="file"][multiple]').set_input_files([program, large, PICTURE])
    refused = page.locator(".prompt-box [role=alert]")
    await expect(refused).to_contain_text("setup.exe was not attached: files of this type")
    await expect(refused).to_contain_text("large.png was not attached: it is larger than 3.75")
    await page.get_by_role("button", name="Remove dot.png").click()
    await expect(page.get_by_role("button", name="Send", exact=True)).to_be_disabled()


async def test_an_input_method_that_ends_with_enter(page: Page) -> None:
    """
    The key that some browsers send after a word was composed does not send the prompt.
    """
    box = page.locator("#prompt")
    await box.fill("変換")
    await box.dispatch_event("keydown", {"key": "Enter", "keyCode": 229, "bubbles": True})
    await expect(box).to_have_value("変換")
    await expect(page.locator("article.prompt")).to_have_count(0)


async def test_a_stopped_answer_goes_on(page: Page, book: Book) -> None:
    """
    'Continue' asks the model to go on, in the same conversation, with what was kept of its answer.
    """
    await ask(page, LONG)
    await expect(page.locator("article.answer .md").first).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.locator("article.answer")).to_have_attribute("data-state", "stopped")
    await page.get_by_role("button", name="Continue").click()
    await expect(page.locator("article.prompt").last).to_contain_text("go on exactly where you stopped")
    await expect(page.locator("article.answer")).to_have_count(2)
    await wait_for_end(page)
    assert len(await asyncio.to_thread(book.calls)) == 2


async def test_a_draft_outlives_a_reload(page: Page) -> None:
    """
    What was typed and not sent is there again.
    """
    await ask(page, "emulate 5 tokens")
    await wait_for_end(page)
    await page.locator("#prompt").fill("half a thought")
    await page.reload()
    await expect(page.locator("#prompt")).to_have_value("half a thought")
