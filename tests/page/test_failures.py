"""
What the page says and keeps when something goes wrong, and how it asks for a key.
"""

import json
import signal
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import pytest
from playwright.async_api import expect

from outcrop.accounts.authenticate import make_key
from outcrop.dialects.raw import CLOSE_CODES_BY_CODE, CLOSE_CODES_BY_STATUS
from tests.page.conftest import Gateway, Visit, running_gateway

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.service]

BROKEN_NETWORK = ("ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET", "ERR_EMPTY_RESPONSE", "WebSocket connection to")
LONG_TEXT = " ".join(f"word{number}" for number in range(400))
LONG_PROMPT = f"repeat after me: {LONG_TEXT}"


async def test_unknown_model_is_explained(visit: Visit) -> None:
    """
    A model that nobody knows brings code, the server's words and a remedy, and the prompt comes back.
    """
    await visit.open()
    await visit.page.locator("#model").select_option("")
    await visit.page.locator("#other").fill("nonsense")
    await visit.send("Are you there?")
    await visit.page.locator('.exchange[data-outcome="failed"]').wait_for()
    assert "model 'nonsense' is unknown" in await visit.page.locator("body").inner_text()
    assert "(4404)" in await visit.state()
    assert "Choose another model" in await visit.state()
    await expect(visit.page.locator("#prompt")).to_have_value("Are you there?")


@pytest.mark.parametrize(
    ("fault", "code", "words"),
    [
        ({"kind": "http_error", "name": "ThrottlingException"}, 4429, "Wait a little"),
        ({"kind": "http_error", "name": "ValidationException"}, 4400, "Change the prompt"),
        ({"kind": "http_error", "name": "ResourceNotFoundException"}, 4404, "Choose another model"),
    ],
    ids=["throttled", "invalid", "not found"],
)
async def test_refusal_of_bedrock_is_explained(
    visit: Visit, gateway: Gateway, fault: Mapping[str, Any], code: int, words: str
) -> None:
    """
    A refusal of Bedrock's is told with its code and a remedy, the prompt comes back, and sending it again works.
    """
    await visit.open()
    gateway.break_calls(fault, times=9)
    await visit.send("hello")
    await visit.wait_for("Closed")
    assert f"({code})" in await visit.state()
    assert words in await visit.state()
    await expect(visit.page.locator(".mark")).to_contain_text("Not answered")
    await expect(visit.page.locator("#prompt")).to_have_value("hello")
    gateway.mend()
    await visit.page.locator("#prompt").press("Enter")
    await visit.page.locator('.exchange[data-outcome="complete"]').wait_for()
    await visit.wait_for("Ready")


async def test_answer_that_breaks_off_is_marked(visit: Visit, gateway: Gateway) -> None:
    """
    When Bedrock fails in the midst of an answer, the text so far stays and is not taken for the whole.
    """
    await visit.open()
    gateway.break_calls({"kind": "exception", "name": "ModelStreamErrorException", "after_tokens": 20}, times=1)
    await visit.send(LONG_PROMPT)
    await visit.wait_for("Closed")
    kept = await visit.answer()
    assert kept
    assert LONG_TEXT.startswith(kept)
    await expect(visit.page.locator(".mark")).to_contain_text("Cut off, this is not the whole answer")
    await expect(visit.page.locator(".divider")).to_contain_text("does not know what is above")
    assert "(4502)" in await visit.state()


async def test_killed_server_is_told_and_nothing_is_lost(visit: Visit, own_gateway: Gateway) -> None:
    """
    When the server dies in the midst of an answer, the text stays, and the prompt comes back before the next draft.
    """
    visit.expected.extend(BROKEN_NETWORK)
    await visit.open(own_gateway.url)
    own_gateway.slow_down()
    await visit.send(LONG_PROMPT)
    await expect(visit.page.locator(".answer")).to_contain_text("word5")
    await visit.page.locator("#prompt").fill("my next draft")
    own_gateway.process.send_signal(signal.SIGKILL)
    await visit.wait_for("Closed")
    await expect(visit.page.locator("#state")).to_contain_text("The server can't be reached")
    assert "the connection broke (1006)" in await visit.state()
    kept = await visit.answer()
    assert LONG_TEXT.startswith(kept)
    assert len(kept) < len(LONG_TEXT)
    await expect(visit.page.locator(".mark")).to_contain_text("not the whole answer")
    await expect(visit.page.locator("#prompt")).to_have_value(f"{LONG_PROMPT}\n\nmy next draft")
    await visit.page.locator("#again").click()
    await visit.wait_for("Closed")
    await expect(visit.page.locator("#prompt")).to_be_focused()


async def test_stopping_server_is_told(visit: Visit, own_gateway: Gateway) -> None:
    """
    A server that stops says so to those who are connected, and the page passes it on.
    """
    visit.expected.extend(BROKEN_NETWORK)
    await visit.open(own_gateway.url)
    own_gateway.process.send_signal(signal.SIGTERM)
    await visit.wait_for("Closed")
    assert "the server is stopping or restarting (1012)" in await visit.state()
    assert "Send again in a moment" in await visit.state()


async def test_page_says_when_the_server_is_gone_from_the_start(visit: Visit, own_gateway: Gateway) -> None:
    """
    Without any answer to its first questions the page says so, and keeps what is written meanwhile.
    """
    visit.expected.extend(BROKEN_NETWORK)
    await visit.page.route("**/healthz", lambda route: route.abort("connectionrefused"))
    await visit.open(own_gateway.url, phase="Closed")
    assert "the server can't be reached" in await visit.state()
    await visit.page.locator("#prompt").fill("my prompt")
    await visit.page.unroute("**/healthz")
    await visit.page.locator("#again").click()
    await visit.wait_for("Ready")
    await expect(visit.page.locator("#prompt")).to_have_value("my prompt")


async def test_key_is_asked_for_and_kept_in_the_tab_only(visit: Visit) -> None:
    """
    A server with keys is opened by the right one alone, which is kept for the tab and never put into an address.
    """
    key, digest = make_key()
    asked: list[str] = []
    visit.page.on("request", lambda request: asked.append(request.url))
    visit.page.on("websocket", lambda opened: asked.append(opened.url))
    visit.expected.append("401")
    with running_gateway(api_keys=json.dumps({"ann": digest})) as gateway:
        await visit.open(gateway.url, phase="Not connected")
        await expect(visit.page.locator("#key")).to_be_focused()
        assert await visit.page.locator("#key").get_attribute("type") == "password"
        await visit.page.keyboard.type("outcrop_wrong")
        await visit.page.keyboard.press("Enter")
        await expect(visit.page.locator("#state")).to_contain_text("the key is not known here")
        await visit.page.keyboard.type(key)
        await visit.page.keyboard.press("Enter")
        await visit.wait_for("Ready")
        await expect(visit.page.locator("#prompt")).to_be_focused()
        assert await visit.ask("repeat after me: open") == "open"
        await visit.page.reload()
        await visit.wait_for("Ready")
        assert await visit.page.evaluate("[localStorage.length, document.cookie]") == [0, ""]
    assert any(url.startswith("ws") for url in asked)
    assert not any(key in url for url in asked)


async def test_key_that_cannot_travel_is_refused(visit: Visit) -> None:
    """
    A key with signs that no header may carry is refused by the page itself, in words.
    """
    _, digest = make_key()
    with running_gateway(api_keys=json.dumps({"ann": digest})) as gateway:
        await visit.open(gateway.url, phase="Not connected")
        await visit.page.locator("#key").fill("clé secrète")
        await visit.page.keyboard.press("Enter")
        await expect(visit.page.locator("#state")).to_contain_text("copy it again")


async def test_key_that_is_taken_away_is_asked_for_again(visit: Visit) -> None:
    """
    When a socket is refused for its key, the page asks for another one and gives the prompt back.
    """
    key, digest = make_key()
    with running_gateway(api_keys=json.dumps({"ann": digest})) as gateway:
        await visit.open(gateway.url, phase="Not connected")
        await visit.page.locator("#key").fill(key)
        await visit.page.keyboard.press("Enter")
        await visit.wait_for("Ready")
        await visit.page.evaluate("sessionStorage.setItem('outcrop.key', 'another')")
        await visit.page.locator("#model").select_option("anthropic")
        await visit.send("still there?")
        await expect(visit.page.locator("#key")).to_be_focused()
        await expect(visit.page.locator("#prompt")).to_have_value("still there?")
        assert "(4401)" in await visit.state()
        await visit.page.locator("#key").fill(key)
        await visit.page.keyboard.press("Enter")
        await visit.wait_for("Ready")
        assert "anthropic" in await visit.state()


async def test_silence_is_told(visit: Visit, gateway: Gateway) -> None:
    """
    When no text has come for a while, the state says so instead of pretending.
    """
    await visit.page.clock.install()
    await visit.open()
    gateway.break_calls({"kind": "silence", "where": "before_first_token", "seconds": 20}, times=1)
    await visit.send("hello")
    await visit.wait_for("Answering")
    await visit.page.clock.fast_forward(16_000)
    await expect(visit.page.locator("#state")).to_contain_text("no text for 15 seconds")
    await visit.page.keyboard.press("Escape")
    await expect(visit.page.locator(".mark")).to_have_text("Stopped before any text came.")


async def test_every_close_code_has_words() -> None:
    """
    Each close code that the raw dialect sends has its meaning and remedy in the page.
    """
    html = (files("outcrop.server") / "page" / "index.html").read_text("utf-8")
    codes = {*CLOSE_CODES_BY_CODE.values(), *CLOSE_CODES_BY_STATUS.values(), 1006}
    assert [code for code in sorted(codes) if f'<dt id="close-{code}">' not in html] == []
