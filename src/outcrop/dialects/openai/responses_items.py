"""
Read the items of a Responses request: messages, calls of tools and their results, reasoning, references.
"""

from typing import Any

from outcrop.dialects.fields import Fields, Table, describe
from outcrop.dialects.openai.conversation import Gathered
from outcrop.dialects.openai.files import read_file, read_image
from outcrop.dialects.openai.options import open_typed, read_arguments, read_cache_mark
from outcrop.dialects.openai.reasoning import open_reasoning
from outcrop.dialects.openai.responses_tables import BUILT_IN, ITEMS, PARTS
from outcrop.errors import RequestError
from outcrop.types import DocumentPart, ImagePart, Message, TextPart, ToolResultPart, ToolUsePart

MAX_ITEMS = 100_000
_INPUTS: dict[str, Table] = {name: PARTS[name] for name in ("input_text", "input_image", "input_file")}
_OUTPUTS: dict[str, Table] = {name: PARTS[name] for name in ("output_text", "refusal")}
_SYSTEM: dict[str, Table] = {"input_text": PARTS["input_text"]}
_ROLES: dict[str, dict[str, Table]] = {
    "user": _INPUTS,
    "assistant": _OUTPUTS,
    "system": _SYSTEM,
    "developer": _SYSTEM,
}


def read_input(value: Any, model: str) -> Gathered:
    """
    Read the input of a request to `model`: a string, or a list of items.

    Raises:
        RequestError: something in it is malformed, or can't be served; the message names its place.
    """
    gathered = Gathered()
    if isinstance(value, str):
        gathered.add("user", [TextPart(text=value)])
        return gathered
    if not isinstance(value, list):
        raise RequestError(f"input is {describe(value)}, expected a string or a list of items")
    if len(value) > MAX_ITEMS:
        raise RequestError(f"input has {len(value)} items, limit is {MAX_ITEMS}")
    for position, item in enumerate(value):
        _read_item(item, f"input[{position}]", model, gathered)
    return gathered


def read_output_item(item: Any, model: str) -> Message | None:
    """
    Read an item of a response's output as what a later request refers to; None for what `model` would not take.

    Raises:
        RequestError: it is none.
    """
    gathered = Gathered()
    _read_item(item, "item", model, gathered)
    return next(iter(gathered.messages), None)


def _read_item(value: Any, where: str, model: str, gathered: Gathered) -> None:
    if not isinstance(value, dict):
        raise RequestError(f"{where} is {describe(value)}, expected an item")
    kind = value.get("type")
    if isinstance(kind, str) and kind not in ITEMS:
        raise RequestError(f"{where} is an item of type {kind[:80]!r}, which can't be served: {BUILT_IN}")
    kind, fields = open_typed(value, where, ITEMS, default="message" if "role" in value else "item_reference")
    match kind:
        case "message":
            _read_message(fields, gathered)
        case "function_call":
            use = ToolUsePart(
                tool_use_id=fields.name("call_id"), name=fields.name("name"), input=read_arguments(fields, "arguments")
            )
            gathered.add("assistant", [use])
        case "function_call_output":
            gathered.add("user", [_read_result(fields)])
        case "reasoning":
            _read_reasoning(fields, model, gathered)
        case _:
            gathered.refer(fields.name("id"))


def _read_message(fields: Fields, gathered: Gathered) -> None:
    fields.need("role")
    role = fields.word("role", tuple(_ROLES)) or ""
    fields.need("content")
    parts = _read_content(fields, "content", _ROLES[role])
    said = [part for part in parts if not (isinstance(part, TextPart) and not part.text.strip())]
    if role == "assistant":
        gathered.add("assistant", said)
    elif role == "user":
        gathered.add("user", said or parts)
    else:
        gathered.system += [part for part in said if isinstance(part, TextPart)]


def _read_content(fields: Fields, name: str, tables: dict[str, Table]) -> list[TextPart | ImagePart | DocumentPart]:
    content = fields.get(name)
    if isinstance(content, str):
        return [TextPart(text=content)]
    if not isinstance(content, list):
        raise RequestError(f"{fields.place(name)} is {describe(content)}, expected a string or a list of parts")
    return [_read_part(part, f"{fields.place(name)}[{n}]", tables) for n, part in enumerate(content)]


def _read_part(value: Any, where: str, tables: dict[str, Table]) -> TextPart | ImagePart | DocumentPart:
    kind, fields = open_typed(value, where, tables)
    match kind:
        case "input_text":
            return TextPart(text=fields.need_text("text"), cache_ttl=read_cache_mark(fields))
        case "input_image":
            place = fields.place("image_url")
            return read_image(fields.need_text("image_url"), place, read_cache_mark(fields))
        case "input_file":
            place = fields.place("file_data")
            return read_file(fields.need_text("file_data"), fields.text("filename"), place, read_cache_mark(fields))
        case "refusal":
            return TextPart(text=fields.need_text("refusal"))
        case _:
            return TextPart(text=fields.need_text("text"))


def _read_result(fields: Fields) -> ToolResultPart:
    fields.need("output")
    parts = _read_content(fields, "output", _INPUTS)
    return ToolResultPart(
        tool_use_id=fields.name("call_id"),
        content=tuple(part for part in parts if not (isinstance(part, TextPart) and not part.text)),
    )


def _read_reasoning(fields: Fields, model: str, gathered: Gathered) -> None:
    """
    Read reasoning. Without `encrypted_content` no model takes it back: it is passed over.
    """
    sealed = fields.text("encrypted_content")
    part = open_reasoning(sealed, model, fields.place("encrypted_content")) if sealed else None
    if part is not None:
        gathered.add("assistant", [part])
