"""
The Responses dialect, what goes out: a stream of numbered events, or the Response object, from a turn's log.

Event N is a function of the log's beginning alone. So a client's position is one number: to resume after it, render
from the log's first entry and leave out what the client has (`starting_after`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from outcrop.dialects.blocks import BlockWalk
from outcrop.dialects.openai.answer import Details, takes_nothing, to_responses_usage
from outcrop.dialects.openai.errors import Failure, to_error_object
from outcrop.dialects.openai.ids import to_response_id
from outcrop.dialects.openai.responses_echo import Echo
from outcrop.dialects.openai.responses_output import Emit, Growing, ResponseOutput
from outcrop.dialects.ui_stream.blocks import quote
from outcrop.types import (
    LogEntry,
    MessageStop,
    StopReason,
    StreamEvent,
    StreamFailed,
    TerminalEvent,
    TextDelta,
    Usage,
    UsageReport,
)

INCOMPLETE_REASONS: Mapping[StopReason, str] = {
    "max_tokens": "max_output_tokens",
    "context_window_exceeded": "max_output_tokens",
    "refusal": "content_filter",
    "content_filtered": "content_filter",
    "guardrail_intervened": "content_filter",
}
"""
Why a response is incomplete. All other reasons make it `completed`, or `cancelled`; the exact one, where OpenAI has no
word for it, is in `provider_details`.
"""

ERROR_CODES: Mapping[int, str] = {400: "invalid_prompt", 413: "invalid_prompt", 429: "rate_limit_exceeded"}
"""
How a response says why it failed: OpenAI's list is closed. All others are a `server_error`; our own code is `reason`.
"""

_encoder = msgspec.json.Encoder()


class ResponseOpening(msgspec.Struct, frozen=True, kw_only=True):
    """
    Say what a response needs to know of its turn from the beginning.

    `created_at` is when the turn was accepted, in seconds since 1970; `model` is what the client wrote.
    """

    turn_id: str
    model: str
    created_at: int
    echo: Echo


class ResponseClosing(msgspec.Struct, frozen=True, kw_only=True):
    """
    Say what a finished turn took, and when it ended, in seconds since 1970; None is "not known".
    """

    usage: Usage | None = None
    completed_at: int | None = None


class ResponsesRenderer:
    """
    Render one turn's log from its first entry. One renderer serves one reader.

    Call `render` with the entries as they come (with none of them yet, too: the first events need no entry), then once
    `close`, after the terminal entry. The returned events are JSON text; `encode_sse` makes server-sent events of them,
    a socket sends each as a message. `starting_after` is the number of the last event that the reader has.
    """

    def __init__(self, opening: ResponseOpening, *, starting_after: int = -1) -> None:
        self._response = _Response(opening, self._emit)
        self._starting_after = starting_after
        self._number = 0
        self._events: list[str] = []
        self._has_begun = False
        self._is_queued = False
        self._text: Growing | None = None
        self._text_head = ""

    @property
    def terminal(self) -> TerminalEvent | None:
        """
        Return the terminal event, once it was rendered.
        """
        return self._response.terminal

    def render(self, entries: Sequence[LogEntry]) -> list[str]:
        """
        Return the events that these entries add. They follow the entries of the last call.
        """
        events = self._events = []
        if not self._has_begun:
            self._begin()
        if self._is_queued and entries:
            self._is_queued = False
            self._tell("in_progress")
        walk = self._response.walk
        for entry in entries:
            event = entry.event
            if (
                type(event) is TextDelta
                and event.index == walk.text_index
                and event.text
                and event.provider_details is None
            ):
                self._render_text(event.text)
            else:
                self._response.take(event)
        return events

    def close(self, closing: ResponseClosing) -> list[str]:
        """
        Return the last event, with what is known of the turn now. Call it once, after the terminal entry.
        """
        terminal = self._response.terminal
        assert terminal is not None, "a stream is closed after its terminal entry"
        self._events = []
        self._response.closing = closing
        status = self._response.status
        # There is no event for a response that was cancelled: it is one that is not complete.
        self._tell("incomplete" if status == "cancelled" else status)
        return self._events

    def fail(self, failure: Failure) -> list[str]:
        """
        Return the last event of a stream that can't go on, though its response perhaps does.
        """
        said = to_error_object(failure)
        event = {"type": "error", "code": said["code"], "message": said["message"], "param": said["param"]}
        return [_encoder.encode({**event, "sequence_number": self._number}).decode()]

    def _begin(self) -> None:
        self._has_begun = True
        self._is_queued = bool(self._response.opening.echo.get("background"))
        self._tell("created")
        self._tell("queued" if self._is_queued else "in_progress")

    def _tell(self, kind: str) -> None:
        self._emit(kind, {"response": self._response.build(is_queued=self._is_queued)})

    def _emit(self, kind: str, fields: Mapping[str, Any]) -> None:
        number = self._number
        self._number = number + 1
        if number > self._starting_after:
            event = {"type": f"response.{kind}", **fields, "sequence_number": number}
            self._events.append(_encoder.encode(event).decode())

    def _render_text(self, text: str) -> None:
        """
        Render one more piece of the open text: what a stream mostly consists of.
        """
        growing = self._response.output.growing[self._response.walk.text_number]
        if growing is not self._text:
            self._text = growing
            event = {"type": "response.output_text.delta", **growing.place, "logprobs": []}
            self._text_head = f'{_encoder.encode(event).decode()[:-1]},"delta":'
        growing.pieces.append(text)
        number = self._number
        self._number = number + 1
        if number > self._starting_after:
            self._events.append(f'{self._text_head}{quote(text)},"sequence_number":{number}}}')


def encode_sse(events: Sequence[str]) -> bytes:
    """
    Encode events, which are JSON text that begins with their type, as server-sent events.
    """
    return "".join([f"event: {event[9 : event.index(chr(34), 9)]}\ndata: {event}\n\n" for event in events]).encode()


def encode_response(
    opening: ResponseOpening, entries: Sequence[LogEntry], closing: ResponseClosing | None = None
) -> bytes:
    """
    Encode the Response object of a turn that has these entries: whole, or as far as it has come.

    `closing` is what the turn took, once its terminal entry is there. It is the object that the last event of a stream
    of the same log has.
    """
    response = _Response(opening, _tell_nobody)
    for entry in entries:
        response.take(entry.event)
    response.closing = closing or ResponseClosing()
    is_queued = bool(opening.echo.get("background")) and not entries
    return _encoder.encode(response.build(is_queued=is_queued))


def _tell_nobody(_kind: str, _fields: Mapping[str, Any]) -> None:
    """
    Pass over an event: only the object is wanted.
    """


class _Response:
    """
    Fold a log's events into the Response object.
    """

    def __init__(self, opening: ResponseOpening, emit: Emit) -> None:
        summary = (opening.echo.get("reasoning") or {}).get("summary")
        self.opening = opening
        self.walk = BlockWalk(takes_nothing)
        self.output = ResponseOutput(opening.turn_id, opening.model, emit, has_summaries=summary is not None)
        self.terminal: TerminalEvent | None = None
        self.closing = ResponseClosing()
        self._details = Details()
        self._reported: Usage | None = None

    @property
    def status(self) -> str:
        """
        Say where the response stands.
        """
        match self.terminal:
            case None:
                return "in_progress"
            case StreamFailed():
                return "failed"
            case MessageStop(stop_reason="stopped"):
                return "cancelled"
            case MessageStop(stop_reason=reason):
                return "incomplete" if reason in INCOMPLETE_REASONS else "completed"

    def take(self, event: StreamEvent) -> None:
        """
        Take one event of the log.
        """
        self._details.take(event)
        if isinstance(event, UsageReport):
            self._reported = event.usage
        steps = self.walk.take(event)
        if isinstance(event, MessageStop | StreamFailed):
            self.terminal = event
            self.output.status = "completed" if self.status == "completed" else "incomplete"
            steps = self.walk.finish()
        for step in steps:
            self.output.take(step)

    def build(self, *, is_queued: bool) -> dict[str, Any]:
        """
        Build the object.
        """
        usage = self.closing.usage or self._reported
        response: dict[str, Any] = {
            "id": to_response_id(self.opening.turn_id),
            "object": "response",
            "created_at": self.opening.created_at,
            "status": "queued" if is_queued else self.status,
            "completed_at": self.closing.completed_at if self.status == "completed" else None,
            "error": None,
            "incomplete_details": None,
            "model": self.opening.model,
            "output": self.output.items,
            "usage": to_responses_usage(usage) if usage and self.terminal else None,
            **self.opening.echo,
        }
        if isinstance(self.terminal, StreamFailed):
            response["error"] = _write_error(self.terminal)
        elif self.terminal is not None and self.terminal.stop_reason in INCOMPLETE_REASONS:
            response["incomplete_details"] = {"reason": INCOMPLETE_REASONS[self.terminal.stop_reason]}
        if self._details.entries and self.terminal is not None:
            response["provider_details"] = self._details.entries
        return response


def _write_error(failure: StreamFailed) -> dict[str, Any]:
    said = to_error_object(failure)
    code = ERROR_CODES.get(failure.status, "server_error")
    return {"code": code, "message": failure.message, "type": said["type"], "reason": failure.code}
