"""
What building a Converse request must know of a model's family, beyond what the model refuses.

Which fields of its own does it take for top_k and for reasoning, who may speak first, may tool results have company?
The facts are those of docs/bedrock_wire.md §4.5, §4.10 and §5.5. Whether a model takes a feature at all is the
catalogue's business (`ResolvedModel.refuses`). A family that has no row here works, with the cautious row `UNKNOWN`:
what can't be put into words for it is refused by name.
"""

from collections.abc import Callable

import msgspec

from outcrop.adapters.payloads import Json
from outcrop.calls import ResolvedModel
from outcrop.errors import RequestError
from outcrop.types import Reasoning, ReasoningEffort

MIN_REASONING_BUDGET = 1024


class EffortSwitch(msgspec.Struct, frozen=True, kw_only=True):
    """
    Say how a family is told how hard to reason: the levels it knows, and the field that says so.

    `off` is what switches reasoning off; None means that no such switch is known.
    """

    levels: tuple[ReasoningEffort, ...]
    write: Callable[[str], Json]
    off: Json | None = None


class ConverseFamily(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold one row of the table.

    `starts_with` finds the row by base ID, `families` by the family's name where the ID tells nothing (an ARN).
    `top_k` is the path of that field among the model's own. `signs_reasoning` means that reasoning goes back with its
    signature or not at all, `marks_errors` that a tool's result has a status, `results_alone` that tool results
    stand alone in their message. `cache_marks` names where cache points are understood, `cache_ttls` which times to
    live can be asked for.
    """

    starts_with: tuple[str, ...] = ()
    families: tuple[str, ...] = ()
    top_k: tuple[str, ...] = ()
    effort: EffortSwitch | None = None
    takes_budget: bool = False
    takes_leading_answer: bool = False
    signs_reasoning: bool = False
    marks_errors: bool = False
    results_alone: bool = False
    results_beside_documents: bool = True
    tells_stop_sequence: bool = False
    cache_marks: frozenset[str] = frozenset()
    cache_ttls: frozenset[str] = frozenset({"5m"})


_ALL_LEVELS: tuple[ReasoningEffort, ...] = ("low", "medium", "high", "xhigh", "max")
_THREE_LEVELS: tuple[ReasoningEffort, ...] = ("low", "medium", "high")


def _write_nova(effort: str) -> Json:
    return {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": effort}}


def _write_config(effort: str) -> Json:
    return {"reasoning_config": effort}


def _write_flat(effort: str) -> Json:
    return {"reasoning_effort": effort}


def _write_nested(effort: str) -> Json:
    return {"reasoning": {"effort": effort}}


UNKNOWN = ConverseFamily()
_NOVA = ConverseFamily(
    starts_with=("amazon.nova-",),
    families=("nova",),
    top_k=("inferenceConfig", "topK"),
    marks_errors=True,
    cache_marks=frozenset({"system", "messages"}),
)
_GLM = ConverseFamily(
    starts_with=("zai.glm-",),
    takes_leading_answer=True,
    effort=EffortSwitch(levels=("high",), write=_write_flat, off={"reasoning_effort": "none"}),
)
FAMILIES: tuple[ConverseFamily, ...] = (
    ConverseFamily(
        starts_with=("anthropic.",),
        families=("anthropic",),
        top_k=("top_k",),
        takes_budget=True,
        takes_leading_answer=True,
        signs_reasoning=True,
        marks_errors=True,
        results_beside_documents=False,
        tells_stop_sequence=True,
        cache_marks=frozenset({"tools", "system", "messages"}),
        cache_ttls=frozenset({"5m", "1h"}),
    ),
    msgspec.structs.replace(
        _NOVA,
        starts_with=("amazon.nova-2-",),
        families=(),
        effort=EffortSwitch(levels=_THREE_LEVELS, write=_write_nova, off={"reasoningConfig": {"type": "disabled"}}),
    ),
    _NOVA,
    ConverseFamily(starts_with=("meta.",), families=("llama3", "llama4"), results_alone=True),
    ConverseFamily(starts_with=("mistral.mistral-7b-", "mistral.mixtral-"), top_k=("top_k",), results_alone=True),
    ConverseFamily(starts_with=("mistral.",), families=("mistral_text", "mistral_chat"), results_alone=True),
    ConverseFamily(starts_with=("cohere.",), families=("cohere",), top_k=("k",)),
    ConverseFamily(
        starts_with=("qwen.",),
        takes_leading_answer=True,
        effort=EffortSwitch(levels=_THREE_LEVELS, write=_write_config, off={"reasoning_config": "none"}),
    ),
    ConverseFamily(starts_with=("openai.gpt-oss-",), effort=EffortSwitch(levels=_THREE_LEVELS, write=_write_flat)),
    ConverseFamily(starts_with=("openai.", "xai."), effort=EffortSwitch(levels=_ALL_LEVELS, write=_write_nested)),
    msgspec.structs.replace(
        _GLM, starts_with=("zai.glm-5.3",), effort=EffortSwitch(levels=_ALL_LEVELS, write=_write_flat)
    ),
    _GLM,
    ConverseFamily(starts_with=("moonshot.", "moonshotai."), takes_leading_answer=True),
    # DeepSeek V3.2 reasons only where it is asked to, so nothing has to be said to keep it from it (§4.4).
    ConverseFamily(starts_with=("deepseek.v3.2",), effort=EffortSwitch(levels=("high",), write=_write_flat, off={})),
)
"""
The rows; the first one that fits holds.
"""


def find_converse_family(model: ResolvedModel) -> ConverseFamily:
    """
    Return the row for a model: by its base ID, else by its family's name, else `UNKNOWN`.
    """
    by_id = (row for row in FAMILIES if model.base_id.startswith(row.starts_with))
    by_name = (row for row in FAMILIES if model.family in row.families)
    return next(by_id, None) or next(by_name, UNKNOWN)


def write_top_k(top_k: int | None, model: ResolvedModel, family: ConverseFamily) -> Json:
    """
    Return top_k as a field of the model's own.

    Raises:
        RequestError: it is not known how the model takes top_k.
    """
    if top_k is None:
        return {}
    if not family.top_k:
        raise RequestError(f"model {model.name!r} does not take top_k by converse")
    *outer, name = family.top_k
    field: Json = {name: top_k}
    for step in reversed(outer):
        field = {step: field}
    return field


def write_reasoning(reasoning: Reasoning | None, model: ResolvedModel, family: ConverseFamily) -> Json:
    """
    Return what tells the model how much to reason, as fields of its own.

    Claude's level of effort is not among them: Converse has a field for it.

    Raises:
        RequestError: the model can't be told so.
    """
    if reasoning is None:
        return {}
    if family.takes_budget:
        return {"thinking": _write_budget(reasoning)}
    if family.effort is None:
        if reasoning.mode == "disabled" and "reasoning" in model.refuses:
            return {}
        raise RequestError(f"model {model.name!r} does not take a setting of its reasoning by converse")
    return _write_effort(reasoning, model, family.effort)


def _write_budget(reasoning: Reasoning) -> Json:
    if reasoning.mode != "enabled":
        return {"type": reasoning.mode}
    budget = reasoning.budget_tokens
    if budget is None or budget < MIN_REASONING_BUDGET:
        raise RequestError(f"the reasoning budget is {budget} tokens, expected at least {MIN_REASONING_BUDGET}")
    return {"type": "enabled", "budget_tokens": budget}


def _write_effort(reasoning: Reasoning, model: ResolvedModel, switch: EffortSwitch) -> Json:
    """
    Write a level of effort. Where a model may decide for itself (`adaptive`) and no level is given, nothing is said.
    """
    subject = f"model {model.name!r}"
    if reasoning.mode == "disabled":
        if switch.off is None:
            raise RequestError(f"{subject} does not take switching reasoning off by converse")
        return switch.off
    if reasoning.budget_tokens is not None or (reasoning.mode == "enabled" and reasoning.effort is None):
        raise RequestError(f"{subject} takes a level of effort for its reasoning, not a budget of tokens")
    if reasoning.effort is None:
        return {}
    if reasoning.effort not in switch.levels:
        expected = ", ".join(map(repr, switch.levels))
        raise RequestError(f"{subject} does not take effort {reasoning.effort!r}, expected one of {expected}")
    return switch.write(reasoning.effort)
