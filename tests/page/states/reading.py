"""
The states of reading: Markdown and what is in it, thoughts, calls of tools, what an answer took; dialogs; German.
"""

import asyncio
import urllib.request
from typing import Any

import msgspec
from playwright.async_api import expect

from tests.page.states.kept import bring_in
from tests.page.states.scene import Scene, State

SAMPLE = """## Two ways to read a file

Both close the file, whatever happens. **The first** is what most people want:

```python
from pathlib import Path

text = Path("notes.txt").read_text(encoding="utf-8")
```

| way | memory | for |
|---|---|---|
| `read_text` | all of it | small files |
| a loop over lines | one line | large ones |

The sum of $n$ lines is $\\sum_{i=1}^{n} l_i$."""
_DIAGRAM = """```mermaid
flowchart LR
    page[The page] --> gateway[The gateway]
    gateway --> log[(The turn's log)]
    gateway --> Bedrock[Bedrock]
    log --> page
```"""
_WORD = "Donaudampfschifffahrtsgesellschaftskapitän" * 4
_WIDE = f"""Here is a word without a gap: {_WORD}, and `{_WORD}`.

| {" | ".join(f"column number {number}" for number in range(1, 9))} |
|{"---|" * 8}
| {" | ".join(f"{number}.000.000" for number in range(1, 9))} |
| {" | ".join(f"some words {number}" for number in range(1, 9))} |

```
{"a line of a program that goes on and on, " * 6}
```

<https://example.com/{"a-very-long-address/" * 8}>

$$\\sum_{{i=1}}^{{n}} {" + ".join(f"x_{{{number}}}" for number in range(1, 40))}$$

- a list
  - in a list
    - in a list, with a rather long sentence that must go on in another line"""
_TOOL = {
    "name": "look_up_weather",
    "description": "Says what the weather is like.",
    "inputSchema": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city", "days"],
    },
}


async def sample(scene: Scene) -> None:
    """
    Read an answer with a program, a table and a formula.
    """
    await scene.open()
    await scene.ask(f"echo {SAMPLE}")
    await expect(scene.answer.locator("table")).to_be_visible()
    await expect(scene.answer.locator("math").first).to_be_visible()


async def kept(scene: Scene) -> None:
    """
    Read a conversation that was had before, beside others.
    """
    name = await bring_in(scene, "How do I read a text file in Python?", SAMPLE)
    await scene.open(f"{scene.url}/c/{name}")
    await expect(scene.answer.locator("math").first).to_be_visible()


async def details(scene: Scene) -> None:
    """
    Unfold what the answer took.
    """
    await scene.answer.locator(".facts > summary").click()
    await expect(scene.answer.locator(".facts dl")).to_be_visible()
    await scene.answer.locator(".facts dl").scroll_into_view_if_needed()


async def wide_things(scene: Scene) -> None:
    """
    Read what is wider than the screen.
    """
    await scene.begin()
    await scene.ask(f"echo {_WIDE}")
    await expect(scene.answer.locator("table")).to_be_visible()
    await scene.answer.locator("table").scroll_into_view_if_needed()


async def diagram(scene: Scene) -> None:
    """
    Read an answer with a diagram.
    """
    await scene.begin()
    await scene.ask(f"echo {_DIAGRAM}")
    await expect(scene.answer.locator("iframe:not(.md-frame-waiting)")).to_be_visible()


async def reasoning(scene: Scene) -> None:
    """
    Unfold what a model thought.
    """
    await scene.begin()
    await scene.page.locator(".model-button").first.click()
    await scene.page.get_by_role("combobox").fill("sonnet")
    await scene.page.get_by_role("combobox").press("Enter")
    await scene.button("Settings of the answer").click()
    await scene.page.get_by_label("Reasoning").select_option(label="Medium")
    await scene.leave_dialog()
    await scene.ask("Who are you?")
    await scene.page.locator("details.reasoning > summary").click()
    await expect(scene.page.locator("details.reasoning .md")).to_be_visible()


async def tool_call(scene: Scene) -> None:
    """
    Open a conversation in which another client had a tool called, and unfold the call.
    """
    chat_id = f"tools-{scene.looker.size}"
    await asyncio.to_thread(_ask_with_tools, scene.url, chat_id)
    await scene.open(f"{scene.url}/c/{chat_id}")
    await scene.page.locator("details.tool > summary").click()
    await expect(scene.page.locator("details.tool pre").first).to_contain_text("city")


async def keys(scene: Scene) -> None:
    """
    Open the list of keys.
    """
    await scene.page.keyboard.press("Control+/")
    await expect(scene.page.get_by_role("dialog")).to_contain_text("Stop the answer")


async def preferences(scene: Scene) -> None:
    """
    Open the dialog of appearance and language.
    """
    await scene.leave_dialog()
    await scene.open_side()
    await scene.button("Appearance and language").click()
    await expect(scene.page.get_by_role("dialog")).to_contain_text("Deutsch")


async def german_new_chat(scene: Scene) -> None:
    """
    Choose German, and begin a new chat.
    """
    await scene.page.get_by_label("Deutsch").check()
    await scene.leave_dialog()
    await scene.button("Neuer Chat").click()
    await expect(scene.page.locator("html")).to_have_attribute("lang", "de")
    await expect(scene.page.locator("article")).to_have_count(0)


async def german_answer(scene: Scene) -> None:
    """
    Read an answer there.
    """
    await scene.ask(f"echo {SAMPLE}")
    await expect(scene.answer.locator("table")).to_be_visible()


def _ask_with_tools(url: str, chat_id: str) -> None:
    message = {"id": "u1", "role": "user", "parts": [{"type": "text", "text": "Use the tool: weather in Bergen?"}]}
    body: dict[str, Any] = {"id": chat_id, "messages": [message], "model": "anthropic", "tools": [_TOOL]}
    headers = {"content-type": "application/json"}
    request = urllib.request.Request(f"{url}/api/chat", msgspec.json.encode(body), headers, method="POST")
    with urllib.request.urlopen(request, timeout=20) as response:
        assert b"tool-input-available" in response.read()


READING: dict[str, State] = {
    "kept": kept,
    "sample": sample,
    "details": details,
    "wide-things": wide_things,
    "diagram": diagram,
    "reasoning": reasoning,
    "tool-call": tool_call,
    "keys": keys,
    "preferences": preferences,
    "german-new-chat": german_new_chat,
    "german-answer": german_answer,
}
