"""
Test the bounds of `outcrop.wire.eventstream`: lengths that lie, memory, what is remembered.
"""

import struct
import tracemalloc
from zlib import crc32

import pytest

from outcrop.errors import InvalidMessage, MessageTooLarge, WireError
from outcrop.wire.event_headers import encode_headers
from outcrop.wire.eventstream import (
    FRAMING_BYTES,
    MAX_HEADERS_BYTES,
    MAX_MESSAGE_BYTES,
    MAX_PAYLOAD_BYTES,
    EventMessage,
    EventStreamDecoder,
    MessageEncoder,
    encode_message,
)

MESSAGE = EventMessage({":event-type": "chunk"}, b'{"bytes":"e30="}')
ENCODED = encode_message(MESSAGE.headers, MESSAGE.payload)


def frame(block: bytes, payload: bytes, *, total: int | None = None, headers_length: int | None = None) -> bytes:
    """
    Frame a header block as it is, with true CRCs and, where given, lengths that lie.
    """
    lengths = struct.pack(
        "!II",
        len(block) + len(payload) + FRAMING_BYTES if total is None else total,
        len(block) if headers_length is None else headers_length,
    )
    unsealed = lengths + struct.pack("!I", crc32(lengths)) + block + payload
    return unsealed + struct.pack("!I", crc32(unsealed))


@pytest.mark.parametrize("split", [12, 5])
@pytest.mark.parametrize(
    ("total", "headers_length", "error", "words"),
    [
        (0, 0, InvalidMessage, "message of 0 bytes can't hold headers of 0 bytes"),
        (15, 0, InvalidMessage, "message of 15 bytes can't hold headers of 0 bytes"),
        (100, 85, InvalidMessage, "message of 100 bytes can't hold headers of 85 bytes"),
        (200_000, 131_073, MessageTooLarge, "headers of 131073 bytes, limit is 131072 bytes"),
        (MAX_PAYLOAD_BYTES + 17, 0, MessageTooLarge, "payload of 25165825 bytes, limit is 25165824 bytes"),
        (2**32 - 1, 0, MessageTooLarge, "payload of 4294967279 bytes, limit is 25165824 bytes"),
        (2**32 - 1, 2**32 - 1, InvalidMessage, "message of 4294967295 bytes can't hold headers of 4294967295 bytes"),
    ],
)
def test_a_lying_length_is_refused_with_the_prelude(
    total: int, headers_length: int, error: type[WireError], words: str, split: int
) -> None:
    """
    Twelve bytes are enough to refuse lengths that contradict each other or a bound, however they come.
    """
    prelude = frame(b"", b"", total=total, headers_length=headers_length)[:12]
    decoder = EventStreamDecoder()
    assert decoder.feed(prelude[:split]) == []
    if split < 12:
        assert decoder.failed is None
        assert decoder.feed(prelude[split:]) == []
    assert type(decoder.failed) is error
    assert str(decoder.failed) == words


def test_a_message_at_the_bound_is_taken_and_one_beyond_it_is_not() -> None:
    """
    `max_message_bytes` is the longest message, framing included.
    """
    assert EventStreamDecoder(max_message_bytes=len(ENCODED)).feed(ENCODED) == [MESSAGE]
    decoder = EventStreamDecoder(max_message_bytes=len(ENCODED) - 1)
    assert decoder.feed(ENCODED[:12]) == []
    assert isinstance(decoder.failed, MessageTooLarge)
    assert str(decoder.failed) == "message of 52 bytes, limit is 51 bytes"


def test_the_default_bounds_are_those_of_botocore() -> None:
    """
    A prelude at both of botocore's limits is waited for; it is the longest one possible.
    """
    prelude = frame(b"", b"", total=MAX_MESSAGE_BYTES, headers_length=MAX_HEADERS_BYTES)[:12]
    decoder = EventStreamDecoder()
    assert decoder.feed(prelude) == []
    assert decoder.failed is None


def test_headers_length_that_lies_inside_the_message_is_refused() -> None:
    """
    A header block that ends inside a header is malformed although both CRCs fit.
    """
    block = encode_headers(MESSAGE.headers)
    decoder = EventStreamDecoder()
    assert decoder.feed(frame(block, b"{}", headers_length=len(block) - 1)) == []
    assert isinstance(decoder.failed, InvalidMessage)


def test_a_promised_length_takes_no_memory() -> None:
    """
    A prelude that promises 24 MiB costs what has arrived, not what was promised.
    """
    prelude = frame(b"", b"", total=MAX_PAYLOAD_BYTES + 16)[:12]
    decoder = EventStreamDecoder()
    tracemalloc.start()
    try:
        decoder.feed(prelude)
        decoder.feed(b"x" * 1000)
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


def test_a_refused_message_takes_no_memory() -> None:
    """
    Nothing of a chunk that begins with a message beyond the bound is kept.
    """
    chunk = frame(b"", b"", total=MAX_PAYLOAD_BYTES + 17)[:12] + b"x" * 1_000_000
    decoder = EventStreamDecoder()
    tracemalloc.start()
    try:
        decoder.feed(chunk)
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()
    assert isinstance(decoder.failed, MessageTooLarge)


def test_many_different_header_blocks_are_all_parsed() -> None:
    """
    Remembering header blocks never gives one message another one's headers, nor grows without bound.
    """
    decoder = EventStreamDecoder()
    for turn in range(3):
        for number in range(50):
            headers = {"number": str(number), "turn": str(turn % 2)}
            assert decoder.feed(encode_message(headers, b"")) == [EventMessage(headers, b"")]
    assert len(decoder._header_blocks) <= 16


def test_a_large_header_block_is_not_remembered() -> None:
    """
    What is remembered between messages stays small.
    """
    decoder = EventStreamDecoder()
    headers = {"large": "x" * 10_000}
    assert decoder.feed(encode_message(headers, b"")) == [EventMessage(headers, b"")]
    assert decoder._header_blocks == {}


def test_a_payload_beyond_the_bound_is_not_encoded() -> None:
    """
    We send nothing that botocore would refuse.
    """
    encoder = MessageEncoder({})
    assert len(encoder.encode(bytes(MAX_PAYLOAD_BYTES))) == MAX_PAYLOAD_BYTES + FRAMING_BYTES
    with pytest.raises(MessageTooLarge, match="payload of 25165825 bytes, limit is 25165824 bytes"):
        encoder.encode(bytes(MAX_PAYLOAD_BYTES + 1))
