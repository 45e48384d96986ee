"""
A kept message as a page has it: a `UIMessage` of the npm package `ai`, the same that its client makes of our stream.

An answer is rendered as its stream was, and the stream's parts are put together by the client's own rules; so what a
page loads is what it would have seen.
"""

import json
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from outcrop.dialects.ui_stream.endings import UiStreamClosing
from outcrop.dialects.ui_stream.renderer import UiStreamOpening, UiStreamRenderer
from outcrop.nesting import MAX_ARGUMENT_DEPTH, is_deeper
from outcrop.types import (
    DocumentPart,
    ImagePart,
    LogEntry,
    MessageStop,
    Part,
    ReasoningPart,
    StreamEvent,
    StreamFailed,
    TextPart,
    ToolResultPart,
    ToolUsePart,
)

UiMessageParts = list[dict[str, Any]]


def to_answer_parts(
    events: Sequence[StreamEvent | ToolResultPart], opening: UiStreamOpening, closing: UiStreamClosing
) -> tuple[UiMessageParts, dict[str, Any]]:
    """
    Return an answer's parts and its metadata. It may still run: then it is what has been stored of it.
    """
    builder = _Builder()
    log: list[StreamEvent] = []
    for event in events:
        if isinstance(event, ToolResultPart):
            builder.add_log(log, opening, closing)
            log = []
            builder.add_result(event)
        else:
            log.append(event)
    builder.add_log(log, opening, closing)
    return builder.parts, builder.metadata


def to_prompt_parts(parts: Iterable[Part]) -> UiMessageParts:
    """
    Return the parts of a message that no stream of ours has made; files are in `data:` URLs.
    """
    builder = _Builder()
    for part in parts:
        if isinstance(part, ToolResultPart):
            builder.add_result(part)
        else:
            builder.parts.append(_to_ui_part(part))
    return builder.parts


def _to_ui_part(part: Part) -> dict[str, Any]:
    match part:
        case TextPart(text=text):
            return {"type": "text", "text": text}
        case ImagePart() | DocumentPart():
            url = f"data:{part.media_type};base64,{b64encode(part.data).decode()}"
            named = {"filename": part.name} if isinstance(part, DocumentPart) else {}
            return {"type": "file", "mediaType": part.media_type, "url": url, **named}
        case ReasoningPart():
            known = {"signature": part.signature, "redactedData": part.redacted}
            details = {name: value for name, value in known.items() if value is not None}
            return {"type": "reasoning", "text": part.text, "providerMetadata": {"bedrock": details}}
        case ToolUsePart():
            return _open_tool(part.tool_use_id, part.name) | {"state": "input-available", "input": part.input}
        case ToolResultPart():
            raise AssertionError("a result belongs to its call")


def _open_tool(tool_call_id: str, name: str) -> dict[str, Any]:
    return {"type": f"tool-{name}", "toolCallId": tool_call_id, "state": "input-streaming"}


class _Builder:
    """
    Put a stream's parts together to a message.
    """

    def __init__(self) -> None:
        self.parts: UiMessageParts = []
        self.metadata: dict[str, Any] = {}
        self._open: dict[str, dict[str, Any]] = {}
        self._steps: Mapping[str, Callable[[dict[str, Any]], None]] = {
            "start-step": self._add_step,
            "text-start": self._open_block,
            "reasoning-start": self._open_block,
            "text-delta": self._add_delta,
            "reasoning-delta": self._add_delta,
            "text-end": self._close_block,
            "reasoning-end": self._close_block,
            "tool-input-start": self._open_call,
            "tool-input-available": self._close_call,
            "tool-input-error": self._fail_call,
        }

    def add_log(self, log: Sequence[StreamEvent], opening: UiStreamOpening, closing: UiStreamClosing) -> None:
        """
        Add what one turn has said.
        """
        if not log:
            return
        renderer = UiStreamRenderer(opening)
        self._add(renderer.render([LogEntry(seq, event) for seq, event in enumerate(log, 1)]))
        if isinstance(log[-1], MessageStop | StreamFailed):
            self._add(renderer.close(closing))

    def add_result(self, result: ToolResultPart) -> None:
        """
        Put a tool's result to its call.
        """
        for part in self.parts:
            if part.get("toolCallId") == result.tool_use_id and part["state"] in {"input-available", "input-streaming"}:
                text = "".join(piece.text for piece in result.content if isinstance(piece, TextPart))
                answered = {"errorText": text} if result.is_error else {"output": _to_output(text)}
                part |= {"state": "output-error" if result.is_error else "output-available", **answered}
                return

    def _add(self, rendered: Iterable[str]) -> None:
        for text in rendered:
            part: dict[str, Any] = json.loads(text)
            kind = part["type"]
            _merge(self.metadata, part.get("messageMetadata") or {})
            if kind in self._steps:
                self._steps[kind](part)
            elif kind.startswith(("source-", "data-")) and not part.get("transient"):
                self.parts.append(part)

    def _add_step(self, _part: dict[str, Any]) -> None:
        self.parts.append({"type": "step-start"})

    def _open_block(self, part: dict[str, Any]) -> None:
        kind = part["type"].removesuffix("-start")
        block = {"type": kind, "text": "", "state": "streaming"}
        if kind == "reasoning":
            block["id"] = part["id"]
        self._open[part["id"]] = block
        self.parts.append(block)

    def _add_delta(self, part: dict[str, Any]) -> None:
        self._open[part["id"]]["text"] += part["delta"]

    def _close_block(self, part: dict[str, Any]) -> None:
        block = self._open.pop(part["id"])
        block["state"] = "done"
        if "providerMetadata" in part:
            block["providerMetadata"] = part["providerMetadata"]

    def _open_call(self, part: dict[str, Any]) -> None:
        call = _open_tool(part["toolCallId"], part["toolName"])
        self._open[part["toolCallId"]] = call
        self.parts.append(call)

    def _close_call(self, part: dict[str, Any]) -> None:
        self._open[part["toolCallId"]] |= {"state": "input-available", "input": part["input"]}

    def _fail_call(self, part: dict[str, Any]) -> None:
        failed = {"state": "output-error", "input": part["input"], "errorText": part["errorText"]}
        self._open[part["toolCallId"]] |= failed


def _merge(into: dict[str, Any], more: Mapping[str, Any]) -> None:
    for name, value in more.items():
        if isinstance(value, dict) and isinstance(into.get(name), dict):
            _merge(into[name], value)
        else:
            into[name] = value


def _to_output(text: str) -> Any:
    """
    Take a tool's output as the page gave it: text, or the value whose JSON was sent to the model.
    """
    if not text.lstrip().startswith(("{", "[")):
        return text
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return text if is_deeper(value, MAX_ARGUMENT_DEPTH) else value
