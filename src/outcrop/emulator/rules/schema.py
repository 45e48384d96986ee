"""
Checks of native bodies against their model's schema, in the words that Bedrock uses (docs/bedrock_wire.md §3.3).
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from outcrop.emulator.rules.refusals import invalid, malformed

_TYPES: Mapping[str, tuple[type, ...]] = {
    "String": (str,),
    "Integer": (int,),
    "Number": (int, float),
    "JSONArray": (list,),
    "JSONObject": (dict,),
    "Text": (str, list),
    "StringOrObject": (str, dict),
    "Boolean": (bool,),
}


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """
    Describe one key: its type, its bounds, whether it must be there. `Text` is a string or an array.
    """

    kind: str
    required: bool = False
    minimum: float | None = None
    maximum: float | None = None


def parse_json_object(body: bytes) -> dict[str, Any]:
    """
    Parse a body that must be a JSON object.

    Raises:
        Refusal: it is none.
    """
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise invalid("The request body is not valid JSON, please reformat your input and try again.") from error
    if not isinstance(value, dict):
        raise malformed("#", f"expected type: JSONObject, found: {_name_of(value)}")
    return value


def check_fields(value: Mapping[str, Any], fields: Mapping[str, Field], where: str = "#") -> None:
    """
    Check an object's keys: none missing, none too many, each of its type and within its bounds.

    Raises:
        Refusal: the first that is not.
    """
    for name, field in fields.items():
        if field.required and value.get(name) is None:
            raise malformed(where, f"required key [{name}] not found")
    for name, item in value.items():
        known = fields.get(name)
        if known is None:
            raise malformed(where, f"extraneous key [{name}] is not permitted")
        if item is not None:
            check_value(item, known, f"{where}/{name}")


def check_value(value: Any, field: Field, where: str) -> None:
    """
    Check one value's type and bounds.

    Raises:
        Refusal: it has the wrong type, or is out of bounds.
    """
    fits = isinstance(value, _TYPES[field.kind]) and isinstance(value, bool) == (field.kind == "Boolean")
    if not fits:
        expected = "String" if field.kind in {"Text", "StringOrObject"} else field.kind
        raise malformed(where, f"expected type: {expected}, found: {_name_of(value)}")
    size: float = len(value) if isinstance(value, str | list | dict) else value
    if field.minimum is not None and size < field.minimum:
        raise malformed(where, _bound(value, "minLength", field.minimum, f"greater or equal to {field.minimum:g}"))
    if field.maximum is not None and size > field.maximum:
        raise malformed(where, _bound(value, "maxLength", field.maximum, f"less or equal to {field.maximum:g}"))


def _bound(value: Any, length: str, bound: float, relation: str) -> str:
    if isinstance(value, int | float):
        return f"{value} is not {relation}"
    return f"expected {length}: {bound:g}, actual: {len(value)}"


def _name_of(value: Any) -> str:
    if value is None:
        return "Null"
    if isinstance(value, bool):
        return "Boolean"
    names = {int: "Integer", float: "BigDecimal", str: "String", list: "JSONArray", dict: "JSONObject"}
    return names[type(value)]
