"""
Payloads are read into structs, and what no struct read is kept.
"""

import msgspec
import pytest

from outcrop.adapters.payloads import MAX_DEPTH, Json, Kept, decode_payload, object_decoder, unread
from outcrop.errors import InvalidMessage

numbers = msgspec.json.Decoder(dict[str, int])


@pytest.mark.parametrize("payload", [b"", b"{", b'{"a":"b"}', b"[]", b'{"a":1}x', b'{"\xff":1}'])
def test_a_payload_of_another_shape_is_refused(payload: bytes) -> None:
    """
    The error says what was expected, in the family's word.
    """
    with pytest.raises(InvalidMessage, match="the model's answer is not a count of stones: "):
        decode_payload(numbers, payload, "a count of stones")


def test_a_pit_of_brackets_is_refused() -> None:
    """
    Nesting without end is malformed, not a crash.
    """
    with pytest.raises(InvalidMessage, match="not a quarry"):
        decode_payload(object_decoder, b'{"a":' + b"[" * 99_999, "a quarry")


def test_a_payload_has_a_bound_that_does_not_depend_on_the_caller() -> None:
    """
    What is nested deeper than the bound is refused, also where it could be read; many brackets beside others are not.
    """
    deepest = b'{"a":' * MAX_DEPTH + b"1" + b"}" * MAX_DEPTH
    assert msgspec.json.encode(decode_payload(object_decoder, deepest, "a quarry")) == deepest
    with pytest.raises(InvalidMessage, match="nested deeper than 500"):
        decode_payload(object_decoder, b'{"a":' + deepest + b"}", "a quarry")
    wide = b'{"a":[' + b"[]," * MAX_DEPTH + b"[]]}"
    assert len(decode_payload(object_decoder, wide, "a quarry")["a"]) == MAX_DEPTH + 1


def test_what_says_nothing_is_not_kept() -> None:
    """
    Null and empty values are not worth passing on; zero and false are.
    """
    fields: Json = {"read": 1, "null": None, "empty": {}, "none": [], "zero": 0, "no": False, "news": "x"}
    assert unread(fields, frozenset({"read"})) == {"zero": 0, "no": False, "news": "x"}


def test_what_is_kept_is_bounded() -> None:
    """
    Those beyond the bound are counted.
    """
    kept = Kept(most=2)
    assert kept.to_details("stones") == {}
    kept.add({"a": 1})
    assert kept.to_details("stones") == {"stones": [{"a": 1}]}
    for _ in range(3):
        kept.add({"b": 2})
    assert kept.to_details("stones") == {"stones": [{"a": 1}, {"b": 2}], "stones_omitted": 2}
