"""
OpenAI's models and those that speak their body (docs/bedrock_wire.md §4.5, §4.10).

These are gpt-oss, GPT, DeepSeek V3, Qwen, Kimi, GLM, MiniMax, Gemma, Nemotron and Grok.
`model` and `stream` may be in the body, and must then agree with the call.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from outcrop.emulator.conversation import Ask
from outcrop.emulator.families import reasoning
from outcrop.emulator.families.chat import chat_fields, read_chat, refuse_wrong_operation
from outcrop.emulator.families.chat_answers import ChatWriter
from outcrop.emulator.families.family import ConverseRequest, ConverseRules, Family
from outcrop.emulator.rules.limits import check_sampling
from outcrop.emulator.rules.models import Called
from outcrop.emulator.rules.refusals import invalid

_KEYS = (
    "max_completion_tokens",
    "frequency_penalty",
    "presence_penalty",
    "seed",
    "n",
    "model",
    "stream",
    "stream_options",
    "response_format",
    "parallel_tool_calls",
    "user",
)
_ON_CONVERSE = frozenset({"frequency_penalty", "presence_penalty", "seed", "parallel_tool_calls", "response_format"})
_MAY_OPEN_WITH_ASSISTANT = frozenset({"qwen", "zai", "moonshot", "moonshotai"})


def read(body: Mapping[str, Any], called: Called) -> Ask:
    """
    Read a body into an ask.

    Raises:
        Refusal: the body breaks the schema, or asks for what the model can't do.
    """
    ask = read_chat(
        body, called, chat_fields(called, *_KEYS, *sorted({"reasoning_effort", reasoning.switch_of(called)}))
    )
    if body.get("model") not in {None, called.entry.base_id, called.model_id}:
        raise invalid(f"The model {body['model']!r} in the body is not the model ID of the request.")
    return ask


def settle(ask: Ask, called: Called, request: ConverseRequest) -> Ask:
    """
    Finish an ask that came by Converse, and decide whether the model reasons.

    Raises:
        Refusal: it asks for what the model doesn't take.
    """
    check_sampling(ask, called)
    effort = request.effort or reasoning.effort_in(request.extra)
    return msgspec.structs.replace(ask, thinks=reasoning.thinks(called, effort))


def extra_fields(called: Called) -> frozenset[str]:
    """
    Return what `additionalModelRequestFields` may have for a model: its own switch of reasoning, and no other's.
    """
    return _ON_CONVERSE | {reasoning.switch_of(called)}


_WRITER = ChatWriter()
FAMILY = Family(
    read=read,
    whole=_WRITER.whole,
    stream=_WRITER.stream,
    check_operation=refuse_wrong_operation,
    converse=ConverseRules(
        extra_fields=extra_fields,
        may_open_with_assistant=lambda called: called.entry.provider_segment in _MAY_OPEN_WITH_ASSISTANT,
        settle=settle,
    ),
)
