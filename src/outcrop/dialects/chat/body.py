"""
How to answer: the fields of `send.body`, which `POST /api/chat` has at the top of its own body.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from outcrop.dialects.chat.fields import Fields, check_known, convert
from outcrop.errors import RequestError
from outcrop.types import GenerationParams, Reasoning, ReasoningEffort, ToolChoice, ToolSpec

MAX_STOP_SEQUENCES = 64
MAX_COUNT = 1_000_000

StopText = Annotated[str, Meta(min_length=1)]
Name = Annotated[str, Meta(min_length=1, max_length=256)]


class ReasoningOptions(Fields, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Say how much the model may reason: `enabled` with a budget, `adaptive` with a level of effort, or `disabled`.
    """

    mode: Literal["enabled", "adaptive", "disabled"]
    budget_tokens: Annotated[int, Meta(ge=1, le=MAX_COUNT)] | None = None
    effort: ReasoningEffort | None = None


class ToolOptions(Fields, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Describe a tool that the client carries out; `inputSchema` is a JSON Schema object.
    """

    name: Name
    input_schema: dict[str, Any]
    description: str | None = None
    strict: bool | None = None


class NamedTool(Fields, frozen=True, kw_only=True, tag="tool", tag_field="type"):
    """
    Demand a call of one tool.
    """

    tool_name: Name


class ChatBody(Fields, frozen=True, kw_only=True):
    """
    Hold how to answer. A field that is missing, or null, leaves it to the model.
    """

    model: Name
    system: str | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_k: Annotated[int, Meta(ge=0, le=MAX_COUNT)] | None = None
    max_tokens: Annotated[int, Meta(ge=1, le=MAX_COUNT)] | None = None
    stop: StopText | Annotated[list[StopText], Meta(max_length=MAX_STOP_SEQUENCES)] | None = None
    reasoning: ReasoningOptions | None = None
    parent_id: Name | None = None
    stream: bool | None = None
    temporary: bool | None = None
    tools: Annotated[list[ToolOptions], Meta(max_length=1024)] | None = None
    tool_choice: Literal["auto", "any", "required", "none"] | NamedTool | None = None


FIELD_NAMES = tuple(field.encode_name for field in msgspec.structs.fields(ChatBody))


def parse_chat_body_fields(body: Mapping[str, Any], *, where: str) -> ChatBody:
    """
    Check the fields; `where` is what they stand in, "" for the top of an HTTP body.

    Raises:
        RequestError: one is missing, unknown, of another type or out of range; the message names it.
    """
    check_known(body, FIELD_NAMES, f"{where} field".strip())
    if body.get("model") in (None, ""):
        raise RequestError(f"{where}.model is missing, expected the name of a model".removeprefix("."))
    return convert(body, ChatBody, where)


def to_params(body: ChatBody) -> GenerationParams:
    """
    Take the sampling parameters.
    """
    return GenerationParams(
        max_tokens=body.max_tokens,
        temperature=body.temperature,
        top_p=body.top_p,
        top_k=body.top_k,
        stop_sequences=(body.stop,) if isinstance(body.stop, str) else tuple(body.stop or ()),
        reasoning=_to_reasoning(body.reasoning) if body.reasoning else None,
    )


def _to_reasoning(options: ReasoningOptions) -> Reasoning:
    return Reasoning(mode=options.mode, budget_tokens=options.budget_tokens, effort=options.effort)


def to_tools(body: ChatBody) -> tuple[ToolSpec, ...]:
    """
    Take the tools.
    """
    return tuple(
        ToolSpec(name=tool.name, input_schema=tool.input_schema, description=tool.description, strict=tool.strict)
        for tool in body.tools or ()
    )


def to_tool_choice(body: ChatBody) -> ToolChoice | None:
    """
    Take the choice of a tool; `required` is how the package `ai` calls `any`.
    """
    match body.tool_choice:
        case None:
            return None
        case NamedTool(tool_name=name):
            return ToolChoice(mode="tool", name=name)
        case "required":
            return ToolChoice(mode="any")
        case mode:
            return ToolChoice(mode=mode)
