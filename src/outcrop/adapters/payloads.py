"""
Read payloads: JSON into its struct, and what no struct has a field for.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from outcrop.errors import InvalidMessage
from outcrop.nesting import is_deeper

MAX_DEPTH = 500
"""
How many levels a payload may have. Python's own bound, of about 1,000, depends on the caller: a renderer could not
write what was just read here.
"""

Json = dict[str, Any]

object_decoder = msgspec.json.Decoder(Json)

_Shape = TypeVar("_Shape")


def decode_payload(decoder: msgspec.json.Decoder[_Shape], payload: bytes, what: str) -> _Shape:
    """
    Decode one payload; `what` is how an error calls it, with its article.

    Raises:
        InvalidMessage: the payload is not JSON, or not of the decoder's shape, or nested too deeply.
    """
    try:
        decoded = decoder.decode(payload)
        # Only a long payload can be deep, and a token's is short: it is not looked through.
        if len(payload) > 2 * MAX_DEPTH and _is_deep(payload):
            raise InvalidMessage(f"the model's answer is nested deeper than {MAX_DEPTH}, which is the limit")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidMessage(f"the model's answer is not {what}: {error}") from error
    return decoded


def _is_deep(payload: bytes) -> bool:
    may_be_deep = payload.count(b"{") + payload.count(b"[") > MAX_DEPTH
    return may_be_deep and is_deeper(msgspec.json.decode(payload), MAX_DEPTH + 1)


def unread(fields: Mapping[str, Any], read: frozenset[str]) -> Json:
    """
    Return the fields that nobody has read, without those that say nothing: null, and what is empty.
    """
    return {name: value for name, value in fields.items() if name not in read and value not in (None, {}, [])}


class Kept:
    """
    Keep objects that nobody understands for the end of an answer, `most` of them; those beyond are counted.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._objects: list[Json] = []
        self._omitted = 0

    def add(self, fields: Json) -> None:
        """
        Keep one, or count it.
        """
        if len(self._objects) < self._most:
            self._objects.append(fields)
        else:
            self._omitted += 1

    def to_details(self, name: str) -> Json:
        """
        Return what was kept under this name, and how many were not under `<name>_omitted`; empty if nothing came.
        """
        omitted = {f"{name}_omitted": self._omitted} if self._omitted else {}
        return {name: self._objects, **omitted} if self._objects else {}
