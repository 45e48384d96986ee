"""
Gather a conversation's text for the families whose body has no messages, and break what could forge a turn in it.
"""

import re
from collections.abc import Iterable, Sequence

import msgspec

from outcrop.errors import RequestError
from outcrop.types import Message, ReasoningPart, Role, TextPart


class TextTurn(msgspec.Struct, frozen=True):
    """
    Hold what one side said before the other spoke.
    """

    role: Role
    text: str


def join_system(system: Iterable[TextPart]) -> str:
    """
    Join the parts of a system prompt, set apart by empty lines.
    """
    return "\n\n".join(part.text for part in system)


def to_turns(messages: Sequence[Message], family: str, *, skip_reasoning: bool = False) -> list[TextTurn]:
    """
    Return the turns of a conversation; neighbouring messages of one side are one turn.

    A user's texts are set apart by an empty line, an assistant's are joined as they are, because an answer may have
    been cut anywhere. Parts are joined here, before anybody breaks control tokens in them: a token may be split over
    two.

    Raises:
        RequestError: a message holds a part that a prompt has no place for.
    """
    gathered: list[tuple[Role, list[str]]] = []
    for position, message in enumerate(messages):
        if not gathered or gathered[-1][0] != message.role:
            gathered.append((message.role, []))
        for index, part in enumerate(message.parts):
            match part:
                case TextPart():
                    gathered[-1][1].append(part.text)
                case ReasoningPart() if skip_reasoning and message.role == "assistant":
                    continue
                case _:
                    where = f"messages[{position}].parts[{index}]"
                    raise RequestError(f"{where} can't be put into a {family} prompt from the {message.role!r}")
    return [TextTurn(role, ("" if role == "assistant" else "\n\n").join(texts)) for role, texts in gathered]


def break_tokens(pattern: re.Pattern[str], text: str) -> str:
    """
    Put one space behind every match of `pattern`, which matches the first character of a control token.

    A space only ever takes neighbours apart, so breaking one token can't make another; nothing hidden gets into text
    that people copy, and the model still sees what was meant.
    """
    return pattern.sub(r"\g<0> ", text)
