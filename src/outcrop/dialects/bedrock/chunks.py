"""
The Bedrock dialect, what goes out by InvokeModel: native bodies made of a turn's log, for Claude and for Llama.

A family whose answers are not made anew here passes Bedrock's own payloads on, with `encode_chunk`. Chunks are a
function of the log's beginning alone, but for the last one: it carries Bedrock's metrics and is asked for by `close`.
A whole answer of Claude's is that of the Anthropic dialect, `anthropic_stream.render_message`.
"""

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from json.encoder import encode_basestring
from typing import Any

import msgspec

from outcrop.dialects.anthropic.stream import AnthropicOpening, MessageEvents, delta_head
from outcrop.dialects.bedrock.errors import encode_exception_frame
from outcrop.types import LogEntry, MessageStop, StreamEvent, StreamFailed, TextDelta, Usage, UsageReport
from outcrop.wire.eventstream import MessageEncoder

METRICS = "amazon-bedrock-invocationMetrics"
STREAM_HEADERS = (
    (b"content-type", b"application/vnd.amazon.eventstream"),
    (b"x-amzn-bedrock-content-type", b"application/json"),
)

_CHUNK = MessageEncoder({":event-type": "chunk", ":content-type": "application/json", ":message-type": "event"})
_LENGTH_REASONS = frozenset({"max_tokens", "context_window_exceeded"})


def encode_chunk(payload: bytes) -> bytes:
    """
    Return the frame that carries a model's own JSON.
    """
    return _CHUNK.encode(b'{"bytes":"%b"}' % b64encode(payload))


class AnthropicChunks:
    """
    Render one turn's log as Claude's native chunks. One renderer serves one reader, from the log's first entry.

    Call `render` with the entries as they come, then once `close`, after the terminal entry.
    """

    def __init__(self, opening: AnthropicOpening) -> None:
        self._events = MessageEvents(opening)
        self._has_stopped = False
        self._head = ""
        self._number = -1

    def render(self, entries: Sequence[LogEntry]) -> bytes:
        """
        Return the frames that these entries add. They follow the entries of the last call.
        """
        walk = self._events.walk
        frames: list[bytes] = []
        for entry in entries:
            event = entry.event
            if type(event) is TextDelta and event.index == walk.text_index and event.provider_details is None:
                if walk.text_number != self._number:
                    self._number = walk.text_number
                    self._head = delta_head("text", self._number)
                frames.append(encode_chunk(f"{self._head}{encode_basestring(event.text)}}}}}".encode()))
            else:
                self._render_event(event, frames)
        return b"".join(frames)

    def close(self, *, latency_ms: int, first_byte_ms: int) -> bytes:
        """
        Return the last frame, with what is known of the turn now; nothing if the turn failed.
        """
        if not self._has_stopped:
            return b""
        metrics = to_metrics(self._events.usage, latency_ms=latency_ms, first_byte_ms=first_byte_ms)
        return encode_chunk(msgspec.json.encode({"type": "message_stop", METRICS: metrics}))

    def _render_event(self, event: StreamEvent, frames: list[bytes]) -> None:
        for name, text in self._events.take(event):
            if name == "message_stop":
                self._has_stopped = True
            elif name == "error":
                assert isinstance(event, StreamFailed), "an error comes of a failure"
                frames.append(encode_exception_frame(event, "invoke_stream"))
            elif name:
                frames.append(encode_chunk(text.encode()))


class LlamaChunks:
    """
    Render one turn's log as Llama's native chunks. One renderer serves one reader, from the log's first entry.

    Only the last chunk counts the answer's tokens: nobody knows before how many there are.
    """

    def __init__(self) -> None:
        self._usage = Usage()
        self._prompt_tokens: int | None = None
        self._stop: MessageStop | None = None

    def render(self, entries: Sequence[LogEntry]) -> bytes:
        """
        Return the frames that these entries add. They follow the entries of the last call.
        """
        frames: list[bytes] = []
        for entry in entries:
            match entry.event:
                case TextDelta(text=text) if text:
                    frames.append(self._encode(text))
                case UsageReport(usage=usage):
                    self._usage, self._prompt_tokens = usage, usage.input_tokens
                case StreamFailed() as failure:
                    frames.append(encode_exception_frame(failure, "invoke_stream"))
                case MessageStop() as stop:
                    self._stop = stop
                case _:
                    pass
        return b"".join(frames)

    def close(self, *, latency_ms: int, first_byte_ms: int) -> bytes:
        """
        Return the last frame, with what is known of the turn now; nothing if the turn failed.
        """
        if self._stop is None:
            return b""
        generation = _to_generation("", self._usage, self._stop)
        metrics = to_metrics(self._usage, latency_ms=latency_ms, first_byte_ms=first_byte_ms)
        return encode_chunk(msgspec.json.encode({**generation, METRICS: metrics}))

    def _encode(self, text: str) -> bytes:
        prompt_tokens, self._prompt_tokens = self._prompt_tokens, None
        generation = {
            "generation": text,
            "prompt_token_count": prompt_tokens,
            "generation_token_count": None,
            "stop_reason": None,
        }
        return encode_chunk(msgspec.json.encode(generation))


def render_generation(entries: Iterable[LogEntry]) -> bytes:
    """
    Return Llama's whole native answer. The log must have ended well: for a `StreamFailed` send the error instead.
    """
    log = list(entries)
    text = "".join(entry.event.text for entry in log if isinstance(entry.event, TextDelta))
    stop = log[-1].event
    assert isinstance(stop, MessageStop), "a whole answer ends well"
    return msgspec.json.encode(_to_generation(text, find_usage(log), stop))


def find_usage(entries: Iterable[LogEntry]) -> Usage:
    """
    Return the last count in a log.
    """
    usage = Usage()
    for entry in entries:
        if isinstance(entry.event, UsageReport):
            usage = entry.event.usage
    return usage


def answer_headers(usage: Usage, *, latency_ms: int) -> tuple[tuple[bytes, bytes], ...]:
    """
    Return the headers of a whole answer by InvokeModel: its counts and how long it took.
    """
    counts = {
        "input-token-count": usage.input_tokens,
        "output-token-count": usage.output_tokens,
        "cache-read-input-token-count": usage.cache_read_tokens or None,
        "cache-write-input-token-count": usage.cache_write_tokens or None,
        "invocation-latency": latency_ms,
    }
    told = [(f"x-amzn-bedrock-{name}".encode(), str(n).encode()) for name, n in counts.items() if n is not None]
    return ((b"content-type", b"application/json"), *told)


def to_metrics(usage: Usage, *, latency_ms: int, first_byte_ms: int) -> Mapping[str, Any]:
    """
    Count as Bedrock does in the last chunk of a stream (docs/bedrock_wire.md §2.4).
    """
    cached = {
        "cacheReadInputTokenCount": usage.cache_read_tokens,
        "cacheWriteInputTokenCount": usage.cache_write_tokens,
    }
    return {
        "inputTokenCount": usage.input_tokens,
        "outputTokenCount": usage.output_tokens,
        "invocationLatency": latency_ms,
        "firstByteLatency": first_byte_ms,
        **{name: count for name, count in cached.items() if count},
    }


def _to_generation(text: str, usage: Usage, stop: MessageStop) -> dict[str, Any]:
    return {
        "generation": text,
        "prompt_token_count": usage.input_tokens,
        "generation_token_count": usage.output_tokens,
        "stop_reason": "length" if stop.stop_reason in _LENGTH_REASONS else "stop",
    }
