"""
Read what Chat Completions and Responses have in common: how to answer, and with which tools.
"""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from outcrop.dialects.chat.fields import parse_object
from outcrop.dialects.fields import Fields, Table, describe
from outcrop.dialects.openai.tables import CACHE_BREAKPOINT, Refused
from outcrop.errors import RequestError
from outcrop.types import CacheTtl, Reasoning, ReasoningEffort, ToolChoice, ToolSpec

MAX_MODEL_CHARACTERS = 2048
MAX_METADATA_PAIRS = 16
MAX_METADATA_KEY_CHARACTERS = 64
MAX_METADATA_CHARACTERS = 512
MAX_TOOLS = 1024

Tier = Literal["priority", "default", "flex", "reserved"]

EFFORTS: Mapping[str, Reasoning] = {
    "none": Reasoning(mode="disabled"),
    "minimal": Reasoning(mode="adaptive", effort="low"),
    **{
        effort: Reasoning(mode="adaptive", effort=effort)
        for effort in ReasoningEffort.__args__  # type: ignore[attr-defined]  # a Literal lists its values there
    },
}
"""
Levels of effort. Bedrock has none below `low`, so `minimal` is that.
"""

TIERS: Mapping[str, Tier | None] = {
    "auto": None,
    "default": "default",
    "flex": "flex",
    "priority": "priority",
    "fast": "priority",
}
CACHE_TTLS: Mapping[str | None, CacheTtl] = {None: "5m", "30m": "1h", "12h": "1h"}
"""
How long a marked prefix stays in the prompt cache. Bedrock knows five minutes and one hour.
"""


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold a client's choice of tools. `allowed` names the only tools that may be called; None allows all.
    """

    mode: Literal["auto", "any", "none", "tool"] = "auto"
    name: str | None = None
    allowed: tuple[str, ...] | None = None


CHOICES: Mapping[str, Choice] = {"auto": Choice(), "none": Choice(mode="none"), "required": Choice(mode="any")}


def open_fields(value: Any, where: str, table: Table) -> Fields:
    """
    Open an object by its table. A refused field with a value that asks for nothing counts as not given.

    Raises:
        RequestError: it is no object, or has a field that is unknown or refused; the message names the place.
    """
    if isinstance(value, dict):
        value = {name: content for name, content in value.items() if not _is_harmless(table.get(name), content)}
    return Fields(value, where, table)


def _is_harmless(row: Any, content: Any) -> bool:
    # Python takes true for 1 and false for 0, JSON doesn't.
    return isinstance(row, Refused) and any(
        content == value and isinstance(content, bool) == isinstance(value, bool) for value in row.harmless
    )


def open_typed(
    value: Any, where: str, tables: Mapping[str, Table], *, default: str | None = None
) -> tuple[str, Fields]:
    """
    Open an object whose `type` says which table is its own.

    Raises:
        RequestError: it is no object, or of another type; the message names the place and the types that there are.
    """
    if not isinstance(value, dict):
        raise RequestError(f"{where} is {describe(value)}, expected an object")
    given = value.get("type")
    kind = default if given is None or given == "" else given
    if not isinstance(kind, str) or kind not in tables:
        raise RequestError(f"{where}.type is {describe(kind)}, expected one of {', '.join(map(repr, tables))}")
    return kind, open_fields(value, where, tables[kind])


def read_model(fields: Fields) -> str:
    """
    Read the model's name.

    Raises:
        RequestError: it is missing, or can't be one.
    """
    name = fields.name("model")
    if len(name) > MAX_MODEL_CHARACTERS:
        raise RequestError(f"model has {len(name)} characters, limit is {MAX_MODEL_CHARACTERS}")
    return name


def read_temperature(fields: Fields) -> float | None:
    """
    Read the temperature, 0 to 2 as OpenAI has it. Whether a model goes beyond 1 is said later, by its own rules.

    Raises:
        RequestError: it is something else.
    """
    value = fields.get("temperature")
    if value is None:
        return None
    if type(value) not in {int, float} or not 0 <= value <= 2:
        raise RequestError(f"temperature is {describe(value)}, expected a number from 0 to 2")
    return float(value)


def read_tier(fields: Fields) -> Tier | None:
    """
    Read the service tier; `auto` leaves it to the account.

    Raises:
        RequestError: Bedrock has no such tier.
    """
    return TIERS[fields.word("service_tier", tuple(TIERS)) or "auto"]


def read_effort(fields: Fields, name: str) -> Reasoning | None:
    """
    Read a level of effort.

    Raises:
        RequestError: it is none of those that there are.
    """
    word = fields.word(name, tuple(EFFORTS))
    return None if word is None else EFFORTS[word]


def read_metadata(fields: Fields) -> dict[str, str]:
    """
    Read a client's marks for this request; they go to Bedrock's invocation log.

    Raises:
        RequestError: they are not at most 16 pairs of short strings.
    """
    pairs = fields.object("metadata") or {}
    if len(pairs) > MAX_METADATA_PAIRS:
        raise RequestError(f"metadata has {len(pairs)} pairs, limit is {MAX_METADATA_PAIRS}")
    for key, value in pairs.items():
        if not isinstance(value, str):
            raise RequestError(f"metadata[{key[:80]!r}] is {describe(value)}, expected a string")
        if len(key) > MAX_METADATA_KEY_CHARACTERS or len(value) > MAX_METADATA_CHARACTERS:
            raise RequestError(
                f"metadata[{key[:80]!r}] is too long: a key has at most {MAX_METADATA_KEY_CHARACTERS} characters, "
                f"a value at most {MAX_METADATA_CHARACTERS}"
            )
    return pairs


def read_cache_mark(fields: Fields) -> CacheTtl | None:
    """
    Read whether the prompt up to and including this part is worth caching.

    Raises:
        RequestError: the mark is malformed.
    """
    value = fields.get("prompt_cache_breakpoint")
    if value is None:
        return None
    mark = open_fields(value, fields.place("prompt_cache_breakpoint"), CACHE_BREAKPOINT)
    mark.need("mode")
    mark.word("mode", ("explicit",))
    return CACHE_TTLS[mark.word("ttl", ("30m", "12h"))]


def read_arguments(fields: Fields, name: str) -> dict[str, Any]:
    """
    Read a call's arguments: one JSON object, written as a string. An empty string is a call without any.

    Raises:
        RequestError: they are something else.
    """
    return parse_object(fields.need_text(name) or "{}", fields.place(name))


def to_tool(fields: Fields) -> ToolSpec:
    """
    Take a function. One that is not described as strict is as any other.

    Raises:
        RequestError: a field is missing or malformed.
    """
    return ToolSpec(
        name=fields.name("name"),
        input_schema=fields.object("parameters") or {"type": "object", "properties": {}},
        description=fields.text("description"),
        strict=True if fields.flag("strict") else None,
    )


def check_tools(values: list[Any]) -> list[Any]:
    """
    Return the tools, if they are not too many.

    Raises:
        RequestError: they are.
    """
    if len(values) > MAX_TOOLS:
        raise RequestError(f"tools has {len(values)} entries, limit is {MAX_TOOLS}")
    return values


def apply_choice(
    choice: Choice | None, tools: tuple[ToolSpec, ...], *, parallel: bool | None
) -> tuple[tuple[ToolSpec, ...], ToolChoice | None]:
    """
    Return the tools that the model is offered, and how it may choose.

    Raises:
        RequestError: the choice names a tool that there is not.
    """
    names = {tool.name for tool in tools}
    wanted = choice or Choice()
    for name in (wanted.name, *(wanted.allowed or ())):
        if name is not None and name not in names:
            raise RequestError(f"tool_choice names {name[:80]!r}, which is not among the tools")
    if wanted.allowed is not None:
        tools = tuple(tool for tool in tools if tool.name in wanted.allowed)
    one_at_a_time = parallel is False and bool(tools)
    if choice is None and not one_at_a_time:
        return tools, None
    return tools, ToolChoice(mode=wanted.mode, name=wanted.name, allow_parallel=not one_at_a_time)
