"""
Check JSON against the shapes of AWS's own service model, as it comes with botocore.

The emulator is stricter than AWS in one point: members that the model doesn't have are refused, because nobody who
sends one means nothing by it.
"""

import binascii
import re
from base64 import b64decode
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from botocore.loaders import Loader
from botocore.model import ServiceModel, Shape

from outcrop.emulator.rules.refusals import Refusal, constraint, invalid


@cache
def service_model() -> ServiceModel:
    """
    Return the model of bedrock-runtime. Reads a file the first time.
    """
    return ServiceModel(Loader().load_service_model("bedrock-runtime", "service-2"))


def check_input(operation: str, body: Mapping[str, Any]) -> None:
    """
    Check the body of an operation whose input is JSON. Members of the URL must not be in it.

    Raises:
        Refusal: the first member that breaks the model.
    """
    shape: Any = service_model().operation_model(operation).input_shape
    members = {name: member for name, member in shape.members.items() if "location" not in member.serialization}
    _check_members(body, members, [name for name in shape.required_members if name in members], "")


def check_member(operation: str, name: str, value: Any) -> None:
    """
    Check one member of an operation's input.

    Raises:
        Refusal: the first thing in it that breaks the model.
    """
    shape: Any = service_model().operation_model(operation).input_shape
    _check(value, shape.members[name], name)


def _check_members(value: Mapping[str, Any], members: Mapping[str, Shape], required: list[str], path: str) -> None:
    for name in required:
        if value.get(name) is None:
            raise constraint(_join(path, name), "Member must not be null")
    for name, item in value.items():
        if name not in members:
            raise constraint(_join(path, name), f"Member must be one of {', '.join(sorted(members))}")
        if item is not None:
            _check(item, members[name], _join(path, name))


def _join(path: str, name: str | int) -> str:
    return f"{path}.{name}" if path else str(name)


def _check(value: Any, shape: Any, path: str) -> None:
    check = _CHECKS.get(shape.type_name)
    if check is not None and not getattr(shape, "is_document_type", False):
        check(value, shape, path)


def _expect(value: Any, types: type | tuple[type, ...], path: str) -> None:
    if not isinstance(value, types) or (isinstance(value, bool) and types is not bool):
        raise invalid(f"The value at {path} has the wrong type: {type(value).__name__}.")


def _structure(value: Any, shape: Any, path: str) -> None:
    _expect(value, dict, path)
    if shape.is_tagged_union:
        given = [name for name, item in value.items() if item is not None]
        if len(given) != 1:
            raise constraint(path, f"Member must have exactly one of {', '.join(sorted(shape.members))}")
    _check_members(value, shape.members, shape.required_members, path)


def _list(value: Any, shape: Any, path: str) -> None:
    _expect(value, list, path)
    _check_bounds(len(value), shape, path, "Member must have length")
    for place, item in enumerate(value):
        _check(item, shape.member, _join(path, place))


def _map(value: Any, shape: Any, path: str) -> None:
    _expect(value, dict, path)
    _check_bounds(len(value), shape, path, "Member must have length")
    for name, item in value.items():
        _check(name, shape.key, path)
        _check(item, shape.value, _join(path, name))


def _string(value: Any, shape: Any, path: str) -> None:
    _expect(value, str, path)
    _check_bounds(len(value), shape, path, "Member must have length")
    if shape.enum and value not in shape.enum:
        raise constraint(path, f"Member must satisfy enum value set: [{', '.join(shape.enum)}]")
    pattern = shape.metadata.get("pattern")
    if pattern and not _compiled(pattern).fullmatch(value):
        raise constraint(path, f"Member must satisfy regular expression pattern: {pattern}")


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def _integer(value: Any, shape: Any, path: str) -> None:
    _expect(value, int, path)
    _check_bounds(value, shape, path, "Member must have value")


def _float(value: Any, shape: Any, path: str) -> None:
    _expect(value, (int, float), path)
    _check_bounds(value, shape, path, "Member must have value")


def _boolean(value: Any, _shape: Any, path: str) -> None:
    _expect(value, bool, path)


def _blob(value: Any, shape: Any, path: str) -> None:
    _expect(value, str, path)
    try:
        content = b64decode(value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refusal("ValidationException", f"The value at {path} is not valid base64.") from error
    _check_bounds(len(content), shape, path, "Member must have length")


def _check_bounds(size: float, shape: Any, path: str, what: str) -> None:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is not None and size < low:
        raise constraint(path, f"{what} greater than or equal to {low}")
    if high is not None and size > high:
        raise constraint(path, f"{what} less than or equal to {high}")


_CHECKS: Mapping[str, Callable[[Any, Any, str], None]] = {
    "structure": _structure,
    "list": _list,
    "map": _map,
    "string": _string,
    "integer": _integer,
    "long": _integer,
    "float": _float,
    "double": _float,
    "boolean": _boolean,
    "blob": _blob,
}
