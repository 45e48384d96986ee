"""
The frames of the native dialect: JSON text, many chats on one WebSocket (docs/protocol.md).
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from outcrop.dialects.chat.body import Name
from outcrop.dialects.chat.fields import Fields, check_id, convert, parse_object, suggest
from outcrop.dialects.chat.turn import ChatTurn, build_turn
from outcrop.errors import RequestError

FrameKind = Literal["send", "resume", "abort"]

KINDS: dict[str, FrameKind] = {"send": "send", "resume": "resume", "abort": "abort"}
RESERVED = "$"
"""
What request numbers of the server's own begin with.
"""

MAX_SEQUENCE = (1 << 53) - 1
"""
The largest whole number that JavaScript counts with.
"""


class ClientFrame(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold a client's frame: what it asks for, the number of its request, and all its fields, not checked yet.
    """

    kind: FrameKind
    request_id: str
    fields: Mapping[str, Any]


class ResumeRequest(msgspec.Struct, frozen=True, kw_only=True):
    """
    Ask for a chat's stream: from its part `last_sequence + 1` on, or (None) from the beginning.

    `turn_id` names the turn, running or finished; without it, the chat's running turn is meant. `epoch` is the one
    that the client was told with `start`; where the log has another one now, the client's position means nothing.
    """

    chat_id: str
    turn_id: str | None = None
    epoch: str | None = None
    last_sequence: int | None = None

    @property
    def skip(self) -> int:
        """
        Count the parts that the client has: the first one that it lacks bears this sequence number.
        """
        return 0 if self.last_sequence is None else self.last_sequence + 1


class ResumeBody(Fields, frozen=True, kw_only=True):
    """
    Name the turn to resume. The stock client puts the same fields here as into `send`; they are passed over.
    """

    turn_id: Name | None = None
    epoch: Name | None = None


class ResumeFields(Fields, frozen=True, kw_only=True):
    """
    Hold a `resume` frame's fields.
    """

    id: str
    last_sequence: Annotated[int, Meta(ge=0, le=MAX_SEQUENCE)] | None = None
    body: ResumeBody = ResumeBody()


def parse_frame(message: str | bytes) -> ClientFrame:
    """
    Parse a client's frame as far as its request number, so that what follows can be answered under that number.

    Raises:
        RequestError: it is no JSON object, or has no known type, or no request number that can be one.
    """
    fields = parse_object(message, "the frame")
    kind, request_id = fields.get("type"), fields.get("requestId")
    if not isinstance(kind, str):
        raise RequestError(f"type is missing or no string, expected one of {', '.join(KINDS)}")
    if kind not in KINDS:
        raise RequestError(f"type is {kind[:40]!r}; {suggest(kind, list(KINDS))}")
    if not isinstance(request_id, str):
        raise RequestError("requestId is missing or no string, expected a number or name of your own for this request")
    if check_id(request_id, "requestId").startswith(RESERVED):
        raise RequestError(f"requestId begins with {RESERVED!r}, which is reserved for the server")
    return ClientFrame(kind=KINDS[kind], request_id=request_id, fields=fields)


def to_turn(frame: ClientFrame) -> ChatTurn:
    """
    Take a `send` frame as a turn.

    Raises:
        RequestError: a field is missing, unknown (in `body`), of another type or out of range; the message names it.
    """
    body = frame.fields.get("body")
    if not isinstance(body, dict):
        raise RequestError("body is missing or no object, expected how to answer: {model, ...}")
    return build_turn(frame.fields, body, where="body")


def to_resume(frame: ClientFrame) -> ResumeRequest:
    """
    Take a `resume` frame.

    Raises:
        RequestError: a field is missing, of another type or out of range; the message names it.
    """
    fields = convert(frame.fields, ResumeFields, "")
    if fields.last_sequence is not None and fields.body.turn_id is None:
        raise RequestError("lastSequence is given without body.turnId, expected the turn that it is a position in")
    return ResumeRequest(
        chat_id=check_id(fields.id, "id"),
        turn_id=fields.body.turn_id,
        epoch=fields.body.epoch,
        last_sequence=fields.last_sequence,
    )
