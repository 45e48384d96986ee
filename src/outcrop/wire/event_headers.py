"""
The headers of an event-stream message: bytes ⇄ a read-only mapping.

A header is, big-endian: name's length (uint8), name, type (uint8), value. Header values keep their wire type, so that
parsing and encoding again gives the same bytes: `bool`, `Int8`, `Int16`, `Int32`, `Int64` and `Timestamp` (all of them
ints), `bytes`, `str` and `uuid.UUID`. A plain `int` names no wire type and is refused.
"""

import struct
from collections.abc import Mapping
from types import MappingProxyType
from uuid import UUID

from outcrop.errors import InvalidMessage, MessageTooLarge

MAX_HEADERS_BYTES = 128 * 1024
"""
The bound of botocore's parser; beyond it botocore refuses a message.
"""

_UINT16 = struct.Struct("!H")


class Int8(int):
    """
    Mark a header value as a signed 8-bit integer (wire type 2).
    """

    __slots__ = ()


class Int16(int):
    """
    Mark a header value as a signed 16-bit integer (wire type 3).
    """

    __slots__ = ()


class Int32(int):
    """
    Mark a header value as a signed 32-bit integer (wire type 4).
    """

    __slots__ = ()


class Int64(int):
    """
    Mark a header value as a signed 64-bit integer (wire type 5).
    """

    __slots__ = ()


class Timestamp(int):
    """
    Mark a header value as a time: milliseconds since 1970-01-01T00:00:00Z, signed 64-bit (wire type 8).
    """

    __slots__ = ()


HeaderValue = bool | Int8 | Int16 | Int32 | Int64 | bytes | str | Timestamp | UUID

_IntegerType = type[Int8] | type[Int16] | type[Int32] | type[Int64] | type[Timestamp]

_TRUE, _FALSE, _BYTES, _STRING, _UUID = 0, 1, 6, 7, 9
_INTEGERS: Mapping[int, tuple[struct.Struct, _IntegerType]] = {
    2: (struct.Struct("!b"), Int8),
    3: (struct.Struct("!h"), Int16),
    4: (struct.Struct("!i"), Int32),
    5: (struct.Struct("!q"), Int64),
    8: (struct.Struct("!q"), Timestamp),
}
_INTEGER_CODES: Mapping[type, tuple[int, struct.Struct]] = {
    python_type: (code, layout) for code, (layout, python_type) in _INTEGERS.items()
}


def encode_headers(headers: Mapping[str, HeaderValue]) -> bytes:
    """
    Return a header block, in the mapping's order.

    Raises:
        InvalidMessage: a name or a value does not fit its length field or its type, or the type is none of the ten.
        MessageTooLarge: the block is beyond 128 KiB.
    """
    parts: list[bytes] = []
    for name, value in headers.items():
        raw_name = _encode_text(name, name)
        if len(raw_name) > 255:
            raise InvalidMessage(f"header name of {len(raw_name)} bytes, limit is 255 bytes")
        parts += (bytes((len(raw_name),)), raw_name, _encode_value(name, value))
    block = b"".join(parts)
    if len(block) > MAX_HEADERS_BYTES:
        raise MessageTooLarge(f"headers of {len(block)} bytes, limit is {MAX_HEADERS_BYTES} bytes")
    return block


def _encode_value(name: str, value: HeaderValue) -> bytes:
    """
    Return a value with its type before it.
    """
    if isinstance(value, bool):
        return bytes((_TRUE if value else _FALSE,))
    if isinstance(value, str):
        return _encode_sized(name, _STRING, _encode_text(name, value))
    if isinstance(value, bytes):
        return _encode_sized(name, _BYTES, value)
    if isinstance(value, UUID):
        return bytes((_UUID,)) + value.bytes
    if type(value) not in _INTEGER_CODES:
        raise InvalidMessage(f"header {name!r} has type {type(value).__name__}, which names no wire type")
    code, layout = _INTEGER_CODES[type(value)]
    try:
        return bytes((code,)) + layout.pack(value)
    except struct.error as error:
        raise InvalidMessage(f"header {name!r} is {value}, beyond {type(value).__name__}") from error


def _encode_text(name: str, text: str) -> bytes:
    """
    Return UTF-8, which a lone surrogate has none of.
    """
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise InvalidMessage(f"header {name!r} holds a lone surrogate at character {error.start}") from error


def _encode_sized(name: str, code: int, raw: bytes) -> bytes:
    """
    Return a value of variable length with its type and length before it.
    """
    if len(raw) > 0xFFFF:
        raise InvalidMessage(f"header {name!r} has a value of {len(raw)} bytes, limit is 65535 bytes")
    return bytes((code,)) + _UINT16.pack(len(raw)) + raw


def parse_headers(block: bytes) -> Mapping[str, HeaderValue]:
    """
    Parse a header block into a read-only mapping, in the block's order.

    Raises:
        InvalidMessage: a length lies, a type is unknown, text is not UTF-8, or a name comes twice.
    """
    headers: dict[str, HeaderValue] = {}
    position = 0
    try:
        while position < len(block):
            name_end = position + 1 + block[position]
            name = block[position + 1 : name_end].decode()
            if name in headers:
                raise InvalidMessage(f"header {name!r} comes twice")
            headers[name], position = _parse_value(name, block, name_end)
    except UnicodeDecodeError as error:
        raise InvalidMessage(f"header text at byte {position} is not UTF-8") from error
    except (IndexError, struct.error) as error:
        raise InvalidMessage(f"header at byte {position} ends beyond the {len(block)} bytes of headers") from error
    return MappingProxyType(headers)


def _parse_value(name: str, block: bytes, position: int) -> tuple[HeaderValue, int]:
    """
    Return the value whose type stands at `position`, and where the next header begins.
    """
    code = block[position]
    position += 1
    if code in _INTEGERS:
        layout, python_type = _INTEGERS[code]
        return python_type(layout.unpack_from(block, position)[0]), position + layout.size
    if code in {_TRUE, _FALSE}:
        return code == _TRUE, position
    if code == _UUID:
        return UUID(bytes=_take(block, position, 16)), position + 16
    if code not in {_BYTES, _STRING}:
        raise InvalidMessage(f"header {name!r} has unknown type {code}")
    start = position + 2
    raw = _take(block, start, _UINT16.unpack_from(block, position)[0])
    return (raw.decode() if code == _STRING else raw), start + len(raw)


def _take(block: bytes, start: int, length: int) -> bytes:
    """
    Return exactly `length` bytes, where a slice would quietly return fewer.
    """
    raw = block[start : start + length]
    if len(raw) < length:
        raise IndexError(start + length)
    return raw
