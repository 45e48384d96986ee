"""
Cohere Command R: `message` and `chat_history` in, `text` out (docs/bedrock_wire.md §4.8).
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from outcrop.emulator.conversation import Answer, Ask, Metrics, Speaker, Step, StopReason, Tool, ToolResult, Turn
from outcrop.emulator.families.family import ConverseRules, Family
from outcrop.emulator.families.stops import read_stops
from outcrop.emulator.rules.limits import check_context
from outcrop.emulator.rules.models import Called
from outcrop.emulator.rules.refusals import malformed
from outcrop.emulator.rules.schema import Field, check_fields, check_value
from outcrop.emulator.sending.frames import METRICS_KEY, encode_chunk, metrics_of
from outcrop.emulator.speech.tokens import count_input

_OBJECT = Field(kind="JSONObject")
_SPEAKERS: Mapping[str, Speaker] = {"USER": "user", "CHATBOT": "assistant"}
_TURN = {
    "role": Field(kind="String", required=True),
    "message": Field(kind="String", required=True),
    "tool_calls": Field(kind="JSONArray"),
}
_TYPES = {"str": "string", "int": "integer", "float": "number", "bool": "boolean", "list": "array", "dict": "object"}
_REASONS: Mapping[StopReason, str] = {
    "end_turn": "COMPLETE",
    "stop_sequence": "COMPLETE",
    "max_tokens": "MAX_TOKENS",
    "tool_use": "COMPLETE",
}
_EXTRA = frozenset({"k", "p", "frequency_penalty", "presence_penalty", "seed", "prompt_truncation", "return_prompt"})


def read(body: Mapping[str, Any], called: Called) -> Ask:
    """
    Read a body into an ask.

    Raises:
        Refusal: the body breaks the schema, or asks for what the model can't do.
    """
    check_fields(body, _fields(called))
    history = [_read_turn(turn, place) for place, turn in enumerate(body.get("chat_history") or ())]
    results = tuple(_read_result(result, place) for place, result in enumerate(body.get("tool_results") or ()))
    documents = len(body.get("documents") or ())
    turns = (*history, Turn(speaker="user", text=body["message"], tool_results=results, documents=documents))
    tools = tuple(_read_tool(tool, place) for place, tool in enumerate(body.get("tools") or ()))
    system = body.get("preamble") or ""
    ask = Ask(
        model=called.entry.base_id,
        title=called.entry.title,
        system=system,
        turns=turns,
        max_tokens=called.entry.max_output_tokens if body.get("max_tokens") is None else body["max_tokens"],
        input_tokens=count_input(system, turns, tools),
        temperature=body.get("temperature"),
        top_p=body.get("p"),
        top_k=body.get("k"),
        stop_sequences=read_stops(body.get("stop_sequences"), "#/stop_sequences"),
        tools=tools,
    )
    check_context(ask, called)
    return ask


def _fields(called: Called) -> dict[str, Field]:
    penalty = Field(kind="Number", minimum=0, maximum=1)
    return {
        "message": Field(kind="String", required=True),
        "chat_history": Field(kind="JSONArray"),
        "preamble": Field(kind="String"),
        "documents": Field(kind="JSONArray"),
        "max_tokens": Field(kind="Integer", minimum=1, maximum=called.entry.max_output_tokens),
        "temperature": Field(kind="Number", minimum=0, maximum=1),
        "p": Field(kind="Number", minimum=0.01, maximum=0.99),
        "k": Field(kind="Number", minimum=0, maximum=500),
        "prompt_truncation": Field(kind="String"),
        "frequency_penalty": penalty,
        "presence_penalty": penalty,
        "seed": Field(kind="Integer"),
        "tools": Field(kind="JSONArray"),
        "tool_results": Field(kind="JSONArray"),
        "stop_sequences": Field(kind="JSONArray"),
        "raw_prompting": Field(kind="Boolean"),
        "return_prompt": Field(kind="Boolean"),
        "search_queries_only": Field(kind="Boolean"),
    }


def _read_turn(turn: Any, place: int) -> Turn:
    where = f"#/chat_history/{place}"
    check_value(turn, _OBJECT, where)
    check_fields(turn, _TURN, where)
    if turn["role"] not in _SPEAKERS:
        raise malformed(f"{where}/role", f"{turn['role']} is not a valid enum value")
    return Turn(speaker=_SPEAKERS[turn["role"]], text=turn["message"])


def _read_tool(tool: Any, place: int) -> Tool:
    where = f"#/tools/{place}"
    check_value(tool, _OBJECT, where)
    known = {"name": Field(kind="String", required=True), "description": Field(kind="String", required=True)}
    check_fields(tool, {**known, "parameter_definitions": _OBJECT}, where)
    properties: dict[str, Any] = {}
    required = []
    for name, definition in (tool.get("parameter_definitions") or {}).items():
        check_value(definition, _OBJECT, f"{where}/parameter_definitions/{name}")
        properties[name] = {"type": _TYPES.get(str(definition.get("type")), "string")}
        required += [name] if definition.get("required") else []
    schema = {"type": "object", "properties": properties, "required": required}
    return Tool(name=tool["name"], schema=schema, description=tool["description"])


def _read_result(result: Any, place: int) -> ToolResult:
    where = f"#/tool_results/{place}"
    check_value(result, _OBJECT, where)
    check_fields(result, {"call": Field(kind="JSONObject", required=True), "outputs": Field(kind="JSONArray")}, where)
    return ToolResult(str(result["call"].get("name")), msgspec.json.encode(result.get("outputs") or []).decode())


def whole(answer: Answer, _called: Called, request_id: str, _metrics: Metrics) -> bytes:
    """
    Return the body of the whole answer.
    """
    return msgspec.json.encode(_response(answer, request_id))


def _response(answer: Answer, request_id: str) -> dict[str, Any]:
    response: dict[str, Any] = {
        "response_id": f"{request_id}/response",
        "generation_id": request_id,
        "text": answer.text,
        "finish_reason": _REASONS[answer.stop_reason],
        "chat_history": [{"role": "CHATBOT", "message": answer.text}],
    }
    calls = _tool_calls(answer)
    return response | ({"tool_calls": calls} if calls else {})


def _tool_calls(answer: Answer) -> list[dict[str, Any]]:
    return [
        {"name": block.name, "parameters": block.arguments()} for block in answer.blocks if block.kind == "tool_use"
    ]


def stream(answer: Answer, _called: Called, request_id: str, measure: Callable[[], Metrics]) -> Iterator[Step]:
    """
    Yield the answer's messages; `measure` is called when the last one is made.
    """
    yield _step({"is_finished": False, "event_type": "stream-start", "generation_id": request_id})
    for block in answer.blocks:
        is_text = block.kind == "text"
        for piece in block.pieces:
            chunk: dict[str, Any] = {"is_finished": False, "event_type": "text-generation", "text": piece}
            if not is_text:
                delta = {"index": 0, "parameters": piece}
                chunk = {"is_finished": False, "event_type": "tool-calls-chunk", "tool_call_delta": delta}
            yield Step(encode_chunk(msgspec.json.encode(chunk)), 1, piece if is_text else "")
    calls = _tool_calls(answer)
    if calls:
        yield _step({"is_finished": False, "event_type": "tool-calls-generation", "tool_calls": calls})
    units = {"input_tokens": answer.input_tokens, "output_tokens": answer.output_tokens}
    yield _step(
        {
            "is_finished": True,
            "event_type": "stream-end",
            "finish_reason": _REASONS[answer.stop_reason],
            "response": _response(answer, request_id) | {"meta": {"billed_units": units}},
            METRICS_KEY: metrics_of(answer, measure()),
        }
    )


def _step(payload: Mapping[str, Any]) -> Step:
    return Step(encode_chunk(msgspec.json.encode(payload)))


FAMILY = Family(read=read, whole=whole, stream=stream, converse=ConverseRules(extra_fields=lambda _called: _EXTRA))
