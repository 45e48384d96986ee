"""
Conversations that were had before, as an archive brings them: with their counts, costs and times.
"""

import msgspec

from outcrop.history.transfer import Archive, ArchivedConversation
from outcrop.types import MessageStart, MessageStop, TextDelta, TextPart, Usage
from tests.commands.kept import stored
from tests.page.states.scene import Scene

_MODEL = "anthropic.claude-sonnet-4-6"
_OTHERS = ("Rivers of Iceland", "A name for the new cat", "Why is my query slow?")


async def bring_in(scene: Scene, question: str, answer: str) -> str:
    """
    Put a conversation of a question and its answer into the gateway, and some others before it; give its ID.
    """
    for title in _OTHERS:
        await _import(scene, title, title, "Gladly.")
    return await _import(scene, question, question, answer)


async def _import(scene: Scene, title: str, question: str, answer: str) -> str:
    said = (MessageStart(), TextDelta(answer), MessageStop(stop_reason="end_turn"))
    usage = Usage(input_tokens=19, output_tokens=143)
    archive = Archive(
        version=1,
        conversation=ArchivedConversation(
            conversation_id="c", title=title, title_source="person", created_at=5, model=_MODEL, leaf_id="a1"
        ),
        messages=(
            stored("p1", None, TextPart(text=question)),
            stored("a1", "p1", *said, model=_MODEL, usage=usage, cost_usd=0.0022, ttft_ms=620, duration_ms=2480),
        ),
    )
    url, content = f"{scene.url}/api/conversations/import", msgspec.json.encode(archive)
    answered = await scene.page.request.post(url, data=content, headers={"content-type": "application/json"})
    made = await answered.json()
    return str(made["id"])
