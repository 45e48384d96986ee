"""
The Chat Completions dialect, what goes out: a stream of chunks, or one whole completion, from a turn's log.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from outcrop.dialects.openai.answer import to_chat_usage
from outcrop.dialects.openai.chat_deltas import ChatDeltas, Delta, FinishReason
from outcrop.dialects.openai.errors import to_error_object
from outcrop.dialects.openai.ids import COMPLETION_PREFIX
from outcrop.dialects.ui_stream.blocks import quote
from outcrop.types import (
    AnswerContinued,
    LogEntry,
    MessageStart,
    MessageStop,
    StreamFailed,
    TerminalEvent,
    TextDelta,
    Usage,
    UsageReport,
)

DONE = b"data: [DONE]\n\n"
CONTINUED = ": continued\n\n"
"""
The comment at the place where another server continued the answer.
"""

_encoder = msgspec.json.Encoder()


class ChatAnswerOpening(msgspec.Struct, frozen=True, kw_only=True):
    """
    Say what an answer needs to know of its turn from the beginning.

    `created` is when the turn was accepted, in seconds since 1970; `model` is what the client wrote.
    """

    turn_id: str
    model: str
    created: int
    include_usage: bool = False


class ChatChunkRenderer:
    """
    Render one turn's log from its first entry as server-sent events. One renderer serves one reader.

    Call `render` with the entries as they come, then once `close`, after the terminal entry. The bytes are a function
    of the log alone, however it is cut into calls.
    """

    def __init__(self, opening: ChatAnswerOpening) -> None:
        self._opening = opening
        self._deltas = ChatDeltas(opening.model)
        self._head = f"data: {_write_head(opening, 'chat.completion.chunk')}"
        self._before = f'{self._head},"choices":[{{"index":0,"delta":'
        self._after = self._write_after(None)
        self._text_before = f'{self._before}{{"content":'
        self._text_after = f"}}{self._after}"
        self._has_begun = False
        self._reported: Usage | None = None
        self._terminal: TerminalEvent | None = None

    @property
    def terminal(self) -> TerminalEvent | None:
        """
        Return the terminal event, once it was rendered.
        """
        return self._terminal

    def render(self, entries: Sequence[LogEntry]) -> bytes:
        """
        Return the chunks that these entries add. They follow the entries of the last call.
        """
        parts: list[str] = []
        walk, before, after = self._deltas.walk, self._text_before, self._text_after
        for entry in entries:
            event = entry.event
            if (
                type(event) is TextDelta
                and event.index == walk.text_index
                and event.text
                and event.provider_details is None
            ):
                parts += (before, quote(event.text), after)
            else:
                self._render_other(entry, parts)
        return "".join(parts).encode()

    def close(self, usage: Usage | None) -> bytes:
        """
        Return the end of the stream. Call it once, after the terminal entry, with what the turn took (None: not known).

        A stream that failed ends with its error: nothing follows that could be taken for success.
        """
        assert self._terminal is not None, "a stream is closed after its terminal entry"
        if isinstance(self._terminal, StreamFailed):
            return b""
        if not self._opening.include_usage:
            return DONE
        counted = _encoder.encode(to_chat_usage(usage or self._reported or Usage())).decode()
        return f'{self._head},"choices":[],"usage":{counted}}}\n\n'.encode() + DONE

    def _render_other(self, entry: LogEntry, parts: list[str]) -> None:
        event = entry.event
        parts += [self._write(delta) for delta in self._deltas.take(event)]
        match event:
            case MessageStart() if not self._has_begun:
                self._has_begun = True
                parts.append(self._write({"role": "assistant"}))
            case AnswerContinued():
                parts.append(CONTINUED)
            case UsageReport():
                self._reported = event.usage
            case MessageStop():
                self._terminal = event
                deltas, reason = self._deltas.finish(event)
                parts += [self._write(delta) for delta in deltas]
                parts.append(f"{self._before}{{}}{self._write_after(reason)}")
            case StreamFailed():
                self._terminal = event
                parts.append(f"data: {_encoder.encode({'error': to_error_object(event)}).decode()}\n\n")
            case _:
                return

    def _write_after(self, reason: FinishReason | None) -> str:
        """
        Write how a chunk ends. Where the usage is wanted, each chunk says that it is not the one that has it.
        """
        usage = ',"usage":null' if self._opening.include_usage else ""
        return f',"logprobs":null,"finish_reason":{_encoder.encode(reason).decode()}}}]{usage}}}\n\n'

    def _write(self, delta: Delta) -> str:
        return f"{self._before}{_encoder.encode(delta).decode()}{self._after}"


def encode_chat_completion(opening: ChatAnswerOpening, entries: Iterable[LogEntry], usage: Usage | None) -> bytes:
    """
    Encode a whole answer: the fold of the deltas that a stream of the same log has.

    The log must be complete and end with `MessageStop`; of one that failed there is an error instead.
    """
    deltas = ChatDeltas(opening.model)
    message = _Message()
    finish_reason: FinishReason | None = None
    reported: Usage | None = None
    for entry in entries:
        event = entry.event
        message.add(deltas.take(event))
        if isinstance(event, UsageReport):
            reported = event.usage
        if isinstance(event, MessageStop):
            last, finish_reason = deltas.finish(event)
            message.add(last)
    assert finish_reason is not None, "a whole answer ends with MessageStop"
    choice = {"index": 0, "message": message.build(), "logprobs": None, "finish_reason": finish_reason}
    head = _write_head(opening, "chat.completion")
    rest = _encoder.encode({"choices": [choice], "usage": to_chat_usage(usage or reported or Usage())}).decode()
    return f"{head},{rest[1:]}".encode()


class _Message:
    """
    Fold deltas into the message of a completion.
    """

    def __init__(self) -> None:
        self._texts: dict[str, list[str]] = {}
        self._calls: list[dict[str, Any]] = []
        self._arguments: list[list[str]] = []
        self._lists: dict[str, Any] = {}

    def add(self, deltas: Iterable[Delta]) -> None:
        """
        Add deltas, in their order.
        """
        for delta in deltas:
            for name, value in delta.items():
                if name == "tool_calls":
                    self._add_call(value[0])
                elif isinstance(value, str):
                    self._texts.setdefault(name, []).append(value)
                else:
                    self._lists[name] = value

    def build(self) -> dict[str, Any]:
        """
        Return the message.
        """
        texts = {name: "".join(pieces) for name, pieces in self._texts.items()}
        message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None, **texts, **self._lists}
        for call, pieces in zip(self._calls, self._arguments, strict=True):
            call["function"]["arguments"] = "".join(pieces)
        return {**message, "tool_calls": self._calls} if self._calls else message

    def _add_call(self, call: dict[str, Any]) -> None:
        if "id" in call:
            called = {"name": call["function"]["name"], "arguments": ""}
            self._calls.append({"id": call["id"], "type": "function", "function": called})
            self._arguments.append([])
        self._arguments[call["index"]].append(call["function"]["arguments"])


def _write_head(opening: ChatAnswerOpening, kind: str) -> str:
    """
    Write how a chunk, or a completion, begins; the object is left open.
    """
    names = {
        "id": f"{COMPLETION_PREFIX}{opening.turn_id}",
        "object": kind,
        "created": opening.created,
        "model": opening.model,
    }
    return _encoder.encode(names).decode()[:-1]
