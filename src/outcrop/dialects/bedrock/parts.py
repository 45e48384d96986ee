"""
Read the messages of Converse: content blocks become parts, and a cache point marks the part before it.
"""

from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from outcrop.dialects.bedrock import tables
from outcrop.dialects.fields import Field, Fields, describe, require_one
from outcrop.errors import RequestError
from outcrop.types import (
    CacheTtl,
    DocumentPart,
    ImagePart,
    Message,
    Part,
    ReasoningPart,
    Role,
    TextPart,
    ToolResultPart,
    ToolUsePart,
)

_TTLS: tuple[CacheTtl, ...] = ("5m", "1h")
_ROLES: tuple[Role, ...] = ("user", "assistant")
MAX_NAME_CHARACTERS = 64
MAX_DOCUMENT_NAME_CHARACTERS = 200
"""
Bounds of the service's own model: a tool's name and the ID of its call, a document's name.
"""


def read_messages(values: list[Any]) -> tuple[Message, ...]:
    """
    Read a conversation.

    Raises:
        RequestError: something in it is malformed, or can't be served; the message names its place.
    """
    return tuple(_read_message(value, f"messages[{position}]") for position, value in enumerate(values))


def read_system(values: list[Any]) -> tuple[TextPart, ...]:
    """
    Read a system prompt.

    Raises:
        RequestError: something in it is malformed, or can't be served; the message names its place.
    """
    parts: list[TextPart] = []
    for position, value in enumerate(values):
        where = f"system[{position}]"
        kind, content = open_union(value, where, tables.SYSTEM_BLOCKS, "system block")
        if kind == "cachePoint":
            mark_last(parts, content, f"{where}.{kind}")
        else:
            parts.append(_read_text(content, where) if kind == "text" else _read_guarded(content, f"{where}.{kind}"))
    return tuple(parts)


def open_union(value: Any, where: str, kinds: Mapping[str, Field], what: str) -> tuple[str, Any]:
    """
    Return the kind of an object that has exactly one member, and that member.

    Raises:
        RequestError: it has none or several, or the kind is unknown or refused.
    """
    kind = require_one(value, where, what)
    row = kinds.get(kind)
    if row is None:
        raise RequestError(f"{where} is {kind[:80]!r}, expected one of {', '.join(kinds)}")
    if row.fate == "refused":
        raise RequestError(f"{where}.{kind} can't be served: {row.why}")
    return kind, value[kind]


def mark_last(parts: list[Any], value: Any, where: str) -> None:
    """
    Read a cache point and mark the last of the parts with it.

    Raises:
        RequestError: it is malformed, or there is no part before it that could be marked, or it is marked already.
    """
    fields = Fields(value, where, tables.CACHE_POINT)
    fields.need("type")
    fields.word("type", ("default",))
    ttl = fields.word("ttl", _TTLS) or "5m"
    last = parts[-1] if parts else None
    if last is None or isinstance(last, ReasoningPart) or last.cache_ttl is not None:
        raise RequestError(f"{where} must stand after what is to be cached, once, and not after reasoning")
    parts[-1] = msgspec.structs.replace(last, cache_ttl=ttl)


def _read_message(value: Any, where: str) -> Message:
    fields = Fields(value, where, tables.MESSAGE)
    if fields.get("role") == "system":
        raise RequestError(f"{where}.role is 'system', expected it as the member system of the request")
    fields.need("role")
    role = fields.word("role", _ROLES) or "user"
    fields.need("content")
    parts: list[Part] = []
    for position, block in enumerate(fields.items("content")):
        place = f"{where}.content[{position}]"
        kind, content = open_union(block, place, tables.BLOCKS, "content block")
        if kind == "cachePoint":
            mark_last(parts, content, f"{place}.{kind}")
        else:
            parts.append(_READERS[kind](content, f"{place}.{kind}"))
    return Message(role, tuple(parts))


def _read_text(value: Any, where: str) -> TextPart:
    if not isinstance(value, str):
        raise RequestError(f"{where} is {describe(value)}, expected a string")
    return TextPart(text=value)


def _read_guarded(value: Any, where: str) -> TextPart:
    _, content = open_union(value, where, tables.GUARD_CONTENT, "guarded content")
    fields = Fields(content, f"{where}.text", tables.GUARD_TEXT)
    qualifiers = list(fields.texts("qualifiers"))
    said = {"qualifiers": qualifiers} if qualifiers else {}
    return TextPart(text=fields.need_text("text"), provider_details={"guardContent": said})


def _read_image(value: Any, where: str) -> ImagePart:
    fields = Fields(value, where, tables.IMAGE)
    fields.need("format")
    form = fields.word("format", tuple(tables.MEDIA_TYPES_OF_IMAGES)) or ""
    open_union(fields.need("source"), fields.place("source"), tables.IMAGE_SOURCES, "source")
    source = Fields(fields.get("source"), fields.place("source"), tables.IMAGE_SOURCES)
    return ImagePart(media_type=tables.MEDIA_TYPES_OF_IMAGES[form], data=source.base64("bytes"))


def _read_document(value: Any, where: str) -> DocumentPart:
    fields = Fields(value, where, tables.DOCUMENT)
    form = fields.word("format", tuple(tables.MEDIA_TYPES_OF_DOCUMENTS)) or "txt"
    is_cited = _read_citations(fields)
    return DocumentPart(
        media_type=tables.MEDIA_TYPES_OF_DOCUMENTS[form],
        data=_read_source(fields, is_cited=is_cited),
        name=fields.name("name", most=MAX_DOCUMENT_NAME_CHARACTERS),
        context=fields.text("context"),
        citations=is_cited,
    )


def _read_citations(outer: Fields) -> bool:
    value = outer.get("citations")
    if value is None:
        return False
    fields = Fields(value, outer.place("citations"), tables.CITATIONS)
    fields.need("enabled")
    return bool(fields.flag("enabled"))


def _read_source(fields: Fields, *, is_cited: bool) -> bytes:
    """
    Read a document's content. One that is written as blocks of text has them stand one below the other.
    """
    place = fields.place("source")
    kind, content = open_union(fields.need("source"), place, tables.DOCUMENT_SOURCES, "source")
    source = Fields(fields.get("source"), place, tables.DOCUMENT_SOURCES)
    if kind == "bytes":
        fields.need("format")
        return source.base64("bytes")
    if fields.get("format") not in (None, "txt"):
        raise RequestError(f"{fields.place('format')} is {describe(fields.get('format'))}, expected 'txt' for a text")
    if kind == "text":
        return source.need_text("text").encode()
    texts = [
        Fields(one, f"{place}.content[{n}]", tables.TEXT).need_text("text") for n, one in enumerate(source.items(kind))
    ]
    if is_cited and len(texts) > 1:
        raise RequestError(f"{place}.content has several blocks to cite from, expected one block, or a text")
    return "\n\n".join(texts).encode() if content else b""


def _read_tool_use(value: Any, where: str) -> ToolUsePart:
    fields = Fields(value, where, tables.TOOL_USE)
    fields.need("input")
    return ToolUsePart(
        tool_use_id=fields.name("toolUseId", most=MAX_NAME_CHARACTERS),
        name=fields.name("name", most=MAX_NAME_CHARACTERS),
        input=fields.object("input") or {},
    )


def _read_tool_result(value: Any, where: str) -> ToolResultPart:
    fields = Fields(value, where, tables.TOOL_RESULT)
    fields.need("content")
    content: list[TextPart | ImagePart | DocumentPart] = []
    for position, block in enumerate(fields.items("content")):
        place = f"{where}.content[{position}]"
        kind, inner = open_union(block, place, tables.RESULT_BLOCKS, "content block")
        content.append(_RESULT_READERS[kind](inner, f"{place}.{kind}"))
    return ToolResultPart(
        tool_use_id=fields.name("toolUseId", most=MAX_NAME_CHARACTERS),
        content=tuple(content),
        is_error=fields.word("status", ("success", "error")) == "error",
    )


def _read_json(value: Any, _where: str) -> TextPart:
    """
    Read a tool's result that is JSON: it goes on as its text.
    """
    return TextPart(text=msgspec.json.encode(value).decode())


def _read_reasoning(value: Any, where: str) -> ReasoningPart:
    kind, content = open_union(value, where, tables.REASONING, "reasoning")
    if kind == "redactedContent":
        redacted = Fields(value, where, tables.REASONING).base64("redactedContent")
        return ReasoningPart(redacted=b64encode(redacted).decode())
    fields = Fields(content, f"{where}.{kind}", tables.REASONING_TEXT)
    return ReasoningPart(text=fields.need_text("text"), signature=fields.text("signature") or None)


_RESULT_READERS: Mapping[str, Callable[[Any, str], TextPart | ImagePart | DocumentPart]] = {
    "json": _read_json,
    "text": _read_text,
    "image": _read_image,
    "document": _read_document,
}
_READERS: Mapping[str, Callable[[Any, str], Part]] = {
    "text": _read_text,
    "image": _read_image,
    "document": _read_document,
    "toolUse": _read_tool_use,
    "toolResult": _read_tool_result,
    "guardContent": _read_guarded,
    "reasoningContent": _read_reasoning,
}
