"""
Amazon Nova: a body like Converse's, whose chunks are wrapped in their event's name (docs/bedrock_wire.md §4.7).
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from outcrop.emulator.conversation import Answer, Ask, Metrics, Step, merge_turns
from outcrop.emulator.converse_answers import content_of, delta_of, start_of
from outcrop.emulator.converse_cache import read_cache_points
from outcrop.emulator.converse_messages import read_messages, read_system
from outcrop.emulator.converse_tools import check_tool_pairs, read_tool_choice, read_tools
from outcrop.emulator.families.family import ConverseRequest, ConverseRules, Family
from outcrop.emulator.families.stops import read_stops
from outcrop.emulator.rules.limits import check_size
from outcrop.emulator.rules.models import Called
from outcrop.emulator.rules.refusals import invalid, malformed
from outcrop.emulator.rules.schema import Field, check_fields, check_value
from outcrop.emulator.rules.shapes import check_member
from outcrop.emulator.sending.frames import METRICS_KEY, encode_chunk, metrics_of
from outcrop.emulator.speech.tokens import count_input

_FIELDS = {
    "schemaVersion": Field(kind="String"),
    "system": Field(kind="JSONArray"),
    "messages": Field(kind="JSONArray", required=True, minimum=1),
    "inferenceConfig": Field(kind="JSONObject"),
    "toolConfig": Field(kind="JSONObject"),
    "reasoningConfig": Field(kind="JSONObject"),
}
_NAMES = {"max_new_tokens": "maxTokens", "top_p": "topP", "top_k": "topK"}
"""
The other spellings that public code has of these settings.
"""


def read(body: Mapping[str, Any], called: Called) -> Ask:
    """
    Read a body into an ask.

    Raises:
        Refusal: the body breaks the schema, or asks for what the model can't do.
    """
    check_fields(body, _FIELDS)
    if body.get("schemaVersion") not in {None, "messages-v1"}:
        raise malformed("#/schemaVersion", f"{body['schemaVersion']} is not a valid enum value")
    for name in ("system", "messages", "toolConfig"):
        if body.get(name) is not None:
            check_member("Converse", name, body[name])
    config = _read_config(body.get("inferenceConfig") or {}, called)
    turns = read_messages(body["messages"], called, _RULES)
    check_tool_pairs(turns)
    tools = read_tools(body, called, streaming=False)
    system = read_system(body.get("system") or [], called)
    turns = merge_turns(turns)
    ask = Ask(
        model=called.entry.base_id,
        title=called.entry.title,
        system=system,
        turns=turns,
        max_tokens=config.get("maxTokens") or called.entry.max_output_tokens,
        input_tokens=count_input(system, turns, tools),
        temperature=config.get("temperature"),
        top_p=config.get("topP"),
        top_k=config.get("topK"),
        stop_sequences=read_stops(config.get("stopSequences"), "#/inferenceConfig/stopSequences"),
        tools=tools,
        tool_choice=read_tool_choice(body, tools, called),
        cache_marks=read_cache_points(body, called),
        thinks=_thinks(body.get("reasoningConfig") or config.get("reasoningConfig"), called),
    )
    check_size(ask, called)
    return ask


def _read_config(config: Mapping[str, Any], called: Called) -> dict[str, Any]:
    named = {_NAMES.get(name, name): value for name, value in config.items()}
    check_fields(
        named,
        {
            "maxTokens": Field(kind="Integer", minimum=1, maximum=called.entry.max_output_tokens),
            "temperature": Field(kind="Number", minimum=0, maximum=1),
            "topP": Field(kind="Number", minimum=0, maximum=1),
            "topK": Field(kind="Integer", minimum=0, maximum=128),
            "stopSequences": Field(kind="JSONArray"),
            "reasoningConfig": Field(kind="JSONObject"),
        },
        "#/inferenceConfig",
    )
    return named


def _thinks(config: Any, called: Called) -> bool:
    if config is None:
        return False
    check_value(config, Field(kind="JSONObject"), "#/reasoningConfig")
    kind = config.get("type")
    if kind not in ("enabled", "disabled"):
        raise malformed("#/reasoningConfig/type", f"{kind} is not a valid enum value")
    if kind == "enabled" and not called.has("reasoning"):
        raise invalid("reasoningConfig: this model doesn't support reasoning.")
    return bool(kind == "enabled")


def settle(ask: Ask, called: Called, request: ConverseRequest) -> Ask:
    """
    Finish an ask that came by Converse, with `topK` and reasoning from its own fields.

    Raises:
        Refusal: they break Nova's schema, or ask for what this model doesn't have.
    """
    config = request.extra.get("inferenceConfig") or {}
    check_value(config, Field(kind="JSONObject"), "#/inferenceConfig")
    named = _read_config(config, called)
    thinks = _thinks(request.extra.get("reasoningConfig"), called) or request.effort is not None
    return msgspec.structs.replace(ask, top_k=named.get("topK"), thinks=thinks)


def _usage(answer: Answer) -> dict[str, int]:
    cached = answer.cache_read_tokens + answer.cache_write_tokens
    return {
        "inputTokens": answer.input_tokens,
        "outputTokens": answer.output_tokens,
        "totalTokens": answer.input_tokens + answer.output_tokens + cached,
        "cacheReadInputTokenCount": answer.cache_read_tokens,
        "cacheWriteInputTokenCount": answer.cache_write_tokens,
    }


def whole(answer: Answer, _called: Called, _request_id: str, _metrics: Metrics) -> bytes:
    """
    Return the body of the whole answer.
    """
    message = {"role": "assistant", "content": [content_of(block) for block in answer.blocks]}
    return msgspec.json.encode(
        {"output": {"message": message}, "stopReason": answer.stop_reason, "usage": _usage(answer)}
    )


def stream(answer: Answer, _called: Called, _request_id: str, measure: Callable[[], Metrics]) -> Iterator[Step]:
    """
    Yield the answer's messages; `measure` is called when the last one is made.
    """
    yield _step("messageStart", {"role": "assistant"})
    for index, block in enumerate(answer.blocks):
        if block.kind == "tool_use":
            yield _step("contentBlockStart", {"start": start_of(block), "contentBlockIndex": index})
        is_text = block.kind == "text"
        for piece in block.pieces:
            delta = {"delta": delta_of(block.kind, piece), "contentBlockIndex": index}
            yield Step(encode_chunk(msgspec.json.encode({"contentBlockDelta": delta})), 1, piece if is_text else "")
        yield _step("contentBlockStop", {"contentBlockIndex": index})
    yield _step("messageStop", {"stopReason": answer.stop_reason})
    metadata = {"usage": _usage(answer), "metrics": {}, "trace": {}}
    last = {"metadata": metadata, METRICS_KEY: metrics_of(answer, measure())}
    yield Step(encode_chunk(msgspec.json.encode(last)))


def _step(name: str, payload: Mapping[str, Any]) -> Step:
    return Step(encode_chunk(msgspec.json.encode({name: payload})))


_RULES = ConverseRules(
    extra_fields=lambda _called: frozenset({"inferenceConfig", "reasoningConfig"}),
    takes_tool_status=True,
    settle=settle,
)
FAMILY = Family(read=read, whole=whole, stream=stream, converse=_RULES)
