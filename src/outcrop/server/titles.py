"""
Titles of new chats, made by a model from the first prompt, where a setting names one.

A title is a turn of its own: its call is in the ledger, on the account of whoever began the chat. Where it fails, the
chat keeps the title that it has, the first words of its prompt.
"""

import asyncio

import structlog

from outcrop.errors import OutcropError
from outcrop.history.conversations import Conversations
from outcrop.turns.fold import fold
from outcrop.turns.service import TurnService
from outcrop.types import ChatRequest, GenerationParams, Message, StreamEvent, TextPart

SYSTEM = (
    "Write a title of at most six words for a conversation that begins with the user's message, in the language of "
    "that message. Do not answer the message. Say the title alone, without quotes."
)
MAX_PROMPT_CHARACTERS = 2000
MAX_TITLE_CHARACTERS = 60
MAX_TITLE_TOKENS = 40
MAX_SECONDS = 60.0

logger = structlog.get_logger(__name__)


class TitleMaker:
    """
    Make titles beside the answers. `aclose` it before the turns.

    Args:
        model: who is asked; "" asks nobody.
    """

    def __init__(self, turns: TurnService, conversations: Conversations | None, model: str) -> None:
        self._turns = turns
        self._conversations = conversations
        self._model = model
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, prompt: str, conversation_id: str, *, owner: str) -> None:
        """
        Make the title of a chat that has begun with this prompt; nobody waits for it.
        """
        if self._conversations is None or not self._model or not prompt.strip():
            return
        task = asyncio.create_task(self._make(self._conversations, prompt, conversation_id, owner), name="title")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def aclose(self) -> None:
        """
        Give up what is under way.
        """
        for task in self._tasks:
            task.cancel()
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _make(self, conversations: Conversations, prompt: str, conversation_id: str, owner: str) -> None:
        try:
            async with asyncio.timeout(MAX_SECONDS):
                title = to_title(await self._ask(prompt, owner))
                if title:
                    await conversations.rename(owner, conversation_id, title, by="model")
        except (OutcropError, TimeoutError) as error:
            logger.info("a chat got no title from a model", reason=str(error) or "time-out")

    async def _ask(self, prompt: str, owner: str) -> str:
        request = ChatRequest(
            model=self._model,
            system=(TextPart(text=SYSTEM),),
            messages=(Message("user", (TextPart(text=prompt[:MAX_PROMPT_CHARACTERS]),)),),
            params=GenerationParams(max_tokens=MAX_TITLE_TOKENS),
            stream=False,
        )
        started = await self._turns.start(request, owner=owner, grace_seconds=0, whole=True)
        more = asyncio.Event()
        reader = await self._turns.subscribe(started.turn_id, owner=owner, wake=more.set)
        events: list[StreamEvent] = []
        try:
            while not reader.ended:
                more.clear()
                taken = reader.take()
                events += [entry.event for entry in taken]
                if not taken and not reader.ended:
                    await more.wait()
        finally:
            reader.close()
        return "".join(part.text for part in fold(events).parts if isinstance(part, TextPart))


def to_title(answer: str) -> str:
    """
    Take a model's answer as a title: its first line, in printable characters, without quotes or a full stop.
    """
    line = next((line for line in answer.splitlines() if line.strip()), "")
    words = "".join(each if each.isprintable() else " " for each in line).split()
    title = " ".join(words).strip("\"'“”«»„*#").removesuffix(".").strip()
    if len(title) <= MAX_TITLE_CHARACTERS:
        return title
    return f"{title[:MAX_TITLE_CHARACTERS].rpartition(' ')[0] or title[:MAX_TITLE_CHARACTERS]}…"
