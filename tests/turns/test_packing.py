"""
Requests as bytes.
"""

import pytest

from outcrop.turns.packing import pack_request, unpack_request
from outcrop.types import ChatRequest, ImagePart, Message, TextPart, ToolSpec


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
