"""
Every main state of the page, in four looks: axe finds nothing, nothing scrolls sideways, nothing moves, and a picture.

The pictures are in `test-results/page`, as STATE-SIZE-THEME.png; with OUTCROP_SCREENSHOTS=1 those of the documentation
are made anew.
"""

import asyncio
import contextlib
import json
import urllib.request
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.e2e.conftest import Book
from tests.page.person import WAIT_MS
from tests.page.states.keeping import KEEPING
from tests.page.states.knowing import KNOWING
from tests.page.states.look import SIZES, Looker, find_faults
from tests.page.states.reading import READING, SAMPLE
from tests.page.states.scene import Scene, Servers, State
from tests.page.states.talking import TALKING
from tests.support import run_outcrop

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.service]

GROUPS: dict[str, dict[str, State]] = {
    "talking": TALKING,
    "reading": READING,
    "keeping": KEEPING,
    "knowing": KNOWING,
}


@pytest.fixture(scope="module")
def emulator() -> Iterator[str]:
    """
    Run an emulator that answers as fast as it can.
    """
    with run_outcrop("emulate", "--port", "0", "--first-token-ms", "0", "--tokens-per-second", "0") as (_, url):
        yield url


@pytest.fixture(scope="module")
def servers(emulator: str) -> Iterator[Servers]:
    """
    Give a way to start more gateways.
    """
    with contextlib.ExitStack() as running:
        yield Servers(emulator, running)


@pytest_asyncio.fixture(loop_scope="module")
async def scene(
    request: pytest.FixtureRequest, browser: Browser, url: str, book: Book, servers: Servers, tmp_path: Path
) -> AsyncIterator[Scene]:
    """
    Give a page in a size, with no conversations and none of the choices of a visit before.
    """
    size: str = request.param
    await asyncio.to_thread(forget_conversations, url)
    context = await browser.new_context(**SIZES[size], reduced_motion="reduce", locale="en-US", bypass_csp=True)
    context.set_default_timeout(WAIT_MS)
    page = await context.new_page()
    yield Scene(page, url, book, Looker(page, size), servers, tmp_path)
    await context.close()


def forget_conversations(url: str) -> None:
    """
    Delete what was talked about before.
    """
    with urllib.request.urlopen(f"{url}/api/conversations?limit=100", timeout=20) as answer:
        kept = json.load(answer)["conversations"]
    for each in kept:
        address = f"{url}/api/conversations/{each['id']}"
        urllib.request.urlopen(urllib.request.Request(address, method="DELETE"), timeout=20).close()


@pytest.mark.parametrize("scene", ["wide", "narrow"], indirect=True)
@pytest.mark.parametrize("group", GROUPS)
async def test_states(scene: Scene, group: str) -> None:
    """
    Each state can be reached, and is well in the light and in the dark; what closes gives the focus back.
    """
    for name, lead_to in GROUPS[group].items():
        await lead_to(scene)
        await scene.looker.look(name)
    assert scene.looker.faults == []


@pytest.mark.parametrize("scene", ["zoomed"], indirect=True)
async def test_twice_as_large(scene: Scene) -> None:
    """
    At 200 % a conversation can be read, its prompt is in sight, and dialogs fit.
    """
    for name in ("sample", "details", "reasoning", "keys"):
        await READING[name](scene)
        await scene.looker.look(name)
    await scene.leave_dialog()
    await expect(scene.page.locator("#prompt")).to_be_in_viewport()
    assert scene.looker.faults == []


@pytest.mark.parametrize("scene", ["wide", "narrow"], indirect=True)
async def test_the_focus_can_be_seen(scene: Scene) -> None:
    """
    Tab leads through the whole page, and where it is can be seen at each stop.
    """
    await READING["sample"](scene)
    await scene.page.locator(".skip").focus()
    stops = await scene.looker.walk_by_tab()
    assert {"Messages", "Copy", "Answer again", "Prompt", "Settings of the answer"} <= set(stops)
    assert scene.looker.faults == []


@pytest.mark.parametrize("scene", ["wide"], indirect=True)
async def test_forced_colours(scene: Scene) -> None:
    """
    In the colours of the person's system a conversation is as readable as in ours.
    """
    await scene.page.emulate_media(forced_colors="active")
    await scene.open()
    await scene.ask(f"echo {SAMPLE}")
    await expect(scene.answer.locator("table")).to_be_visible()
    assert await find_faults(scene.page) == []
    await scene.looker.take_picture("sample", "forced")
