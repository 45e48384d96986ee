"""
Check what every adapter checks before it builds a body, and encode the body.

Which fields does a request use, which of them does the model refuse, are its numbers in range?

The names of fields are the vocabulary of `ResolvedModel.refuses`; `a+b` there means that the two are refused together.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from outcrop.calls import ResolvedModel
from outcrop.errors import RequestError
from outcrop.types import (
    ChatRequest,
    DocumentPart,
    GenerationParams,
    ImagePart,
    Part,
    ReasoningPart,
    ToolResultPart,
    ToolUsePart,
)

FIELDS: Mapping[str, str] = {
    "documents": "documents",
    "effort": "a level of effort",
    "effort_low": "effort 'low'",
    "effort_medium": "effort 'medium'",
    "effort_high": "effort 'high'",
    "effort_xhigh": "effort 'xhigh'",
    "effort_max": "effort 'max'",
    "forced_tool_choice": "tool choice 'any' or 'tool'",
    "named_tool_choice": "tool choice 'tool', which names a tool",
    "guardrail": "a guardrail",
    "json_schema": "a JSON schema for the answer",
    "images": "images",
    "prefill": "an answer begun by the client (the last message is from the assistant)",
    "reasoning": "reasoning",
    "reasoning_adaptive": "adaptive reasoning",
    "reasoning_disabled": "switching reasoning off",
    "reasoning_enabled": "reasoning with a budget of tokens",
    "reasoning_parts": "reasoning in earlier messages",
    "single_tool_use": "a bound of one tool call at a time",
    "stop_sequences": "stop_sequences",
    "streaming": "streaming (ask for the whole answer)",
    "strict_tools": "strict tools",
    "system": "a system prompt",
    "temperature": "temperature",
    "tools": "tools",
    "top_k": "top_k",
    "top_p": "top_p",
}
"""
Every field that a model can refuse, and how an error message calls it.
"""


GUARDRAIL_OPTION = "amazon-bedrock-guardrailConfig"
"""
The further body field that every native body may carry: how a guardrail reads it (docs/bedrock_wire.md §1.3).
"""


def check_request(
    request: ChatRequest,
    model: ResolvedModel,
    *,
    options: frozenset[str] = frozenset(),
    family_refuses: Iterable[str] = (),
    takes_json_schema: bool = False,
) -> None:
    """
    Check all that every native adapter checks before it builds a body.

    `takes_json_schema` says that this body has a place for `answer_format`; most have none.

    Raises:
        RequestError: the request can't be served as it stands, or uses what the model or its body does not take.
    """
    check_messages(request)
    check_options(request, model, options)
    check_ranges(request.params)
    check_refusals(request, model, family_refuses if takes_json_schema else (*family_refuses, "json_schema"))
    check_tool_choice(request)


def check_refusals(request: ChatRequest, model: ResolvedModel, family_refuses: Iterable[str] = ()) -> None:
    """
    Refuse a request that uses what the model, or its family's body, does not take.

    Raises:
        RequestError: the message names the model and the field.
    """
    used = used_fields(request)
    for refusal in sorted({*family_refuses, *model.refuses}):
        together = refusal.split("+")
        if used.issuperset(together):
            words = " together with ".join(FIELDS.get(field, field) for field in together)
            raise RequestError(f"model {model.name!r} does not take {words}")


def check_options(request: ChatRequest, model: ResolvedModel, allowed: frozenset[str]) -> None:
    """
    Refuse a further body field that is not among the allowed ones.

    Raises:
        RequestError: the message names the model and the field.
    """
    unknown = sorted(request.provider_options.keys() - allowed - {GUARDRAIL_OPTION})
    if unknown:
        expected = f"expected one of {', '.join(map(repr, sorted(allowed)))}" if allowed else "it takes none"
        raise RequestError(f"model {model.name!r} does not take the provider option {unknown[0]!r}: {expected}")


def check_ranges(params: GenerationParams) -> None:
    """
    Refuse sampling parameters outside of their range; also NaN, which JSON can't carry.

    Raises:
        RequestError: the message names the parameter, its value and its range.
    """
    for name, value in (("temperature", params.temperature), ("top_p", params.top_p)):
        if value is not None and not 0 <= value <= 1:
            raise RequestError(f"{name} is {value}, expected 0 to 1")
    for name, count in (("max_tokens", params.max_tokens), ("top_k", params.top_k)):
        if count is not None and count < 0:
            raise RequestError(f"{name} is {count}, expected at least 0")
    for position, sequence in enumerate(params.stop_sequences):
        if not sequence:
            raise RequestError(f"stop_sequences[{position}] is empty, expected at least one character")


def bound_answer(max_tokens: int | None, model: ResolvedModel, *, limit: int | None = None) -> int | None:
    """
    Return the bound of the answer's length, None if none was given.

    `limit` is the family's own bound, for models whose own is not known.

    Raises:
        RequestError: it is less than 1, or more than the model gives.
    """
    limit = model.max_output_tokens or limit
    if max_tokens is None:
        return None
    if max_tokens < 1:
        raise RequestError(f"max_tokens is {max_tokens}, expected at least 1")
    if limit is not None and max_tokens > limit:
        raise RequestError(f"max_tokens is {max_tokens}, model {model.name!r} gives at most {limit}")
    return max_tokens


def bound_stop_sequences(params: GenerationParams, model: ResolvedModel, most: int) -> tuple[str, ...]:
    """
    Return the stop sequences.

    Raises:
        RequestError: there are more than the body takes.
    """
    count = len(params.stop_sequences)
    if count > most:
        raise RequestError(f"stop_sequences has {count} entries, model {model.name!r} takes at most {most}")
    return params.stop_sequences


def check_tool_choice(request: ChatRequest) -> None:
    """
    Refuse a tool choice that can't be met: one that forces a tool where none is offered, or does not name it.

    Raises:
        RequestError: the message names what is missing.
    """
    choice = request.tool_choice
    if choice is None or choice.mode not in {"any", "tool"}:
        return
    if not request.tools:
        raise RequestError(f"tool_choice is {choice.mode!r} but the request has no tools")
    if choice.mode == "tool" and choice.name is None:
        raise RequestError("tool_choice is 'tool' without a name, expected the name of a tool")


def drop_empty(body: Mapping[str, Any]) -> dict[str, Any]:
    """
    Leave out the fields that were not given.
    """
    return {name: value for name, value in body.items() if value not in (None, [], (), {})}


def check_messages(request: ChatRequest) -> None:
    """
    Refuse a conversation without messages, and a message without parts.

    Raises:
        RequestError: the message names the position.
    """
    if not request.messages:
        raise RequestError("messages is empty, expected at least one")
    for position, message in enumerate(request.messages):
        if not message.parts:
            raise RequestError(f"messages[{position}] has no parts, expected at least one")


def used_fields(request: ChatRequest) -> frozenset[str]:
    """
    Return the names of the fields that a request uses.
    """
    params = request.params
    choice = request.tool_choice
    present = {
        "prefill": bool(request.messages) and request.messages[-1].role == "assistant",
        "guardrail": request.guardrail is not None,
        "json_schema": request.answer_format is not None,
        "streaming": request.stream,
        "system": bool(request.system),
        "tools": bool(request.tools),
        "strict_tools": any(tool.strict is not None for tool in request.tools),
        "forced_tool_choice": choice is not None and choice.mode in {"any", "tool"},
        "named_tool_choice": choice is not None and choice.mode == "tool",
        "single_tool_use": choice is not None and not choice.allow_parallel,
        "stop_sequences": bool(params.stop_sequences),
        "temperature": params.temperature is not None,
        "top_p": params.top_p is not None,
        "top_k": params.top_k is not None,
    }
    names = {name for name, is_used in present.items() if is_used}
    names.update(_reasoning_fields(params))
    for message in request.messages:
        for part in message.parts:
            names.update(_part_fields(part))
    return frozenset(names)


def _reasoning_fields(params: GenerationParams) -> Iterator[str]:
    reasoning = params.reasoning
    if reasoning is None:
        return
    yield f"reasoning_{reasoning.mode}"
    if reasoning.mode != "disabled":
        yield "reasoning"
    if reasoning.effort is not None:
        yield "effort"
        yield f"effort_{reasoning.effort}"


def _part_fields(part: Part) -> Iterator[str]:
    match part:
        case ImagePart():
            yield "images"
        case DocumentPart():
            yield "documents"
        case ReasoningPart():
            yield "reasoning_parts"
        case ToolUsePart():
            yield "tools"
        case ToolResultPart(content=content):
            yield "tools"
            for inner in content:
                yield from _part_fields(inner)
        case _:
            return


def encode_body(body: Mapping[str, Any]) -> bytes:
    """
    Encode a body as JSON; bytes become base64.

    Raises:
        RequestError: a text holds half of a surrogate pair, or values are nested too deeply.
    """
    try:
        return msgspec.json.encode(body)
    except UnicodeEncodeError as error:
        raise RequestError("a text holds half of a surrogate pair, expected valid unicode") from error
    except RecursionError as error:
        raise RequestError("the request is nested too deeply") from error
