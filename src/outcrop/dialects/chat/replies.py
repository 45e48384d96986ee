"""
The server's frames of the native dialect, as the UTF-8 bytes of text messages (docs/protocol.md).

Stock clients read `type`, `requestId` and what belongs to the type, and pass over further fields; a frame under the
reserved number `$server` is passed over whole.
"""

from typing import Any, Literal

import msgspec

from outcrop.dialects.ui_stream.blocks import quote
from outcrop.dialects.ui_stream.endings import to_error_details
from outcrop.types import StreamFailed

SERVER_REQUEST_ID = "$server"

CLOSE_DRAINING = 1012
CLOSE_INVALID = 4400
CLOSE_NOT_AUTHENTICATED = 4401
CLOSE_NOT_ALLOWED = 4403
CLOSE_TOO_SLOW = 4408
CLOSE_TOO_LARGE = 4413
CLOSE_TOO_MANY = 4429
TOO_SLOW_REASON = "too slow; resume"


class _Frame(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel", tag_field="type"):
    """
    Be a frame under a request's number.
    """

    request_id: str


class StartFrame(_Frame, frozen=True, kw_only=True, tag="start"):
    """
    Say that a request was accepted, and which turn answers it. `turnId` and `epoch` make a position complete.
    """

    turn_id: str | None = None
    epoch: str | None = None


class EndFrame(_Frame, frozen=True, kw_only=True, tag="end"):
    """
    Say that the stream of a request is complete.
    """


class NoActiveFrame(_Frame, frozen=True, kw_only=True, tag="no-active"):
    """
    Say that a chat has no turn to resume.
    """


class ErrorFrame(_Frame, frozen=True, kw_only=True, tag="error"):
    """
    End a request that could not be served: a sentence for a person, and what a program needs to know.

    `turnId` is the running turn of a chat that is busy.
    """

    error_text: str
    code: str
    retryable: bool = msgspec.field()
    retry_after_ms: int | None = None
    aws_request_id: str | None = None
    turn_id: str | None = None


class ChunkFrame(_Frame, frozen=True, kw_only=True, tag="chunk"):
    """
    Carry one part. `sequence` counts a turn's parts from 0; a resumed stream keeps the numbers.
    """

    sequence: int
    chunk: Any


class EventFrame(_Frame, frozen=True, kw_only=True, tag="event"):
    """
    Tell of the connection itself. `ping` asks for nothing; after `draining`, connect again, with that delay.
    """

    event: Literal["ping", "draining", "queued", "conversation-changed"]
    retry_after_ms: int | None = None
    for_request_id: str | None = None
    position: int | None = None
    eta_ms: int | None = None
    chat_id: str | None = None


ServerFrame = StartFrame | ChunkFrame | EndFrame | NoActiveFrame | ErrorFrame | EventFrame

_encode = msgspec.json.Encoder().encode
PING = _encode(EventFrame(request_id=SERVER_REQUEST_ID, event="ping"))


class ChunkFramer:
    """
    Put parts, which are JSON text already, into the `chunk` frames of one request.

    `prefix` is what each frame begins with, up to its sequence number (`UiStreamRenderer.frame_delta`).
    """

    def __init__(self, request_id: str) -> None:
        self.prefix = f'{{"type":"chunk","requestId":{quote(request_id)},"sequence":'

    def frame(self, sequence: int, part: str) -> bytes:
        """
        Frame the part with this number.
        """
        return f'{self.prefix}{sequence},"chunk":{part}}}'.encode()


def encode_start(request_id: str, *, turn_id: str | None = None, epoch: str | None = None) -> bytes:
    """
    Accept a request.
    """
    return _encode(StartFrame(request_id=request_id, turn_id=turn_id, epoch=epoch))


def encode_end(request_id: str) -> bytes:
    """
    End a request's stream.
    """
    return _encode(EndFrame(request_id=request_id))


def encode_no_active(request_id: str) -> bytes:
    """
    Say that there is nothing to resume.
    """
    return _encode(NoActiveFrame(request_id=request_id))


def encode_error(request_id: str, failure: StreamFailed, *, turn_id: str | None = None) -> bytes:
    """
    Refuse a request, or end it where its log can't be read any more. Name the running turn of a busy chat.
    """
    details = to_error_details(failure)
    return _encode(
        ErrorFrame(
            request_id=request_id,
            error_text=details.message,
            code=details.code,
            retryable=details.retryable,
            retry_after_ms=details.retry_after_ms,
            aws_request_id=details.aws_request_id,
            turn_id=turn_id,
        )
    )


def encode_draining(retry_after_ms: int) -> bytes:
    """
    Say that this server is stopping: connect again after this time, and resume.
    """
    return _encode(EventFrame(request_id=SERVER_REQUEST_ID, event="draining", retry_after_ms=retry_after_ms))


def encode_queued(request_id: str, *, position: int, eta_ms: int | None = None) -> bytes:
    """
    Say that a request waits: how many are before it, and about how long.
    """
    frame = EventFrame(
        request_id=SERVER_REQUEST_ID, event="queued", for_request_id=request_id, position=position, eta_ms=eta_ms
    )
    return _encode(frame)


def encode_conversation_changed(chat_id: str) -> bytes:
    """
    Say that a conversation was changed elsewhere (in another tab).
    """
    return _encode(EventFrame(request_id=SERVER_REQUEST_ID, event="conversation-changed", chat_id=chat_id))
