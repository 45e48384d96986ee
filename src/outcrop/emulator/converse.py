"""
Converse, what comes in: the request read into an `Ask` (docs/bedrock_wire.md §5.1, §5.4, §5.5).

Shapes are checked against AWS's own model; here are the rules beyond it. What goes out is in `converse_answers`.
"""

import re
from collections.abc import Mapping
from typing import Any

from outcrop.emulator.conversation import Ask, merge_turns
from outcrop.emulator.converse_cache import read_cache_points
from outcrop.emulator.converse_messages import read_messages, read_system
from outcrop.emulator.converse_tools import check_tool_pairs, read_tool_choice, read_tools
from outcrop.emulator.families.family import STOP_SEQUENCE, ConverseRequest, ConverseRules
from outcrop.emulator.families.table import rules_of
from outcrop.emulator.rules.limits import check_size
from outcrop.emulator.rules.models import Called
from outcrop.emulator.rules.refusals import Refusal, invalid
from outcrop.emulator.rules.shapes import check_input
from outcrop.emulator.speech.tokens import count_input

MODEL_ERRORS = "The model returned the following errors: "
_JSON_POINTER = re.compile(r"(?:/(?:[^~/]|~[01])*)+")


def read(body: Mapping[str, Any], called: Called, *, streaming: bool) -> Ask:
    """
    Read a request into an ask.

    Raises:
        Refusal: the request breaks AWS's model or a rule of the service, or asks for what the model can't do.
    """
    check_input("ConverseStream" if streaming else "Converse", body)
    rules = rules_of(called)
    turns = read_messages(body.get("messages") or [], called, rules)
    tools = read_tools(body, called, streaming=streaming)
    check_tool_pairs(turns)
    extra = _read_extra(body.get("additionalModelRequestFields"), called, rules)
    system = read_system(body.get("system") or [], called)
    turns = merge_turns(turns)
    inference = body.get("inferenceConfig") or {}
    ask = Ask(
        model=called.entry.base_id,
        title=called.entry.title,
        system=system,
        turns=turns,
        max_tokens=inference.get("maxTokens") or called.entry.max_output_tokens,
        input_tokens=count_input(system, turns, tools),
        temperature=inference.get("temperature"),
        top_p=inference.get("topP"),
        top_k=extra.get("top_k"),
        stop_sequences=tuple(inference.get("stopSequences") or ()),
        tools=tools,
        tool_choice=read_tool_choice(body, tools, called),
        tells_stop_sequence=STOP_SEQUENCE in rules.response_fields.intersection(_read_paths(body)),
        cache_marks=read_cache_points(body, called),
        latency=(body.get("performanceConfig") or {}).get("latency"),
        tier=(body.get("serviceTier") or {}).get("type"),
    )
    check_size(ask, called)
    return _settle(ask, called, rules, _request_of(body, extra, called))


def read_count_tokens(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """
    Return the `input` of CountTokens: `converse` or `invokeModel`.

    Raises:
        Refusal: the request breaks AWS's model.
    """
    check_input("CountTokens", body)
    counted: Mapping[str, Any] = body["input"]
    return {name: value for name, value in counted.items() if value is not None}


def _request_of(body: Mapping[str, Any], extra: Mapping[str, Any], called: Called) -> ConverseRequest:
    if body.get("guardrailConfig") is not None and not called.has("guardrails"):
        raise invalid("This model doesn't support guardrails. Remove guardrailConfig and try again.")
    effort = (body.get("outputConfig") or {}).get("effort")
    if effort is not None and not called.has("reasoning"):
        raise invalid(
            "This model doesn't support the outputConfig.effort field. Remove outputConfig.effort and try again."
        )
    return ConverseRequest(extra=extra, effort=effort)


def _settle(ask: Ask, called: Called, rules: ConverseRules, request: ConverseRequest) -> Ask:
    try:
        return rules.settle(ask, called, request)
    except Refusal as refusal:
        raise invalid(f"{MODEL_ERRORS}{refusal.message}") from refusal


def _read_paths(body: Mapping[str, Any]) -> list[str]:
    paths: list[str] = body.get("additionalModelResponseFieldPaths") or []
    for place, path in enumerate(paths):
        if not _JSON_POINTER.fullmatch(path):
            raise invalid(f"The value at additionalModelResponseFieldPaths.{place} is not a valid JSON pointer.")
    return paths


def _read_extra(extra: Any, called: Called, rules: ConverseRules) -> Mapping[str, Any]:
    """
    Return the model's own fields of a request.
    """
    if extra is None:
        return {}
    if not isinstance(extra, dict):
        raise invalid("The value at additionalModelRequestFields must be an object.")
    known = rules.extra_fields(called)
    unknown = next((name for name in extra if name not in known), None)
    if unknown is not None:
        raise invalid(
            f"{MODEL_ERRORS}Malformed input request: #: extraneous key [{unknown}] is not permitted, please "
            "reformat your input and try again."
        )
    if extra.get("top_k") is not None and (isinstance(extra["top_k"], bool) or not isinstance(extra["top_k"], int)):
        raise invalid(f"{MODEL_ERRORS}top_k: Input should be a valid integer")
    return extra
