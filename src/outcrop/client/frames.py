"""
The frames of the native protocol, version 1: bytes ⇄ values. No I/O, and no state.

A frame is one JSON text message with a string `type` and a string `requestId`. Many requests share one socket.
"""

from typing import Any, Literal

import msgspec

SERVER_REQUEST_ID = "$server"
"""
The reserved ID of what the server says about the connection and not about a request.
"""

Trigger = Literal["submit-message", "regenerate-message"]


class BadFrame(Exception):
    """
    Say what about a frame does not follow the protocol, and whose frame it was, where that is known.
    """

    def __init__(self, message: str, *, request_id: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.request_id = request_id


class ServerFrame(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """
    Hold one frame of the server; which of the fields are there depends on `type`.

    `chunk` is undecoded JSON, and empty where there is none.
    """

    type: str
    request_id: str
    sequence: int | None = None
    chunk: msgspec.Raw = msgspec.Raw(b"")
    error_text: str | None = None
    turn_id: str | None = None
    epoch: str | None = None
    event: str | None = None
    code: str | None = None
    retryable: bool = False
    retry_after_ms: float | None = None


_decoder = msgspec.json.Decoder(ServerFrame)
_encoder = msgspec.json.Encoder()


def parse_frame(message: str | bytes) -> ServerFrame:
    """
    Parse one message of the server.

    Raises:
        BadFrame: it is binary, no JSON, or lacks what every frame has.
    """
    if isinstance(message, bytes):
        raise BadFrame("a binary frame came, expected text")
    try:
        return _decoder.decode(message)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise BadFrame(f"a frame is not of the protocol: {str(error)[:200]}") from error


def parse_chunk(frame: ServerFrame) -> dict[str, Any]:
    """
    Return the part in a `chunk` frame: an object with a string `type`.

    Raises:
        BadFrame: there is none.
    """
    try:
        chunk = msgspec.json.decode(frame.chunk)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise BadFrame("a chunk is no JSON", request_id=frame.request_id) from error
    if not isinstance(chunk, dict) or not isinstance(chunk.get("type"), str):
        raise BadFrame("a chunk has no type", request_id=frame.request_id)
    return chunk


def encode_send(
    request_id: str,
    chat_id: str,
    *,
    trigger: Trigger,
    messages: list[dict[str, Any]],
    body: dict[str, Any],
    idempotency_key: str,
    message_id: str | None = None,
) -> str:
    """
    Encode the frame that asks for an answer.
    """
    frame: dict[str, Any] = {
        "type": "send",
        "requestId": request_id,
        "id": chat_id,
        "trigger": trigger,
        "messages": messages,
        "headers": {"idempotency-key": idempotency_key},
        "body": body,
    }
    if message_id is not None:
        frame["messageId"] = message_id
    return _encoder.encode(frame).decode()


def encode_resume(
    request_id: str, chat_id: str, *, last_sequence: int | None, turn_id: str | None = None, epoch: str | None = None
) -> str:
    """
    Encode the frame that asks to go on after `last_sequence`; None asks for all from the start.

    `turn_id` and `epoch` are what the server told with `start`: without them, the chat's running turn is meant.
    """
    frame: dict[str, Any] = {"type": "resume", "requestId": request_id, "id": chat_id}
    position = {"turnId": turn_id, "epoch": epoch}
    body = {name: value for name, value in position.items() if value is not None}
    if body:
        frame["body"] = body
    if last_sequence is not None:
        frame["lastSequence"] = last_sequence
    return _encoder.encode(frame).decode()


def encode_abort(request_id: str) -> str:
    """
    Encode the frame that stops an answer.
    """
    return _encoder.encode({"type": "abort", "requestId": request_id}).decode()
