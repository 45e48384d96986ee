"""
AI21 Jamba: the Chat Completions body, with defaults of its own (docs/bedrock_wire.md §4.9).

One answer a call: `n` beyond 1 is refused, which AI21 does only for streams.
"""

from collections.abc import Mapping
from typing import Any

from outcrop.emulator.conversation import Ask
from outcrop.emulator.families.chat import chat_fields, read_chat
from outcrop.emulator.families.chat_answers import ChatWriter
from outcrop.emulator.families.family import ConverseRules, Family
from outcrop.emulator.rules.models import Called

_KEYS = ("n", "frequency_penalty", "presence_penalty", "response_format")


def read(body: Mapping[str, Any], called: Called) -> Ask:
    """
    Read a body into an ask.

    Raises:
        Refusal: the body breaks the schema, or asks for what the model can't do.
    """
    return read_chat(body, called, chat_fields(called, *_KEYS))


_WRITER = ChatWriter()
FAMILY = Family(
    read=read,
    whole=_WRITER.whole,
    stream=_WRITER.stream,
    converse=ConverseRules(extra_fields=lambda _called: frozenset({"n", "frequency_penalty", "presence_penalty"})),
)
