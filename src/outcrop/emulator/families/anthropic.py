"""
Anthropic Claude, what comes in: the Messages body read into an `Ask` (docs/bedrock_wire.md §4.1).

What goes out is in `anthropic_answers`.
"""

import binascii
from base64 import b64decode
from collections.abc import Mapping
from typing import Any

import msgspec

from outcrop.emulator.conversation import Ask, Tool, ToolCall, ToolResult, Turn, merge_turns
from outcrop.emulator.converse_tools import tool_choice_of
from outcrop.emulator.families import anthropic_answers, claude_rules
from outcrop.emulator.families.claude_cache import read_cache_marks
from outcrop.emulator.families.family import STOP_SEQUENCE, ConverseRules, Family
from outcrop.emulator.rules.models import Called
from outcrop.emulator.rules.refusals import invalid, malformed
from outcrop.emulator.rules.schema import Field, check_fields
from outcrop.emulator.speech.tokens import count_input

_FIELDS: Mapping[str, Field] = {
    "anthropic_version": Field(kind="String", required=True, minimum=1),
    "max_tokens": Field(kind="Integer", required=True, minimum=0),
    "messages": Field(kind="JSONArray", required=True, minimum=1),
    "system": Field(kind="Text"),
    "anthropic_beta": Field(kind="JSONArray"),
    "stop_sequences": Field(kind="JSONArray", maximum=8191),
    "temperature": Field(kind="Number", minimum=0, maximum=1),
    "top_p": Field(kind="Number", minimum=0, maximum=1),
    "top_k": Field(kind="Integer", minimum=0),
    "tools": Field(kind="JSONArray"),
    "tool_choice": Field(kind="JSONObject"),
    "thinking": Field(kind="JSONObject"),
    "output_config": Field(kind="JSONObject"),
    "metadata": Field(kind="JSONObject"),
}
_MESSAGE = {"role": Field(kind="String", required=True), "content": Field(kind="Text", required=True)}
_BLOCK_TYPES = (
    "document",
    "image",
    "redacted_thinking",
    "search_result",
    "text",
    "thinking",
    "tool_result",
    "tool_use",
)
_MEDIA_TYPES = ("image/jpeg", "image/png", "image/gif", "image/webp")
MAX_IMAGE_BYTES = 3_750_000


def read(body: Mapping[str, Any], called: Called) -> Ask:
    """
    Read a body into an ask.

    Raises:
        Refusal: the body breaks the schema, or asks for what the model can't do.
    """
    check_fields(body, _FIELDS)
    system = _read_system(body.get("system"))
    turns = tuple(_read_message(message, place) for place, message in enumerate(body["messages"]))
    tools = _read_tools(body.get("tools"))
    thinking = claude_rules.parse_thinking(body.get("thinking"))
    ask = Ask(
        model=called.entry.base_id,
        title=called.entry.title,
        system=system,
        turns=merge_turns(turns),
        max_tokens=body["max_tokens"],
        input_tokens=count_input(system, turns, tools),
        temperature=body.get("temperature"),
        top_p=body.get("top_p"),
        top_k=body.get("top_k"),
        stop_sequences=_read_stop_sequences(body.get("stop_sequences")),
        tools=tools,
        tool_choice=_read_tool_choice(body.get("tool_choice"), tools),
        thinks=claude_rules.thinks(called, thinking),
        signs=True,
        cache_marks=read_cache_marks(body, called),
    )
    claude_rules.check(ask, called, thinking, (body.get("output_config") or {}).get("effort"))
    return ask


def _read_system(system: Any) -> str:
    if system is None or isinstance(system, str):
        return system or ""
    for place, block in enumerate(system):
        if not isinstance(block, dict) or block.get("type") != "text" or not isinstance(block.get("text"), str):
            raise invalid(f"system.{place}: Input should be a text block")
        if not block["text"].strip():
            raise invalid("system: text content blocks must contain non-whitespace text")
    return "\n".join(block["text"] for block in system)


def _read_message(message: Any, place: int) -> Turn:
    where = f"messages.{place}"
    if not isinstance(message, dict):
        raise malformed(f"#/messages/{place}", "expected type: JSONObject")
    check_fields(message, _MESSAGE, f"#/messages/{place}")
    role, content = message["role"], message["content"]
    if role not in {"user", "assistant"}:
        raise malformed(f"#/messages/{place}/role", f"{role} is not a valid enum value")
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    if not content:
        raise invalid(
            f"{where}: all messages must have non-empty content except for the optional final assistant message"
        )
    parts = _Parts()
    for number, block in enumerate(content):
        _read_block(block, f"{where}.content.{number}", parts)
    return Turn(
        speaker=role,
        text="\n".join(parts.texts),
        images=parts.images,
        documents=parts.documents,
        tool_calls=tuple(parts.calls),
        tool_results=tuple(parts.results),
    )


class _Parts:
    """
    Collect what a message's blocks hold.
    """

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.calls: list[ToolCall] = []
        self.results: list[ToolResult] = []
        self.images = 0
        self.documents = 0


def _read_block(block: Any, where: str, parts: _Parts) -> None:
    kind = block.get("type") if isinstance(block, dict) else None
    if kind not in _BLOCK_TYPES:
        expected = ", ".join(repr(one) for one in _BLOCK_TYPES)
        raise invalid(
            f"{where}: Input tag {kind!r} found using 'type' does not match any of the expected tags: {expected}"
        )
    if kind == "text":
        parts.texts.append(_read_text(block, where))
    elif kind == "image":
        _check_image(block.get("source"), where)
        parts.images += 1
    elif kind in {"document", "search_result"}:
        parts.documents += 1
    elif kind == "tool_use":
        parts.calls.append(_read_tool_use(block, where))
    elif kind == "tool_result":
        parts.results.append(_read_tool_result(block, where))
    elif kind == "thinking" and not isinstance(block.get("signature"), str):
        raise invalid(f"{where}.thinking.signature: Field required")


def _read_text(block: Mapping[str, Any], where: str) -> str:
    text = block.get("text")
    if not isinstance(text, str):
        raise invalid(f"{where}.text.text: Field required")
    if not text.strip():
        raise invalid("messages: text content blocks must contain non-whitespace text")
    return text


def _check_image(source: Any, where: str) -> None:
    if not isinstance(source, dict) or source.get("type") != "base64":
        raise invalid(f"{where}.image.source: Input tag found using 'type' does not match the expected tag: 'base64'")
    if source.get("media_type") not in _MEDIA_TYPES:
        expected = ", ".join(repr(one) for one in _MEDIA_TYPES)
        raise invalid(f"{where}.image.source.base64.media_type: Input should be {expected}")
    try:
        picture = b64decode(str(source.get("data", "")), validate=True)
    except (binascii.Error, ValueError) as error:
        raise invalid(f"{where}.image.source.base64.data: Invalid base64 data") from error
    if not picture:
        raise invalid(f"{where}.image.source.base64.data: image cannot be empty")
    if len(picture) > MAX_IMAGE_BYTES:
        raise invalid(
            f"{where}.image.source.base64: image exceeds 3.75 MB maximum: {len(picture)} bytes > {MAX_IMAGE_BYTES}"
        )


def _read_tool_use(block: Mapping[str, Any], where: str) -> ToolCall:
    call_id, name = block.get("id"), block.get("name")
    if not isinstance(call_id, str) or not isinstance(name, str):
        raise invalid(f"{where}.tool_use.{'name' if isinstance(call_id, str) else 'id'}: Field required")
    if not isinstance(block.get("input"), dict):
        raise invalid(f"{where}.tool_use.input: Input should be a valid dictionary")
    return ToolCall(call_id, name)


def _read_tool_result(block: Mapping[str, Any], where: str) -> ToolResult:
    call_id, content = block.get("tool_use_id"), block.get("content", "")
    if not isinstance(call_id, str):
        raise invalid(f"{where}.tool_result.tool_use_id: Field required")
    if isinstance(content, str):
        return ToolResult(call_id, content)
    if not isinstance(content, list):
        raise invalid(f"{where}.tool_result.content: Input should be a valid list")
    texts = [one.get("text", f"[{one.get('type')}]") for one in content if isinstance(one, dict)]
    return ToolResult(call_id, "\n".join(str(text) for text in texts))


def _read_stop_sequences(value: Any) -> tuple[str, ...]:
    for place, stop in enumerate(value or ()):
        if not isinstance(stop, str):
            raise malformed(f"#/stop_sequences/{place}", "expected type: String")
        if not stop.strip():
            raise invalid("stop_sequences: each stop sequence must contain non-whitespace")
    return tuple(value or ())


def _read_tools(value: Any) -> tuple[Tool, ...]:
    tools: list[Tool] = []
    for place, tool in enumerate(value or ()):
        if not isinstance(tool, dict) or not isinstance(tool.get("name"), str):
            raise invalid(f"tools.{place}.custom.name: Field required")
        schema = tool.get("input_schema")
        if not isinstance(schema, dict) or schema.get("type") != "object":
            raise invalid(f"tools.{place}.custom.input_schema.type: Input should be 'object'")
        tools.append(Tool(name=tool["name"], schema=schema, description=str(tool.get("description") or "")))
    if len({tool.name for tool in tools}) < len(tools):
        raise invalid("tools: Tool names must be unique.")
    return tuple(tools)


def _read_tool_choice(value: Any, tools: tuple[Tool, ...]) -> str:
    if value is None:
        return "auto"
    mode = value.get("type")
    if mode not in ("auto", "any", "none", "tool"):
        raise invalid(
            "tool_choice: Input tag found using 'type' does not match any of the expected tags: 'any', 'auto', "
            "'none', 'tool'"
        )
    if not tools:
        raise invalid("tool_choice may only be specified while providing tools.")
    return tool_choice_of(mode, value.get("name"), tools)


def count(body: Mapping[str, Any], called: Called) -> int:
    """
    Return the input tokens of a body; `max_tokens` need not be there.

    Raises:
        Refusal: the body can't be read.
    """
    complete = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": called.entry.max_output_tokens, **body}
    return read(msgspec.to_builtins(complete), called).input_tokens


FAMILY = Family(
    read=read,
    whole=anthropic_answers.whole,
    stream=anthropic_answers.stream,
    count=count,
    converse=ConverseRules(
        extra_fields=lambda _called: claude_rules.EXTRA_FIELDS,
        response_fields=frozenset({STOP_SEQUENCE}),
        may_open_with_assistant=lambda _called: True,
        merges_neighbours=True,
        refused_beside_tool_result=frozenset({"document", "video"}),
        takes_tool_status=True,
        settle=claude_rules.settle,
    ),
)
