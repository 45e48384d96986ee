"""
Writer Palmyra: the Chat Completions body; streams end with the bare string "[DONE]" (docs/bedrock_wire.md §4.10).
"""

from collections.abc import Mapping
from typing import Any

from outcrop.emulator.conversation import Ask
from outcrop.emulator.families.chat import chat_fields, read_chat, refuse_wrong_operation
from outcrop.emulator.families.chat_answers import ChatWriter
from outcrop.emulator.families.family import Family
from outcrop.emulator.rules.models import Called

_KEYS = ("max_completion_tokens", "frequency_penalty", "presence_penalty", "seed", "n", "stream", "response_format")


def read(body: Mapping[str, Any], called: Called) -> Ask:
    """
    Read a body into an ask.

    Raises:
        Refusal: the body breaks the schema, or asks for what the model can't do.
    """
    return read_chat(body, called, chat_fields(called, *_KEYS))


_WRITER = ChatWriter(says_done=True)
FAMILY = Family(read=read, whole=_WRITER.whole, stream=_WRITER.stream, check_operation=refuse_wrong_operation)
