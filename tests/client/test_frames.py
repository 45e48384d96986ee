"""
Frames: bytes ⇄ values.
"""

import contextlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outcrop.client.frames import (
    BadFrame,
    ServerFrame,
    encode_abort,
    encode_resume,
    encode_send,
    parse_chunk,
    parse_frame,
)


def test_a_send_carries_its_key_in_the_frame() -> None:
    """
    The idempotency key is a header of the frame, and a message ID is there only where it is given.
    """
    fields = {"messages": [], "body": {"model": "m"}, "idempotency_key": "k"}
    sent = msgspec.json.decode(encode_send("r", "c", trigger="submit-message", **fields))  # type: ignore[arg-type]  # mixed values
    assert sent == {
        "type": "send", "requestId": "r", "id": "c", "trigger": "submit-message", "messages": [],
        "headers": {"idempotency-key": "k"}, "body": {"model": "m"},
    }  # fmt: skip


def test_a_resume_names_what_was_seen() -> None:
    """
    The last sequence is left out where nothing was seen.
    """
    assert msgspec.json.decode(encode_resume("r", "c", last_sequence=0))["lastSequence"] == 0
    assert "lastSequence" not in msgspec.json.decode(encode_resume("r", "c", last_sequence=None))


def test_a_resume_names_the_turn_where_it_was_told() -> None:
    """
    Turn and epoch go in the body; without them there is none.
    """
    named = msgspec.json.decode(encode_resume("r", "c", last_sequence=0, turn_id="t", epoch="e"))
    assert named["body"] == {"turnId": "t", "epoch": "e"}
    assert "body" not in msgspec.json.decode(encode_resume("r", "c", last_sequence=0))


def test_an_abort_names_its_request() -> None:
    """
    An abort is the type and the request.
    """
    assert msgspec.json.decode(encode_abort("r")) == {"type": "abort", "requestId": "r"}


def test_unknown_fields_of_a_frame_are_ignored() -> None:
    """
    A newer server may say more.
    """
    frame = parse_frame('{"type":"chunk","requestId":"r","sequence":3,"chunk":{"type":"start"},"new":1}')
    assert (frame.type, frame.request_id, frame.sequence) == ("chunk", "r", 3)
    assert parse_chunk(frame) == {"type": "start"}


@pytest.mark.parametrize("chunk", ["null", "[]", "{}", '{"type":1}', '"text"'])
def test_a_chunk_without_a_type_is_bad(chunk: str) -> None:
    """
    The error names the request whose chunk it was.
    """
    frame = parse_frame(f'{{"type":"chunk","requestId":"r","chunk":{chunk}}}')
    with pytest.raises(BadFrame) as caught:
        parse_chunk(frame)
    assert caught.value.request_id == "r"


def test_a_frame_without_a_chunk_has_none() -> None:
    """
    A missing chunk is bad too.
    """
    with pytest.raises(BadFrame):
        parse_chunk(parse_frame('{"type":"chunk","requestId":"r"}'))


@given(st.text() | st.binary())
def test_garbage_is_refused_in_one_way(message: str | bytes) -> None:
    """
    Whatever comes, parsing gives a frame or a `BadFrame`.
    """
    with contextlib.suppress(BadFrame):
        assert isinstance(parse_frame(message), ServerFrame)
