"""
The Responses dialect, what comes in: the body of `POST /v1/responses`, which a socket's `response.create` is, too.

What may stand in a body, and what becomes of it, is in `openai_responses_tables`.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from outcrop.dialects.fields import Fields, Table, decode_object, describe
from outcrop.dialects.openai.conversation import Conversation, ItemReference, join_conversation
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
from outcrop.dialects.openai.responses_echo import Echo, build_echo
from outcrop.dialects.openai.responses_items import read_input
from outcrop.dialects.openai.responses_tables import (
    ALLOWED_TOOLS,
    BUILT_IN,
    FORMATS,
    FUNCTION_TOOL,
    INCLUDES,
    NAMED_TOOL,
    REASONING,
    RESPONSES_REQUEST,
    STREAM_OPTIONS,
    TEXT,
)
from outcrop.dialects.openai.tables import NO_JSON_OBJECT
from outcrop.errors import RequestError
from outcrop.types import AnswerFormat, ChatRequest, GenerationParams, Message, Reasoning, TextPart, ToolSpec

MAX_ID_CHARACTERS = 256


class ResponsesCall(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold a request, and how its client wants the answer.

    `request` lacks what was said before: where `previous_response_id` is given, or `entries` has references, the
    server finds those, and `complete_call` joins them. `echo` is what the response repeats of its request; the server
    keeps it as long as the response. `store` says whether the client may come back to the response.
    """

    request: ChatRequest
    entries: tuple[Message | ItemReference, ...]
    system: tuple[TextPart, ...]
    instructions: str | None
    echo: Echo
    previous_response_id: str | None = None
    stream: bool = False
    background: bool = False
    store: bool = True

    @property
    def references(self) -> tuple[str, ...]:
        """
        Return the IDs of the items that the input refers to.
        """
        return tuple(entry.item_id for entry in self.entries if isinstance(entry, ItemReference))


def parse_response_request(body: bytes) -> ResponsesCall:
    """
    Parse the body of `POST /v1/responses`.

    `body` is as it came, at most as long as the server allows.

    Raises:
        RequestError: it is malformed, or asks for what can't be served; the message begins with the place.
    """
    return read_call(decode_object(body), RESPONSES_REQUEST)


def complete_call(
    call: ResponsesCall, previous: Conversation | None = None, referenced: Mapping[str, Message | None] | None = None
) -> tuple[ChatRequest, Conversation]:
    """
    Join a call with what was said before, and return the request, and the conversation for the next response.

    `previous` is what was kept of `previous_response_id`, with its answer; `referenced` are the items that
    `call.references` names, as `read_output_item` gives them.

    Raises:
        RequestError: a reference is not there, or nothing was said at all.
    """
    conversation = join_conversation(previous, call.system, call.entries, referenced or {})
    if not conversation.messages:
        raise RequestError("input holds nothing to answer, expected at least one message of the user")
    system = (TextPart(text=call.instructions),) if call.instructions and call.instructions.strip() else ()
    request = msgspec.structs.replace(
        call.request, system=(*system, *conversation.system), messages=conversation.messages
    )
    return request, conversation


def read_call(value: dict[str, Any], table: Table, *, stream: bool | None = None) -> ResponsesCall:
    """
    Read a body that is decoded. `stream` is what the carrier says, None where the body does.

    Raises:
        RequestError: it is malformed, or asks for what can't be served; the message begins with the place.
    """
    fields = open_fields(value, "", table)
    _check_options(fields)
    streams = bool(fields.flag("stream")) if stream is None else stream
    tools, choice = _read_tools(fields), _read_choice(fields)
    gathered = read_input(_read_input_value(fields), read_model(fields))
    offered, tool_choice = apply_choice(choice, tools, parallel=fields.flag("parallel_tool_calls"))
    reasoning, summary = _read_reasoning(fields)
    request = ChatRequest(
        model=read_model(fields),
        messages=gathered.messages,
        system=tuple(gathered.system),
        params=_read_params(fields, reasoning),
        tools=offered,
        tool_choice=tool_choice,
        answer_format=_read_format(fields),
        stream=streams or bool(fields.flag("background")),
        service_tier=read_tier(fields),
        request_metadata=read_metadata(fields),
    )
    return ResponsesCall(
        request=request,
        entries=gathered.entries,
        system=tuple(gathered.system),
        instructions=fields.text("instructions"),
        echo=build_echo(fields, request, tools=tools, choice=choice, summary=summary),
        previous_response_id=_read_previous(fields),
        stream=streams,
        background=bool(fields.flag("background")),
        store=fields.flag("store") is not False,
    )


def _read_params(fields: Fields, reasoning: Reasoning | None) -> GenerationParams:
    return GenerationParams(
        max_tokens=fields.count("max_output_tokens", 1),
        temperature=read_temperature(fields),
        top_p=fields.share("top_p"),
        reasoning=reasoning,
    )


def _check_options(fields: Fields) -> None:
    options = fields.get("stream_options")
    if options is not None:
        open_fields(options, "stream_options", STREAM_OPTIONS)
    for name in fields.texts("include"):
        if name not in INCLUDES:
            raise RequestError(f"include names {name[:80]!r}, expected one of {', '.join(map(repr, INCLUDES))}")
    if fields.flag("background") and fields.flag("store") is False:
        raise RequestError("background is true but store is false: nobody could come back for the response")


def _read_input_value(fields: Fields) -> Any:
    value = fields.get("input")
    if value is None and fields.get("previous_response_id") is None:
        raise RequestError("input is missing")
    return [] if value is None else value


def _read_previous(fields: Fields) -> str | None:
    previous = fields.text("previous_response_id")
    if previous is not None and not 0 < len(previous) <= MAX_ID_CHARACTERS:
        raise RequestError(f"previous_response_id has {len(previous)} characters, expected 1 to {MAX_ID_CHARACTERS}")
    return previous


def _read_reasoning(fields: Fields) -> tuple[Reasoning | None, str | None]:
    value = fields.get("reasoning")
    if value is None:
        return None, None
    wanted = open_fields(value, "reasoning", REASONING)
    words = ("auto", "concise", "detailed")
    return read_effort(wanted, "effort"), wanted.word("summary", words) or wanted.word("generate_summary", words)


def _read_format(fields: Fields) -> AnswerFormat | None:
    value = fields.get("text")
    form = None if value is None else open_fields(value, "text", TEXT).object("format")
    if form is None:
        return None
    if form.get("type") == "json_object":
        raise RequestError(f"text.format can't be served: {NO_JSON_OBJECT}")
    kind, wanted = open_typed(form, "text.format", FORMATS)
    if kind == "text":
        return None
    wanted.need("schema")
    return AnswerFormat(
        json_schema=wanted.object("schema") or {}, name=wanted.name("name"), description=wanted.text("description")
    )


def _read_tools(fields: Fields) -> tuple[ToolSpec, ...]:
    values = check_tools(fields.items("tools"))
    return tuple(_read_tool(value, f"tools[{n}]") for n, value in enumerate(values))


def _read_tool(value: Any, where: str) -> ToolSpec:
    kind = value.get("type") if isinstance(value, dict) else None
    if isinstance(kind, str) and kind != "function":
        raise RequestError(f"{where} is of type {kind[:80]!r}, which can't be served: {BUILT_IN}")
    return to_tool(open_typed(value, where, {"function": FUNCTION_TOOL})[1])


def _read_choice(outer: Fields) -> Choice | None:
    value = outer.get("tool_choice")
    if value is None or isinstance(value, str):
        word = outer.word("tool_choice", tuple(CHOICES))
        return None if word is None else CHOICES[word]
    if not isinstance(value, dict):
        raise RequestError(f"tool_choice is {describe(value)}, expected a word or an object")
    kind, fields = open_typed(value, "tool_choice", {"function": NAMED_TOOL, "allowed_tools": ALLOWED_TOOLS})
    if kind == "function":
        return Choice(mode="tool", name=fields.name("name"))
    fields.need("mode")
    fields.need("tools")
    mode = CHOICES[fields.word("mode", ("auto", "required")) or "auto"].mode
    places = [(tool, f"tool_choice.tools[{n}]") for n, tool in enumerate(fields.items("tools"))]
    names = [open_typed(tool, where, {"function": NAMED_TOOL})[1].name("name") for tool, where in places]
    return Choice(mode=mode, allowed=tuple(names))
