"""
The states of the connection and of the server: lost, offline, interrupted, restarting, wanting a key, keeping nothing.
"""

import asyncio
import json
import signal

from playwright.async_api import WebSocketRoute, expect

from outcrop.accounts.authenticate import make_key
from tests.page.person import Relay, wait_until
from tests.page.states.scene import Scene, State

_LONG_MS = 60_000


async def lost(scene: Scene) -> None:
    """
    Lose the network in mid-answer.
    """
    relay = Relay(int(scene.url.rpartition(":")[2]))
    await relay.start()
    await scene.open(relay.url)
    await _be_in_mid_answer(scene)
    await relay.cut()
    await expect(scene.page.locator('.connection[data-phase="waiting"]')).to_be_visible()


async def offline(scene: Scene) -> None:
    """
    Open the page without a network.
    """
    await scene.open()
    await wait_until(scene.page, "navigator.serviceWorker.controller !== null")
    await scene.page.context.set_offline(True)
    await scene.page.reload()
    await expect(scene.page.locator('.connection[data-phase="offline"]')).to_be_visible()


async def interrupted(scene: Scene) -> None:
    """
    Kill the server in mid-answer, and start it again.
    """
    await scene.page.context.set_offline(False)
    database = str(scene.folder / "outcrop.db")
    url = await scene.servers.start(database_url=database)
    await scene.open(url)
    await _be_in_mid_answer(scene)
    scene.servers.last.send_signal(signal.SIGKILL)
    await asyncio.to_thread(scene.servers.last.wait)
    await scene.servers.start(url.rpartition(":")[2], database_url=database, drain_timeout_seconds="10")
    await expect(scene.answer).to_have_attribute("data-state", "interrupted")
    await expect(scene.page.locator('.connection[data-phase="live"]')).to_be_visible()


async def draining(scene: Scene) -> None:
    """
    Let that server stop in mid-answer; the time until the page connects again is made long.
    """
    await scene.page.route_web_socket("**/api/chat", _wait_long)
    await scene.open(scene.page.url.partition("/c/")[0])
    await _be_in_mid_answer(scene)
    scene.servers.last.send_signal(signal.SIGTERM)
    await expect(scene.page.locator('.connection[data-phase="draining"]')).to_be_visible()


async def simulated(scene: Scene) -> None:
    """
    Visit a server that was just tried out: it has an emulator of its own.
    """
    await scene.open(await scene.servers.share("simulated", "--emulate"))
    await scene.ask("Hello!")


async def no_database(scene: Scene) -> None:
    """
    Look into its side bar: it keeps nothing.
    """
    await scene.open_side()
    await expect(scene.page.locator("#side")).to_contain_text("keeps no conversations")


async def key_form(scene: Scene) -> None:
    """
    Visit a server that wants a key.
    """
    _, digest = make_key()
    await scene.page.goto(await scene.servers.share("keys", api_keys=json.dumps({"ann": digest})))
    await expect(scene.page.get_by_label("This server wants a key")).to_be_visible()


async def key_refused(scene: Scene) -> None:
    """
    Enter a wrong one.
    """
    box = scene.page.get_by_label("This server wants a key")
    await box.fill("outcrop_wrong")
    await box.press("Enter")
    await expect(box).to_have_value("")
    await expect(scene.page.locator(".key-form")).to_contain_text("not known here")
    await scene.looker.keep_focus("a key that was refused")


def _wait_long(route: WebSocketRoute) -> None:
    server = route.connect_to_server()

    def pass_on(message: str | bytes) -> None:
        frame = json.loads(message)
        if frame.get("event") == "draining":
            frame["retryAfterMs"] = _LONG_MS
        route.send(json.dumps(frame))

    server.on_message(pass_on)


async def _be_in_mid_answer(scene: Scene) -> None:
    scene.silence(where="after_tokens", tokens=60)
    await scene.send("emulate 200 tokens")
    await expect(scene.answer.locator(".md")).to_contain_text("simulated")


KNOWING: dict[str, State] = {
    "lost": lost,
    "offline": offline,
    "interrupted": interrupted,
    "draining": draining,
    "simulated": simulated,
    "no-database": no_database,
    "key-form": key_form,
    "key-refused": key_refused,
}
