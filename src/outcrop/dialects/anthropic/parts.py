"""
Read the messages of the Anthropic Messages API: content blocks become parts.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from outcrop.dialects.anthropic.tables import (
    BLOCKS,
    CACHE_CONTROL,
    CITATIONS,
    MESSAGE,
    REFUSED_BLOCKS,
    REFUSED_SOURCES,
    SOURCES,
)
from outcrop.dialects.fields import Fields, describe
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
_IMAGES = ("image/jpeg", "image/png", "image/gif", "image/webp")
_IN_RESULTS = frozenset({"text", "image", "document"})


def read_messages(values: list[Any]) -> tuple[Message, ...]:
    """
    Read a conversation.

    Raises:
        RequestError: something in it is malformed, or can't be served; the message names its place.
    """
    return tuple(_read_message(value, f"messages[{position}]") for position, value in enumerate(values))


def read_system(value: Any) -> tuple[TextPart, ...]:
    """
    Read a system prompt: a string, or a list of text blocks.

    Raises:
        RequestError: it is something else.
    """
    if value is None or isinstance(value, str):
        return (TextPart(text=value),) if value else ()
    if not isinstance(value, list):
        raise RequestError(f"system is {describe(value)}, expected a string or a list of text blocks")
    return tuple(_read_text(_open_block(one, f"system[{n}]", frozenset({"text"}))) for n, one in enumerate(value))


def read_cache_mark(value: Any, where: str) -> CacheTtl | None:
    """
    Read a `cache_control`; five minutes are its default.

    Raises:
        RequestError: it is malformed.
    """
    if value is None:
        return None
    fields = Fields(value, where, CACHE_CONTROL)
    fields.need("type")
    fields.word("type", ("ephemeral",))
    return fields.word("ttl", _TTLS) or "5m"


def mark_last_part(messages: tuple[Message, ...], ttl: CacheTtl | None) -> tuple[Message, ...]:
    """
    Mark the last part that can be marked, unless it is: what a `cache_control` of the whole request means.
    """
    if ttl is None or not messages:
        return messages
    parts = list(messages[-1].parts)
    for position in range(len(parts) - 1, -1, -1):
        part = parts[position]
        if isinstance(part, ReasoningPart):
            continue
        if part.cache_ttl is None:
            parts[position] = msgspec.structs.replace(part, cache_ttl=ttl)
        return (*messages[:-1], Message(messages[-1].role, tuple(parts)))
    return messages


def _read_message(value: Any, where: str) -> Message:
    fields = Fields(value, where, MESSAGE)
    if fields.get("role") == "system":
        raise RequestError(f"{where}.role is 'system', expected it as the field system of the request")
    fields.need("role")
    role = fields.word("role", _ROLES) or "user"
    content = fields.need("content")
    if isinstance(content, str):
        return Message(role, (TextPart(text=content),))
    if not isinstance(content, list):
        raise RequestError(f"{where}.content is {describe(content)}, expected a string or a list of blocks")
    return Message(role, tuple(_read_block(block, f"{where}.content[{n}]") for n, block in enumerate(content)))


def _open_block(value: Any, where: str, allowed: frozenset[str] | None = None) -> Fields:
    """
    Find out a block's type and read it by that type's table.
    """
    kind = value.get("type") if isinstance(value, dict) else None
    if not isinstance(kind, str):
        raise RequestError(f"{where} is {describe(value)}, expected a content block with a type")
    if kind in REFUSED_BLOCKS:
        raise RequestError(f"{where} is a block of type {kind!r}, which can't be served: {REFUSED_BLOCKS[kind]}")
    expected = sorted(allowed or BLOCKS)
    if kind not in expected:
        raise RequestError(f"{where} is a block of type {kind[:80]!r}, expected one of {', '.join(expected)}")
    return Fields(value, where, BLOCKS[kind])


def _read_block(value: Any, where: str) -> Part:
    fields = _open_block(value, where)
    return _READERS[str(fields.get("type"))](fields)


def _mark(fields: Fields) -> CacheTtl | None:
    return read_cache_mark(fields.get("cache_control"), fields.place("cache_control"))


def _read_text(fields: Fields) -> TextPart:
    citations = fields.items("citations")
    for position, citation in enumerate(citations):
        if not isinstance(citation, dict):
            place = f"{fields.place('citations')}[{position}]"
            raise RequestError(f"{place} is {describe(citation)}, expected an object")
    return TextPart(
        text=fields.need_text("text"),
        cache_ttl=_mark(fields),
        provider_details={"citations": citations} if citations else None,
    )


def _open_source(fields: Fields) -> tuple[str, Fields]:
    value, where = fields.need("source"), fields.place("source")
    kind = value.get("type") if isinstance(value, dict) else None
    if isinstance(kind, str) and kind in REFUSED_SOURCES:
        raise RequestError(f"{where} is of type {kind!r}, which can't be served: {REFUSED_SOURCES[kind]}")
    if not isinstance(kind, str) or kind not in SOURCES:
        raise RequestError(f"{where}.type is {describe(kind)}, expected one of {', '.join(SOURCES)}")
    return kind, Fields(value, where, SOURCES[kind])


def _read_image(fields: Fields) -> ImagePart:
    kind, source = _open_source(fields)
    if kind != "base64":
        raise RequestError(f"{source.place('type')} is {kind!r}, expected 'base64'")
    source.need("media_type")
    return ImagePart(
        media_type=source.word("media_type", _IMAGES) or "", data=source.base64("data"), cache_ttl=_mark(fields)
    )


def _read_document(fields: Fields) -> DocumentPart:
    citations = fields.object("citations")
    enabled = citations is not None and Fields(citations, fields.place("citations"), CITATIONS).flag("enabled")
    kind, source = _open_source(fields)
    media_type, content = _READ_SOURCES[kind](source)
    if kind == "content" and enabled and isinstance(source.get("content"), list) and len(source.get("content")) > 1:
        raise RequestError(f"{source.place('content')} has several blocks to cite from, expected one block, or a text")
    return DocumentPart(
        media_type=media_type,
        data=content,
        name=fields.text("title") or "document",
        context=fields.text("context"),
        citations=bool(enabled),
        cache_ttl=_mark(fields),
    )


def _read_bytes(source: Fields) -> tuple[str, bytes]:
    return source.name("media_type"), source.base64("data")


def _read_plain(source: Fields) -> tuple[str, bytes]:
    source.word("media_type", ("text/plain",))
    return "text/plain", source.need_text("data").encode()


def _read_blocks(source: Fields) -> tuple[str, bytes]:
    """
    Read a document that is written as blocks of text: they stand one below the other.
    """
    content, where = source.need("content"), source.place("content")
    if isinstance(content, str):
        return "text/plain", content.encode()
    texts = [
        _read_text(_open_block(block, f"{where}[{n}]", frozenset({"text"}))).text
        for n, block in enumerate(source.items("content"))
    ]
    return "text/plain", "\n\n".join(texts).encode()


def _read_thinking(fields: Fields) -> ReasoningPart:
    return ReasoningPart(text=fields.need_text("thinking"), signature=fields.text("signature") or None)


def _read_redacted(fields: Fields) -> ReasoningPart:
    return ReasoningPart(redacted=fields.name("data"))


def _read_tool_use(fields: Fields) -> ToolUsePart:
    caller = fields.object("caller")
    if caller is not None and caller.get("type") != "direct":
        raise RequestError(f"{fields.place('caller')} is not 'direct', and the model's own calls are all there is")
    fields.need("input")
    return ToolUsePart(
        tool_use_id=fields.name("id"),
        name=fields.name("name"),
        input=fields.object("input") or {},
        cache_ttl=_mark(fields),
    )


def _read_tool_result(fields: Fields) -> ToolResultPart:
    content = fields.get("content")
    if isinstance(content, str):
        parts: list[Part] = [TextPart(text=content)]
    else:
        where = fields.place("content")
        blocks = [_open_block(one, f"{where}[{n}]", _IN_RESULTS) for n, one in enumerate(fields.items("content"))]
        parts = [_READERS[str(block.get("type"))](block) for block in blocks]
    return ToolResultPart(
        tool_use_id=fields.name("tool_use_id"),
        content=tuple(part for part in parts if isinstance(part, TextPart | ImagePart | DocumentPart)),
        is_error=bool(fields.flag("is_error")),
        cache_ttl=_mark(fields),
    )


_READ_SOURCES: Mapping[str, Callable[[Fields], tuple[str, bytes]]] = {
    "base64": _read_bytes,
    "text": _read_plain,
    "content": _read_blocks,
}
_READERS: Mapping[str, Callable[[Fields], Part]] = {
    "text": _read_text,
    "image": _read_image,
    "document": _read_document,
    "thinking": _read_thinking,
    "redacted_thinking": _read_redacted,
    "tool_use": _read_tool_use,
    "tool_result": _read_tool_result,
}
