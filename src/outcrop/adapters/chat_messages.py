"""
Write a conversation as Chat Completions messages, for every family that takes them.

Tool results stand before the rest of their message, because they must follow the calls that they answer. The messages
have no field for a tool's failure: such a result says so in its words, `Error: …`. Reasoning of earlier answers is not
given back where a family reasons: the models' own templates leave it out. Marks for the prompt cache are hints without
a place here and are left out. Images go as `data:` URLs [R].
"""

import base64
from collections.abc import Mapping
from typing import Any

import msgspec

from outcrop.adapters.payloads import Json
from outcrop.adapters.prompt_text import join_system
from outcrop.errors import RequestError
from outcrop.types import (
    ChatRequest,
    ImagePart,
    Message,
    Part,
    ReasoningPart,
    TextPart,
    ToolChoice,
    ToolResultPart,
    ToolSpec,
    ToolUsePart,
)


def to_messages(request: ChatRequest) -> list[Json]:
    """
    Return the messages, the system prompt first.

    Raises:
        RequestError: a message holds a part that it has no place for.
    """
    system = join_system(request.system)
    messages: list[Json] = [{"role": "system", "content": system}] if system else []
    for position, message in enumerate(request.messages):
        where = f"messages[{position}]"
        if message.role == "assistant":
            messages += _to_assistant_message(message, where)
        else:
            messages += _to_user_messages(message, where)
    return messages


def to_tool(tool: ToolSpec) -> Json:
    """
    Return a tool's description.
    """
    function: Json = {"name": tool.name, "parameters": tool.input_schema}
    if tool.description is not None:
        function["description"] = tool.description
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def to_tool_choice(choice: ToolChoice | None, tools: tuple[ToolSpec, ...], forced: str) -> str | Json | None:
    """
    Return the choice of a tool; `forced` is the family's word for "some tool". None where there are no tools.
    """
    if choice is None or not tools:
        return None
    if choice.mode == "tool":
        return {"type": "function", "function": {"name": choice.name}}
    return forced if choice.mode == "any" else choice.mode


def _to_assistant_message(message: Message, where: str) -> list[Json]:
    texts: list[str] = []
    calls: list[Json] = []
    for index, part in enumerate(message.parts):
        match part:
            case TextPart():
                texts.append(part.text)
            case ToolUsePart():
                calls.append(_to_tool_call(part))
            case ReasoningPart():
                continue
            case _:
                raise _misplaced(f"{where}.parts[{index}]", part, "assistant")
    converted: Json = {"role": "assistant"}
    if texts:
        converted["content"] = "".join(texts)
    if calls:
        converted["tool_calls"] = calls
    return [converted] if texts or calls else []


def _to_tool_call(part: ToolUsePart) -> Json:
    arguments = _encode_arguments(part.input)
    return {"id": part.tool_use_id, "type": "function", "function": {"name": part.name, "arguments": arguments}}


def _encode_arguments(arguments: Mapping[str, Any]) -> str:
    try:
        return msgspec.json.encode(arguments).decode()
    except UnicodeEncodeError as error:
        raise RequestError("a tool's argument holds half of a surrogate pair, expected valid unicode") from error
    except RecursionError as error:
        raise RequestError("a tool's arguments are nested too deeply") from error


def _to_user_messages(message: Message, where: str) -> list[Json]:
    results: list[Json] = []
    rest: list[TextPart | ImagePart] = []
    for index, part in enumerate(message.parts):
        match part:
            case ToolResultPart():
                results.append(_to_tool_message(part, f"{where}.parts[{index}]"))
            case TextPart() | ImagePart():
                rest.append(part)
            case _:
                raise _misplaced(f"{where}.parts[{index}]", part, "user")
    return [*results, {"role": "user", "content": _to_content(rest)}] if rest else results


def _to_content(parts: list[TextPart | ImagePart]) -> str | list[Json]:
    """
    Return one string where there is only text, which every family takes; a list where there are images.
    """
    texts = [part.text for part in parts if isinstance(part, TextPart)]
    if len(texts) == len(parts):
        return "\n\n".join(texts)
    return [
        {"type": "text", "text": part.text}
        if isinstance(part, TextPart)
        else {"type": "image_url", "image_url": {"url": _to_data_url(part)}}
        for part in parts
    ]


def _to_data_url(part: ImagePart) -> str:
    return f"data:{part.media_type};base64,{base64.b64encode(part.data).decode()}"


def _to_tool_message(part: ToolResultPart, where: str) -> Json:
    texts: list[str] = []
    for index, inner in enumerate(part.content):
        if not isinstance(inner, TextPart):
            raise _misplaced(f"{where}.content[{index}]", inner, "tool")
        texts.append(inner.text)
    content = "\n\n".join(texts)
    return {
        "role": "tool",
        "tool_call_id": part.tool_use_id,
        "content": f"Error: {content}" if part.is_error else content,
    }


def _misplaced(where: str, part: Part, role: str) -> RequestError:
    return RequestError(f"{where} is a {type(part).__name__}, which can't be put into a chat message from the {role!r}")
