"""
Mistral's newer models: a chat body like OpenAI's, with short call IDs (docs/bedrock_wire.md §4.3).
"""

from collections.abc import Mapping
from typing import Any

from outcrop.emulator.conversation import Ask
from outcrop.emulator.families.chat import chat_fields, read_chat
from outcrop.emulator.families.chat_answers import ChatWriter
from outcrop.emulator.families.family import ALL_BLOCKS, ConverseRules, Family
from outcrop.emulator.rules.models import Called


def read(body: Mapping[str, Any], called: Called) -> Ask:
    """
    Read a body into an ask.

    Raises:
        Refusal: the body breaks the schema, or asks for what the model can't do.
    """
    return read_chat(body, called, chat_fields(called))


_WRITER = ChatWriter(call_id=lambda call_id: call_id[:9])
FAMILY = Family(
    read=read,
    whole=_WRITER.whole,
    stream=_WRITER.stream,
    converse=ConverseRules(refused_beside_tool_result=ALL_BLOCKS),
)
