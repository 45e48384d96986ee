"""
The Bedrock dialect, what comes in by Converse: `/model/{id}/converse`, `/converse-stream` and `/count-tokens`.

What may stand in a body, and what becomes of it, is in `bedrock_tables`. The model stands in the path: the server
decodes it once and resolves it before it calls here.
"""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from outcrop.calls import ResolvedModel
from outcrop.dialects.anthropic.options import CLAUDE, Wishes, place_betas, place_wishes, read_effort
from outcrop.dialects.anthropic.options import read_output_config as read_claude_output
from outcrop.dialects.bedrock import tables
from outcrop.dialects.bedrock.fetches import refuse_fetches
from outcrop.dialects.bedrock.parts import MAX_NAME_CHARACTERS, mark_last, open_union, read_messages, read_system
from outcrop.dialects.fields import Fields, decode_object, describe, take
from outcrop.errors import RequestError
from outcrop.types import ChatRequest, GenerationParams, Guardrail, Reasoning, ToolChoice, ToolSpec

NOVA = "nova"
STOP_SEQUENCE_PATH = "/stop_sequence"
MAX_STOP_SEQUENCES = 2500
MAX_RESPONSE_PATHS = 10
_TIERS: tuple[Literal["priority", "default", "flex", "reserved"], ...] = ("priority", "default", "flex", "reserved")
_TRACES: tuple[Literal["enabled", "disabled", "enabled_full"], ...] = ("enabled", "disabled", "enabled_full")


class ConverseCall(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold a request by Converse. `tells_stop_sequence` goes into the answer's opening: the client asked for it.
    """

    chat: ChatRequest
    tells_stop_sequence: bool = False


def parse_converse(body: bytes, *, model: ResolvedModel, stream: bool) -> ConverseCall:
    """
    Parse the body of Converse or ConverseStream.

    Raises:
        RequestError: the body is malformed, or asks for what can't be served; the message names the place.
    """
    return _read_converse(Fields(decode_object(body), "", tables.CONVERSE), model, stream=stream)


def read_counted(value: Any, model: ResolvedModel) -> ChatRequest:
    """
    Read `input.converse` of CountTokens: a request whose answer is not wanted, only its input's count.

    Raises:
        RequestError: it is malformed, or asks for what can't be served; the message names the place.
    """
    if not isinstance(value, dict):
        raise RequestError(f"input.converse is {describe(value)}, expected an object")
    for name in value:
        if name not in tables.COUNTED_CONVERSE:
            raise RequestError(f"input.converse.{name[:80]} is not a field that is known here")
    fields = Fields(value, "", tables.COUNTED_CONVERSE)
    return _read_converse(fields, model, stream=False).chat


def _read_converse(fields: Fields, model: ResolvedModel, *, stream: bool) -> ConverseCall:
    fields.need("messages")
    messages = read_messages(fields.items("messages"))
    if not messages:
        raise RequestError("messages is empty, expected at least one")
    reasoning, top_k, options = _read_own_fields(fields, model)
    paths = _read_paths(fields)
    others = [path for path in paths if path != STOP_SEQUENCE_PATH]
    if others:
        options["additionalModelResponseFieldPaths"] = others
    chat = ChatRequest(
        model=model.name,
        messages=messages,
        system=read_system(fields.items("system")),
        params=_read_inference(fields, reasoning, top_k),
        tools=_read_tools(fields),
        tool_choice=_read_tool_choice(fields),
        stream=stream,
        guardrail=_read_guardrail(fields),
        latency=_part(fields, "performanceConfig", tables.PERFORMANCE).word("latency", ("standard", "optimized")),
        service_tier=_read_tier(fields),
        request_metadata=_read_metadata(fields),
        provider_options=options,
    )
    return ConverseCall(chat=chat, tells_stop_sequence=len(others) != len(paths))


def _part(fields: Fields, name: str, table: Mapping[str, Any]) -> Fields:
    """
    Open a member that is an object; one that was not given is empty.
    """
    return Fields(fields.object(name) or {}, fields.place(name), table)


def _read_tier(outer: Fields) -> Literal["priority", "default", "flex", "reserved"] | None:
    if outer.get("serviceTier") is None:
        return None
    fields = _part(outer, "serviceTier", tables.SERVICE_TIER)
    fields.need("type")
    return fields.word("type", _TIERS)


def _read_inference(outer: Fields, reasoning: Reasoning | None, top_k: int | None) -> GenerationParams:
    fields = _part(outer, "inferenceConfig", tables.INFERENCE)
    stop_sequences = fields.texts("stopSequences")
    if len(stop_sequences) > MAX_STOP_SEQUENCES:
        raise RequestError(
            f"{fields.place('stopSequences')} has {len(stop_sequences)} entries, limit is {MAX_STOP_SEQUENCES}"
        )
    return GenerationParams(
        max_tokens=fields.count("maxTokens", 1),
        temperature=fields.share("temperature"),
        top_p=fields.share("topP"),
        top_k=top_k,
        stop_sequences=stop_sequences,
        reasoning=reasoning,
    )


def _read_own_fields(fields: Fields, model: ResolvedModel) -> tuple[Reasoning | None, int | None, dict[str, Any]]:
    """
    Read the model's own fields, and the answer's form. What the request has fields for (Claude's, Nova's) goes there.
    """
    wishes = Wishes(where="additionalModelRequestFields.thinking")
    own = dict(fields.object("additionalModelRequestFields") or {})
    refuse_fetches(own, "additionalModelRequestFields")
    if model.family != CLAUDE:
        _read_output(fields, wishes)
        reasoning, options = place_wishes(wishes, model)
        return reasoning, _take_nova_top_k(own) if model.family == NOVA else None, {**own, **options}
    known = {name: own.pop(name, None) for name in ("thinking", "output_config", "top_k", "anthropic_beta")}
    claude = Fields(known, "additionalModelRequestFields", take(*known))
    wishes.thinking = claude.object("thinking")
    read_claude_output(claude.get("output_config"), claude.place("output_config"), wishes)
    _read_output(fields, wishes)
    reasoning, options = place_wishes(wishes, model)
    betas = place_betas(claude.texts("anthropic_beta"), model)
    return reasoning, claude.count("top_k", 0), {**own, **options, **betas}


def _take_nova_top_k(own: dict[str, Any]) -> int | None:
    """
    Take Nova's top_k out of the model's own fields, where AWS's guide has it: `{"inferenceConfig": {"topK": 20}}`.

    Source: "Core inference" in the Amazon Nova 2 user guide.
    """
    where = "additionalModelRequestFields.inferenceConfig"
    inner = own.pop("inferenceConfig", None)
    if inner is None:
        return None
    for name in inner if isinstance(inner, dict) else ():
        if name != "topK":
            raise RequestError(f"{where} holds {name[:80]!r}, expected topK alone, the rest in inferenceConfig")
    return Fields(inner, where, take("topK")).count("topK", 0)


def _read_output(outer: Fields, wishes: Wishes) -> None:
    """
    Read `outputConfig`; its schema is JSON in a string.
    """
    fields = _part(outer, "outputConfig", tables.OUTPUT_CONFIG)
    wishes.effort = read_effort(fields) or wishes.effort
    if fields.get("textFormat") is None:
        return
    form = _part(fields, "textFormat", tables.TEXT_FORMAT)
    form.need("type")
    form.word("type", ("json_schema",))
    form.need("structure")
    definition = _part(_part(form, "structure", tables.STRUCTURE), "jsonSchema", tables.JSON_SCHEMA)
    schema = definition.need_text("schema")
    try:
        wishes.schema = decode_object(schema.encode())
    except RequestError as error:
        raise RequestError(f"{definition.place('schema')} is not a JSON object in a string") from error
    wishes.schema_name, wishes.schema_description = definition.text("name"), definition.text("description")


def _read_paths(fields: Fields) -> tuple[str, ...]:
    paths = fields.texts("additionalModelResponseFieldPaths")
    if len(paths) > MAX_RESPONSE_PATHS or any(not path.startswith("/") or len(path) > 256 for path in paths):
        place = fields.place("additionalModelResponseFieldPaths")
        raise RequestError(f"{place} is malformed, expected at most {MAX_RESPONSE_PATHS} JSON pointers")
    return paths


def _read_tools(outer: Fields) -> tuple[ToolSpec, ...]:
    if outer.object("toolConfig") is None:
        return ()
    fields = _part(outer, "toolConfig", tables.TOOL_CONFIG)
    fields.need("tools")
    tools: list[ToolSpec] = []
    for position, value in enumerate(fields.items("tools")):
        place = f"{fields.place('tools')}[{position}]"
        kind, content = open_union(value, place, tables.TOOLS, "tool")
        if kind == "cachePoint":
            mark_last(tools, content, f"{place}.{kind}")
        else:
            tools.append(_read_tool(Fields(content, f"{place}.{kind}", tables.TOOL_SPEC)))
    if not tools:
        raise RequestError(f"{fields.place('tools')} is empty, expected at least one tool")
    return tuple(tools)


def _read_tool(fields: Fields) -> ToolSpec:
    fields.need("inputSchema")
    schema = _part(fields, "inputSchema", tables.INPUT_SCHEMA)
    schema.need("json")
    return ToolSpec(
        name=fields.name("name", most=MAX_NAME_CHARACTERS),
        input_schema=schema.object("json") or {},
        description=fields.text("description"),
        strict=fields.flag("strict"),
    )


def _read_tool_choice(outer: Fields) -> ToolChoice | None:
    config = outer.object("toolConfig") or {}
    value = config.get("toolChoice")
    if value is None:
        return None
    where = outer.place("toolConfig.toolChoice")
    kind, content = open_union(value, where, tables.TOOL_CHOICES, "tool choice")
    fields = Fields(content, f"{where}.{kind}", tables.NAMED_TOOL if kind == "tool" else tables.NOTHING)
    mode: Any = kind
    return ToolChoice(mode=mode, name=fields.name("name", most=MAX_NAME_CHARACTERS) if kind == "tool" else None)


def _read_guardrail(outer: Fields) -> Guardrail | None:
    fields = _part(outer, "guardrailConfig", tables.GUARDRAIL)
    identifier, version = fields.text("guardrailIdentifier") or "", fields.text("guardrailVersion") or ""
    trace = fields.word("trace", _TRACES)
    fields.word("streamProcessingMode", ("sync",))
    if not identifier and not version:
        return None
    if not identifier or not version:
        raise RequestError("guardrailConfig needs both guardrailIdentifier and guardrailVersion")
    return Guardrail(identifier=identifier, version=version, trace=trace)


def _read_metadata(fields: Fields) -> dict[str, str]:
    pairs = fields.object("requestMetadata") or {}
    for name, value in pairs.items():
        if not isinstance(value, str):
            place = f"{fields.place('requestMetadata')}.{name[:80]}"
            raise RequestError(f"{place} is {describe(value)}, expected a string")
    return pairs
