"""
What is kept of a turn. Of a native chat also what its model gets: the server holds the truth.

A client sends its whole list of messages (stock clients), or only what is new, with the kept message that it follows
(our page). Either way the model gets what is kept, and what is new is kept with the turn. In other dialects the model
gets what the client sent.
"""

from collections.abc import Mapping, Sequence

import msgspec

from outcrop.dialects.chat.messages import ClientMessage, to_client_messages
from outcrop.dialects.chat.turn import ChatTurn
from outcrop.errors import RequestError, StoreError, UnknownTurn
from outcrop.history.branches import Match
from outcrop.history.context import to_context
from outcrop.history.conversations import Conversations
from outcrop.history.records import NewMessage, StoredMessage, TurnDraft
from outcrop.turns.service import TurnService
from outcrop.types import ChatRequest, TextPart, ToolResultPart, ToolUseStart

TITLE_CHARACTERS = 60


class Plan(msgspec.Struct, frozen=True):
    """
    Hold a request with all that its model gets, and what is kept of the turn; `draft` is None where nothing is.

    `is_first`: there was no such conversation before.
    """

    request: ChatRequest
    draft: TurnDraft | None = None
    continues: str | None = None
    is_first: bool = False


class Keeper:
    """
    Plan what is kept.

    Args:
        conversations: where they are kept; None keeps nothing.
        turns: who knows when a stopped answer has ended.
    """

    def __init__(self, conversations: Conversations | None, turns: TurnService) -> None:
        self._conversations = conversations
        self._turns = turns

    async def plan(self, turn: ChatTurn, *, owner: str) -> Plan:
        """
        Say what a turn's model gets, and what is kept of it.

        Raises:
            RequestError: what the messages are said to follow is not kept, or they can't follow it.
            StoreError: the history can't be read.
        """
        conversations = self._conversations
        if conversations is None or turn.is_temporary:
            if turn.parent_id is not None:
                raise RequestError("parentId is given, but nothing is kept: send the whole list of messages")
            return Plan(turn.request, continues=turn.continues)
        sent = [_to_new(message) for message in to_client_messages(turn.messages)]
        match = await self._read(conversations, turn, owner, sent)
        running = _find_running(match)
        if running is not None and await self._turns.ends_soon(running, owner):
            match = await self._read(conversations, turn, owner, sent)
            running = _find_running(match)
        if running is not None and await self._has_ended(running, owner):
            raise StoreError("the answer before this is not kept yet; try again in a moment", retry_after_seconds=1)
        return _plan(turn, match, _find_results(match.path, sent) if turn.parent_id is None else {})

    def keeps(self, request: ChatRequest) -> bool:
        """
        Tell whether a request of another dialect can be kept: a body that is passed through unread can't.
        """
        return self._conversations is not None and bool(request.messages)

    async def draft(self, request: ChatRequest, conversation_id: str, *, owner: str) -> TurnDraft:
        """
        Say what is kept of a turn whose client sends the whole conversation, in messages without names.

        Raises:
            RequestError: nothing is kept here, or the request has no messages that could be.
            StoreError: the history can't be read.
        """
        if self._conversations is None:
            raise RequestError("x-outcrop-conversation is given, but this server keeps nothing (setting database_url)")
        if not request.messages:
            raise RequestError("x-outcrop-conversation is given, but the body has no messages that can be kept")
        sent = [NewMessage(message_id="", role=each.role, parts=each.parts) for each in request.messages]
        match = await self._conversations.match(owner, conversation_id, sent)
        branch = [*match.path, *map(_as_stored, match.new)]
        return TurnDraft(
            conversation_id=conversation_id,
            messages=tuple(match.new),
            parent_id=branch[-1].message_id,
            model=request.model,
            params=request.params,
            title=make_title(branch),
        )

    async def _has_ended(self, turn_id: str, owner: str) -> bool:
        """
        Tell whether a turn is over whose answer is kept as running: its end waits for room in the database.
        """
        try:
            status = await self._turns.status(turn_id, owner=owner)
        except UnknownTurn:
            return False
        return status.state != "running"

    async def _read(self, conversations: Conversations, turn: ChatTurn, owner: str, sent: list[NewMessage]) -> Match:
        if turn.parent_id is None:
            return await conversations.match(owner, turn.chat_id, sent)
        return await conversations.follow(owner, turn.chat_id, turn.parent_id, sent)


def _find_running(match: Match) -> str | None:
    return next((message.turn_id for message in match.path if message.state == "running"), None)


def _to_new(message: ClientMessage) -> NewMessage:
    return NewMessage(message_id=message.message_id, role=message.role, parts=message.parts)


def _find_results(
    path: Sequence[StoredMessage], sent: Sequence[NewMessage]
) -> Mapping[str, tuple[ToolResultPart, ...]]:
    """
    Find what a client's tools have said to calls in answers that are kept without it.
    """
    by_name = {message.message_id: message for message in sent if message.role == "assistant"}
    found: dict[str, tuple[ToolResultPart, ...]] = {}
    for message in path:
        client = by_name.get(message.message_id)
        if client is None:
            continue
        calls = {each.tool_use_id for each in message.content if isinstance(each, ToolUseStart)}
        calls -= {each.tool_use_id for each in message.content if isinstance(each, ToolResultPart)}
        results = [part for part in client.parts if isinstance(part, ToolResultPart) and part.tool_use_id in calls]
        if results:
            found[message.message_id] = tuple(results)
    return found


def _plan(turn: ChatTurn, match: Match, results: Mapping[str, tuple[ToolResultPart, ...]]) -> Plan:
    path = [
        msgspec.structs.replace(message, content=(*message.content, *results.get(message.message_id, ())))
        for message in match.path
    ]
    branch = [*path, *map(_as_stored, match.new)]
    context = to_context(branch, turn.request.model)
    if not context or context[-1].role != "user":
        raise RequestError("messages holds nothing to answer, expected a message of the user at their end")
    last = branch[-1]
    continues = last.message_id if last.role == "assistant" else None
    draft = TurnDraft(
        conversation_id=turn.chat_id,
        messages=tuple(match.new),
        parent_id=last.parent_id if continues is not None else last.message_id,
        model=turn.request.model,
        continues=continues,
        results=results,
        params=turn.request.params,
        title=make_title(branch),
    )
    return Plan(msgspec.structs.replace(turn.request, messages=context), draft, continues, is_first=match.is_new)


def _as_stored(message: NewMessage) -> StoredMessage:
    return StoredMessage(
        message_id=message.message_id,
        role=message.role,
        state="completed",
        created_at=0,
        content=message.parts,
        parent_id=message.parent_id,
    )


def make_title(branch: Sequence[StoredMessage]) -> str:
    """
    Take the first words of the first prompt; a prompt without words has no title yet.
    """
    for message in branch:
        text = " ".join(part.text for part in message.content if isinstance(part, TextPart))
        words = "".join(each if each.isprintable() else " " for each in text[: 10 * TITLE_CHARACTERS]).split()
        title = " ".join(words)
        if len(title) > TITLE_CHARACTERS:
            beginning = title[:TITLE_CHARACTERS]
            return f"{beginning.rpartition(' ')[0] or beginning}…"
        if title:
            return title
    return ""
