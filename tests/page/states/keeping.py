"""
The states of the side bar: the list and its menu, renaming, deleting, searching, and a file that is no conversation.
"""

import re

from playwright.async_api import expect

from tests.page.states.scene import Scene, State, make_file

_TALKS = ("Copper pans and how to keep them", "What is a lighthouse for?", "Tin cans")


async def row_menu(scene: Scene) -> None:
    """
    Have a pinned conversation and some of today, and open a row's menu.
    """
    await scene.open()
    for text in _TALKS:
        await scene.begin()
        await scene.ask(text)
    await scene.open_side()
    await _open_menu(scene, _TALKS[0])
    await scene.page.get_by_role("menuitem", name="Pin", exact=True).click()
    await expect(scene.page.get_by_role("region", name="Pinned")).to_be_visible()
    await scene.looker.keep_focus("a pin")
    await _open_menu(scene, _TALKS[1])


async def renaming(scene: Scene) -> None:
    """
    Rename a conversation.
    """
    await scene.page.get_by_role("menuitem", name="Rename").click()
    await expect(scene.page.get_by_role("textbox", name="New title")).to_be_focused()


async def deleted(scene: Scene) -> None:
    """
    Give it a long title; delete another one.
    """
    await scene.page.keyboard.press("Control+A")
    await scene.page.keyboard.type("What a lighthouse is for, and who pays for its lamp")
    await scene.page.keyboard.press("Enter")
    await expect(scene.page.get_by_role("textbox", name="New title")).to_have_count(0)
    await scene.looker.keep_focus("a rename")
    await _open_menu(scene, _TALKS[2])
    await scene.page.get_by_role("menuitem", name="Delete").click()
    await expect(scene.button("Undo")).to_be_visible()
    await scene.looker.keep_focus("a deletion")


async def search_hits(scene: Scene) -> None:
    """
    Search for a word that was said.
    """
    await scene.button("Undo").click()
    await scene.open_side()
    await scene.page.get_by_role("textbox", name="Search conversations").fill("lighthouse")
    await expect(scene.page.locator("#side mark").first).to_be_visible()


async def nothing_found(scene: Scene) -> None:
    """
    Search for a word that nobody said.
    """
    await scene.page.get_by_role("textbox", name="Search conversations").fill("nowhere-to-be-found")
    await expect(scene.page.locator("#side")).to_contain_text("Nothing found.")


async def import_refused(scene: Scene) -> None:
    """
    Import a file that is no conversation.
    """
    await scene.button("Clear the search").click()
    async with scene.page.expect_file_chooser() as choosing:
        await scene.button("Import a conversation").click()
    await (await choosing.value).set_files(make_file("other.json", "application/json", b'{"what": "else"}'))
    await expect(scene.page.locator(".toast.failed")).to_be_visible()


async def _open_menu(scene: Scene, title: str) -> None:
    row = scene.page.locator("#side .line", has_text=title).first
    await row.hover()
    await row.get_by_role("button", name=re.compile("^Actions for")).click()
    await expect(scene.page.get_by_role("menu")).to_be_visible()


KEEPING: dict[str, State] = {
    "row-menu": row_menu,
    "renaming": renaming,
    "deleted": deleted,
    "search-hits": search_hits,
    "nothing-found": nothing_found,
    "import-refused": import_refused,
}
