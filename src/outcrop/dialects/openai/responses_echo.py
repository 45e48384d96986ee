"""
What a response repeats of its request.
"""

from collections.abc import Mapping
from typing import Any

from outcrop.dialects.fields import Fields
from outcrop.dialects.openai.options import Choice
from outcrop.types import AnswerFormat, ChatRequest, ToolSpec

Echo = Mapping[str, Any]
"""
Fields of the Response object, as JSON: the server keeps them with the response.
"""

_REPEATED = ("prompt_cache_key", "safety_identifier", "user", "instructions", "previous_response_id", "service_tier")
_MODES = {"auto": "auto", "any": "required", "none": "none"}


def build_echo(
    fields: Fields, request: ChatRequest, *, tools: tuple[ToolSpec, ...], choice: Choice | None, summary: str | None
) -> Echo:
    """
    Build what a response repeats. Fields that were read are repeated as they were understood.
    """
    params = request.params
    given = {name: fields.get(name) for name in _REPEATED}
    return {
        **{name: value if isinstance(value, str) else None for name, value in given.items()},
        "background": bool(fields.flag("background")),
        "max_output_tokens": params.max_tokens,
        "max_tool_calls": value if type(value := fields.get("max_tool_calls")) is int else None,
        "metadata": dict(request.request_metadata),
        "parallel_tool_calls": fields.flag("parallel_tool_calls") is not False,
        "reasoning": {"effort": _read_effort(fields), "summary": summary},
        "store": fields.flag("store") is not False,
        "temperature": params.temperature,
        "text": {"format": _write_format(request.answer_format)},
        "tool_choice": _write_choice(choice),
        "tools": [_write_tool(tool) for tool in tools],
        "top_logprobs": 0,
        "top_p": params.top_p,
        "truncation": "disabled",
    }


def _read_effort(fields: Fields) -> Any:
    return (fields.object("reasoning") or {}).get("effort")


def _write_format(wanted: AnswerFormat | None) -> dict[str, Any]:
    if wanted is None:
        return {"type": "text"}
    described = {} if wanted.description is None else {"description": wanted.description}
    return {"type": "json_schema", "name": wanted.name, "schema": wanted.json_schema, "strict": True, **described}


def _write_choice(choice: Choice | None) -> Any:
    if choice is None:
        return "auto"
    if choice.mode == "tool":
        return {"type": "function", "name": choice.name}
    if choice.allowed is not None:
        allowed = [{"type": "function", "name": name} for name in choice.allowed]
        return {"type": "allowed_tools", "mode": _MODES[choice.mode], "tools": allowed}
    return _MODES[choice.mode]


def _write_tool(tool: ToolSpec) -> dict[str, Any]:
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.input_schema,
        "strict": tool.strict is True,
    }
