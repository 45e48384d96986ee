"""
The items of a response, as they grow: each of the model's content blocks is one item.

A text is a `message` with one part, a call of a tool a `function_call`. Reasoning is a `reasoning` item: its text goes
into the item's `content`, or into its `summary` where the client asked for a summary (no model on Bedrock writes one
beside its reasoning; clients that show reasoning show summaries). What must go back for the model to go on from its
reasoning is always in `encrypted_content`.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from outcrop.dialects.blocks import Added, Closed, Opened, Signed, Step
from outcrop.dialects.openai.ids import to_item_id
from outcrop.dialects.openai.reasoning import seal_reasoning
from outcrop.types import ReasoningPart

Item = dict[str, Any]
Emit = Callable[[str, Mapping[str, Any]], None]
"""
What an event is given to: its type without `response.`, and its fields without the number.
"""

_KINDS = {"text": "message", "thinking": "reasoning", "redacted": "reasoning", "tool_use": "function_call"}


class Growing(msgspec.Struct, kw_only=True):
    """
    Hold an item that is not complete yet. `item` is what was last said of it.
    """

    item: Item
    kind: str
    place: dict[str, Any]
    pieces: list[str] = []
    signature: str | None = None
    redacted: str | None = None
    is_open: bool = True

    @property
    def text(self) -> str:
        """
        Join what was added.
        """
        return "".join(self.pieces)


class ResponseOutput:
    """
    Grow a response's items step by step, and tell each step's events.

    `status` is what an item gets that closes now: `incomplete` once the answer is known to be cut.
    """

    def __init__(self, turn_id: str, model: str, emit: Emit, *, has_summaries: bool) -> None:
        self.status = "completed"
        self.growing: list[Growing] = []
        self._turn_id = turn_id
        self._model = model
        self._emit = emit
        self._has_summaries = has_summaries

    @property
    def items(self) -> list[Item]:
        """
        Return the items as they are now.
        """
        return [self._write(one) if one.is_open else one.item for one in self.growing]

    def take(self, step: Step) -> None:
        """
        Take one step of the walk through the answer's blocks.
        """
        match step:
            case Opened():
                self._open(step)
            case Added():
                self._add(self.growing[step.number], step.text)
            case Signed():
                self.growing[step.number].signature = step.signature
            case Closed():
                self._close(self.growing[step.number])
            case _:
                return

    def _open(self, step: Opened) -> None:
        position, kind = len(self.growing), _KINDS[step.kind]
        item_id = to_item_id(kind, self._turn_id, position)
        item: Item = {"id": item_id, "type": kind, "status": "in_progress"}
        place: dict[str, Any] = {"item_id": item_id, "output_index": position}
        if kind == "message":
            item |= {"role": "assistant", "content": []}
        elif kind == "reasoning":
            item |= {"summary": []}
        else:
            item |= {"call_id": step.tool_use_id, "name": step.name, "arguments": ""}
        growing = Growing(item=item, kind=step.kind, place=place, redacted=step.data or None)
        self.growing.append(growing)
        self._emit("output_item.added", {"output_index": position, "item": item})
        if step.kind == "thinking" and self._has_summaries:
            growing.place = {**place, "summary_index": 0}
            self._emit("reasoning_summary_part.added", {**growing.place, "part": self._write_part(growing, "")})
        elif step.kind in {"text", "thinking"}:
            growing.place = {**place, "content_index": 0}
            self._emit("content_part.added", {**growing.place, "part": self._write_part(growing, "")})

    def _add(self, growing: Growing, text: str) -> None:
        growing.pieces.append(text)
        logprobs: Item = {"logprobs": []} if growing.kind == "text" else {}
        self._emit(f"{self._stem(growing)}.delta", {**growing.place, **logprobs, "delta": text})

    def _close(self, growing: Growing) -> None:
        if growing.kind == "tool_use":
            self._close_call(growing)
        elif growing.kind != "redacted":
            self._close_text(growing)
        growing.item = {**self._write(growing), "status": self.status}
        growing.is_open = False
        done = {"output_index": growing.place["output_index"], "item": growing.item}
        self._emit("output_item.done", done)

    def _close_call(self, growing: Growing) -> None:
        if not growing.pieces and self.status == "completed":
            # Clients parse the arguments of a call that has none, too.
            self._add(growing, "{}")
        self._emit("function_call_arguments.done", {**growing.place, "arguments": growing.text})

    def _close_text(self, growing: Growing) -> None:
        text = growing.text
        logprobs: Item = {"logprobs": []} if growing.kind == "text" else {}
        self._emit(f"{self._stem(growing)}.done", {**growing.place, **logprobs, "text": text})
        part = "reasoning_summary_part" if "summary_index" in growing.place else "content_part"
        self._emit(f"{part}.done", {**growing.place, "part": self._write_part(growing, text)})

    def _stem(self, growing: Growing) -> str:
        """
        Name the events that a text grows by.
        """
        if growing.kind == "thinking":
            return "reasoning_summary_text" if "summary_index" in growing.place else "reasoning_text"
        return "output_text" if growing.kind == "text" else "function_call_arguments"

    def _write_part(self, growing: Growing, text: str) -> Item:
        if growing.kind == "text":
            return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
        return {"type": "summary_text" if "summary_index" in growing.place else "reasoning_text", "text": text}

    def _write(self, growing: Growing) -> Item:
        """
        Write an item with what it holds now.
        """
        match growing.kind:
            case "text":
                return {**growing.item, "content": [self._write_part(growing, growing.text)]}
            case "tool_use":
                return {**growing.item, "arguments": growing.text}
            case "redacted":
                part = ReasoningPart(redacted=growing.redacted)
                return {**growing.item, "encrypted_content": seal_reasoning(part, self._model)}
        field = "summary" if "summary_index" in growing.place else "content"
        item = {**growing.item, field: [self._write_part(growing, growing.text)]}
        sealed = seal_reasoning(ReasoningPart(text=growing.text, signature=growing.signature), self._model)
        return {**item, "encrypted_content": sealed} if sealed else item
