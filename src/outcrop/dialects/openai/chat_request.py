"""
The Chat Completions dialect, what comes in: the body of `POST /v1/chat/completions`.

What may stand in a body, and what becomes of it, is in `openai_tables`.
"""

from typing import Any

import msgspec

from outcrop.dialects.fields import Fields, decode_object, describe
from outcrop.dialects.openai.chat_messages import read_messages
from outcrop.dialects.openai.options import (
    CHOICES,
    Choice,
    apply_choice,
    check_tools,
    open_fields,
    open_typed,
    read_effort,
    read_metadata,
    read_model,
    read_temperature,
    read_tier,
    to_tool,
)
from outcrop.dialects.openai.tables import (
    ALLOWED,
    ALLOWED_TOOLS,
    CHAT_REQUEST,
    FUNCTION,
    FUNCTION_TOOL,
    JSON_SCHEMA,
    NAME,
    NAMED_TOOL,
    NO_JSON_OBJECT,
    RESPONSE_FORMATS,
    STREAM_OPTIONS,
)
from outcrop.errors import RequestError
from outcrop.types import AnswerFormat, ChatRequest, GenerationParams, ToolSpec

MAX_STOP_SEQUENCES = 64


class ChatCompletionCall(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold a request, and how its client wants the answer: `stream` in chunks, the last one with the `include_usage`.
    """

    request: ChatRequest
    stream: bool = False
    include_usage: bool = False


def parse_chat_completion(body: bytes) -> ChatCompletionCall:
    """
    Parse the body of `POST /v1/chat/completions`.

    `body` is as it came, at most as long as the server allows.

    Raises:
        RequestError: it is malformed, or asks for what can't be served; the message begins with the place.
    """
    fields = open_fields(decode_object(body), "", CHAT_REQUEST)
    model, stream = read_model(fields), bool(fields.flag("stream"))
    fields.need("messages")
    gathered = read_messages(fields.items("messages"), model)
    tools, tool_choice = apply_choice(
        _read_choice(fields), _read_tools(fields), parallel=fields.flag("parallel_tool_calls")
    )
    request = ChatRequest(
        model=model,
        messages=gathered.messages,
        system=tuple(gathered.system),
        params=_read_params(fields),
        tools=tools,
        tool_choice=tool_choice,
        answer_format=_read_format(fields),
        stream=stream,
        service_tier=read_tier(fields),
        request_metadata=read_metadata(fields),
    )
    return ChatCompletionCall(request=request, stream=stream, include_usage=_read_include_usage(fields, stream=stream))


def _read_params(fields: Fields) -> GenerationParams:
    return GenerationParams(
        max_tokens=_read_max_tokens(fields),
        temperature=read_temperature(fields),
        top_p=fields.share("top_p"),
        top_k=fields.count("top_k", 0),
        stop_sequences=_read_stop(fields),
        reasoning=read_effort(fields, "reasoning_effort"),
    )


def _read_max_tokens(fields: Fields) -> int | None:
    older, newer = fields.count("max_tokens", 1), fields.count("max_completion_tokens", 1)
    if older is not None and newer is not None and older != newer:
        raise RequestError(f"max_tokens is {older} and max_completion_tokens is {newer}, expected one of them")
    return newer if older is None else older


def _read_stop(fields: Fields) -> tuple[str, ...]:
    value = fields.get("stop")
    if value is None or value == "":
        return ()
    if isinstance(value, str):
        return (value,)
    sequences = fields.texts("stop")
    if len(sequences) > MAX_STOP_SEQUENCES:
        raise RequestError(f"stop has {len(sequences)} entries, limit is {MAX_STOP_SEQUENCES}")
    return sequences


def _read_include_usage(fields: Fields, *, stream: bool) -> bool:
    value = fields.get("stream_options")
    if value is None:
        return False
    if not stream:
        raise RequestError("stream_options is for a stream, expected stream to be true")
    return bool(open_fields(value, "stream_options", STREAM_OPTIONS).flag("include_usage"))


def _read_format(fields: Fields) -> AnswerFormat | None:
    value = fields.get("response_format")
    if value is None:
        return None
    if isinstance(value, dict) and value.get("type") == "json_object":
        raise RequestError(f"response_format can't be served: {NO_JSON_OBJECT}")
    kind, wanted = open_typed(value, "response_format", RESPONSE_FORMATS)
    if kind == "text":
        return None
    schema = open_fields(wanted.need("json_schema"), wanted.place("json_schema"), JSON_SCHEMA)
    schema.need("schema")
    return AnswerFormat(
        json_schema=schema.object("schema") or {}, name=schema.name("name"), description=schema.text("description")
    )


def _read_tools(fields: Fields) -> tuple[ToolSpec, ...]:
    values = check_tools(fields.items("tools"))
    return tuple(_read_tool(value, f"tools[{n}]") for n, value in enumerate(values))


def _read_tool(value: Any, where: str) -> ToolSpec:
    _, fields = open_typed(value, where, {"function": FUNCTION_TOOL})
    return to_tool(open_fields(fields.need("function"), fields.place("function"), FUNCTION))


def _read_choice(outer: Fields) -> Choice | None:
    value = outer.get("tool_choice")
    if value is None or isinstance(value, str):
        word = outer.word("tool_choice", tuple(CHOICES))
        return None if word is None else CHOICES[word]
    if not isinstance(value, dict):
        raise RequestError(f"tool_choice is {describe(value)}, expected a word or an object")
    kind, fields = open_typed(value, "tool_choice", {"function": NAMED_TOOL, "allowed_tools": ALLOWED_TOOLS})
    if kind == "function":
        return Choice(mode="tool", name=_read_name(fields))
    allowed = open_fields(fields.need("allowed_tools"), fields.place("allowed_tools"), ALLOWED)
    allowed.need("mode")
    allowed.need("tools")
    mode = CHOICES[allowed.word("mode", ("auto", "required")) or "auto"].mode
    places = [(tool, f"{allowed.place('tools')}[{n}]") for n, tool in enumerate(allowed.items("tools"))]
    names = [_read_name(open_typed(tool, where, {"function": NAMED_TOOL})[1]) for tool, where in places]
    return Choice(mode=mode, allowed=tuple(names))


def _read_name(fields: Fields) -> str:
    return open_fields(fields.need("function"), fields.place("function"), NAME).name("name")
