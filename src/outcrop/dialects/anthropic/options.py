"""
Put what a client wants of a model's reasoning and of the form of its answer where the model's route takes it.

Claude knows `thinking` and `output_config`; Converse has an `outputConfig` of its own; other families are told by a
level of effort. Both the Anthropic and the Bedrock dialect come here, so one wish has one spelling behind them.
"""

from typing import Any

import msgspec

from outcrop.calls import ResolvedModel
from outcrop.dialects.anthropic.tables import OUTPUT_CONFIG, OUTPUT_FORMAT, THINKING
from outcrop.dialects.fields import Fields, describe
from outcrop.errors import RequestError
from outcrop.types import Reasoning, ReasoningEffort

CLAUDE = "anthropic"
MAX_BETAS = 64
MAX_BETA_CHARACTERS = 128

_EFFORTS: tuple[ReasoningEffort, ...] = ("low", "medium", "high", "xhigh", "max")


class Wishes(msgspec.Struct, kw_only=True):
    """
    Hold what a client wants: `thinking` as Anthropic writes it, a level of effort, a JSON schema for the answer.

    `schema_name` and `schema_description` say what Converse can say beside a schema.
    """

    thinking: dict[str, Any] | None = None
    effort: ReasoningEffort | None = None
    schema: Any = None
    schema_name: str | None = None
    schema_description: str | None = None
    where: str = ""


def read_output_config(value: Any, where: str, wishes: Wishes) -> None:
    """
    Read Anthropic's `output_config` into the wishes.

    Raises:
        RequestError: it is malformed.
    """
    if value is None:
        return
    fields = Fields(value, where, OUTPUT_CONFIG)
    wishes.effort = read_effort(fields)
    read_output_format(fields, "format", wishes)


def read_output_format(fields: Fields, name: str, wishes: Wishes) -> None:
    """
    Read the schema of the answer into the wishes, from one of the two places where it may stand.

    Raises:
        RequestError: it is malformed, or was given in the other place too.
    """
    form = fields.object(name)
    if form is None:
        return
    if wishes.schema is not None:
        raise RequestError(f"{fields.place(name)} and output_config.format are both there, expected one")
    shape = Fields(form, fields.place(name), OUTPUT_FORMAT)
    shape.word("type", ("json_schema",))
    shape.need("schema")
    wishes.schema = shape.object("schema")


def read_effort(fields: Fields) -> ReasoningEffort | None:
    """
    Read a level of effort.

    Raises:
        RequestError: it is none of those that there are.
    """
    return fields.word("effort", _EFFORTS)


def place_wishes(wishes: Wishes, model: ResolvedModel) -> tuple[Reasoning | None, dict[str, Any]]:
    """
    Return the reasoning, and the provider options that say the rest.

    Raises:
        RequestError: `thinking` is malformed, or says what this model can't be told.
    """
    is_claude = model.family == CLAUDE
    options: dict[str, Any] = {}
    reasoning = _read_thinking(wishes, options, is_claude=is_claude)
    effort = wishes.effort
    if effort is not None and reasoning is not None:
        reasoning, effort = msgspec.structs.replace(reasoning, effort=effort), None
    elif effort is not None and not is_claude:
        reasoning, effort = Reasoning(mode="adaptive", effort=effort), None
    if is_claude and model.route == "native":
        output = {"effort": effort, "format": _write_native(wishes)}
        options["output_config"] = {name: value for name, value in output.items() if value is not None}
    else:
        output = {"effort": effort, "textFormat": _write_converse(wishes)}
        options["outputConfig"] = {name: value for name, value in output.items() if value is not None}
    return reasoning, {name: value for name, value in options.items() if value}


def place_betas(names: tuple[str, ...], model: ResolvedModel) -> dict[str, Any]:
    """
    Return the option that switches beta features on. They are Claude's: for other families they say nothing.

    Raises:
        RequestError: a name can't be one, or there are too many.
    """
    if len(names) > MAX_BETAS:
        raise RequestError(f"anthropic-beta names {len(names)} features, limit is {MAX_BETAS}")
    for name in names:
        if not (name.isascii() and name.isprintable() and 0 < len(name) <= MAX_BETA_CHARACTERS):
            raise RequestError(f"anthropic-beta names {name[:40]!r}, expected printable ASCII of 1 to 128 characters")
    return {"anthropic_beta": list(dict.fromkeys(names))} if names and model.family == CLAUDE else {}


def _read_thinking(wishes: Wishes, options: dict[str, Any], *, is_claude: bool) -> Reasoning | None:
    if wishes.thinking is None:
        return None
    fields = Fields(wishes.thinking, wishes.where, THINKING)
    fields.need("type")
    mode = fields.word("type", ("enabled", "adaptive", "disabled", "between_tools"))
    display = fields.word("display", ("summarized", "omitted"))
    if not is_claude and (display is not None or mode == "between_tools"):
        raise RequestError(f"{wishes.where} has what only Claude can be told, expected 'type' and 'budget_tokens'")
    if display is not None:
        options["thinking"] = {"display": display}
    budget = fields.count("budget_tokens", 1)
    if (budget is not None) != (mode == "enabled"):
        raise RequestError(f"{fields.place('budget_tokens')} is {describe(budget)}: it belongs to the type 'enabled'")
    match mode:
        case "enabled" | "adaptive" | "disabled":
            return Reasoning(mode=mode, budget_tokens=budget)
        case _:
            options["thinking"] = {**options.get("thinking", {}), "type": mode}
            return None


def _write_native(wishes: Wishes) -> Any:
    return None if wishes.schema is None else {"type": "json_schema", "schema": wishes.schema}


def _write_converse(wishes: Wishes) -> Any:
    if wishes.schema is None:
        return None
    said = {"name": wishes.schema_name, "description": wishes.schema_description}
    definition = {"schema": msgspec.json.encode(wishes.schema).decode()}
    definition |= {name: value for name, value in said.items() if value is not None}
    return {"type": "json_schema", "structure": {"jsonSchema": definition}}
