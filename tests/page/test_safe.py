"""
What a model writes can do nothing to the page: hostile Markdown and HTML through a real gateway in a real browser.
"""

import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, Request, expect

from tests.support import gateway_environment, run_outcrop

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.service]

HOSTILE = Path(__file__).parents[2] / "ui" / "src" / "markdown" / "hostile.json"
SIZES = range(1, 4000)
TOGETHER = 100
WAIT_MS = 40_000
ALLOWED = {
    "A", "ARTICLE", "BLOCKQUOTE", "BR", "BUTTON", "CODE", "DD", "DEL", "DETAILS", "DIV", "DL", "DT", "EM", "FIGCAPTION",
    "FIGURE", "FOOTER", "H3", "H4", "H5", "H6", "HR", "IFRAME", "INPUT", "LI", "OL", "P", "PATH", "PRE", "SECTION",
    "SPAN", "STRONG", "SUMMARY", "SVG", "TABLE", "TBODY", "TD", "TH", "THEAD", "TR", "UL",
}  # fmt: skip
LOOK = """() => {
    const found = {tags: new Set(), handlers: [], links: [], pictures: [], frames: []}
    for (const element of document.querySelectorAll('.answer *')) {
        if (element.namespaceURI !== 'http://www.w3.org/1998/Math/MathML') found.tags.add(element.tagName.toUpperCase())
        for (const {name} of element.attributes) if (name.startsWith('on')) found.handlers.push(element.tagName + name)
        const [link, source] = [element.getAttribute('href'), element.getAttribute('src')]
        if (link !== null) found.links.push(link)
        if (element.tagName === 'IFRAME') found.frames.push([source, element.sandbox.value])
        else if (source !== null) found.pictures.push(source)
    }
    return {...found, tags: [...found.tags], hacked: window.__hacked ?? null}
}"""

TRY_MARKUP = "() => { try { document.body.innerHTML = '<b>x</b>'; return 'set' } catch { return 'refused' } }"


def batches() -> list[str]:
    """
    Put payloads together, a blank line between them, as answers of a model.
    """
    texts = [each["text"] for each in json.loads(HOSTILE.read_text()) if len(each.get("text", "")) in SIZES]
    assert len(texts) >= 200
    return ["\n\n".join(texts[at : at + TOGETHER]) for at in range(0, len(texts), TOGETHER)]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """
    Run a gateway whose emulator streams small pieces, so that payloads are cut everywhere.
    """
    pace = ["--first-token-ms", "0", "--tokens-per-second", "2000"]
    with contextlib.ExitStack() as running:
        _, emulator = running.enter_context(run_outcrop("emulate", "--port", "0", *pace))
        _, found = running.enter_context(run_outcrop("serve", "--port", "0", environ=gateway_environment(emulator)))
        yield found


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser, url: str) -> AsyncIterator[Page]:
    """
    Open the page, and hear of all that it asks for; dialogs and foreign requests fail the test.
    """
    context = await browser.new_context(locale="en-US", service_workers="block")
    context.set_default_timeout(WAIT_MS)
    opened = await context.new_page()
    wrong: list[str] = []

    def note(request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in {"data", "blob"} and f"{parts.scheme}://{parts.netloc}" != url:
            wrong.append(request.url)

    opened.on("request", note)
    opened.on("dialog", lambda dialog: wrong.append(f"dialog: {dialog.message}"))
    opened.on("pageerror", lambda error: wrong.append(f"page error: {error}"))
    context.on("page", lambda _: wrong.append("another window"))
    await opened.goto(url)
    yield opened
    await context.close()
    assert wrong == []


@pytest.mark.parametrize("number", range(len(batches())))
async def test_hostile_answers_do_nothing(page: Page, number: int) -> None:
    """
    No script runs, no request leaves, no element, handler or address is drawn that is not of the fixed set.
    """
    box = page.get_by_role("textbox", name="Prompt", exact=True)
    await box.fill("echo " + batches()[number])
    await box.press("Enter")
    await expect(page.locator("article.answer")).to_have_attribute("data-state", "completed", timeout=WAIT_MS)
    found = await page.evaluate(LOOK)
    assert found["hacked"] is None
    assert set(found["tags"]) <= ALLOWED
    assert found["handlers"] == []
    assert found["pictures"] == []
    assert all(urlsplit(link).scheme in {"http", "https", "mailto"} for link in found["links"])
    assert all(frame == ["/mermaid.html", "allow-scripts"] for frame in found["frames"])


async def test_the_policy_of_the_page(page: Page, url: str) -> None:
    """
    It is strict: no inline script, no eval, no other origin, Trusted Types.
    """
    answer = await page.request.get(url)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "require-trusted-types-for 'script'" in policy
    assert "unsafe" not in policy
    assert await page.evaluate(TRY_MARKUP) == "refused"
