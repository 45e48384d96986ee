"""
When models other than Claude reason: always, or when their own switch says so (docs/bedrock_wire.md §4.4, §4.5, §4.10).
"""

import re
from collections.abc import Mapping
from typing import Any

from outcrop.emulator.rules.models import Called
from outcrop.emulator.rules.refusals import invalid

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_REASONS_UNASKED = re.compile(r"openai\.gpt-oss|moonshot\.kimi-k2-thinking|deepseek\.r1")
_SWITCHES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"openai\.gpt-oss"), "reasoning_effort"),
    (re.compile(r"openai\.|xai\."), "reasoning"),
    (re.compile(r"qwen\."), "reasoning_config"),
    (re.compile(r""), "reasoning_effort"),
)


def switch_of(called: Called) -> str:
    """
    Return the key that turns a model's reasoning on and off in `additionalModelRequestFields`.
    """
    return next(name for pattern, name in _SWITCHES if pattern.match(called.entry.base_id))


def effort_in(body: Mapping[str, Any]) -> str | None:
    """
    Return the effort that a body's switch asks for.

    Raises:
        Refusal: it is none of the known efforts.
    """
    value = body.get("reasoning_effort", body.get("reasoning_config"))
    reasoning = body.get("reasoning")
    if value is None and reasoning is not None:
        if not isinstance(reasoning, Mapping):
            raise invalid("Invalid type for 'reasoning': expected an object.")
        value = reasoning.get("effort")
    if value is not None and value not in EFFORTS:
        raise invalid(f"Invalid value: {value!r}. Supported values are: {', '.join(map(repr, EFFORTS))}.")
    return None if value is None else str(value)


def thinks(called: Called, effort: str | None) -> bool:
    """
    Say whether a model reasons before it answers.

    Raises:
        Refusal: it is asked to, and can't.
    """
    if not called.has("reasoning"):
        if effort not in {None, "none"}:
            raise invalid("Unsupported parameter: this model doesn't support reasoning.")
        return False
    if effort is None:
        return _REASONS_UNASKED.match(called.entry.base_id) is not None
    return effort != "none"
