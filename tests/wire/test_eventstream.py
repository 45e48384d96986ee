"""
Test `outcrop.wire.eventstream` on recorded messages, on hostile ones, and against botocore's parser.
"""

import struct
from itertools import pairwise
from typing import Any
from zlib import crc32

import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given, settings
from hypothesis import strategies as st

from outcrop.errors import ChecksumMismatch, TruncatedStream, WireError
from outcrop.wire.eventstream import EventMessage, EventStreamDecoder, MessageEncoder, encode_message

CHUNK = bytes.fromhex(
    "0000008d0000004bcd5a3352"
    "0b3a6576656e742d747970650700056368756e6b"
    "0d3a636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e"
    "0d3a6d6573736167652d747970650700056576656e74"
    "7b226279746573223a2265794a6e5a57356c636d463061573975496a6f6953476b6966513d3d222c2270223a22616263227d"
    "ce4dbe29"
)
CHUNK_MESSAGE = EventMessage(
    {":event-type": "chunk", ":content-type": "application/json", ":message-type": "event"},
    b'{"bytes":"eyJnZW5lcmF0aW9uIjoiSGkifQ==","p":"abc"}',
)
THROTTLED = bytes.fromhex(
    "000000b0000000614f5086b30f3a657863657074696f6e2d747970650700137468726f74746c696e67457863657074696f6e"
    "0d3a636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e0d3a6d6573736167652d74797065070009"
    "657863657074696f6e7b226d657373616765223a22546f6f206d616e7920746f6b656e732c20706c65617365207761697420"
    "6265666f726520747279696e6720616761696e2e227df70ae57f"
)
THROTTLED_MESSAGE = EventMessage(
    {
        ":exception-type": "throttlingException",
        ":content-type": "application/json",
        ":message-type": "exception",
    },
    b'{"message":"Too many tokens, please wait before trying again."}',
)
STREAM = CHUNK + THROTTLED
MESSAGES = [CHUNK_MESSAGE, THROTTLED_MESSAGE]


def decode(*chunks: bytes) -> tuple[list[EventMessage], WireError | None]:
    """
    Decode chunks to their end and return what came out, and what broke.
    """
    decoder = EventStreamDecoder()
    messages: list[EventMessage] = []
    try:
        for chunk in chunks:
            messages += decoder.feed(chunk)
        messages += decoder.flush()
    except WireError as error:
        return messages, error
    return messages, None


def test_a_recorded_stream_fed_whole_gives_its_messages() -> None:
    """
    Two messages in one chunk come out in order, with their headers and payloads.
    """
    assert decode(STREAM) == (MESSAGES, None)


def test_a_recorded_stream_fed_byte_by_byte_gives_its_messages() -> None:
    """
    The smallest chunks give the same messages as one chunk.
    """
    assert decode(*(bytes((byte,)) for byte in STREAM)) == (MESSAGES, None)


@pytest.mark.parametrize("size", [2, 7, 12, 13, 64, 141, 142])
def test_a_stream_in_pieces_of_any_size_gives_its_messages(size: int) -> None:
    """
    Where the chunks end does not matter.
    """
    stream = STREAM * 5
    assert decode(*(stream[at : at + size] for at in range(0, len(stream), size))) == (MESSAGES * 5, None)


def test_each_message_comes_out_with_the_chunk_that_completes_it() -> None:
    """
    A complete message is not held back, wherever the stream is cut in two.
    """
    for cut in range(len(STREAM) + 1):
        decoder = EventStreamDecoder()
        complete = 0 if cut < len(CHUNK) else 1 if cut < len(STREAM) else 2
        assert decoder.feed(STREAM[:cut]) == MESSAGES[:complete]
        assert decoder.feed(STREAM[cut:]) == MESSAGES[complete:]
        assert decoder.flush() == []


def test_a_stream_that_ends_inside_a_message_is_truncated() -> None:
    """
    Every cut off a message's boundary gives the messages before it and then `TruncatedStream`.
    """
    for cut in range(len(STREAM)):
        messages, error = decode(STREAM[:cut])
        assert messages == MESSAGES[: 0 if cut < len(CHUNK) else 1]
        assert isinstance(error, TruncatedStream) == (cut not in {0, len(CHUNK)})


def test_trailing_bytes_are_a_truncated_message() -> None:
    """
    Bytes after the last message do not change it, and are reported when the stream ends.
    """
    messages, error = decode(STREAM + b"\0\0")
    assert messages == MESSAGES
    assert isinstance(error, TruncatedStream)
    assert str(error) == "stream ended after 2 bytes of a message of at least 16"


def test_a_truncated_message_is_reported_with_its_length() -> None:
    """
    Once the prelude is there, the error says how long the message was to be.
    """
    assert str(decode(CHUNK[:100])[1]) == "stream ended after 100 bytes of a message of 141"


def test_an_empty_stream_is_whole() -> None:
    """
    No bytes are no messages and no error.
    """
    assert decode() == ([], None)
    assert decode(b"") == ([], None)


def flipped(at: int, flip: int) -> bytes:
    """
    Return the recorded stream with one byte changed.
    """
    return STREAM[:at] + bytes((STREAM[at] ^ flip,)) + STREAM[at + 1 :]


@pytest.mark.parametrize("at", range(len(STREAM)))
def test_no_flipped_byte_gives_a_wrong_message(at: int) -> None:
    """
    With one byte of a stream changed in any way, only true messages come out, and then an error.
    """
    for flip in range(1, 256):
        messages, error = decode(flipped(at, flip))
        assert messages == MESSAGES[: 0 if at < len(CHUNK) else 1]
        assert error is not None


@pytest.mark.parametrize("at", range(len(STREAM)))
def test_no_flipped_bit_gives_a_wrong_message_from_split_input(at: int) -> None:
    """
    Buffered messages are checked like those that came in one chunk.
    """
    for bit in range(8):
        broken = flipped(at, 1 << bit)
        messages, error = decode(broken[:5], broken[5:150], broken[150:])
        assert messages == MESSAGES[: 0 if at < len(CHUNK) else 1]
        assert error is not None


def test_a_bad_message_does_not_take_the_good_ones_before_it_along() -> None:
    """
    `feed` returns the good messages of a chunk and keeps the error in `failed`.
    """
    decoder = EventStreamDecoder()
    assert decoder.feed(CHUNK + THROTTLED[:-1] + b"?") == [CHUNK_MESSAGE]
    assert isinstance(decoder.failed, ChecksumMismatch)


def test_a_bad_first_message_is_kept_in_failed() -> None:
    """
    `feed` does not raise for the bytes that it has just been given.
    """
    decoder = EventStreamDecoder()
    assert decoder.feed(b"HTTP/1.1 502 Bad Gateway") == []
    assert isinstance(decoder.failed, ChecksumMismatch)


def test_a_failed_decoder_raises_its_error_for_ever() -> None:
    """
    After a failure every `feed` and `flush` raises it, also for good bytes.
    """
    decoder = EventStreamDecoder()
    decoder.feed(THROTTLED[:-1] + b"?")
    for _ in range(2):
        with pytest.raises(ChecksumMismatch):
            decoder.feed(CHUNK)
        with pytest.raises(ChecksumMismatch):
            decoder.flush()


def test_nothing_after_a_bad_message_comes_out() -> None:
    """
    A good message behind a bad one is not found again: the framing is gone.
    """
    decoder = EventStreamDecoder()
    assert decoder.feed(CHUNK[:-1] + b"?" + CHUNK) == []
    assert isinstance(decoder.failed, ChecksumMismatch)


def test_a_prelude_crc_is_checked_even_where_the_message_crc_fits() -> None:
    """
    A message sealed over a wrong prelude CRC is refused.
    """
    unsealed = CHUNK[:8] + b"\0\0\0\0" + CHUNK[12:-4]
    messages, error = decode(unsealed + struct.pack("!I", crc32(unsealed)))
    assert messages == []
    assert str(error) == "prelude CRC is 00000000, expected cd5a3352"


def test_a_long_message_in_many_chunks_comes_out_whole() -> None:
    """
    A payload of megabytes survives being split into socket reads.
    """
    payload = bytes(range(256)) * 8192
    stream = CHUNK + encode_message({"a": "b"}, payload) + CHUNK
    messages, error = decode(*(stream[at : at + 65_536] for at in range(0, len(stream), 65_536)))
    assert error is None
    assert [message.payload for message in messages] == [CHUNK_MESSAGE.payload, payload, CHUNK_MESSAGE.payload]


def test_headers_of_a_message_can_not_be_changed() -> None:
    """
    Headers are shared between messages, therefore read-only.
    """
    [message] = EventStreamDecoder().feed(CHUNK)
    with pytest.raises(TypeError):
        message.headers[":event-type"] = "forged"  # type: ignore[index]  # that this fails is the point


def test_encoding_gives_the_recorded_bytes() -> None:
    """
    The encoder reproduces the recorded messages to the byte.
    """
    assert encode_message(CHUNK_MESSAGE.headers, CHUNK_MESSAGE.payload) == CHUNK
    assert encode_message(THROTTLED_MESSAGE.headers, THROTTLED_MESSAGE.payload) == THROTTLED


def test_a_converse_message_has_the_documented_sizes_and_crcs() -> None:
    """
    A `contentBlockDelta` message comes out as botocore's own encoder had it.
    """
    message = encode_message(
        {":event-type": "contentBlockDelta", ":content-type": "application/json", ":message-type": "event"},
        b'{"contentBlockIndex":0,"delta":{"text":"Hi"},"p":"ab"}',
    )
    assert (len(message), message[7], message[8:12].hex(), message[-4:].hex()) == (157, 87, "b9bbf89f", "8b38b268")


def test_an_encoder_for_fixed_headers_equals_encoding_one_by_one() -> None:
    """
    Precomputing the headers changes nothing on the wire.
    """
    encoder = MessageEncoder(CHUNK_MESSAGE.headers)
    for payload in (b"", b"{}", CHUNK_MESSAGE.payload):
        assert encoder.encode(payload) == encode_message(CHUNK_MESSAGE.headers, payload)


@settings(deadline=None, max_examples=150)
@given(
    st.lists(
        st.tuples(st.dictionaries(st.text(max_size=20), st.text(max_size=40), max_size=4), st.binary(max_size=200)),
        max_size=6,
    ),
    st.lists(st.integers(0, 2000), max_size=8),
)
def test_botocore_reads_what_we_encode_as_we_do(source: list[tuple[dict[str, str], bytes]], cuts: list[int]) -> None:
    """
    For any messages and any split, botocore and we decode what was encoded.
    """
    stream = b"".join(encode_message(headers, payload) for headers, payload in source)
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    messages, error = decode(*(stream[start:end] for start, end in pairwise(edges)))
    oracle: Any = EventStreamBuffer()
    oracle.add_data(stream)
    expected = [(dict(message.headers), message.payload) for message in oracle]
    assert error is None
    assert expected == source
    assert [(dict(message.headers), message.payload) for message in messages] == source


@settings(deadline=None, max_examples=200)
@given(st.lists(st.binary(max_size=60), max_size=6))
def test_random_bytes_never_raise_anything_but_a_wire_error(chunks: list[bytes]) -> None:
    """
    Garbage gives no messages, and an error of ours at most.
    """
    messages, _ = decode(*chunks)
    assert messages == []
