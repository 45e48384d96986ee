"""
The states of asking: a new chat, models, settings, files, an answer under way, and how answers end.
"""

from playwright.async_api import expect

from tests.page.states.reading import SAMPLE
from tests.page.states.scene import Scene, State, draw_picture, make_file

_SETTINGS = "Settings of the answer"
_HALF_TOKENS = 45
"""
So many tokens of the sample end in the middle of its program.
"""


async def new_chat(scene: Scene) -> None:
    """
    Open the page.
    """
    await scene.open()


async def model_menu(scene: Scene) -> None:
    """
    Open the menu of models, and search.
    """
    await scene.page.locator(".model-button").first.click()
    await scene.page.get_by_role("combobox").fill("sonnet")
    await expect(scene.page.get_by_role("option").first).to_contain_text("Sonnet")


async def settings_wrong(scene: Scene) -> None:
    """
    Choose that model; give a temperature that is none.
    """
    await scene.page.get_by_role("combobox").press("Enter")
    await expect(scene.page.get_by_role("dialog")).to_have_count(0)
    await scene.looker.keep_focus("the menu of models")
    await scene.button(_SETTINGS).click()
    await scene.page.get_by_label("Temperature").fill("3")
    await expect(scene.page.get_by_role("dialog")).to_contain_text("3 is not in this range")


async def files(scene: Scene) -> None:
    """
    Attach a picture and a document with a long name.
    """
    await scene.button("Back to the defaults").click()
    await scene.leave_dialog()
    await _attach(
        scene, ("hills.png", "image/png", draw_picture()), (_LONG_NAME, "application/pdf", b"%PDF-1.7\n" * 9000)
    )
    await expect(scene.page.get_by_role("list", name="Attached files").get_by_role("listitem")).to_have_count(2)


async def files_refused(scene: Scene) -> None:
    """
    Attach what no model takes, and a picture that is too large.
    """
    await _attach(scene, ("setup.exe", "application/octet-stream", b"MZ"), ("large.png", "image/png", bytes(3_750_001)))
    await expect(scene.page.locator(".refused-file")).to_have_count(2)


async def sent_picture(scene: Scene) -> None:
    """
    Send them with a question.
    """
    await scene.ask("What is in this picture, and what does the report say of it?")


async def waiting(scene: Scene) -> None:
    """
    Ask a model that thinks for long.
    """
    await scene.begin()
    scene.silence(where="before_first_token")
    await scene.send("Why is the sky blue?")
    await expect(scene.answer).to_contain_text("Waiting for the first words")


async def half_code(scene: Scene) -> None:
    """
    Be in the middle of an answer, and of a program in it.
    """
    await scene.stop()
    await scene.begin()
    scene.silence(where="after_tokens", tokens=_HALF_TOKENS)
    await scene.send(f"echo {SAMPLE}")
    await expect(scene.answer.locator("pre")).to_contain_text("from")


async def stopped(scene: Scene) -> None:
    """
    Stop that answer.
    """
    await scene.stop()
    await scene.looker.keep_focus("a stop")
    await expect(scene.button("Continue")).to_be_visible()


async def failed(scene: Scene) -> None:
    """
    Ask where Bedrock refuses.
    """
    await scene.begin()
    scene.book.inject({"kind": "http_error", "name": "ThrottlingException"})
    await scene.ask("Name three rivers.", "failed")
    scene.book.clear()
    await expect(scene.answer).to_contain_text("Wait a little")


async def broken_off(scene: Scene) -> None:
    """
    Lose Bedrock in mid-stream.
    """
    scene.book.inject({"kind": "exception", "name": "ModelStreamErrorException", "after_tokens": 40}, times=1)
    await scene.ask("emulate 200 tokens", "failed")


async def longest(scene: Scene) -> None:
    """
    Let an answer reach the length that was set.
    """
    await scene.begin()
    await scene.button(_SETTINGS).click()
    await scene.page.get_by_label("Longest answer, in tokens").fill("30")
    await scene.leave_dialog()
    await scene.ask("emulate 200 tokens")
    await expect(scene.answer).to_contain_text("reached its longest length")


async def editing(scene: Scene) -> None:
    """
    Edit that prompt.
    """
    prompt = scene.page.locator("article.prompt").last
    await prompt.hover()
    await prompt.get_by_role("button", name="Edit").click()
    await expect(prompt.get_by_role("textbox")).to_be_focused()


async def versions(scene: Scene) -> None:
    """
    Send it in other words, after having given that up once, and let the model answer twice.
    """
    prompt = scene.page.locator("article.prompt").last
    await prompt.get_by_role("textbox").press("Escape")
    await scene.looker.keep_focus("an edit that was given up")
    await prompt.get_by_role("button", name="Edit").click()
    await prompt.get_by_role("textbox").fill("count to 12")
    await prompt.get_by_role("button", name="Send").click()
    await expect(prompt).to_contain_text("count to 12")
    await expect(scene.answer).to_have_attribute("data-state", "completed")
    await scene.button("Answer again").click()
    await expect(scene.answer.get_by_role("button", name="Previous version")).to_be_enabled()
    await expect(scene.answer).to_have_attribute("data-state", "completed")


async def two_columns(scene: Scene) -> None:
    """
    Ask two models at once.
    """
    await scene.button(_SETTINGS).click()
    await scene.button("Back to the defaults").click()
    await scene.leave_dialog()
    await scene.open()
    await scene.button("Compare with another model").click()
    await scene.page.get_by_role("combobox").fill("haiku")
    await scene.page.get_by_role("combobox").press("Enter")
    await scene.send("Give me a table of rocks.")
    await expect(scene.page.locator('article.answer[data-state="completed"]')).to_have_count(2)


async def temporary(scene: Scene) -> None:
    """
    Begin a chat of which nothing is kept.
    """
    await scene.open()
    await scene.open_side()
    await scene.button("Temporary chat").click()
    await expect(scene.page.locator(".temporary")).to_be_visible()


async def _attach(scene: Scene, *wanted: tuple[str, str, bytes]) -> None:
    chooser = scene.page.locator('input[type="file"][multiple]')
    await chooser.set_input_files([make_file(*each) for each in wanted])


_LONG_NAME = "a report of the year with many words in its name, final version 2.pdf"

TALKING: dict[str, State] = {
    "new-chat": new_chat,
    "model-menu": model_menu,
    "settings-wrong": settings_wrong,
    "files": files,
    "files-refused": files_refused,
    "sent-picture": sent_picture,
    "waiting": waiting,
    "half-code": half_code,
    "stopped": stopped,
    "failed": failed,
    "broken-off": broken_off,
    "longest": longest,
    "editing": editing,
    "versions": versions,
    "two-columns": two_columns,
    "temporary": temporary,
}
