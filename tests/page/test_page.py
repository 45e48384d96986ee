"""
The first page, played in Chromium against a real gateway and its emulator.
"""

import base64
import os
import socket
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import pytest
from playwright.async_api import expect
from pytest import param  # noqa: PT013  reads better in tables

from tests.page.conftest import Gateway, Visit

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.service]

HOSTILE = (
    "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
    "<a href=\"javascript:document.title='owned'\">x</a>&lt;b&gt;"
)
LONG_TEXT = " ".join(f"word{number}" for number in range(400))
LONG_PROMPT = f"repeat after me: {LONG_TEXT}"
RECORD_ANSWER = """() => {
    window.seen = [];
    const record = () => window.seen.push(document.querySelector(".exchange:last-of-type .answer")?.textContent ?? "");
    new MutationObserver(record).observe(document.querySelector("#transcript"), {
        childList: true, characterData: true, subtree: true,
    });
}"""
IS_AT_END = """new Promise((tell) => requestAnimationFrame(() => requestAnimationFrame(
    () => tell(scrollY + innerHeight >= document.documentElement.scrollHeight - 2),
)))"""
WATCH_SCROLLING = """() => {
    let top = scrollY;
    window.scrolledUp = new Promise((tell) => addEventListener("scroll", () => {
        if (scrollY < top) tell(top);
        top = scrollY;
    }));
}"""


async def test_banner_says_that_answers_are_simulated(visit: Visit, gateway: Gateway) -> None:
    """
    With the emulator as upstream the page shows the server's own notice, and the version.
    """
    await visit.open()
    health = gateway.health()
    await expect(visit.page.locator("#banner")).to_be_visible()
    await expect(visit.page.locator("#banner-notice")).to_have_text(health["notice"])
    await expect(visit.page.locator("#version")).to_contain_text(f"outcrop {health['version']}")


async def test_menu_lists_short_names_first_then_makers(visit: Visit) -> None:
    """
    The menu's groups are the short names, then the models by their makers, and last the entry for any other model.
    """
    await visit.open()
    labels = await visit.page.locator("#model optgroup").evaluate_all("groups => groups.map(group => group.label)")
    assert labels[:3] == ["Short names", "Anthropic", "Meta"]
    assert len(labels) == len(set(labels))
    assert await visit.page.locator("#model optgroup >> nth=0 >> option").evaluate_all(
        "options => options.map(option => option.value)"
    ) == ["llama3", "anthropic"]
    assert await visit.page.locator("#model > *").last.text_content() == "Other…"


async def test_streamed_answer_grows_in_steps(visit: Visit) -> None:
    """
    A streamed answer is shown piece by piece, each state a prefix of the whole.
    """
    await visit.open()
    await visit.page.evaluate(RECORD_ANSWER)
    text = " ".join(f"word{number}" for number in range(30))
    assert await visit.ask(f"repeat after me: {text}") == text
    seen = cast("list[str]", await visit.page.evaluate("window.seen"))
    assert len({len(state) for state in seen}) > 5
    assert all(text.startswith(state) for state in seen)


async def test_whole_answer_comes_at_once(visit: Visit) -> None:
    """
    With streaming switched off nothing is shown before the answer is whole.
    """
    await visit.open()
    await visit.page.locator("#streaming").uncheck()
    await visit.wait_for("Ready")
    await visit.page.evaluate(RECORD_ANSWER)
    text = await visit.ask("count to 20")
    assert text.startswith("1, 2, 3")
    assert set(cast("list[str]", await visit.page.evaluate("window.seen"))) <= {"", text}


@pytest.mark.parametrize("model", ["llama3", "anthropic"])
async def test_streamed_and_whole_answers_are_equal(visit: Visit, model: str) -> None:
    """
    Equal prompts in fresh conversations get equal texts, streamed or whole.
    """
    await visit.open()
    await visit.page.locator("#model").select_option(model)
    streamed = await visit.ask("Why is the sky blue? 😀")
    await visit.page.locator("#streaming").uncheck()
    assert await visit.ask("Why is the sky blue? 😀") == streamed
    assert len(streamed) > 100


async def test_conversation_is_remembered_until_the_choice_changes(visit: Visit) -> None:
    """
    The model knows earlier prompts of a conversation; another model or mode starts a new one, and the page says so.
    """
    await visit.open()
    await visit.ask("My name is Ada.")
    assert "My name is Ada." in await visit.ask("What did I say?")
    await visit.page.locator("#streaming").uncheck()
    await expect(visit.page.locator(".divider")).to_contain_text("does not know what is above")
    assert "Ada" not in await visit.ask("What did I say?")


async def test_stop_keeps_the_text_and_ends_the_call(visit: Visit, gateway: Gateway) -> None:
    """
    Stop leaves a prefix marked as such, ends the turn on the server, and the next prompt works in a new conversation.
    """
    await visit.open()
    gateway.slow_down()
    await visit.send(LONG_PROMPT)
    await expect(visit.page.locator(".answer").last).to_contain_text(LONG_TEXT[:60])
    await visit.page.locator("#stop").click()
    await visit.wait_for("Not connected")
    kept = await visit.answer()
    assert LONG_TEXT.startswith(kept)
    assert len(kept) < len(LONG_TEXT)
    assert "you stopped the answer" in await visit.state()
    await expect(visit.page.locator(".mark")).to_contain_text("not the whole answer")
    await expect(visit.page.locator(".divider")).to_contain_text("does not know what is above")
    await expect(visit.page.locator("#prompt")).to_be_focused()
    assert "first thing that you say" in await visit.ask("What did I say?")
    assert gateway.health()["running_turns"] == 0
    assert await visit.page.locator(".answer").first.text_content() == kept


async def test_hostile_markup_stays_text(visit: Visit) -> None:
    """
    Markup in a prompt and in an answer is shown as it is written, and nothing of it runs.
    """
    await visit.open()
    assert await visit.ask(f"repeat after me: {HOSTILE}") == HOSTILE
    assert await visit.page.title() == "outcrop"
    assert await visit.page.locator("#transcript :is(img, script, a, b)").count() == 0


async def test_keyboard_alone_can_do_everything(visit: Visit, gateway: Gateway) -> None:
    """
    Choosing, switching, writing two lines, sending and stopping need no pointer, and the focus is always visible.
    """
    await visit.open()
    keyboard = visit.page.keyboard
    await expect(visit.page.locator("#prompt")).to_be_focused()
    await keyboard.press("Shift+Tab")
    await expect(visit.page.locator("#model")).to_be_focused()
    assert await visit.page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    await keyboard.press("a")
    await keyboard.press("Shift+Tab")
    await expect(visit.page.locator("#streaming")).to_be_focused()
    await keyboard.press("Space")
    await expect(visit.page.locator("#state")).to_have_text("Ready anthropic, whole answers")
    await keyboard.press("Space")
    await keyboard.press("Tab")
    await keyboard.press("Tab")
    gateway.slow_down()
    await keyboard.type("emulate 900 tokens,")
    await keyboard.press("Shift+Enter")
    await keyboard.type("please")
    await keyboard.press("Enter")
    await expect(visit.page.locator(".prompt")).to_have_text("emulate 900 tokens,\nplease", use_inner_text=True)
    await expect(visit.page.locator(".answer")).not_to_be_empty()
    await keyboard.press("Tab")
    await expect(visit.page.locator("#stop")).to_be_focused()
    await keyboard.press("Enter")
    await expect(visit.page.locator("#prompt")).to_be_focused()
    await keyboard.type("hello")
    await keyboard.press("Tab")
    await keyboard.press("Space")
    await expect(visit.page.locator('.exchange[data-outcome="complete"]')).to_have_count(1)


async def test_escape_stops_the_answer(visit: Visit, gateway: Gateway) -> None:
    """
    Escape in the prompt's field does what the stop button does.
    """
    await visit.open()
    gateway.slow_down()
    await visit.send(LONG_PROMPT)
    await expect(visit.page.locator(".answer")).not_to_be_empty()
    await visit.page.keyboard.press("Escape")
    await expect(visit.page.locator('.exchange[data-outcome="stopped"]')).to_have_count(1)


@pytest.mark.parametrize("details", ["{isComposing: true}", "{keyCode: 229}"])
async def test_enter_that_ends_a_composition_sends_nothing(visit: Visit, details: str) -> None:
    """
    Enter that belongs to an input method is left to it, in Safari's way of telling too.
    """
    await visit.open()
    await visit.page.locator("#prompt").fill("にほん")
    await visit.page.locator("#prompt").evaluate(
        "(field, details) => field.dispatchEvent(new KeyboardEvent('keydown', "
        "{key: 'Enter', bubbles: true, cancelable: true, ...details}))",
        {"isComposing": True} if "isComposing" in details else {"keyCode": 229},
    )
    await expect(visit.page.locator("#prompt")).to_have_value("にほん")
    assert await visit.page.locator(".exchange").count() == 0


async def test_draft_survives_while_an_answer_comes(visit: Visit, gateway: Gateway) -> None:
    """
    Enter during an answer sends nothing and loses nothing.
    """
    await visit.open()
    gateway.slow_down()
    await visit.send(LONG_PROMPT)
    await visit.send("and then?")
    await visit.page.keyboard.press("Escape")
    await visit.wait_for("Not connected")
    await expect(visit.page.locator("#prompt")).to_have_value("and then?")
    assert await visit.page.locator(".exchange").count() == 1


async def test_reader_who_scrolled_up_is_left_in_peace(visit: Visit) -> None:
    """
    New text scrolls the page only for those who are at its end; one small turn of the wheel lets go.
    """
    await visit.open()
    await visit.ask("repeat after me: " + "line\n" * 80 + "end")
    assert await visit.page.evaluate(IS_AT_END)
    await visit.page.locator("#prompt").fill("draft\n" * 5)
    assert await visit.page.evaluate(IS_AT_END)
    await visit.send(LONG_PROMPT)
    await expect(visit.page.locator(".answer").last).not_to_be_empty()
    await visit.page.evaluate(WATCH_SCROLLING)
    await visit.page.mouse.move(500, 300)
    await visit.page.mouse.wheel(0, -60)
    place = await visit.page.evaluate("window.scrolledUp")
    await expect(visit.page.locator(".answer").last).to_contain_text("word200")
    assert await visit.page.evaluate("scrollY") <= place


async def test_screen_reader_hears_sentences(visit: Visit) -> None:
    """
    What is announced are states and whole sentences, which together are the answer.
    """
    await visit.open()
    text = "One is here. Two is longer than one! Three has no end"
    await visit.ask(f"repeat after me: {text}")
    said = await visit.page.locator("#announcer p").all_text_contents()
    assert [words for words in said if words.startswith(("One", "Two", "Three"))] == [
        "One is here.",
        "Two is longer than one!",
        "Three has no end",
    ]
    assert said[-1] == "Ready: llama3, streaming"
    assert await visit.page.locator("#announcer").get_attribute("aria-live") == "polite"


async def test_any_model_id_can_be_written(visit: Visit) -> None:
    """
    "Other…" opens a field for a model ID, a profile or an ARN, and talks to it.
    """
    await visit.open()
    await visit.page.locator("#model").select_option("")
    await visit.wait_for("Not connected")
    await visit.page.locator("#other").fill("us.meta.llama3-1-8b-instruct-v1:0")
    await visit.page.locator("#other").press("Enter")
    await visit.wait_for("Ready")
    await expect(visit.page.locator("#prompt")).to_be_focused()
    assert "Llama 3.1 8B" in await visit.ask("Who are you?")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [param((1280, 800), id="wide"), param((320, 568), id="narrow")])
async def test_page_fits(visit: Visit, tmp_path: Path, scheme: str, size: tuple[int, int]) -> None:
    """
    In both schemes, from 320 pixels up, nothing sticks out sideways, and fields are large enough not to be zoomed.
    """
    await visit.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    await visit.page.set_viewport_size({"width": size[0], "height": size[1]})
    await visit.open()
    await visit.ask("a function in python, as code")
    await visit.ask(f"repeat after me: {'endless' * 60}")
    await visit.page.locator("#prompt").fill("line\n" * 30)
    await visit.page.screenshot(path=tmp_path / f"{scheme}.png")
    assert await visit.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    fonts = await visit.page.locator("select, textarea").evaluate_all(
        "fields => fields.map(field => parseFloat(getComputedStyle(field).fontSize))"
    )
    assert min(fonts) >= 16
    box = await visit.page.locator("#prompt").bounding_box()
    assert box is not None
    assert size[1] / 5 < box["height"] < size[1] / 2
    await expect(visit.page.locator("#send")).to_be_in_viewport()
    await expect(visit.page.locator("#banner")).to_be_in_viewport()


@pytest.mark.parametrize(
    ("origin", "status"),
    [param(None, 101, id="own"), param("http://evil.example", 403, id="foreign"), param("null", 403, id="opaque")],
)
async def test_socket_is_for_our_own_page(gateway: Gateway, origin: str | None, status: int) -> None:
    """
    A WebSocket handshake from a page of another origin is refused, the same one from our page is accepted.
    """
    host = urlsplit(gateway.url).netloc
    name, port = host.split(":")
    lines = (
        "GET /ws/model?model=llama3 HTTP/1.1",
        f"Host: {host}",
        f"Origin: {origin or gateway.url}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
    )
    with socket.create_connection((name, int(port)), timeout=5) as connection:
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        answer = connection.recv(4096)
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
