"""
One form for the schemas of every SDK: what a value may be, whether it fits, and the smallest one that does.

TypedDicts (OpenAI, Anthropic) and botocore's shapes are turned into it. Classes that are no JSON are left out.
"""

import types
import typing
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Literal, get_args, get_origin

import msgspec
import typing_extensions

from tests.emulator.referee import SAMPLES, operation_model

Kind = Literal["object", "map", "list", "text", "whole", "number", "flag", "word", "any", "either"]
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
TYPED = {str: "text", int: "whole", float: "number", bool: "flag", object: "any", Any: "any"}
SCALARS: Mapping[str, Any] = {"whole": 1, "number": 1, "flag": True, "any": {}}
HINTS: Mapping[str, Any] = {
    "arguments": "{}",
    "blob": b64encode(b"x").decode(),
    "data": PIXEL,
    "file_data": f"data:application/pdf;base64,{PIXEL}",
    "filename": "notes.pdf",
    "image_url": f"data:image/png;base64,{PIXEL}",
    "model": "anthropic",
    "budget_tokens": 1024,
    "name": "get_weather",
    "parameters": {"type": "object", "properties": {}},
    "schema": {"type": "object", "properties": {}, "additionalProperties": False},
    "input_schema": {"type": "object", "properties": {}},
    "json": {"type": "object", "properties": {}},
    "url": f"data:image/png;base64,{PIXEL}",
}
"""
Values that mean something, by the name of their field: "x" would be refused for what it says and not for its type.
"""


class Member(msgspec.Struct, frozen=True):
    """
    Be one field of an object.
    """

    shape: "Shape"
    required: bool


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """
    Say what a value may be. `opened` gives an object's members, and is called late, because schemas are recursive.

    `inner` are the alternatives of `either`, and the one shape of the members of a list or a map. An object that
    `is_tagged` has exactly one of its members.
    """

    name: str
    kind: Kind
    inner: tuple["Shape", ...] = ()
    words: tuple[Any, ...] = ()
    opened: Callable[[], dict[str, Member]] | None = None
    is_tagged: bool = False
    low: float | None = None
    high: float | None = None

    @property
    def members(self) -> dict[str, Member]:
        """
        Open an object.
        """
        return {} if self.opened is None else self.opened()


def fits(shape: Shape, value: Any) -> bool:
    """
    Say whether a schema allows a value. `null` in an object is a member that is not given.
    """
    if shape.kind == "either":
        return any(fits(inner, value) for inner in shape.inner)
    if shape.kind in {"object", "map"}:
        return isinstance(value, dict) and _fits_object(shape, value)
    if shape.kind == "list":
        return isinstance(value, list) and all(fits(shape.inner[0], item) for item in value) and _bounds(shape, value)
    if shape.kind == "word":
        return any(type(word) is type(value) and word == value for word in shape.words)
    return shape.kind == "any" or _fits_scalar(shape, value)


def _fits_object(shape: Shape, value: dict[str, Any]) -> bool:
    given = {name: content for name, content in value.items() if content is not None}
    if shape.kind == "map":
        return all(fits(shape.inner[0], content) for content in given.values())
    members = shape.members
    if any(member.required and name not in given for name, member in members.items()):
        return False
    if shape.is_tagged and len(given) != 1:
        return False
    return all(name in members and fits(members[name].shape, content) for name, content in given.items())


def _fits_scalar(shape: Shape, value: Any) -> bool:
    if shape.kind == "text":
        return isinstance(value, str) and _bounds(shape, value)
    if shape.kind == "flag":
        return isinstance(value, bool)
    if isinstance(value, bool) or not isinstance(value, int if shape.kind == "whole" else int | float):
        return False
    return (shape.low is None or value >= shape.low) and (shape.high is None or value <= shape.high)


def _bounds(shape: Shape, value: str | list[Any]) -> bool:
    return len(value) >= (shape.low or 0) and (shape.high is None or len(value) <= shape.high)


def sample(shape: Shape, field: str = "") -> Any:
    """
    Return the smallest value that fits a shape and means something in a field of that name.
    """
    for known in (HINTS.get(field), SAMPLES.get(shape.name)):
        if known is not None and fits(shape, known):
            return known
    match shape.kind:
        case "either":
            made = sample(shape.inner[0], field)
        case "object":
            names = [name for name, member in shape.members.items() if member.required]
            names = [min(shape.members)] if shape.is_tagged else names
            made = {name: sample(shape.members[name].shape, name) for name in names}
        case "list":
            made = [sample(shape.inner[0], field)]
        case "map":
            made = {"key": sample(shape.inner[0], field)}
        case "word":
            made = shape.words[0]
        case "text":
            made = "x" * int(shape.low or 1)
        case _:
            made = SCALARS[shape.kind] if shape.low is None else shape.low
    return made


@cache
def from_typing(hint: Any) -> Shape:
    """
    Turn a type of an SDK's parameters into a shape.

    Raises:
        LookupError: it is no JSON (a file, a path, a class of answers).
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if typing_extensions.is_typeddict(hint):
        return Shape(name=f"{hint.__module__}.{hint.__name__}", kind="object", opened=lambda: _typed_members(hint))
    if origin in {typing_extensions.Required, typing_extensions.NotRequired, typing.Annotated}:
        return from_typing(arguments[0])
    if origin is Literal:
        return Shape(name=str(hint), kind="word", words=arguments)
    if origin is not None:
        return _from_generic(hint, origin, arguments)
    if hint in TYPED:
        return Shape(name=str(hint), kind=typing.cast("Kind", TYPED[hint]))
    raise LookupError(str(hint))


def _from_generic(hint: Any, origin: Any, arguments: tuple[Any, ...]) -> Shape:
    if origin in {typing.Union, types.UnionType}:
        inner = tuple(shape for argument in arguments if (shape := _find_typing(argument)) is not None)
        if not inner:
            raise LookupError(str(hint))
        return inner[0] if len(inner) == 1 else Shape(name=str(hint), kind="either", inner=inner)
    if origin in {dict, Mapping}:
        return Shape(name=str(hint), kind="map", inner=(from_typing(arguments[1]),))
    if issubclass(origin, Iterable) and len(arguments) == 1:
        return Shape(name=str(hint), kind="list", inner=(from_typing(arguments[0]),))
    raise LookupError(str(hint))


def _find_typing(hint: Any) -> Shape | None:
    try:
        return from_typing(hint)
    except (LookupError, TypeError):
        return None


@cache
def _typed_members(typed_dict: Any) -> dict[str, Member]:
    hints = typing_extensions.get_type_hints(typed_dict, include_extras=True)
    members = {}
    for name, hint in hints.items():
        mark: Any = get_origin(hint)
        required = mark is typing_extensions.Required or (
            name in typed_dict.__required_keys__ and mark is not typing_extensions.NotRequired
        )
        members[name] = Member(from_typing(hint), required)
    return members


def of_operation(operation: str) -> Shape:
    """
    Return the shape of an operation's body; what stands in its path and its headers is left out.
    """
    return from_botocore(operation_model(operation).input_shape)


def from_botocore(shape: Any) -> Shape:
    """
    Turn a shape of botocore's into ours.
    """
    kinds: dict[str, Kind] = {"integer": "whole", "long": "whole", "float": "number", "double": "number"}
    kinds |= {"boolean": "flag", "string": "text", "blob": "text", "list": "list", "map": "map"}
    bounds = {"low": shape.metadata.get("min"), "high": shape.metadata.get("max")}
    if getattr(shape, "is_document_type", False):
        return Shape(name=shape.name, kind="any")
    if shape.type_name == "structure":
        tagged = bool(getattr(shape, "is_tagged_union", False))
        return Shape(name=shape.name, kind="object", opened=lambda: _aws_members(shape), is_tagged=tagged)
    if getattr(shape, "enum", None):
        return Shape(name=shape.name, kind="word", words=tuple(shape.enum))
    inner = {"list": lambda: shape.member, "map": lambda: shape.value}.get(shape.type_name)
    opened = () if inner is None else (from_botocore(inner()),)
    if shape.type_name == "blob":
        bounds = {"low": None, "high": None}
    return Shape(name=shape.name, kind=kinds[shape.type_name], inner=opened, **bounds)


def _aws_members(shape: Any) -> dict[str, Member]:
    return {
        name: Member(from_botocore(member), name in shape.required_members)
        for name, member in shape.members.items()
        if "location" not in member.serialization
    }


def make_object(name: str, members: Mapping[str, Shape], required: Sequence[str] = ()) -> Shape:
    """
    Make an object of members that no SDK of this language describes.
    """
    opened = {key: Member(shape, key in required) for key, shape in members.items()}
    return Shape(name=name, kind="object", opened=lambda: opened)


def with_flag(shape: Shape, name: str) -> Shape:
    """
    Make an object's member take both booleans: the SDKs have one type for each of the two.
    """
    flag = Member(from_typing(bool), required=False)
    return msgspec.structs.replace(shape, opened=lambda: {**shape.members, name: flag})


def without(shape: Shape, *names: str, **others: Shape) -> Shape:
    """
    Take an object's members away, and give it others.
    """
    added = {name: Member(other, required=True) for name, other in others.items()}

    def opened() -> dict[str, Member]:
        return {name: member for name, member in shape.members.items() if name not in names} | added

    return msgspec.structs.replace(shape, opened=opened)
