"""
The shell of the built page in Chromium: its policy, what works without a network, and what a deploy changes.
"""

import gzip
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from tests.page.conftest import PATIENCE_MS, Visit, running_gateway
from tests.page.site import PROBES, Site, find_built, serving, wait_until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.service]

IS_CONTROLLED = "navigator.serviceWorker.controller !== null"
IS_DRAWN = "document.querySelector('#root')?.childElementCount > 0"
KEPT_PATHS = """async () => {
    const paths = []
    for (const name of await caches.keys()) {
        const cache = await caches.open(name)
        for (const request of await cache.keys()) paths.push(new URL(request.url).pathname)
    }
    return paths
}"""


def change_build(built: Path, target: Path, *, mark: str) -> Path:
    """
    Copy a build, with a mark in its page: another build, as the browser sees it.
    """
    shutil.copytree(built, target)
    index, worker = target / "index.html.gz", target / "sw.js.gz"
    text = gzip.decompress(index.read_bytes()).decode()
    index.write_bytes(gzip.compress(text.replace("<head>", f'<head><meta name="build" content="{mark}">').encode()))
    script = gzip.decompress(worker.read_bytes()).decode()
    worker.write_bytes(gzip.compress(f"{script};'{mark}'".replace("outcrop-$", f"outcrop-{mark}-$").encode()))
    return target


@pytest.fixture(scope="module")
def built() -> Path:
    """
    Find the built page.
    """
    return find_built()


@pytest_asyncio.fixture(loop_scope="module")
async def site(built: Path) -> AsyncIterator[Site]:
    """
    Serve the built page, and nothing of a gateway.
    """
    async with serving(built) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser, site: Site) -> AsyncIterator[Page]:
    """
    Open the site in a fresh profile, and wait until its service worker has it.
    """
    context = await browser.new_context()
    context.set_default_timeout(PATIENCE_MS)
    tab = await context.new_page()
    await tab.goto(site.url)
    await wait_until(tab, IS_CONTROLLED)
    yield tab
    await context.close()


async def read_mark(page: Page) -> str | None:
    """
    Say which build's page the tab shows.
    """
    mark: str | None = await page.evaluate("document.querySelector('meta[name=build]')?.content ?? null")
    return mark


@pytest.mark.parametrize("path", ["/", "/c/0198c3"])
async def test_the_page_opens_without_a_network(page: Page, site: Site, path: str) -> None:
    """
    Once visited, the page is drawn without a network, at a chat's address too.
    """
    await page.context.set_offline(True)
    await page.goto(site.url + path)
    await wait_until(page, IS_DRAWN)


async def test_the_page_opens_while_the_server_is_silent(page: Page, site: Site) -> None:
    """
    A server that takes the request and says nothing is waited for three seconds, and no longer.
    """
    site.answers.clear()
    await page.goto(site.url)
    await wait_until(page, IS_DRAWN)


async def test_a_deploy_is_seen_at_the_next_visit(page: Page, site: Site, built: Path, tmp_path: Path) -> None:
    """
    The first visit after a deploy shows the new page; soon the new one is kept and the old one is forgotten.
    """
    before = await page.evaluate("caches.keys()")
    site.deploy(change_build(built, tmp_path / "built", mark="second"))
    await page.reload()
    assert await read_mark(page) == "second"
    await wait_until(page, f"caches.keys().then((now) => now.length === 1 && now[0] !== '{before[0]}')")
    await page.context.set_offline(True)
    await page.reload()
    assert await read_mark(page) == "second"
    await wait_until(page, IS_DRAWN)


async def test_nothing_of_the_gateway_is_kept(page: Page, site: Site) -> None:
    """
    Only the page's own files are in the browser's cache of the page, whatever was asked for.
    """
    for path in PROBES:
        assert await page.evaluate("(path) => fetch(path).then((answer) => answer.status)", path) == 200
    kept: list[str] = await page.evaluate(KEPT_PATHS)
    assert "/" in kept
    allowed = ("/assets/", "/icon", "/manifest.webmanifest")
    assert [path for path in kept if path != "/" and not path.startswith(allowed)] == []
    await page.context.set_offline(True)
    assert await page.evaluate("fetch('/api/probe').then(() => 'answered', () => 'no network')") == "no network"


@pytest.mark.parametrize(
    "attempt",
    [
        "document.createElement('p').innerHTML = '<b>x</b>'",
        "trustedTypes.createPolicy('another', { createHTML: (text) => text })",
        "trustedTypes.createPolicy('outcrop-shell', { createHTML: (text) => text })",
        "navigator.serviceWorker.register('/assets/other.js')",
        "new Worker('/sw.js')",
        "document.createElement('script').src = '/assets/other.js'",
        "setTimeout('1')",
    ],
)
async def test_no_text_becomes_script(page: Page, attempt: str) -> None:
    """
    Markup, addresses of scripts and text of scripts are refused by the browser, and so is a second policy.
    """
    refused = await page.evaluate(
        f"async () => {{ try {{ await ({attempt}); return '' }} catch (e) {{ return e.name }} }}"
    )
    assert refused == "TypeError"


async def test_the_built_page_suits_its_policy(browser: Browser, built: Path, tmp_path: Path) -> None:
    """
    On a real gateway the built page is drawn, its worker registers, and the browser refuses nothing of it.
    """
    assert built.is_dir()
    with running_gateway(database_url=f"sqlite:///{tmp_path}/outcrop.db") as gateway:
        context = await browser.new_context()
        visit = Visit(await context.new_page())
        await visit.page.goto(gateway.url)
        await wait_until(visit.page, IS_DRAWN)
        await wait_until(visit.page, IS_CONTROLLED)
        await context.close()
    assert visit.complaints == []


async def test_a_diagram_is_drawn_apart(page: Page, site: Site, built: Path) -> None:
    """
    The frame of a diagram loads its scripts, and reaches neither the page, nor what it keeps, nor the network.
    """
    if not (built / "mermaid.html.gz").is_file():
        pytest.skip("this build draws no diagrams")
    refused: list[str] = []
    page.on("console", lambda message: refused.append(message.text) if "Content Security" in message.text else None)
    loaded: list[str] = []
    page.on("requestfinished", lambda request: loaded.append(request.url))
    await page.evaluate("""() => new Promise((done) => {
        const frame = document.createElement('iframe')
        frame.src = '/mermaid.html'
        frame.name = 'diagram'
        frame.onload = done
        document.body.append(frame)
    })""")
    frame = page.frame("diagram")
    assert frame is not None
    assert any("/assets/mermaid" in url for url in loaded)
    assert refused == []
    assert await frame.evaluate("origin") == "null"
    for attempt in ("parent.document.body", "localStorage.length", "sessionStorage.length"):
        assert (
            await frame.evaluate(f"() => {{ try {{ {attempt}; return '' }} catch (e) {{ return e.name }} }}")
            == "SecurityError"
        )
    attempt = "(url) => fetch(url).then(() => 'answered', () => 'refused')"
    assert await frame.evaluate(attempt, f"{site.url}/api/probe") == "refused"
