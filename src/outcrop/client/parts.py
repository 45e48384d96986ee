"""
From the parts of the UI message stream to pieces, and to the whole answer. No I/O.

A part that is unknown here is passed on as an `OtherPiece`, never dropped.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from outcrop.client.pieces import DataPiece, OtherPiece, Piece, ReasoningPiece, TextPiece, ToolCall

MAX_PARTS = 10_000
"""
Parts of one answer; deltas are no parts of their own.
"""


class AnswerError(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold why an answer failed, as the server's parts said it.
    """

    code: str
    message: str
    retryable: bool = False
    retry_after_seconds: float | None = None


class TooManyParts(Exception):
    """
    Say that an answer has more than `MAX_PARTS` parts.
    """


class Growing(msgspec.Struct, kw_only=True):
    """
    Hold a text or a reasoning that grows.
    """

    part_id: str
    is_text: bool
    written: list[str]
    details: dict[str, Any] | None = None

    def finish(self) -> TextPiece | ReasoningPiece:
        """
        Return the whole part so far.
        """
        text = "".join(self.written)
        if self.is_text:
            return TextPiece(text=text, part_id=self.part_id)
        return ReasoningPiece(reasoning=text, part_id=self.part_id, details=self.details)


class Assembly:
    """
    Fold parts into an answer. Parts must come in order, each once.

    `message_id` and `metadata` are the server's for this answer, `finish_reason` and `aborted` how it ended, `error` is
    set where it failed; `is_over` tells that one of these endings has come.
    """

    def __init__(self) -> None:
        self.message_id: str | None = None
        self.metadata: dict[str, Any] = {}
        self.finish_reason: str | None = None
        self.aborted = False
        self.error: AnswerError | None = None
        self.is_over = False
        self._parts: list[Growing | Piece] = []
        self._open: dict[tuple[bool, str], Growing] = {}
        self._tool_names: dict[str, str] = {}
        self._told: dict[str, Any] = {}
        self._takers: dict[str, Callable[[dict[str, Any]], Piece | None]] = {
            "start": self._start,
            "message-metadata": self._learn,
            "finish": self._finish,
            "abort": self._abort,
            "error": self._fail,
            "tool-input-start": self._begin_tool,
            "tool-input-available": self._call_tool,
            "tool-input-error": self._call_tool,
        }
        self._takers |= dict.fromkeys(("text-start", "text-end", "reasoning-start", "reasoning-end"), self._mark)
        self._takers |= dict.fromkeys(("text-delta", "reasoning-delta"), self._grow)
        self._takers |= dict.fromkeys(("start-step", "finish-step", "tool-input-delta"), lambda _: None)

    @property
    def text(self) -> str:
        """
        The answer's text so far.
        """
        return "".join("".join(part.written) for part in self._parts if isinstance(part, Growing) and part.is_text)

    @property
    def parts(self) -> tuple[Piece, ...]:
        """
        The answer's parts so far, in the order in which they began.
        """
        return tuple(part.finish() if isinstance(part, Growing) else part for part in self._parts)

    def take(self, part: dict[str, Any]) -> Piece | None:
        """
        Take the next part, and return the piece that it adds, if any.

        Raises:
            TooManyParts: there are more than `MAX_PARTS`.
            KeyError, TypeError, ValueError: a field is missing or of another type than it must be.
        """
        kind: str = part["type"]
        taker = self._takers.get(kind)
        if taker is not None:
            return taker(part)
        if kind.startswith("data-"):
            return self._take_data(kind.removeprefix("data-"), part)
        other = OtherPiece(kind=kind, payload=part)
        self._add(other)
        return other

    def _add(self, part: Growing | Piece) -> None:
        if len(self._parts) >= MAX_PARTS:
            raise TooManyParts
        self._parts.append(part)

    def _start(self, part: dict[str, Any]) -> None:
        self.message_id = _optional(part, "messageId", str)
        self._learn(part)

    def _learn(self, part: dict[str, Any]) -> None:
        self.metadata |= _optional(part, "messageMetadata", dict) or {}

    def _finish(self, part: dict[str, Any]) -> None:
        self._learn(part)
        self.finish_reason = _optional(part, "finishReason", str)
        self.is_over = True

    def _abort(self, part: dict[str, Any]) -> None:
        self._learn(part)
        self.aborted = True
        self.is_over = True

    def _fail(self, part: dict[str, Any]) -> None:
        told, wait = self._told, self._told.get("retryAfterMs")
        self.error = AnswerError(
            code=str(told.get("code") or "chat_failed"),
            message=_optional(part, "errorText", str) or "the answer failed, and the gateway did not say why",
            retryable=told.get("retryable") is True,
            retry_after_seconds=wait / 1000 if isinstance(wait, int | float) else None,
        )
        self.is_over = True

    def _take_data(self, name: str, part: dict[str, Any]) -> DataPiece | None:
        data = part["data"]
        if name == "error":
            # It belongs to the `error` that follows; other clients don't see it either.
            self._told = data if isinstance(data, dict) else {}
            return None
        piece = DataPiece(name=name, data=data)
        if part.get("transient") is not True:
            self._add(piece)
        return piece

    def _mark(self, part: dict[str, Any]) -> None:
        growing = self._find(part)
        details = _optional(part, "providerMetadata", dict)
        if details is not None:
            growing.details = (growing.details or {}) | details
        if part["type"].endswith("-end"):
            del self._open[growing.is_text, growing.part_id]

    def _grow(self, part: dict[str, Any]) -> Piece:
        growing = self._find(part)
        delta = _required(part, "delta", str)
        growing.written.append(delta)
        details = _optional(part, "providerMetadata", dict)
        if details is not None:
            growing.details = (growing.details or {}) | details
        if growing.is_text:
            return TextPiece(text=delta, part_id=growing.part_id)
        return ReasoningPiece(reasoning=delta, part_id=growing.part_id)

    def _find(self, part: dict[str, Any]) -> Growing:
        key = (part["type"].startswith("text"), _required(part, "id", str))
        growing = self._open.get(key)
        if growing is None:
            growing = Growing(part_id=key[1], is_text=key[0], written=[])
            self._add(growing)
            self._open[key] = growing
        return growing

    def _begin_tool(self, part: dict[str, Any]) -> None:
        if len(self._tool_names) >= MAX_PARTS:
            raise TooManyParts
        self._tool_names[_required(part, "toolCallId", str)] = _required(part, "toolName", str)

    def _call_tool(self, part: dict[str, Any]) -> ToolCall:
        tool_call_id = _required(part, "toolCallId", str)
        call = ToolCall(
            tool_call_id=tool_call_id,
            name=_optional(part, "toolName", str) or self._tool_names[tool_call_id],
            input=part.get("input"),
            error=_optional(part, "errorText", str),
        )
        self._add(call)
        return call


def to_message(message_id: str, parts: tuple[Piece, ...]) -> dict[str, Any] | None:
    """
    Write an answer as a message of the conversation; None where it has nothing that could be sent again.
    """
    written = [shape for part in parts if (shape := _to_ui_part(part)) is not None]
    if not any(shape["type"] != "reasoning" for shape in written):
        return None
    return {"id": message_id, "role": "assistant", "parts": written}


def _to_ui_part(part: Piece) -> dict[str, Any] | None:
    match part:
        case TextPiece(text=text):
            return {"type": "text", "text": text, "state": "done"} if text else None
        case ReasoningPiece(reasoning=reasoning, details=details):
            shape = {"type": "reasoning", "text": reasoning, "state": "done"}
            return shape | ({"providerMetadata": details} if details else {})
        case ToolCall(tool_call_id=call_id, name=name, error=None):
            return {"type": f"tool-{name}", "toolCallId": call_id, "state": "input-available", "input": part.input}
        case _:
            # Data, sources and files are for whoever reads the answer, and not for the model.
            return None


def _required(part: dict[str, Any], name: str, kind: type) -> Any:
    value = part[name]
    if not isinstance(value, kind):
        raise TypeError(f"{name} is a {type(value).__name__}, expected a {kind.__name__}")
    return value


def _optional(part: dict[str, Any], name: str, kind: type) -> Any:
    return None if part.get(name) is None else _required(part, name, kind)
