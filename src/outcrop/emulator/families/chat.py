"""
The Chat Completions body, what comes in: what many families share (docs/bedrock_wire.md §4.3, §4.5, §4.9, §4.10).

Which keys a family takes, and within which bounds, stands in the family's own file. What goes out is in
`chat_answers`.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from outcrop.emulator.conversation import Ask, Speaker, Tool, ToolCall, ToolResult, Turn, merge_turns
from outcrop.emulator.converse_tools import tool_choice_of
from outcrop.emulator.families import reasoning
from outcrop.emulator.rules.limits import check_context, check_sampling
from outcrop.emulator.rules.models import Called
from outcrop.emulator.rules.refusals import invalid, malformed
from outcrop.emulator.rules.schema import Field, check_fields, check_value
from outcrop.emulator.speech.tokens import count_input

_MESSAGE = {
    "role": Field(kind="String", required=True),
    "content": Field(kind="Text"),
    "name": Field(kind="String"),
    "tool_calls": Field(kind="JSONArray"),
    "tool_call_id": Field(kind="String"),
    "reasoning_content": Field(kind="String"),
}
_SPEAKERS: Mapping[str, Speaker] = {"user": "user", "assistant": "assistant", "tool": "user"}
_SYSTEM_ROLES = frozenset({"system", "developer"})
_CHOICES = {"auto": "auto", "none": "none", "required": "any", "any": "any"}


def read_chat(body: Mapping[str, Any], called: Called, fields: Mapping[str, Field]) -> Ask:
    """
    Read a body into an ask; `fields` are the keys that this family takes.

    Raises:
        Refusal: the body breaks the schema, or asks for what the model can't do.
    """
    check_fields(body, fields)
    system, turns = _read_messages(body["messages"], called)
    tools = _read_tools(body.get("tools"))
    ask = Ask(
        model=called.entry.base_id,
        title=called.entry.title,
        system=system,
        turns=turns,
        max_tokens=_max_tokens(body, called),
        input_tokens=count_input(system, turns, tools),
        temperature=body.get("temperature"),
        top_p=body.get("top_p"),
        top_k=body.get("top_k"),
        stop_sequences=_read_stop(body.get("stop")),
        tools=tools,
        tool_choice=_read_tool_choice(body.get("tool_choice"), tools),
        thinks=reasoning.thinks(called, reasoning.effort_in(body)),
    )
    check_context(ask, called)
    check_sampling(ask, called)
    return ask


def chat_fields(called: Called, *more: str) -> dict[str, Field]:
    """
    Return the keys that every family of this body takes, and `more` of those that some take.
    """
    limit = called.entry.max_output_tokens
    fields = {
        "messages": Field(kind="JSONArray", required=True, minimum=1),
        "max_tokens": Field(kind="Integer", minimum=1, maximum=limit),
        "temperature": Field(kind="Number", minimum=0, maximum=2),
        "top_p": Field(kind="Number", minimum=0, maximum=1),
        "stop": Field(kind="Text"),
        "tools": Field(kind="JSONArray"),
        "tool_choice": Field(kind="StringOrObject"),
    }
    others = {
        "max_completion_tokens": Field(kind="Integer", minimum=1, maximum=limit),
        "reasoning_effort": Field(kind="String"),
        "reasoning_config": Field(kind="String"),
        "reasoning": Field(kind="JSONObject"),
        "top_k": Field(kind="Integer", minimum=0),
        "frequency_penalty": Field(kind="Number", minimum=-2, maximum=2),
        "presence_penalty": Field(kind="Number", minimum=-2, maximum=2),
        "seed": Field(kind="Integer"),
        "n": Field(kind="Integer", minimum=1, maximum=1),
        "model": Field(kind="String"),
        "stream": Field(kind="Boolean"),
        "stream_options": Field(kind="JSONObject"),
        "response_format": Field(kind="JSONObject"),
        "parallel_tool_calls": Field(kind="Boolean"),
        "user": Field(kind="String"),
    }
    return fields | {name: others[name] for name in more}


def _max_tokens(body: Mapping[str, Any], called: Called) -> int:
    limits = [body[name] for name in ("max_completion_tokens", "max_tokens") if body.get(name) is not None]
    return int(min(limits, default=called.entry.max_output_tokens))


def _read_stop(value: Any) -> tuple[str, ...]:
    if value is None or isinstance(value, str):
        return (value,) if value else ()
    for place, stop in enumerate(value):
        check_value(stop, Field(kind="String", minimum=1), f"#/stop/{place}")
    return tuple(value)


def _read_messages(messages: list[Any], called: Called) -> tuple[str, tuple[Turn, ...]]:
    system: list[str] = []
    turns: list[Turn] = []
    for place, message in enumerate(messages):
        where = f"#/messages/{place}"
        check_value(message, Field(kind="JSONObject"), where)
        check_fields(message, _MESSAGE, where)
        role = message["role"]
        if role in _SYSTEM_ROLES:
            system.append(_read_content(message.get("content"), where, called)[0])
        elif role in _SPEAKERS:
            turns.append(_read_turn(message, where, called))
        else:
            raise malformed(f"{where}/role", f"{role} is not a valid enum value")
    merged = merge_turns(tuple(turns))
    _check_tool_pairs(merged)
    return "\n".join(system), merged


def _read_turn(message: Mapping[str, Any], where: str, called: Called) -> Turn:
    calls = _read_calls(message.get("tool_calls") or [], where)
    if message.get("content") is None and not calls:
        raise malformed(where, "required key [content] not found")
    text, images = _read_content(message.get("content"), where, called)
    if message["role"] == "tool":
        if message.get("tool_call_id") is None:
            raise malformed(where, "required key [tool_call_id] not found")
        return Turn(speaker="user", tool_results=(ToolResult(message["tool_call_id"], text),))
    return Turn(speaker=_SPEAKERS[message["role"]], text=text, images=images, tool_calls=calls)


def _read_content(content: Any, where: str, called: Called) -> tuple[str, int]:
    """
    Return the text of a message's content, and the number of its images.
    """
    if content is None or isinstance(content, str):
        return content or "", 0
    texts: list[str] = []
    images = 0
    for place, part in enumerate(content):
        kind = part.get("type") if isinstance(part, dict) else None
        if kind == "text" and isinstance(part.get("text"), str):
            texts.append(part["text"])
        elif kind == "image_url" and called.takes_images:
            _check_image(part.get("image_url"), f"{where}/content/{place}")
            images += 1
        else:
            raise malformed(f"{where}/content/{place}", f"{kind} is not a valid content part for this model")
    return "\n".join(texts), images


def _check_image(image: Any, where: str) -> None:
    url = image.get("url") if isinstance(image, dict) else image
    if not isinstance(url, str) or not url.startswith("data:image/"):
        raise malformed(f"{where}/image_url", "only data URLs of images are supported")


def _read_calls(calls: list[Any], where: str) -> tuple[ToolCall, ...]:
    read = []
    for place, call in enumerate(calls):
        function = call.get("function") if isinstance(call, dict) else None
        if not isinstance(function, dict) or not isinstance(call.get("id"), str):
            raise malformed(f"{where}/tool_calls/{place}", "required key [function] or [id] not found")
        if not isinstance(function.get("name"), str) or not isinstance(function.get("arguments"), str):
            raise malformed(f"{where}/tool_calls/{place}/function", "required key [name] or [arguments] not found")
        read.append(ToolCall(call["id"], function["name"]))
    return tuple(read)


def _read_tools(value: Any) -> tuple[Tool, ...]:
    tools = []
    for place, tool in enumerate(value or ()):
        function = tool.get("function") if isinstance(tool, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise malformed(f"#/tools/{place}", "required key [function] not found")
        schema = function.get("parameters") or {}
        check_value(schema, Field(kind="JSONObject"), f"#/tools/{place}/function/parameters")
        tools.append(Tool(name=function["name"], schema=schema, description=str(function.get("description") or "")))
    return tuple(tools)


def _read_tool_choice(value: Any, tools: tuple[Tool, ...]) -> str:
    if value is None:
        return "auto"
    if not tools:
        raise invalid("Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.")
    if isinstance(value, str):
        if value not in _CHOICES:
            raise malformed("#/tool_choice", f"{value} is not a valid enum value")
        return _CHOICES[value]
    function = value.get("function")
    return tool_choice_of("tool", function.get("name") if isinstance(function, dict) else None, tools)


def _check_tool_pairs(turns: tuple[Turn, ...]) -> None:
    for place in range(len(turns) + 1):
        called = {call.call_id for call in turns[place - 1].tool_calls} if place else set()
        answered = {result.call_id for result in turns[place].tool_results} if place < len(turns) else set()
        if called - answered:
            raise invalid(
                "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
                f"'tool_call_id'. The following tool_call_ids did not have response messages: {min(called - answered)}"
            )
        if answered - called:
            raise invalid("Messages with role 'tool' must be a response to a preceding message with 'tool_calls'.")


def refuse_wrong_operation(body: Mapping[str, Any], *, streaming: bool) -> None:
    """
    Check that `stream`, where a body has it, agrees with the operation.

    Raises:
        Refusal: it doesn't.
    """
    stream = body.get("stream")
    if isinstance(stream, bool) and stream != streaming:
        operation = "InvokeModelWithResponseStream" if streaming else "InvokeModel"
        raise invalid(f"The value of stream is {msgspec.json.encode(stream).decode()}, which contradicts {operation}.")
