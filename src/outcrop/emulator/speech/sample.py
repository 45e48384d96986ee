"""
Values that fit a JSON Schema: the arguments of simulated tool calls.

Covers what tools are described with: types, `enum`, `const`, `default`, `examples`, `properties`, `required`, `items`,
bounds, `anyOf`/`oneOf`/`allOf`, local `$ref`, the common formats. Patterns are not looked at. What is no schema is
taken for one of a string; depth, number and length of values are bounded, whatever a schema asks for.
"""

from collections.abc import Mapping
from typing import Any

from outcrop.emulator.speech.dice import Dice

_MAX_DEPTH = 8
_MAX_VALUES = 500
_MAX_ITEMS = 8
_MAX_CHARACTERS = 1_000
_FORMATS = {
    "date": "2026-11-20",
    "date-time": "2026-11-20T12:00:00Z",
    "time": "12:00:00Z",
    "email": "someone@example.com",
    "uri": "https://example.com/",
    "url": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "ipv4": "192.0.2.1",
}


class Sampler:
    """
    Make values for one schema. `hint` is used where a free string is wanted.
    """

    def __init__(self, schema: Mapping[str, Any], dice: Dice, hint: str) -> None:
        self._root = schema
        self._dice = dice
        self._hint = hint
        self._values_left = _MAX_VALUES

    def arguments(self) -> dict[str, Any]:
        """
        Return arguments for a tool: an object, empty where the schema wants something else.
        """
        value = self._value(self._root, 0)
        return value if isinstance(value, dict) else {}

    def _value(self, schema: Any, depth: int) -> Any:
        self._values_left -= 1
        if depth > _MAX_DEPTH or self._values_left < 0:
            return None
        resolved = self._resolved(_mapping(schema))
        for key in ("const", "default"):
            if key in resolved:
                return resolved[key]
        for key in ("enum", "examples"):
            if _sequence(resolved.get(key)):
                return self._dice.pick(resolved[key])
        return self._of_type(_type_of(resolved), resolved, depth)

    def _resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """
        Follow references, take the first alternative, and merge what must all hold.
        """
        for _ in range(_MAX_DEPTH):
            alternatives = _sequence(schema.get("anyOf")) or _sequence(schema.get("oneOf"))
            if isinstance(schema.get("$ref"), str):
                schema = _look_up(self._root, schema["$ref"])
            elif alternatives:
                schema = {k: v for k, v in schema.items() if k not in {"anyOf", "oneOf"}} | _mapping(alternatives[0])
            elif _sequence(schema.get("allOf")):
                schema = _merged(schema)
            else:
                break
        return schema

    def _of_type(self, kind: str, schema: Mapping[str, Any], depth: int) -> Any:
        if kind == "object":
            wanted = _mapping(schema.get("properties"))
            required = _sequence(schema["required"]) if "required" in schema else list(wanted)
            return {str(name): self._value(wanted.get(str(name)), depth + 1) for name in required[:_MAX_VALUES]}
        if kind == "array":
            number = min(max(1, int(_bound(schema, "minItems", 1))), _MAX_ITEMS)
            return [self._value(schema.get("items"), depth + 1) for _ in range(number)]
        if kind in {"integer", "number"}:
            return _number(schema, self._dice, kind)
        if kind == "boolean":
            return bool(self._dice.below(2))
        return None if kind == "null" else self._string(schema)

    def _string(self, schema: Mapping[str, Any]) -> str:
        shortest = min(int(_bound(schema, "minLength", 0)), _MAX_CHARACTERS)
        longest = max(0, min(int(_bound(schema, "maxLength", _MAX_CHARACTERS)), _MAX_CHARACTERS))
        return _FORMATS.get(str(schema.get("format")), self._hint).ljust(shortest, "x")[:longest]


def _mapping(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {}


def _sequence(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _bound(schema: Mapping[str, Any], key: str, default: float) -> float:
    value = schema.get(key)
    return value if isinstance(value, int | float) and abs(value) < 1e15 else default


def _type_of(schema: Mapping[str, Any]) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        return str(kind[0]) if kind else "string"
    if kind is None:
        return "object" if "properties" in schema else "string"
    return str(kind)


def _look_up(root: Mapping[str, Any], reference: str) -> Mapping[str, Any]:
    place: Any = root
    if reference not in {"#", "#/"}:
        for step in reference.removeprefix("#/").split("/"):
            place = place.get(step) if isinstance(place, Mapping) else None
    return _mapping(place)


def _merged(schema: Mapping[str, Any]) -> dict[str, Any]:
    merged = {key: value for key, value in schema.items() if key != "allOf"}
    for part in schema["allOf"]:
        for key, value in _mapping(part).items():
            if key == "properties":
                merged[key] = _mapping(merged.get(key)) | _mapping(value)
            elif key == "required":
                merged[key] = _sequence(merged.get(key)) + _sequence(value)
            else:
                merged.setdefault(key, value)
    return merged


def _number(schema: Mapping[str, Any], dice: Dice, kind: str) -> float:
    low = _bound(schema, "minimum", _bound(schema, "exclusiveMinimum", -1) + 1)
    high = _bound(schema, "maximum", _bound(schema, "exclusiveMaximum", max(low, 0) + 11) - 1)
    value = low + dice.fraction() * (max(high, low) - low)
    return round(value) if kind == "integer" else round(float(value), 2)
