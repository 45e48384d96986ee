"""
Build a Converse body from a request (docs/bedrock_wire.md §5.1).

The conversation is arranged in `converse_turns` and written in `converse_blocks`; `converse_families` knows what
differs between families. Numbers that only Bedrock knows for sure (how many images, how small a prompt may be cached)
are left to it. `max_tokens` that was not given is not sent: the model's own largest answer holds.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from outcrop.adapters.converse_blocks import BlockWriter, add_mark, check_tool_name, write_text
from outcrop.adapters.converse_families import (
    ConverseFamily,
    find_converse_family,
    write_reasoning,
    write_top_k,
)
from outcrop.adapters.converse_turns import Turn, arrange_turns, is_blank, with_turns
from outcrop.adapters.payloads import Json
from outcrop.adapters.request_rules import bound_answer, bound_stop_sequences, check_ranges, check_refusals, drop_empty
from outcrop.calls import ResolvedModel
from outcrop.errors import RequestError
from outcrop.types import (
    AnswerFormat,
    ChatRequest,
    GenerationParams,
    Guardrail,
    ToolChoice,
    ToolResultPart,
    ToolSpec,
    ToolUsePart,
)

MAX_CACHE_POINTS = 4
MAX_STOP_SEQUENCES = 2500
MAX_METADATA_PAIRS = 16
MAX_RESPONSE_PATHS = 10
STOP_SEQUENCE_PATH = "/stop_sequence"

CONVERSE_OPTIONS = frozenset({"additionalModelResponseFieldPaths", "outputConfig"})
"""
Provider options that are Converse's own fields; all others go to the model, in `additionalModelRequestFields`.
"""

RESERVED_OPTIONS = frozenset(
    {
        "additionalModelRequestFields", "amazon-bedrock-guardrailConfig", "anthropic_version", "guardrailConfig",
        "inferenceConfig", "inputText", "max_completion_tokens", "max_gen_len", "max_tokens", "maxTokens", "message",
        "messages", "model", "modelId", "performanceConfig", "prompt", "promptVariables", "requestMetadata",
        "serviceTier", "stop", "stop_sequences", "stopSequences", "stream", "system", "temperature", "tool_choice",
        "toolConfig", "tools", "top_p", "topP",
    }
)  # fmt: skip
"""
Provider options that may not be given: each would speak for a field that the request has itself, past every check.
"""

# Converse has no field that bounds how many tools a model calls at once.
_FAMILY_REFUSES = frozenset({"single_tool_use+tools"})
_METADATA_KEY = re.compile(r"[a-zA-Z0-9\s:_@$#=/+,.-]{1,256}", re.ASCII)
_METADATA_VALUE = re.compile(r"[a-zA-Z0-9\s:_@$#=/+,.-]{0,256}", re.ASCII)
_GUARDRAIL = re.compile(r"[a-z0-9]+|arn:aws(?:-[^:]+)?:bedrock:[a-z0-9-]{1,20}:[0-9]{12}:guardrail/[a-z0-9]+")
_GUARDRAIL_VERSION = re.compile(r"DRAFT|[1-9][0-9]{0,7}")


def build_body(request: ChatRequest, model: ResolvedModel) -> Json:
    """
    Build the body, still as values; bytes in it stand for base64.

    Raises:
        RequestError: the model can't take something that the request holds.
    """
    family = find_converse_family(model)
    check_ranges(request.params)
    turns = arrange_turns(request, model, family)
    check_refusals(with_turns(request, turns), model, _FAMILY_REFUSES)
    if "cache" in model.refuses:
        family = msgspec.structs.replace(family, cache_marks=frozenset())
    writer = BlockWriter(family)
    body: Json = {
        "messages": [writer.write_message(turn) for turn in turns],
        "system": _write_system(request, family),
        "inferenceConfig": _write_inference(request.params, model),
        "toolConfig": _write_tools(request, turns, family),
        "guardrailConfig": _write_guardrail(request.guardrail),
        "requestMetadata": _check_metadata(request.request_metadata),
        "performanceConfig": {"latency": request.latency} if request.latency else {},
        "serviceTier": {"type": request.service_tier} if request.service_tier else {},
        **_write_fields(request, model, family),
    }
    _check_marks(body)
    return {name: value for name, value in body.items() if value}


def _write_system(request: ChatRequest, family: ConverseFamily) -> list[Json]:
    blocks: list[Json] = []
    for position, part in enumerate(request.system):
        if not is_blank(part):
            blocks.append(write_text(part, f"system[{position}]"))
            add_mark(blocks, part.cache_ttl, "system", family)
    return blocks


def _write_inference(params: GenerationParams, model: ResolvedModel) -> Json:
    fields: Json = {
        "maxTokens": bound_answer(params.max_tokens, model),
        "temperature": params.temperature,
        "topP": params.top_p,
        "stopSequences": bound_stop_sequences(params, model, MAX_STOP_SEQUENCES) or None,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _write_tools(request: ChatRequest, turns: list[Turn], family: ConverseFamily) -> Json:
    """
    Write the tools; Converse wants them whenever the conversation holds calls or results.

    For a request without tools they are taken from the calls in it, by name. The choice `none` means that no tools are
    sent; where the conversation needs them they are, and the model decides: Converse has no word for `none`.
    """
    choice = _write_choice(request.tool_choice, request.tools)
    is_needed = any(turn.holds(ToolUsePart) or turn.holds(ToolResultPart) for turn in turns)
    is_unwanted = request.tool_choice is not None and request.tool_choice.mode == "none"
    if not is_needed and (is_unwanted or not request.tools):
        return {}
    specs: list[Json] = []
    for position, tool in enumerate(request.tools):
        specs.append(_write_tool(tool, f"tools[{position}]"))
        add_mark(specs, tool.cache_ttl, "tools", family)
    if not specs:
        called = dict.fromkeys(part.name for turn in turns for _, part in turn.parts if isinstance(part, ToolUsePart))
        specs = [_write_tool(ToolSpec(name=name, input_schema={}), "a tool call") for name in called]
    if not specs:
        raise RequestError("messages holds a tool's result, but neither its call nor any tools")
    return {"tools": specs, "toolChoice": choice} if choice else {"tools": specs}


def _write_tool(tool: ToolSpec, where: str) -> Json:
    """
    Write one tool. Bedrock wants the schema's type in words; that of a tool's arguments can only be an object.
    """
    check_tool_name(tool.name, where)
    spec: Json = {"name": tool.name, "inputSchema": {"json": {"type": "object", **tool.input_schema}}}
    if tool.description:
        spec["description"] = tool.description
    if tool.strict is not None:
        spec["strict"] = tool.strict
    return {"toolSpec": spec}


def _write_choice(choice: ToolChoice | None, tools: tuple[ToolSpec, ...]) -> Json | None:
    if choice is None or choice.mode == "none":
        return None
    if choice.mode == "auto":
        return {"auto": {}} if tools else None
    if not tools:
        raise RequestError(f"tool_choice is {choice.mode!r} but the request has no tools")
    if choice.mode == "any":
        return {"any": {}}
    if choice.name not in {tool.name for tool in tools}:
        raise RequestError(f"tool_choice names the tool {choice.name!r}, expected the name of one of the tools")
    return {"tool": {"name": choice.name}}


def _write_guardrail(guardrail: Guardrail | None) -> Json:
    if guardrail is None:
        return {}
    if not _GUARDRAIL.fullmatch(guardrail.identifier):
        raise RequestError(f"the guardrail is {guardrail.identifier[:100]!r}, expected its id or its arn")
    if not _GUARDRAIL_VERSION.fullmatch(guardrail.version):
        raise RequestError(f"the guardrail's version is {guardrail.version[:20]!r}, expected 'DRAFT' or a number")
    trace = {} if guardrail.trace is None else {"trace": guardrail.trace}
    return {"guardrailIdentifier": guardrail.identifier, "guardrailVersion": guardrail.version, **trace}


def _check_metadata(metadata: Mapping[str, str]) -> Mapping[str, str]:
    if len(metadata) > MAX_METADATA_PAIRS:
        raise RequestError(f"request_metadata has {len(metadata)} pairs, limit is {MAX_METADATA_PAIRS}")
    for key, value in metadata.items():
        if not (_METADATA_KEY.fullmatch(key) and _METADATA_VALUE.fullmatch(value)):
            raise RequestError(
                f"request_metadata {key[:80]!r} is {value[:80]!r}, expected at most 256 letters, digits, spaces and any"
                " of ':_@$#=/+,.-' on both sides, and a key that is not empty"
            )
    return metadata


def _write_fields(request: ChatRequest, model: ResolvedModel, family: ConverseFamily) -> Json:
    """
    Write what goes beside the common fields: to the model as its own, or to Converse as its newer ones.
    """
    options = request.provider_options
    reserved = sorted(RESERVED_OPTIONS & options.keys())
    if reserved:
        raise RequestError(f"provider option {reserved[0]!r} can't be given: the request has a field of its own for it")
    reasoning = request.params.reasoning
    own = merge_fields(
        write_top_k(request.params.top_k, model, family), write_reasoning(reasoning, model, family), "the request"
    )
    given = {name: value for name, value in options.items() if name not in CONVERSE_OPTIONS}
    output: Json = {}
    if family.takes_budget and reasoning is not None and reasoning.effort is not None:
        output = {"effort": reasoning.effort}
    if request.answer_format is not None:
        output["textFormat"] = _write_format(request.answer_format)
    paths = _read_paths(options.get("additionalModelResponseFieldPaths", []))
    if family.tells_stop_sequence and request.params.stop_sequences:
        paths = list(dict.fromkeys([*paths, STOP_SEQUENCE_PATH]))
    return {
        "additionalModelRequestFields": merge_fields(own, given, "provider option"),
        "outputConfig": merge_fields(output, _read_output(options.get("outputConfig", {})), "outputConfig"),
        "additionalModelResponseFieldPaths": paths,
    }


def _write_format(wanted: AnswerFormat) -> Json:
    schema = msgspec.json.encode(wanted.json_schema).decode()
    described = drop_empty({"schema": schema, "name": wanted.name, "description": wanted.description})
    return {"type": "json_schema", "structure": {"jsonSchema": described}}


def merge_fields(own: Json, given: Mapping[str, Any], what: str) -> Json:
    """
    Merge two objects into one, also within objects that both have.

    Raises:
        RequestError: both say something of one field, and not the same.
    """
    merged = dict(own)
    for name, value in given.items():
        mine = merged.get(name, value)
        if isinstance(mine, dict) and isinstance(value, Mapping):
            merged[name] = merge_fields(mine, value, f"{what} {name!r}")
        elif mine == value:
            merged[name] = value
        else:
            raise RequestError(f"{what} {name!r} is {value!r}, but the request itself says {mine!r}")
    return merged


def _read_output(option: Any) -> Json:
    if not isinstance(option, Mapping) or not option.keys() <= {"effort", "textFormat"}:
        raise RequestError("provider option 'outputConfig' is not an object with 'effort' and 'textFormat' alone")
    return dict(option)


def _read_paths(option: Any) -> list[str]:
    if (
        not isinstance(option, list | tuple)
        or len(option) > MAX_RESPONSE_PATHS
        or not all(isinstance(path, str) and 1 <= len(path) <= 256 for path in option)
    ):
        raise RequestError(
            "provider option 'additionalModelResponseFieldPaths' is not a list of at most"
            f" {MAX_RESPONSE_PATHS} json pointers of 1 to 256 characters"
        )
    return list(option)


def _check_marks(body: Json) -> None:
    places = [body["system"], body["toolConfig"].get("tools", ()), *(each["content"] for each in body["messages"])]
    count = sum("cachePoint" in block for blocks in places for block in blocks)
    if count > MAX_CACHE_POINTS:
        raise RequestError(f"the request marks {count} places for the cache, expected at most {MAX_CACHE_POINTS}")
