"""
Tests of `outcrop.emulator.speech.sample`.
"""

import json
from typing import Any

import pytest

from outcrop.emulator.speech.dice import Dice
from outcrop.emulator.speech.sample import Sampler


def sample(schema: dict[str, Any]) -> Any:
    """
    Return the value of a property with this schema.
    """
    return Sampler({"type": "object", "properties": {"x": schema}, "required": ["x"]}, Dice(b"s"), "hint").arguments()[
        "x"
    ]


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"const": 7}, 7),
        ({"default": "d"}, "d"),
        ({"type": "string"}, "hint"),
        ({"type": "string", "minLength": 6}, "hintxx"),
        ({"type": "string", "maxLength": 2}, "hi"),
        ({"type": "string", "format": "date"}, "2026-11-20"),
        ({"type": "integer", "minimum": 4, "maximum": 4}, 4),
        ({"type": "integer", "exclusiveMinimum": 4, "maximum": 5}, 5),
        ({"type": "array", "items": {"const": 1}, "minItems": 2}, [1, 1]),
        ({"type": ["string", "null"]}, "hint"),
        ({"type": "null"}, None),
        ({"anyOf": [{"const": 1}, {"const": 2}]}, 1),
        ({"allOf": [{"properties": {"a": {"const": 1}}}, {"properties": {"b": {"const": 2}}}]}, {"a": 1, "b": 2}),
        ({"properties": {"a": {"const": 1}, "b": {}}, "required": ["a"]}, {"a": 1}),
    ],
)  # fmt: skip
def test_values_fit_their_schema(schema: dict[str, Any], expected: Any) -> None:
    """
    A value has its schema's type and keeps its bounds.
    """
    assert sample(schema) == expected


def test_a_value_of_an_enum_is_one_of_them() -> None:
    """
    A choice is one of those offered.
    """
    assert sample({"enum": ["a", "b"]}) in {"a", "b"}


def test_local_references_are_followed() -> None:
    """
    A reference into the schema's own definitions is as good as the definition.
    """
    schema = {"type": "object", "properties": {"x": {"$ref": "#/$defs/y"}}, "$defs": {"y": {"const": 3}}}
    assert Sampler(schema, Dice(b"s"), "hint").arguments() == {"x": 3}


def test_a_schema_that_refers_to_itself_ends() -> None:
    """
    Endless schemas give a value all the same.
    """
    schema = {"type": "object", "properties": {"x": {"$ref": "#"}}}
    assert "x" in Sampler(schema, Dice(b"s"), "hint").arguments()


@pytest.mark.parametrize("schema", [{"type": "string"}, {}, {"$ref": "#/nowhere"}])
def test_arguments_are_always_an_object(schema: dict[str, Any]) -> None:
    """
    Whatever a tool's schema says, its arguments are an object.
    """
    assert Sampler(schema, Dice(b"s"), "hint").arguments() == {}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {str(place): {"$ref": "#"} for place in range(50)}},
        {"type": "object", "properties": {"x": {"type": "array", "minItems": 10**12, "items": {"$ref": "#"}}}},
        {"type": "object", "properties": {"x": {"type": "string", "minLength": 10**12}}},
    ],
    ids=["wide", "long", "string"],
)
def test_bombs_stay_small(schema: dict[str, Any]) -> None:
    """
    A schema can't make the emulator write more than a little.
    """
    assert len(json.dumps(Sampler(schema, Dice(b"s"), "hint").arguments())) < 100_000
