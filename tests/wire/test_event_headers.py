"""
Test `outcrop.wire.event_headers`: every type, what lies, and agreement with botocore's header parser.
"""

import struct
from typing import Any
from uuid import UUID

import pytest
from botocore.eventstream import EventStreamHeaderParser
from hypothesis import given, settings
from hypothesis import strategies as st

from outcrop.errors import InvalidMessage, MessageTooLarge
from outcrop.wire.event_headers import (
    HeaderValue,
    Int8,
    Int16,
    Int32,
    Int64,
    Timestamp,
    encode_headers,
    parse_headers,
)

SOME_UUID = UUID("01020304-0506-0708-090a-0b0c0d0e0f10")

VALUES: list[tuple[HeaderValue, str]] = [
    (True, "00"),
    (False, "01"),
    (Int8(-2), "02fe"),
    (Int16(-2), "03fffe"),
    (Int32(-2), "04fffffffe"),
    (Int64(-2), "05fffffffffffffffe"),
    (b"\x00\xff", "06000200ff"),
    ("é", "070002c3a9"),
    (Timestamp(1_700_000_000_000), "080000018bcfe56800"),
    (SOME_UUID, "090102030405060708090a0b0c0d0e0f10"),
]


def header_values() -> st.SearchStrategy[HeaderValue]:
    """
    Draw a value of any of the ten types.
    """
    return st.one_of(
        st.booleans(),
        st.integers(-(2**7), 2**7 - 1).map(Int8),
        st.integers(-(2**15), 2**15 - 1).map(Int16),
        st.integers(-(2**31), 2**31 - 1).map(Int32),
        st.integers(-(2**63), 2**63 - 1).map(Int64),
        st.integers(-(2**63), 2**63 - 1).map(Timestamp),
        st.binary(max_size=100),
        st.text(max_size=100),
        st.uuids(),
    )


def typed(headers: Any) -> list[tuple[str, type, object]]:
    """
    List headers with the types of their values, because `True == Int8(1)`.
    """
    return [(name, type(value), value) for name, value in headers.items()]


@pytest.mark.parametrize(("value", "raw"), VALUES)
def test_each_type_is_encoded_as_its_wire_type(value: HeaderValue, raw: str) -> None:
    """
    A value's Python type decides its wire type.
    """
    assert encode_headers({"h": value}).hex() == "0168" + raw


@pytest.mark.parametrize(("value", "raw"), VALUES)
def test_each_wire_type_is_parsed_to_its_own_python_type(value: HeaderValue, raw: str) -> None:
    """
    A parsed value says which wire type it had.
    """
    assert typed(parse_headers(bytes.fromhex("0168" + raw))) == typed({"h": value})


@settings(deadline=None, max_examples=200)
@given(st.dictionaries(st.text(max_size=30), header_values(), max_size=8))
def test_headers_survive_the_wire_and_botocore_agrees(headers: dict[str, HeaderValue]) -> None:
    """
    Any headers come back with order, values and types; botocore reads the same values.
    """
    block = encode_headers(headers)
    assert typed(parse_headers(block)) == typed(headers)
    expected = {name: value.bytes if isinstance(value, UUID) else value for name, value in headers.items()}
    assert EventStreamHeaderParser().parse(block) == expected


@given(st.dictionaries(st.text(max_size=10), header_values(), min_size=1, max_size=4))
def test_a_block_cut_anywhere_is_a_shorter_block_or_malformed(headers: dict[str, HeaderValue]) -> None:
    """
    A cut block gives only whole headers of the original, never a shortened value.
    """
    block = encode_headers(headers)
    for cut in range(len(block)):
        try:
            parsed = parse_headers(block[:cut])
        except InvalidMessage:
            continue
        assert typed(parsed) == typed(headers)[: len(parsed)]


@settings(max_examples=300)
@given(st.binary(max_size=80))
def test_random_blocks_are_parsed_or_malformed(block: bytes) -> None:
    """
    Any bytes give headers that encode to the same bytes, or `InvalidMessage`.
    """
    try:
        headers = parse_headers(block)
    except InvalidMessage:
        return
    assert encode_headers(headers) == block


def test_no_headers_are_an_empty_block() -> None:
    """
    An empty block is valid in both directions.
    """
    assert encode_headers({}) == b""
    assert parse_headers(b"") == {}


@pytest.mark.parametrize(
    ("block", "words"),
    [
        (b"\x01a\x00\x01a\x01", "header 'a' comes twice"),
        (b"\x01a\x0a", "header 'a' has unknown type 10"),
        (b"\x01a\xff", "header 'a' has unknown type 255"),
        (b"\x01\xff\x00", "header text at byte 0 is not UTF-8"),
        (b"\x01a\x00\x01b\x07\x00\x01\x80", "header text at byte 3 is not UTF-8"),
        (b"\x01a\x07\x00\x03\xed\xa0\x80", "header text at byte 0 is not UTF-8"),
        (b"\x05ab", "header at byte 0 ends beyond the 3 bytes of headers"),
        (b"\x01a", "header at byte 0 ends beyond the 2 bytes of headers"),
        (b"\x01a\x07\x00", "header at byte 0 ends beyond the 4 bytes of headers"),
        (b"\x01a\x07\x00\x02b", "header at byte 0 ends beyond the 6 bytes of headers"),
        (b"\x01a\x06\xff\xffb", "header at byte 0 ends beyond the 6 bytes of headers"),
        (b"\x01a\x05\0\0\0", "header at byte 0 ends beyond the 6 bytes of headers"),
        (b"\x01a\x09\0\0\0", "header at byte 0 ends beyond the 6 bytes of headers"),
    ],
)
def test_a_malformed_block_is_refused(block: bytes, words: str) -> None:
    """
    Doubled names, unknown types, text that is not UTF-8 and lengths that lie are each named.
    """
    with pytest.raises(InvalidMessage) as caught:
        parse_headers(block)
    assert str(caught.value) == words


@pytest.mark.parametrize("kind", [Int8, Int16, Int32, Int64, Timestamp])
def test_an_integer_beyond_its_type_is_not_encoded(kind: Any) -> None:
    """
    Numbers are never cut to fit.
    """
    bits = {Int8: 8, Int16: 16, Int32: 32, Int64: 64, Timestamp: 64}[kind]
    encode_headers({"h": kind(2 ** (bits - 1) - 1)})
    with pytest.raises(InvalidMessage, match=f"header 'h' is {2 ** (bits - 1)}, beyond {kind.__name__}"):
        encode_headers({"h": kind(2 ** (bits - 1))})


def test_a_plain_integer_is_not_encoded() -> None:
    """
    An int that names no wire type is refused, not guessed.
    """
    with pytest.raises(InvalidMessage, match="header 'h' has type int, which names no wire type"):
        encode_headers({"h": 5})  # type: ignore[dict-item]  # the mistake under test


def test_text_beyond_utf8_is_not_encoded() -> None:
    """
    A lone surrogate in a name or a value is refused with its header's name.
    """
    for headers in ({"a": "x\ud800"}, {"\ud800": "x"}):
        with pytest.raises(InvalidMessage, match="holds a lone surrogate"):
            encode_headers(headers)


def test_lengths_beyond_their_fields_are_not_encoded() -> None:
    """
    A name of 255 bytes and a value of 65535 bytes are the longest.
    """
    longest = encode_headers({"n" * 255: b"v" * 65_535})
    assert struct.unpack("!H", longest[257:259]) == (65_535,)
    with pytest.raises(InvalidMessage, match="header name of 256 bytes, limit is 255 bytes"):
        encode_headers({"n" * 256: True})
    with pytest.raises(InvalidMessage, match="header 'n' has a value of 65536 bytes, limit is 65535 bytes"):
        encode_headers({"n": b"v" * 65_536})


def test_a_block_beyond_the_bound_is_not_encoded() -> None:
    """
    We send no headers that botocore would refuse.
    """
    with pytest.raises(MessageTooLarge, match="headers of 131080 bytes, limit is 131072 bytes"):
        encode_headers({"a": b"v" * 65_535, "b": b"v" * 65_535})
