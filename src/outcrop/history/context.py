"""
What a model gets of a kept conversation. Pure.

Three rules keep a chat usable after something went wrong, or after the model was changed: a call of a tool without a
result gets one that says so; reasoning goes back only to the model that it came from, and only with its signature; an
answer of which nothing came is left out.
"""

from collections.abc import Iterable, Sequence

from outcrop.history.records import StoredMessage
from outcrop.turns.fold import fold
from outcrop.types import (
    Message,
    Part,
    ReasoningPart,
    Role,
    StreamEvent,
    TextPart,
    ToolResultPart,
    ToolUsePart,
)

NOT_CARRIED_OUT = "the tool call was not carried out"


def to_context(branch: Sequence[StoredMessage], model: str) -> tuple[Message, ...]:
    """
    Take a branch, from its root on, as a conversation with `model`. Neighbours of one role become one message.
    """
    messages: list[tuple[Role, list[Part]]] = []
    for message in branch:
        for role, parts in _split(message, model):
            if messages and messages[-1][0] == role:
                messages[-1][1].extend(parts)
            else:
                messages.append((role, list(parts)))
    return tuple(Message(role, tuple(parts)) for role, parts in messages)


def _split(message: StoredMessage, model: str) -> Iterable[tuple[Role, list[Part]]]:
    """
    Cut an answer where results of tools stand in it: what follows them was said when the model had seen them.
    """
    if message.role == "user":
        asked = [part for part in message.content if isinstance(part, Part)]
        return [("user", asked)] if asked else []
    spoken: list[tuple[Role, list[Part]]] = []
    said: list[Part] = []
    results: list[Part] = []
    for part in parts_of(message):
        if isinstance(part, ToolResultPart):
            results.append(part)
            continue
        if results:
            _close(spoken, said, results)
            said, results = [], []
        if not isinstance(part, ReasoningPart) or (_is_signed(part) and message.model in {None, model}):
            said.append(part)
    _close(spoken, said, results)
    return spoken


def parts_of(message: StoredMessage) -> Iterable[Part]:
    """
    Give the parts of a message: those that it has, and those that its log folds to, in order.
    """
    log: list[StreamEvent] = []
    for each in message.content:
        if isinstance(each, Part):
            yield from fold(log).parts
            log = []
            yield each
        else:
            log.append(each)
    yield from fold(log).parts


def _close(spoken: list[tuple[Role, list[Part]]], said: list[Part], results: list[Part]) -> None:
    said = [part for part in said if not (isinstance(part, TextPart) and not part.text.strip())]
    calls = [part.tool_use_id for part in said if isinstance(part, ToolUsePart)]
    answered = {part.tool_use_id: part for part in results if isinstance(part, ToolResultPart)}
    if said:
        spoken.append(("assistant", said))
    if calls:
        spoken.append(("user", [answered.get(call) or _not_carried_out(call) for call in calls]))


def _not_carried_out(tool_use_id: str) -> ToolResultPart:
    return ToolResultPart(tool_use_id=tool_use_id, content=(TextPart(text=NOT_CARRIED_OUT),), is_error=True)


def _is_signed(part: ReasoningPart) -> bool:
    return part.signature is not None or part.redacted is not None
