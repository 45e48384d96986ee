"""
Conversations as OpenAI's clients write them, and as they go on from one response to the next.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from outcrop.errors import RequestError
from outcrop.types import Message, Part, ReasoningPart, Role, TextPart, ToolUsePart


class ItemReference(msgspec.Struct, frozen=True):
    """
    Stand for an item of an earlier response, which the client does not repeat.
    """

    item_id: str


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold all that was said: what a server keeps of a response for the next one to go on from.

    `system` holds system and developer messages, without the `instructions`: those are each request's own.
    """

    system: tuple[TextPart, ...] = ()
    messages: tuple[Message, ...] = ()


class Gathered:
    """
    Gather a conversation: parts are added in order, neighbours of one role become one message.
    """

    def __init__(self, begun: Conversation | None = None) -> None:
        self.system: list[TextPart] = list(begun.system) if begun else []
        self._entries: list[tuple[Role, list[Part]] | ItemReference] = []
        for message in begun.messages if begun else ():
            self.add(message.role, message.parts)

    def add(self, role: Role, parts: Iterable[Part]) -> None:
        """
        Add what somebody said; nothing at all is no message.
        """
        added = list(parts)
        last = self._entries[-1] if self._entries else None
        if not added:
            return
        if isinstance(last, tuple) and last[0] == role:
            last[1].extend(added)
        else:
            self._entries.append((role, added))

    def refer(self, item_id: str) -> None:
        """
        Add an item that is not here.
        """
        self._entries.append(ItemReference(item_id))

    @property
    def entries(self) -> tuple[Message | ItemReference, ...]:
        """
        Return the conversation, with what is not here.
        """
        return tuple(
            entry if isinstance(entry, ItemReference) else Message(entry[0], tuple(entry[1])) for entry in self._entries
        )

    @property
    def messages(self) -> tuple[Message, ...]:
        """
        Return what is here of the conversation.
        """
        return tuple(entry for entry in self.entries if isinstance(entry, Message))


def join_conversation(
    previous: Conversation | None,
    system: Sequence[TextPart],
    entries: Sequence[Message | ItemReference],
    referenced: Mapping[str, Message | None],
) -> Conversation:
    """
    Add a request's input to what was said before it.

    `referenced` holds the items that the input refers to; None is an item that the model does not take back.

    Raises:
        RequestError: one of them is not there.
    """
    gathered = Gathered(previous)
    gathered.system += system
    for entry in entries:
        if isinstance(entry, ItemReference) and entry.item_id not in referenced:
            raise RequestError(f"input refers to the item {entry.item_id[:80]!r}, which is not there")
        message = referenced[entry.item_id] if isinstance(entry, ItemReference) else entry
        if message is not None:
            gathered.add(message.role, message.parts)
    return Conversation(system=tuple(gathered.system), messages=gathered.messages)


def add_answer(conversation: Conversation, parts: Sequence[Part], *, is_stopped: bool) -> Conversation:
    """
    Add an answer's parts (the fold of its events): what the next response goes on from.

    What no model takes back is left out, because a client can't leave it out of what the server keeps: blank texts,
    reasoning without a signature (it was cut), and, of an answer that was stopped, the calls, which nobody carries out.
    """
    gathered = Gathered(conversation)
    gathered.add("assistant", [part for part in parts if _goes_back(part, is_stopped=is_stopped)])
    return Conversation(system=conversation.system, messages=gathered.messages)


def _goes_back(part: Part, *, is_stopped: bool) -> bool:
    match part:
        case TextPart():
            return bool(part.text.strip())
        case ReasoningPart():
            return part.signature is not None or part.redacted is not None
        case ToolUsePart():
            return not is_stopped
        case _:
            return True


def drop_reasoning(conversation: Conversation) -> Conversation:
    """
    Leave out what a model thought: another model would not take it.
    """
    gathered = Gathered()
    for message in conversation.messages:
        gathered.add(message.role, [part for part in message.parts if not isinstance(part, ReasoningPart)])
    return Conversation(system=conversation.system, messages=gathered.messages)
