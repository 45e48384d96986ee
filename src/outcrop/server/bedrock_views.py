"""
How one turn looks to readers of the Bedrock dialect: frames of ConverseStream, Claude's chunks, a model's own payloads.
"""

from collections.abc import Sequence

from outcrop.dialects.anthropic.stream import AnthropicOpening
from outcrop.dialects.bedrock.chunks import AnthropicChunks, encode_chunk
from outcrop.dialects.bedrock.errors import StreamKind, encode_exception_frame
from outcrop.dialects.bedrock.stream import ConverseFrames
from outcrop.errors import StoreError
from outcrop.turns.endings import to_failure
from outcrop.turns.records import TurnStatus
from outcrop.types import LogEntry, MessageStop, NativePayload, StreamFailed


class ConverseView:
    """
    Render one turn as frames of ConverseStream.
    """

    kind: StreamKind = "converse_stream"

    def __init__(self, frames: ConverseFrames) -> None:
        self._frames = frames

    def render(self, entries: Sequence[LogEntry], status: TurnStatus) -> bytes:
        """
        Render the next entries. See `sse.Render`.
        """
        rendered = self._frames.render(entries)
        if _has_ended(entries):
            rendered += self._frames.close(latency_ms=find_latency_ms(status))
        return rendered

    def render_failure(self, error: StoreError) -> bytes:
        """
        Render the end of a stream whose log can't be read any more. See `sse.RenderFailure`.
        """
        return encode_exception_frame(to_failure(error), self.kind)


class ClaudeView:
    """
    Render one turn as Claude's native chunks.
    """

    def __init__(self) -> None:
        self._chunks: AnthropicChunks | None = None

    def render(self, entries: Sequence[LogEntry], status: TurnStatus) -> bytes:
        """
        Render the next entries. See `sse.Render`.
        """
        if self._chunks is None:
            self._chunks = AnthropicChunks(to_claude_opening(status))
        rendered = self._chunks.render(entries)
        if _has_ended(entries):
            first = status.summary.ttft_ms if status.summary else None
            rendered += self._chunks.close(latency_ms=find_latency_ms(status), first_byte_ms=first or 0)
        return rendered

    def render_failure(self, error: StoreError) -> bytes:
        """
        Render the end of a stream whose log can't be read any more. See `sse.RenderFailure`.
        """
        return encode_exception_frame(to_failure(error), "invoke_stream")


class PayloadView:
    """
    Give a model's own payloads back, byte for byte.
    """

    def render(self, entries: Sequence[LogEntry], status: TurnStatus) -> bytes:  # noqa: ARG002  part of the protocol
        """
        Render the next entries. See `sse.Render`.
        """
        frames = [encode_chunk(entry.event.payload) for entry in entries if isinstance(entry.event, NativePayload)]
        if entries and isinstance(failure := entries[-1].event, StreamFailed):
            frames.append(encode_exception_frame(failure, "invoke_stream"))
        return b"".join(frames)

    def render_failure(self, error: StoreError) -> bytes:
        """
        Render the end of a stream whose log can't be read any more. See `sse.RenderFailure`.
        """
        return encode_exception_frame(to_failure(error), "invoke_stream")


def _has_ended(entries: Sequence[LogEntry]) -> bool:
    return bool(entries) and isinstance(entries[-1].event, MessageStop)


def find_latency_ms(status: TurnStatus) -> int:
    """
    Return how long a turn took, 0 while it is not known.
    """
    return status.summary.duration_ms if status.summary else 0


def to_claude_opening(status: TurnStatus) -> AnthropicOpening:
    """
    Say what opens the message of a turn, as Claude writes it.
    """
    opening = status.opening
    return AnthropicOpening(turn_id=opening.turn_id, model=opening.model)
