"""
The AWS event stream (`application/vnd.amazon.eventstream`): bytes ⇄ messages.

One message is, big-endian: total length (uint32), headers' length (uint32), CRC-32 of these eight bytes, headers,
payload, CRC-32 of everything before it. Here is that framing; headers and their ten types are in `event_headers` (and
can be imported from here). What a message means (event, exception, error) and what its payload holds is deliberately
not here.
"""

import struct
from collections.abc import Mapping
from zlib import crc32

import msgspec

from outcrop.errors import ChecksumMismatch, InvalidMessage, MessageTooLarge, TruncatedStream, WireError
from outcrop.wire.event_headers import (
    MAX_HEADERS_BYTES,
    HeaderValue,
    Int8,
    Int16,
    Int32,
    Int64,
    Timestamp,
    encode_headers,
    parse_headers,
)

__all__ = [
    "FRAMING_BYTES",
    "MAX_HEADERS_BYTES",
    "MAX_MESSAGE_BYTES",
    "MAX_PAYLOAD_BYTES",
    "EventMessage",
    "EventStreamDecoder",
    "HeaderValue",
    "Int8",
    "Int16",
    "Int32",
    "Int64",
    "MessageEncoder",
    "Timestamp",
    "encode_message",
]

MAX_PAYLOAD_BYTES = 24 * 1024 * 1024
FRAMING_BYTES = 16
MAX_MESSAGE_BYTES = MAX_PAYLOAD_BYTES + MAX_HEADERS_BYTES + FRAMING_BYTES
"""
The bounds of botocore's parser. Beyond them botocore refuses a message, so we neither send nor take one.
"""

_PRELUDE_BYTES = 12
_CACHED_HEADER_BLOCKS = 16
_CACHED_BLOCK_BYTES = 512

_PRELUDE = struct.Struct("!III")
_LENGTHS = struct.Struct("!II")
_UINT32 = struct.Struct("!I")


class EventMessage(msgspec.Struct, frozen=True, gc=False):
    """
    Hold one message: its headers by name (read-only, shared between messages with equal headers) and its payload.
    """

    # gc=False: nothing that a message holds can refer back to it.
    headers: Mapping[str, HeaderValue]
    payload: bytes


class EventStreamDecoder:
    """
    Cut a byte stream, split anywhere, into messages.

    Holds at most one incomplete message. A prelude is checked as soon as its twelve bytes are there, so a length that
    lies is refused before anything is buffered for it. Messages that came whole in one chunk are cut out of it with no
    copy but their payload.

    Args:
        max_message_bytes: the bound of one message, framing included. The bounds on headers (128 KiB) and payload
            (24 MiB) hold besides.
    """

    __slots__ = ("_buffer", "_header_blocks", "_max_message_bytes", "_wanted_bytes", "failed")

    def __init__(self, max_message_bytes: int = MAX_MESSAGE_BYTES) -> None:
        self.failed: WireError | None = None
        """What broke the stream, or None. Look at it after every `feed`: the messages returned came before it."""
        self._max_message_bytes = max_message_bytes
        self._buffer = bytearray()
        # How long the message at the start of the buffer is; meaningless until its prelude is there.
        self._wanted_bytes = 0
        self._header_blocks: dict[bytes, Mapping[str, HeaderValue]] = {}

    def feed(self, chunk: bytes) -> list[EventMessage]:
        """
        Take the next bytes and return the messages that they complete; an empty list means "need more".

        A bad message is not raised here but kept in `failed`, so that the good messages before it are not lost. Nothing
        after a bad message is looked at: the framing is gone.

        Raises:
            WireError: an earlier call has already set `failed`.
        """
        if self.failed is not None:
            raise self.failed
        messages: list[EventMessage] = []
        try:
            position = self._fill_buffer(chunk, messages) if self._buffer else 0
            self._cut(chunk, position, messages)
        except WireError as error:
            # Without its traceback: that one would keep this decoder and its chunk alive in a cycle.
            self.failed = error.with_traceback(None)
            self._buffer.clear()
        return messages

    def flush(self) -> list[EventMessage]:
        """
        Take the end of the stream. There is never anything left to return.

        Raises:
            TruncatedStream: the bytes ended inside a message.
            WireError: an earlier call has set `failed`.
        """
        if self.failed is not None:
            raise self.failed
        if self._buffer:
            wanted = self._wanted_bytes if len(self._buffer) >= _PRELUDE_BYTES else "at least 16"
            raise TruncatedStream(f"stream ended after {len(self._buffer)} bytes of a message of {wanted}")
        return []

    def _fill_buffer(self, chunk: bytes, messages: list[EventMessage]) -> int:
        """
        Give the buffered message what it lacks and return how much of the chunk that took.
        """
        buffer = self._buffer
        taken = 0
        if len(buffer) < _PRELUDE_BYTES:
            taken = _PRELUDE_BYTES - len(buffer)
            buffer += chunk[:taken]
            if len(buffer) < _PRELUDE_BYTES:
                return len(chunk)
            total, headers_length, prelude_crc = _PRELUDE.unpack_from(buffer)
            self._wanted_bytes = self._check_prelude(total, headers_length, prelude_crc, crc32(buffer[:8]))
        lacking = self._wanted_bytes - len(buffer)
        buffer += chunk[taken : taken + lacking]
        if len(buffer) < self._wanted_bytes:
            return len(chunk)
        whole = bytes(buffer)
        buffer.clear()
        self._cut(whole, 0, messages)
        return taken + lacking

    def _cut(self, chunk: bytes, position: int, messages: list[EventMessage]) -> None:
        """
        Cut messages out of the chunk from `position` on, and buffer the incomplete one at its end.

        Runs once per streamed token: local names, no calls that can be avoided.
        """
        size = len(chunk)
        max_bytes = self._max_message_bytes
        header_blocks = self._header_blocks
        while size - position >= _PRELUDE_BYTES:
            total, headers_length, prelude_crc = _PRELUDE.unpack_from(chunk, position)
            crc = crc32(chunk[position : position + 8])
            if (
                crc != prelude_crc
                or total > max_bytes
                or headers_length > MAX_HEADERS_BYTES
                or not 0 <= total - headers_length - FRAMING_BYTES <= MAX_PAYLOAD_BYTES
            ):
                self._check_prelude(total, headers_length, prelude_crc, crc)
            end = position + total
            if end > size:
                self._wanted_bytes = total
                break
            payload_end = end - 4
            crc = crc32(chunk[position + 8 : payload_end], crc)
            if crc != _UINT32.unpack_from(chunk, payload_end)[0]:
                raise ChecksumMismatch(f"message CRC is {chunk[payload_end:end].hex()}, expected {crc:08x}")
            payload_start = position + _PRELUDE_BYTES + headers_length
            block = chunk[position + _PRELUDE_BYTES : payload_start]
            headers = header_blocks.get(block)
            if headers is None:
                headers = self._parse_block(block)
            messages.append(EventMessage(headers, chunk[payload_start:payload_end]))
            position = end
        if position < size:
            self._buffer += chunk[position:]

    def _check_prelude(self, total: int, headers_length: int, prelude_crc: int, crc: int) -> int:
        """
        Return the message's length, or raise what is wrong with its prelude.
        """
        if crc != prelude_crc:
            raise ChecksumMismatch(f"prelude CRC is {prelude_crc:08x}, expected {crc:08x}")
        payload_length = total - headers_length - FRAMING_BYTES
        if payload_length < 0:
            raise InvalidMessage(f"message of {total} bytes can't hold headers of {headers_length} bytes")
        for name, length, bound in (
            ("headers", headers_length, MAX_HEADERS_BYTES),
            ("payload", payload_length, MAX_PAYLOAD_BYTES),
            ("message", total, self._max_message_bytes),
        ):
            if length > bound:
                raise MessageTooLarge(f"{name} of {length} bytes, limit is {bound} bytes")
        return total

    def _parse_block(self, block: bytes) -> Mapping[str, HeaderValue]:
        """
        Parse a header block and remember it if it is small: a stream repeats a handful of them.
        """
        headers = parse_headers(block)
        if len(block) <= _CACHED_BLOCK_BYTES:
            if len(self._header_blocks) >= _CACHED_HEADER_BLOCKS:
                self._header_blocks.clear()
            self._header_blocks[block] = headers
        return headers


class MessageEncoder:
    """
    Encode many messages that have the same headers.

    Raises:
        InvalidMessage: a header can't be encoded; see `encode_headers`.
        MessageTooLarge: the headers are beyond their bound.
    """

    __slots__ = ("_block",)

    def __init__(self, headers: Mapping[str, HeaderValue]) -> None:
        self._block = encode_headers(headers)

    def encode(self, payload: bytes) -> bytes:
        """
        Return one message with this payload.

        Raises:
            MessageTooLarge: the payload is beyond its bound.
        """
        block = self._block
        if len(payload) > MAX_PAYLOAD_BYTES:
            raise MessageTooLarge(f"payload of {len(payload)} bytes, limit is {MAX_PAYLOAD_BYTES} bytes")
        lengths = _LENGTHS.pack(len(block) + len(payload) + FRAMING_BYTES, len(block))
        unsealed = b"".join((lengths, _UINT32.pack(crc32(lengths)), block, payload))
        return unsealed + _UINT32.pack(crc32(unsealed))


def encode_message(headers: Mapping[str, HeaderValue], payload: bytes) -> bytes:
    """
    Return one message.

    Raises:
        InvalidMessage: a header can't be encoded.
        MessageTooLarge: headers or payload are beyond their bound.
    """
    return MessageEncoder(headers).encode(payload)
