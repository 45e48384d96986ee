"""
What Claude itself refuses, on InvokeModel and on Converse alike (docs/bedrock_wire.md §4.1, §5.5).
"""

from typing import Any, Literal

import msgspec

from outcrop.emulator.conversation import Ask, Turn
from outcrop.emulator.families.family import ConverseRequest
from outcrop.emulator.rules.limits import check_size
from outcrop.emulator.rules.models import Called
from outcrop.emulator.rules.refusals import invalid

EXTRA_FIELDS = frozenset({"top_k", "thinking", "output_config", "anthropic_beta", "reasoning_config"})
"""
What `additionalModelRequestFields` may have.
"""

_EFFORTS = ("low", "medium", "high", "xhigh", "max")
_MIN_BUDGET = 1024


class Thinking(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    Hold the `thinking` member of a body.
    """

    type: Literal["enabled", "adaptive", "disabled", "between_tools"]
    budget_tokens: int | None = None
    display: str | None = None


def parse_thinking(value: Any) -> Thinking | None:
    """
    Parse the `thinking` member.

    Raises:
        Refusal: it is none of the known kinds.
    """
    if value is None:
        return None
    try:
        return msgspec.convert(value, Thinking)
    except msgspec.ValidationError as error:
        raise invalid(
            "thinking: Input tag found using 'type' does not match any of the expected tags: 'adaptive', 'disabled', "
            "'enabled'"
        ) from error


def thinks(called: Called, thinking: Thinking | None) -> bool:
    """
    Say whether an answer opens with a thinking block: it is wanted, or the model can't do otherwise.
    """
    if called.refuses("reasoning_disabled"):
        return True
    return thinking is not None and thinking.type in {"enabled", "adaptive"}


def settle(ask: Ask, called: Called, request: ConverseRequest) -> Ask:
    """
    Finish an ask that came by Converse.

    Raises:
        Refusal: it asks for what this version of Claude doesn't take.
    """
    extra = request.extra
    thinking = parse_thinking(extra.get("thinking", extra.get("reasoning_config")))
    config = extra.get("output_config")
    effort = request.effort or (config.get("effort") if isinstance(config, dict) else None)
    settled = msgspec.structs.replace(ask, thinks=thinks(called, thinking), signs=True)
    check(settled, called, thinking, effort)
    return settled


def check(ask: Ask, called: Called, thinking: Thinking | None, effort: Any) -> None:
    """
    Check an ask against what this version of Claude takes.

    Raises:
        Refusal: the first thing that it doesn't take.
    """
    check_size(ask, called)
    _check_sampling(ask, called, thinking)
    _check_thinking(ask, called, thinking)
    _check_effort(called, effort)
    _check_end(ask.turns, called)
    _check_tool_pairs(ask.turns)
    if any(turn.images for turn in ask.turns) and not called.takes_images:
        raise invalid("This model doesn't support the image content block.")


def _check_sampling(ask: Ask, called: Called, thinking: Thinking | None) -> None:
    for name, value in (("temperature", ask.temperature), ("top_p", ask.top_p), ("top_k", ask.top_k)):
        if value is not None and called.refuses(name):
            raise invalid(f"`{name}` is not supported by this model.")
    if ask.temperature is not None and ask.top_p is not None and called.refuses("temperature", "top_p"):
        raise invalid("`temperature` and `top_p` cannot both be specified for this model. Please use only one.")
    if thinks(called, thinking) and ask.temperature not in {None, 1}:
        raise invalid("`temperature` may only be set to 1 when thinking is enabled or in adaptive mode.")


def _check_thinking(ask: Ask, called: Called, thinking: Thinking | None) -> None:
    forced = ask.tool_choice not in {"auto", "none"}
    if forced and called.refuses("forced_tool_choice"):
        raise invalid("tool_choice: this model doesn't support a tool choice that forces tool use.")
    if thinking is None:
        return
    if thinking.type != "disabled" and called.refuses("reasoning"):
        raise invalid("thinking: this model doesn't support thinking.")
    if called.refuses(f"reasoning_{thinking.type}"):
        raise invalid(f'"thinking.type.{thinking.type}" is not supported for this model.')
    if thinking.type == "enabled":
        if thinking.budget_tokens is None or thinking.budget_tokens < _MIN_BUDGET:
            raise invalid("thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
        if thinking.budget_tokens >= ask.max_tokens:
            raise invalid("`max_tokens` must be greater than `thinking.budget_tokens`.")
    if forced and thinking.type in {"enabled", "adaptive"}:
        raise invalid("Thinking may not be enabled when tool_choice forces tool use.")


def _check_effort(called: Called, effort: Any) -> None:
    if effort is None:
        return
    if effort not in _EFFORTS:
        raise invalid(f"output_config.effort: Input should be {', '.join(repr(one) for one in _EFFORTS)}")
    if called.refuses("effort") or called.refuses(f"effort_{effort}"):
        raise invalid(f"output_config.effort: {effort!r} is not supported by this model.")


def _check_end(turns: tuple[Turn, ...], called: Called) -> None:
    last = turns[-1] if turns else None
    if last is None or last.speaker != "assistant":
        return
    if called.refuses("prefill") or not called.has("prefill"):
        raise invalid(
            "This model does not support assistant message prefill. The conversation must end with a user message."
        )
    if last.text != last.text.rstrip():
        raise invalid("messages: final assistant content cannot end with trailing whitespace")


def _check_tool_pairs(turns: tuple[Turn, ...]) -> None:
    called: dict[str, int] = {}
    for place, turn in enumerate(turns):
        answered = {result.call_id for result in turn.tool_results}
        missing = [call_id for call_id in called if call_id not in answered]
        if missing:
            raise invalid(
                f"messages.{place - 1}: `tool_use` ids were found without `tool_result` blocks immediately after: "
                f"{', '.join(missing)}. Each `tool_use` block must have a corresponding `tool_result` block in the "
                "next message."
            )
        unknown = next((call_id for call_id in answered if call_id not in called), None)
        if unknown is not None:
            raise invalid(
                f"messages.{place}: unexpected `tool_use_id` found in `tool_result` blocks: {unknown}. Each "
                "`tool_result` block must have a corresponding `tool_use` block in the previous message."
            )
        called = {call.call_id: place for call in turn.tool_calls}
    if called:
        raise invalid(
            f"messages.{len(turns) - 1}: `tool_use` ids were found without `tool_result` blocks immediately after: "
            f"{', '.join(called)}."
        )
