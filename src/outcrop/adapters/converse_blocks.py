"""
Write parts as Converse's content blocks (docs/bedrock_wire.md §5.1, with the limits of §1.5).
"""

import binascii
import re
import unicodedata
from base64 import b64decode
from collections.abc import Mapping
from typing import Any

import msgspec

from outcrop.adapters.converse_families import ConverseFamily
from outcrop.adapters.converse_turns import Turn, is_blank
from outcrop.adapters.payloads import Json
from outcrop.errors import RequestError
from outcrop.types import (
    CacheTtl,
    DocumentPart,
    ImagePart,
    Part,
    ReasoningPart,
    TextPart,
    ToolResultPart,
    ToolUsePart,
)

IMAGE_FORMATS: Mapping[str, str] = {
    "image/gif": "gif",
    "image/jpeg": "jpeg",
    "image/png": "png",
    "image/webp": "webp",
}
DOCUMENT_FORMATS: Mapping[str, str] = {
    "application/msword": "doc",
    "application/pdf": "pdf",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "text/csv": "csv",
    "text/html": "html",
    "text/markdown": "md",
    "text/plain": "txt",
}
MAX_DOCUMENT_NAME = 200
GUARD_CONTENT = "guardContent"
"""
The one provider detail that a text can be sent with: `{"qualifiers": [...]}`, or `{}`, marks it for the guardrail.
"""

_QUALIFIERS = frozenset({"grounding_source", "query", "guard_content"})
_TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_TOOL_USE_ID = re.compile(r"[a-zA-Z0-9_.:-]{1,64}")
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9\-()\[\]]+")


class BlockWriter:
    """
    Write the blocks of one request. It remembers the names of its documents, which must differ.
    """

    def __init__(self, family: ConverseFamily) -> None:
        self._family = family
        self._names: set[str] = set()

    def write_message(self, turn: Turn) -> Json:
        """
        Write one message.

        Raises:
            RequestError: a part can't be sent; the message names its position.
        """
        content: list[Json] = []
        for where, part in turn.parts:
            content.append(self._write_part(part, where))
            add_mark(content, _mark_of(part), "messages", self._family)
        return {"role": turn.role, "content": content}

    def _write_part(self, part: Part, where: str) -> Json:
        match part:
            case TextPart():
                return write_text(part, where)
            case ImagePart():
                return _write_image(part, where)
            case DocumentPart():
                return self._write_document(part, where)
            case ReasoningPart():
                return _write_reasoning(part, where)
            case ToolUsePart():
                check_tool_name(part.name, where)
                use = {"toolUseId": _check_tool_use_id(part.tool_use_id, where), "name": part.name, "input": part.input}
                return {"toolUse": use}
            case ToolResultPart():
                return self._write_result(part, where)

    def _write_result(self, part: ToolResultPart, where: str) -> Json:
        """
        Write a tool's result. Converse refuses one without content: a tool that said nothing gave an empty object.

        Only Claude and Nova know the status of a result; to others a failure is told in a text before its content.
        """
        content = [
            self._write_inner(inner, f"{where}.content[{index}]")
            for index, inner in enumerate(part.content)
            if not is_blank(inner)
        ]
        if part.is_error and not self._family.marks_errors:
            content.insert(0, {"text": "The tool failed."})
        result: Json = {
            "toolUseId": _check_tool_use_id(part.tool_use_id, where),
            "content": content or [{"json": {}}],
        }
        if self._family.marks_errors:
            result["status"] = "error" if part.is_error else "success"
        return {"toolResult": result}

    def _write_inner(self, part: TextPart | ImagePart | DocumentPart, where: str) -> Json:
        block = self._write_part(part, where)
        if GUARD_CONTENT in block:
            raise RequestError(f"{where} holds {GUARD_CONTENT!r}, which can't be sent inside a tool's result")
        return block

    def _write_document(self, part: DocumentPart, where: str) -> Json:
        media_type = part.media_type.partition(";")[0].strip().lower()
        found = DOCUMENT_FORMATS.get(media_type)
        if found is None:
            expected = ", ".join(sorted(DOCUMENT_FORMATS))
            raise RequestError(f"{where} is a document of type {part.media_type!r}, expected one of {expected}")
        document: Json = {
            "format": found,
            "name": self._name_document(part.name),
            "source": {"bytes": _check_filled(part.data, where)},
        }
        if part.context is not None:
            document["context"] = part.context
        if part.citations:
            document["citations"] = {"enabled": True}
        return {"document": document}

    def _name_document(self, wanted: str) -> str:
        """
        Make a name valid and unique: accents are taken off, other strange characters become one space.
        """
        plain = unicodedata.normalize("NFKD", wanted).encode("ascii", "ignore").decode()
        stem = _NOT_IN_A_NAME.sub(" ", plain).strip()[:MAX_DOCUMENT_NAME].rstrip() or "document"
        name, number = stem, 1
        while name in self._names:
            number += 1
            name = f"{stem[: MAX_DOCUMENT_NAME - len(f' {number}')].rstrip()} {number}"
        self._names.add(name)
        return name


def write_text(part: TextPart, where: str) -> Json:
    """
    Write a text, of a message or of the system prompt.

    Raises:
        RequestError: it carries details that can't be sent.
    """
    details = part.provider_details or {}
    for name in details:
        if name != GUARD_CONTENT:
            raise RequestError(f"{where} holds {name!r}, which can't be sent by converse")
    if not details:
        return {"text": part.text}
    guarded: Json = {"text": part.text}
    if qualifiers := _read_qualifiers(details[GUARD_CONTENT], where):
        guarded["qualifiers"] = qualifiers
    return {GUARD_CONTENT: {"text": guarded}}


def add_mark(blocks: list[Json], ttl: CacheTtl | None, place: str, family: ConverseFamily) -> None:
    """
    Add a cache point after the last block, if the family understands it in this place. It is a hint: others get none.

    Five minutes are the default and go unsaid: not every model knows times to live.
    """
    if ttl is None or place not in family.cache_marks:
        return
    said = {} if ttl == "5m" or ttl not in family.cache_ttls else {"ttl": ttl}
    blocks.append({"cachePoint": {"type": "default", **said}})


def check_tool_name(name: str, where: str) -> None:
    """
    Refuse a tool's name that Bedrock can't take.

    Raises:
        RequestError: the name is not 1 to 64 letters, digits, '_' and '-'.
    """
    if not _TOOL_NAME.fullmatch(name):
        raise RequestError(f"{where} names the tool {name[:80]!r}, expected 1 to 64 letters, digits, '_' and '-'")


def _check_tool_use_id(tool_use_id: str, where: str) -> str:
    if not _TOOL_USE_ID.fullmatch(tool_use_id):
        raise RequestError(
            f"{where} has the tool use id {tool_use_id[:80]!r}, expected 1 to 64 letters, digits and any of '_.:-'"
        )
    return tool_use_id


def _mark_of(part: Part) -> CacheTtl | None:
    """
    Return a part's cache mark. One inside a tool's result stands for the result: nothing smaller can be marked.
    """
    match part:
        case ReasoningPart():
            return None
        case ToolResultPart():
            return part.cache_ttl or next(
                (inner.cache_ttl for inner in reversed(part.content) if inner.cache_ttl), None
            )
        case _:
            return part.cache_ttl


def _write_image(part: ImagePart, where: str) -> Json:
    found = IMAGE_FORMATS.get(part.media_type)
    if found is None:
        expected = ", ".join(sorted(IMAGE_FORMATS))
        raise RequestError(f"{where} is an image of type {part.media_type!r}, expected one of {expected}")
    return {"image": {"format": found, "source": {"bytes": _check_filled(part.data, where)}}}


def _check_filled(content: bytes, where: str) -> bytes:
    if not content:
        raise RequestError(f"{where} is empty, expected at least one byte")
    return content


def _write_reasoning(part: ReasoningPart, where: str) -> Json:
    if part.redacted is not None:
        try:
            b64decode(part.redacted, validate=True)
        except (binascii.Error, ValueError) as error:
            raise RequestError(f"{where} is redacted reasoning that is not base64") from error
        return {"reasoningContent": {"redactedContent": part.redacted}}
    reasoning: Json = {"text": part.text}
    if part.signature:
        reasoning["signature"] = part.signature
    return {"reasoningContent": {"reasoningText": reasoning}}


def _read_qualifiers(detail: Any, where: str) -> list[str]:
    try:
        qualifiers = msgspec.convert(detail, dict[str, list[str]]).pop("qualifiers", [])
    except msgspec.ValidationError as error:
        raise RequestError(f"{where} holds a {GUARD_CONTENT!r} that is not an object of lists: {error}") from error
    for qualifier in qualifiers:
        if qualifier not in _QUALIFIERS:
            expected = ", ".join(map(repr, sorted(_QUALIFIERS)))
            raise RequestError(f"{where} has the qualifier {qualifier!r}, expected one of {expected}")
    return qualifiers
