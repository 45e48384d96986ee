"""
Read the messages of Chat Completions.

All system and developer messages become the system prompt, wherever they stand: models on Bedrock have one, before
everything. Neighbours of one role become one message, so the results of several calls answer them together.
"""

from typing import Any

from outcrop.dialects.fields import Fields, describe
from outcrop.dialects.openai.conversation import Gathered
from outcrop.dialects.openai.files import read_file, read_image
from outcrop.dialects.openai.options import open_fields, open_typed, read_arguments, read_cache_mark
from outcrop.dialects.openai.reasoning import open_reasoning
from outcrop.dialects.openai.tables import (
    CALLED_FUNCTION,
    FILE,
    IMAGE_URL,
    MESSAGES,
    PARTS,
    REASONING_DETAIL,
    TOOL_CALL,
)
from outcrop.errors import RequestError
from outcrop.types import (
    DocumentPart,
    ImagePart,
    Part,
    ReasoningPart,
    TextPart,
    ToolResultPart,
    ToolUsePart,
)

MAX_MESSAGES = 100_000
REFUSED_PARTS = {"input_audio": "models on Bedrock do not hear here: write down what was said"}
_SAID = frozenset({"text"})
_ASKED = frozenset({"text", "image_url", "file"})
_ANSWERED = frozenset({"text", "refusal"})


def read_messages(values: list[Any], model: str) -> Gathered:
    """
    Read a conversation with `model`.

    Raises:
        RequestError: something in it is malformed, or can't be served; the message names its place.
    """
    if not 1 <= len(values) <= MAX_MESSAGES:
        raise RequestError(f"messages has {len(values)} entries, expected 1 to {MAX_MESSAGES}")
    gathered = Gathered()
    for position, value in enumerate(values):
        _read_message(value, f"messages[{position}]", model, gathered)
    return gathered


def _read_message(value: Any, where: str, model: str, gathered: Gathered) -> None:
    role = value.get("role") if isinstance(value, dict) else None
    if role == "function":
        raise RequestError(f"{where}.role is 'function', expected a message of role 'tool'")
    if not isinstance(role, str) or role not in MESSAGES:
        raise RequestError(f"{where}.role is {describe(role)}, expected one of {', '.join(map(repr, MESSAGES))}")
    fields = open_fields(value, where, MESSAGES[role])
    match role:
        case "user":
            fields.need("content")
            gathered.add("user", _read_content(fields, _ASKED))
        case "assistant":
            gathered.add("assistant", _read_answer(fields, model))
        case "tool":
            gathered.add("user", [_read_result(fields)])
        case _:
            fields.need("content")
            gathered.system += [part for part in _read_texts(fields, _SAID) if part.text.strip()]


def _read_content(fields: Fields, allowed: frozenset[str]) -> list[Part]:
    content = fields.get("content")
    if content is None:
        return []
    if isinstance(content, str):
        return [TextPart(text=content)]
    if not isinstance(content, list):
        raise RequestError(f"{fields.place('content')} is {describe(content)}, expected a string or a list of parts")
    return [_read_part(part, f"{fields.place('content')}[{n}]", allowed) for n, part in enumerate(content)]


def _read_texts(fields: Fields, allowed: frozenset[str]) -> list[TextPart]:
    return [part for part in _read_content(fields, allowed) if isinstance(part, TextPart)]


def _read_part(value: Any, where: str, allowed: frozenset[str]) -> TextPart | ImagePart | DocumentPart:
    kind = value.get("type") if isinstance(value, dict) else None
    if isinstance(kind, str) and kind in REFUSED_PARTS:
        raise RequestError(f"{where} is of type {kind!r}, which can't be served: {REFUSED_PARTS[kind]}")
    kind, fields = open_typed(value, where, {name: table for name, table in PARTS.items() if name in allowed})
    match kind:
        case "text":
            return TextPart(text=fields.need_text("text"), cache_ttl=read_cache_mark(fields))
        case "refusal":
            return TextPart(text=fields.need_text("refusal"))
        case "image_url":
            image = open_fields(fields.need("image_url"), fields.place("image_url"), IMAGE_URL)
            return read_image(image.need_text("url"), image.place("url"), read_cache_mark(fields))
        case _:
            file = open_fields(fields.need("file"), fields.place("file"), FILE)
            place = file.place("file_data")
            return read_file(file.need_text("file_data"), file.text("filename"), place, read_cache_mark(fields))


def _read_answer(fields: Fields, model: str) -> list[Part]:
    """
    Read what a model said before: its reasoning, its text, its calls. Empty texts are no parts.
    """
    reasoning = [
        _read_detail(detail, f"{fields.place('reasoning_details')}[{n}]", model)
        for n, detail in enumerate(fields.items("reasoning_details"))
    ]
    texts = _read_texts(fields, _ANSWERED)
    if refusal := fields.text("refusal"):
        texts.append(TextPart(text=refusal))
    calls = [
        _read_call(call, f"{fields.place('tool_calls')}[{n}]") for n, call in enumerate(fields.items("tool_calls"))
    ]
    return [*(part for part in reasoning if part), *(part for part in texts if part.text.strip()), *calls]


def _read_detail(value: Any, where: str, model: str) -> ReasoningPart | None:
    fields = open_fields(value, where, REASONING_DETAIL)
    fields.need("type")
    fields.word("type", ("reasoning.encrypted",))
    return open_reasoning(fields.need_text("data"), model, fields.place("data"))


def _read_call(value: Any, where: str) -> ToolUsePart:
    _, fields = open_typed(value, where, {"function": TOOL_CALL}, default="function")
    function = open_fields(fields.need("function"), fields.place("function"), CALLED_FUNCTION)
    return ToolUsePart(
        tool_use_id=fields.name("id"), name=function.name("name"), input=read_arguments(function, "arguments")
    )


def _read_result(fields: Fields) -> ToolResultPart:
    fields.need("content")
    return ToolResultPart(
        tool_use_id=fields.name("tool_call_id"),
        content=tuple(part for part in _read_texts(fields, _SAID) if part.text),
    )
