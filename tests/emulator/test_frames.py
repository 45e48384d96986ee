"""
Tests of `outcrop.emulator.sending.frames`: by botocore's parser, and against frames that botocore has read before.
"""

import json
from typing import Any

from botocore.eventstream import EventStreamBuffer

from outcrop.emulator.sending.frames import encode_event, encode_exception

THROTTLED = (
    "000000b0000000614f5086b30f3a657863657074696f6e2d747970650700137468726f74746c696e67457863657074696f6e"
    "0d3a636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e0d3a6d6573736167652d74797065070009"
    "657863657074696f6e7b226d657373616765223a22546f6f206d616e7920746f6b656e732c20706c65617365207761697420"
    "6265666f726520747279696e6720616761696e2e227df70ae57f"
)


def test_an_exception_is_the_documented_frame() -> None:
    """
    A throttling exception has the very bytes of the worked example.
    """
    text = "Too many tokens, please wait before trying again."
    assert encode_exception("throttlingException", text).hex() == THROTTLED


def test_a_models_error_tells_what_happened_inside() -> None:
    """
    A model's stream error has its two further members.
    """
    buffer: Any = EventStreamBuffer()
    buffer.add_data(encode_exception("modelStreamErrorException", "because"))
    (message,) = buffer
    assert json.loads(message.payload).keys() == {"message", "originalStatusCode", "originalMessage"}


def test_padding_is_put_into_an_events_own_object() -> None:
    """
    An event's payload stays one JSON object, also where it was empty.
    """
    buffer: Any = EventStreamBuffer()
    buffer.add_data(encode_event("contentBlockStop", b"{}") + encode_event("messageStart", b'{"role":"assistant"}'))
    first, second = (message.payload for message in buffer)
    assert first.startswith(b'{"p":"')
    assert second.startswith(b'{"role":"assistant","p":"')
