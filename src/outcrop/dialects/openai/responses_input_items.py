"""
Write a kept conversation as the items that a response was an answer to: `GET /v1/responses/{id}/input_items`.
"""

from base64 import b64encode
from typing import Any

import msgspec

from outcrop.dialects.openai.conversation import Conversation
from outcrop.errors import RequestError
from outcrop.types import DocumentPart, ImagePart, Message, Part, ReasoningPart, TextPart, ToolResultPart, ToolUsePart

MAX_LIMIT = 100
Item = dict[str, Any]


def list_input_items(
    turn_id: str, conversation: Conversation | None, *, after: str | None, limit: int, order: str
) -> dict[str, Any]:
    """
    List one page of a response's input: at most `limit` items after the item `after`, `asc` or `desc`.

    Raises:
        RequestError: there is no such item, order or limit.
    """
    if order not in {"asc", "desc"}:
        raise RequestError(f"parameter order is {order[:40]!r}, expected asc or desc")
    if not 1 <= limit <= MAX_LIMIT:
        raise RequestError(f"parameter limit is {limit}, expected 1 to {MAX_LIMIT}")
    items = [{"id": f"in_{turn_id}_{n}", **item} for n, item in enumerate(_write_items(conversation))]
    if order == "desc":
        items.reverse()
    names = [item["id"] for item in items]
    if after is not None and after not in names:
        raise RequestError(f"there is no item {after[:80]!r}")
    begin = 0 if after is None else names.index(after) + 1
    page = items[begin : begin + limit]
    return {
        "object": "list",
        "data": page,
        "first_id": page[0]["id"] if page else None,
        "last_id": page[-1]["id"] if page else None,
        "has_more": begin + limit < len(items),
    }


def _write_items(conversation: Conversation | None) -> list[Item]:
    if conversation is None:
        return []
    items = [_write_message("system", [_write_text(part)]) for part in conversation.system]
    for message in conversation.messages:
        items += _write_turn(message)
    return items


def _write_turn(message: Message) -> list[Item]:
    """
    Write a message: neighbouring texts and files stay together, the rest are items of their own.
    """
    items: list[Item] = []
    said: list[Item] = []
    for part in message.parts:
        other = _write_other(part)
        if other is None:
            said.append(_write_part(part, message.role))
            continue
        if said:
            items.append(_write_message(message.role, said))
            said = []
        items.append(other)
    return [*items, _write_message(message.role, said)] if said else items


def _write_message(role: str, content: list[Item]) -> Item:
    return {"type": "message", "role": role, "status": "completed", "content": content}


def _write_other(part: Part) -> Item | None:
    match part:
        case ToolUsePart():
            arguments = msgspec.json.encode(part.input).decode()
            call = {"type": "function_call", "call_id": part.tool_use_id, "name": part.name, "arguments": arguments}
            return {**call, "status": "completed"}
        case ToolResultPart():
            output = [_write_part(content, "user") for content in part.content]
            return {
                "type": "function_call_output", "call_id": part.tool_use_id, "output": output, "status": "completed"
            }  # fmt: skip
        case ReasoningPart():
            return {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": part.text}]}
        case _:
            return None


def _write_part(part: Any, role: str) -> Item:
    match part:
        case ImagePart():
            return {"type": "input_image", "detail": "auto", "image_url": _write_url(part.media_type, part.data)}
        case DocumentPart():
            return {"type": "input_file", "filename": part.name}
        case TextPart() if role == "assistant":
            return {"type": "output_text", "text": part.text, "annotations": []}
        case TextPart():
            return _write_text(part)
        case _:
            return {"type": "input_text", "text": msgspec.json.encode(part).decode()}


def _write_text(part: TextPart) -> Item:
    return {"type": "input_text", "text": part.text}


def _write_url(media_type: str, content: bytes) -> str:
    return f"data:{media_type};base64,{b64encode(content).decode()}"
