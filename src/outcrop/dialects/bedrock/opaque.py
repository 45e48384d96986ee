"""
Write the blocks of a whole Converse answer, and content that the waist has no words for: images, tools of Bedrock's.

Such content is in a turn's log as Converse wrote it, streamed (a start and deltas) or whole; here the one becomes the
other.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from outcrop.dialects.anthropic.citations import to_converse
from outcrop.dialects.blocks import WholeBlock, parse_arguments


def takes_opaque(content: Mapping[str, Any]) -> bool:
    """
    Say whether a block or delta of unknown kind is one of Converse's: they have one member, and no type.
    """
    return len(content) == 1 and "type" not in content


def split_opaque(content: Mapping[str, Any]) -> tuple[Mapping[str, Any], list[Mapping[str, Any]]]:
    """
    Part a block into its start and its deltas; both are empty where ConverseStream has no words for its kind.
    """
    kind, member = _member(content)
    fields = dict(member)
    deltas: list[Mapping[str, Any]] = []
    match kind:
        case "toolUse":
            if "input" in fields:
                deltas = [{kind: {"input": msgspec.json.encode(fields.pop("input")).decode()}}]
        case "toolResult":
            if "content" in fields:
                deltas = [{kind: fields.pop("content")}]
        case "image":
            said = {name: fields.pop(name) for name in tuple(fields) if name != "format"}
            deltas = [{kind: said}] if said else []
        case _:
            return {}, []
    return {kind: fields}, deltas


def to_block(block: WholeBlock) -> Mapping[str, Any]:
    """
    Write one block of a whole answer.
    """
    match block.opened.kind:
        case "text":
            citations = [found for one in block.citations if (found := to_converse(one)) is not None]
            if citations:
                return {"citationsContent": {"content": [{"text": block.text}], "citations": citations}}
            return {"text": block.text}
        case "thinking":
            signature = {"signature": block.signature} if block.signature else {}
            return {"reasoningContent": {"reasoningText": {"text": block.text, **signature}}}
        case "redacted":
            return {"reasoningContent": {"redactedContent": block.opened.data}}
        case "tool_use":
            use = {"toolUseId": block.opened.tool_use_id, "name": block.opened.name}
            return {"toolUse": {**use, "input": parse_arguments(block.pieces) or {}}}
        case "opaque":
            return _join(block)


def _join(block: WholeBlock) -> Mapping[str, Any]:
    """
    Join an opaque block's start and its deltas.
    """
    kind, member = _member(block.opened.content or (block.deltas[0] if block.deltas else {}))
    deltas = [delta[kind] for delta in block.deltas if kind in delta]
    fields = dict(member)
    if kind == "toolUse" and deltas:
        fields["input"] = parse_arguments(str(delta.get("input", "")) for delta in deltas) or {}
    elif kind == "toolResult":
        fields["content"] = [
            *fields.get("content", []),
            *(piece for delta in deltas if isinstance(delta, list) for piece in delta),
        ]
    else:
        for delta in deltas:
            fields |= delta if isinstance(delta, Mapping) else {}
    return {kind: fields} if kind else {"text": ""}


def _member(content: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    for kind, member in content.items():
        return str(kind), member if isinstance(member, Mapping) else {}
    return "", {}
