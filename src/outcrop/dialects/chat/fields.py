"""
Read a client's JSON with sentences for what is wrong: which field it is, what is allowed, what came.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, TypeVar

import msgspec

from outcrop.errors import RequestError

MAX_DEPTH = 128
MAX_ID_CHARACTERS = 256
MAX_SAID = 200

Value = TypeVar("Value")


class Fields(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """
    Be an object with names in camel case; names that are not known are passed over.
    """


def parse_object(content: str | bytes, what: str) -> dict[str, Any]:
    """
    Parse one JSON object, nested at most 128 deep.

    Raises:
        RequestError: it is none; `what` says what it should have been.
    """
    try:
        value = msgspec.json.decode(content.encode() if isinstance(content, str) else content)
        deepest = _depth(value)
    except UnicodeEncodeError as error:
        raise RequestError(f"{what} is not valid Unicode text") from error
    except RecursionError as error:
        raise RequestError(f"{what} is nested deeper than {MAX_DEPTH}, which is the limit") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RequestError(f"{what} is not JSON: {_lower(str(error))}") from error
    if deepest > MAX_DEPTH:
        raise RequestError(f"{what} is nested deeper than {MAX_DEPTH}, which is the limit")
    if not isinstance(value, dict):
        raise RequestError(f"{what} is {_name(value)}, expected a JSON object")
    return value


def convert(value: Any, kind: type[Value], where: str) -> Value:
    """
    Convert a decoded JSON value; `where` is its own name, or "" for the frame itself.

    Raises:
        RequestError: it, or a field of it, is missing, of another type or out of range.
    """
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        said, _, path = str(error).rpartition(" - at `") if " - at `" in str(error) else (str(error), "", "")
        said = said if len(said) <= MAX_SAID else f"{said[:MAX_SAID]}…"
        place = (where + path.rstrip("`").removeprefix("$")).removeprefix(".")
        raise RequestError(f"{place}: {_lower(said)}" if place else _lower(said)) from error


def check_known(names: Iterable[str], known: Iterable[str], where: str) -> None:
    """
    Refuse a name that is not known; the message says which known one is the nearest.

    Raises:
        RequestError: there is one.
    """
    allowed = list(known)
    for name in names:
        if name not in allowed:
            raise RequestError(f"{where} {name[:40]!r} is unknown; {suggest(name, allowed)}")


def suggest(name: str, known: list[str]) -> str:
    """
    Say which known name is the nearest, or which there are.
    """
    near = get_close_matches(name[:40], known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"


def check_id(text: str, what: str) -> str:
    """
    Return an ID that a client chose, if it can be one: 1 to 256 printable characters.

    Raises:
        RequestError: it can't.
    """
    if not 0 < len(text) <= MAX_ID_CHARACTERS:
        raise RequestError(f"{what} has {len(text)} characters, expected 1 to {MAX_ID_CHARACTERS}")
    if not text.isprintable():
        raise RequestError(f"{what} holds characters that can't be printed")
    return text


def _depth(value: Any) -> int:
    depth = 0
    level = [value] if isinstance(value, dict | list) else []
    while level and depth <= MAX_DEPTH:
        members = (member for outer in level for member in (outer.values() if isinstance(outer, dict) else outer))
        level = [member for member in members if isinstance(member, dict | list)]
        depth += 1
    return depth


def _name(value: Any) -> str:
    names = {list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


def _lower(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]
