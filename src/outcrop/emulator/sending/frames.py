"""
Event-stream messages as Bedrock sends them: chunks, Converse events, exceptions, errors (docs/bedrock_wire.md §2).
"""

from base64 import b64encode
from functools import lru_cache
from zlib import crc32

import msgspec

from outcrop.emulator.conversation import Answer, Metrics
from outcrop.emulator.rules.refusals import EXTRAS
from outcrop.wire.eventstream import MessageEncoder, encode_message

METRICS_KEY = "amazon-bedrock-invocationMetrics"
_PADDING = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_JSON = "application/json"


@lru_cache(maxsize=32)
def _encoder(event_type: str) -> MessageEncoder:
    return MessageEncoder({":event-type": event_type, ":content-type": _JSON, ":message-type": "event"})


def encode_chunk(payload: bytes) -> bytes:
    """
    Return the message of one chunk of a model's own JSON, padded against guessing its size.
    """
    padding = _PADDING[: crc32(payload) % 62 + 1]
    return _encoder("chunk").encode(b'{"bytes":"%b","p":"%b"}' % (b64encode(payload), padding.encode()))


def metrics_of(answer: Answer, metrics: Metrics) -> dict[str, int]:
    """
    Return what the last chunk of a native stream has under `METRICS_KEY` (docs/bedrock_wire.md §2.4).
    """
    counts = {
        "inputTokenCount": answer.input_tokens,
        "outputTokenCount": answer.output_tokens,
        "invocationLatency": metrics.invocation_latency_ms,
        "firstByteLatency": metrics.first_byte_latency_ms,
    }
    if answer.cache_read_tokens or answer.cache_write_tokens:
        counts["cacheReadInputTokenCount"] = answer.cache_read_tokens
        counts["cacheWriteInputTokenCount"] = answer.cache_write_tokens
    return counts


def encode_event(event_type: str, payload: bytes) -> bytes:
    """
    Return the message of one Converse event; `payload` is its JSON object, which gets its padding here.
    """
    padding = _PADDING[: crc32(payload) % 62 + 1].encode()
    comma = b"" if payload == b"{}" else b","
    return _encoder(event_type).encode(b'%b%b"p":"%b"}' % (payload[:-1], comma, padding))


def encode_exception(name: str, message: str) -> bytes:
    """
    Return the message of an exception in the midst of a stream; `name` is lower camel case, as in the stream's union.
    """
    headers = {":exception-type": name, ":content-type": _JSON, ":message-type": "exception"}
    extra = EXTRAS.get(name[:1].upper() + name[1:], {})
    return encode_message(headers, msgspec.json.encode({"message": message, **extra}))


def encode_error(code: str, message: str) -> bytes:
    """
    Return the message of an unmodelled error in the midst of a stream.
    """
    return encode_message({":error-code": code, ":error-message": message, ":message-type": "error"}, b"")
