"""
Requests and entries as bytes.
"""

import pytest

from outcrop.turns.packing import pack_request, unpack_request
from outcrop.turns.redis.codec import encode_batch, parse_batch
from outcrop.types import ChatRequest, ImagePart, LogEntry, Message, MessageStop, TextDelta, TextPart, ToolSpec


@pytest.mark.parametrize("greatest", [7, 10**30, -(10**30)])
def test_a_request_comes_back_as_it_was(greatest: int) -> None:
    """
    A packed request is read as it was written, with integers of any size and with bytes.
    """
    tool = ToolSpec(name="f", input_schema={"type": "object", "maximum": greatest})
    parts = (TextPart(text="hi"), ImagePart(media_type="image/png", data=b"\x00\xff"))
    request = ChatRequest(model="m", messages=(Message("user", parts),), tools=(tool,))
    packed = pack_request(request)
    assert unpack_request(packed) == request
    assert pack_request(unpack_request(packed)) == packed


@pytest.mark.parametrize("greatest", [7, 10**30, -(10**30)])
def test_entries_come_back_as_they_were(greatest: int) -> None:
    """
    A batch is read as it was written, with all that a model said besides its text.
    """
    said = {"trace": {"score": greatest, "words": ["\x00é🪨"]}}
    entries = [LogEntry(4, TextDelta("a", 0)), LogEntry(5, MessageStop(stop_reason="end_turn", provider_details=said))]
    assert parse_batch(encode_batch("e", entries)).entries == entries
