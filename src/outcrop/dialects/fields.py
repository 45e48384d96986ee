"""
Read a client's JSON objects field by field, by the tables of a dialect.

A table says of every field of an object whether it is taken, ignored or refused, and why. What is in no table is
refused by its name, so nothing that a client asks for is dropped in silence. `null` means "not given" everywhere.
"""

import binascii
import json
from base64 import b64decode
from collections.abc import Mapping
from typing import Any, Literal, TypeVar

import msgspec

from outcrop.errors import RequestError
from outcrop.nesting import is_deeper

MAX_DEPTH = 100
MAX_SHOWN_CHARACTERS = 80

Fate = Literal["taken", "ignored", "refused"]
Value = TypeVar("Value")


class Field(msgspec.Struct, frozen=True):
    """
    Say what becomes of a field, and why where it is not taken.
    """

    fate: Fate
    why: str = ""


Table = Mapping[str, Field]
TAKEN = Field("taken")


def take(*names: str) -> dict[str, Field]:
    """
    Make rows for fields that are taken.
    """
    return dict.fromkeys(names, TAKEN)


class _Doubled(ValueError):
    """
    Say that an object has one name twice.
    """


def decode_object(body: bytes) -> dict[str, Any]:
    """
    Decode a body that must be one JSON object, nested at most 100 deep, without a name twice in one object.

    Raises:
        RequestError: it is not; half of a surrogate pair in a string is not JSON text either.
    """
    try:
        msgspec.json.decode(body)
        value = json.loads(body, object_pairs_hook=_to_object)
    except RecursionError as error:
        raise RequestError(f"the body is nested deeper than {MAX_DEPTH}, which is the limit") from error
    except _Doubled as error:
        raise RequestError(f"the body has an object with {str(error)[:MAX_SHOWN_CHARACTERS]!r} twice") from error
    except (msgspec.MsgspecError, ValueError) as error:
        raise RequestError(f"the body is not JSON: {str(error)[:200]}") from error
    if is_deeper(value, MAX_DEPTH + 1):
        raise RequestError(f"the body is nested deeper than {MAX_DEPTH}, which is the limit")
    if not isinstance(value, dict):
        raise RequestError(f"the body is {describe(value)}, expected an object")
    return value


def _to_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        names = [name for name, _ in pairs]
        raise _Doubled(next(name for name in names if names.count(name) > 1))
    return fields


class Fields:
    """
    Hold one JSON object whose fields are all known. `where` is its place in the body, "" for the body itself.

    Raises:
        RequestError: it is no object, or has a field that is unknown or refused; the message names the place.
    """

    __slots__ = ("_values", "where")

    def __init__(self, value: Any, where: str, table: Table) -> None:
        if not isinstance(value, dict):
            raise RequestError(f"{where or 'the body'} is {describe(value)}, expected an object")
        self.where = where
        self._values = value
        for name, content in value.items():
            row = table.get(name)
            if row is None:
                raise RequestError(f"{self.place(name[:MAX_SHOWN_CHARACTERS])} is not a field that is known here")
            if row.fate == "refused" and content is not None:
                raise RequestError(f"{self.place(name)} can't be served: {row.why}")

    def place(self, name: str) -> str:
        """
        Return the place of a field in the body.
        """
        return f"{self.where}.{name}" if self.where else name

    def names(self) -> list[str]:
        """
        Return the names of the fields that were given.
        """
        return [name for name, value in self._values.items() if value is not None]

    def get(self, name: str) -> Any:
        """
        Return a field as it came, None if it was not given.
        """
        return self._values.get(name)

    def need(self, name: str) -> Any:
        """
        Return a field that must be given.

        Raises:
            RequestError: it is not.
        """
        value = self._values.get(name)
        if value is None:
            raise RequestError(f"{self.place(name)} is missing")
        return value

    def text(self, name: str) -> str | None:
        """
        Return a string.

        Raises:
            RequestError: it is something else.
        """
        return self._typed(name, str, "a string")

    def need_text(self, name: str) -> str:
        """
        Return a string that must be given.

        Raises:
            RequestError: it is not, or is something else.
        """
        self.need(name)
        return self.text(name) or ""

    def name(self, name: str, *, most: int | None = None) -> str:
        """
        Return a string that must be given and not be empty, of at most `most` characters.

        Raises:
            RequestError: it is not given, or empty, or too long, or something else.
        """
        text = self.need_text(name)
        if not text:
            raise RequestError(f"{self.place(name)} is empty")
        if most is not None and len(text) > most:
            raise RequestError(f"{self.place(name)} has {len(text)} characters, limit is {most}")
        return text

    def flag(self, name: str) -> bool | None:
        """
        Return a boolean.

        Raises:
            RequestError: it is something else.
        """
        return self._typed(name, bool, "true or false")

    def items(self, name: str) -> list[Any]:
        """
        Return a list, empty if it was not given.

        Raises:
            RequestError: it is something else.
        """
        return self._typed(name, list, "a list") or []

    def object(self, name: str) -> dict[str, Any] | None:
        """
        Return an object.

        Raises:
            RequestError: it is something else.
        """
        return self._typed(name, dict, "an object")

    def texts(self, name: str) -> tuple[str, ...]:
        """
        Return a list of strings that are not empty.

        Raises:
            RequestError: it is something else.
        """
        values = self.items(name)
        for position, value in enumerate(values):
            if not isinstance(value, str) or not value:
                raise RequestError(f"{self.place(name)}[{position}] is {describe(value)}, expected a string with text")
        return tuple(values)

    def count(self, name: str, least: int) -> int | None:
        """
        Return a whole number of at least `least`.

        Raises:
            RequestError: it is something else.
        """
        value = self.get(name)
        if value is None:
            return None
        if type(value) is not int or not least <= value <= 1 << 31:
            raise RequestError(f"{self.place(name)} is {describe(value)}, expected a whole number from {least}")
        return value

    def share(self, name: str) -> float | None:
        """
        Return a number from 0 to 1.

        Raises:
            RequestError: it is something else.
        """
        value = self.get(name)
        if value is None:
            return None
        if type(value) not in {int, float} or not 0 <= value <= 1:
            raise RequestError(f"{self.place(name)} is {describe(value)}, expected a number from 0 to 1")
        return float(value)

    def word(self, name: str, allowed: tuple[Value, ...]) -> Value | None:
        """
        Return one of the allowed words.

        Raises:
            RequestError: it is something else.
        """
        value = self.get(name)
        if value is None:
            return None
        for word in allowed:
            if word == value:
                return word
        expected = ", ".join(map(repr, allowed))
        raise RequestError(f"{self.place(name)} is {describe(value)}, expected one of {expected}")

    def base64(self, name: str) -> bytes:
        """
        Return the bytes that a base64 string stands for.

        Raises:
            RequestError: it is missing, empty, or not base64.
        """
        try:
            content = b64decode(self.need_text(name), validate=True)
        except (binascii.Error, ValueError) as error:
            raise RequestError(f"{self.place(name)} is not base64") from error
        if not content:
            raise RequestError(f"{self.place(name)} is empty, expected at least one byte")
        return content

    def _typed(self, name: str, kind: type[Value], expected: str) -> Value | None:
        value = self._values.get(name)
        if value is None or isinstance(value, kind):
            return value
        raise RequestError(f"{self.place(name)} is {describe(value)}, expected {expected}")


def describe(value: Any) -> str:
    """
    Say in a few words what a JSON value is.
    """
    if isinstance(value, str):
        return repr(value[:MAX_SHOWN_CHARACTERS])
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    return "null" if value is None else str(value)[:MAX_SHOWN_CHARACTERS].lower()


def require_one(value: Any, where: str, what: str) -> str:
    """
    Return the one name that an object of exactly one field has.

    Raises:
        RequestError: it is no object, or has not exactly one field.
    """
    if not isinstance(value, dict):
        raise RequestError(f"{where} is {describe(value)}, expected an object")
    names = [name for name, content in value.items() if content is not None]
    if len(names) != 1:
        raise RequestError(f"{where} has {len(names)} fields, expected exactly one: the kind of {what}")
    return str(names[0])
