"""
Turn a log's events into the deltas of a chat completion. Both the stream and the whole answer are made of them.

What OpenAI has no field for is added in ways that its SDKs keep and other clients pass over: `reasoning_content` (the
name that most servers and clients of this API use) is a model's reasoning as it comes; `reasoning_details`, with the
last delta, is what must go back for the model to go on from its reasoning; `provider_details` is all else.
"""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from outcrop.dialects.blocks import Added, BlockWalk, Opened, Signed, Step
from outcrop.dialects.openai.answer import Details, takes_nothing
from outcrop.dialects.openai.reasoning import seal_reasoning
from outcrop.types import MessageStop, ReasoningPart, StopReason, StreamEvent

FinishReason = Literal["stop", "length", "tool_calls", "content_filter"]
Delta = Mapping[str, Any]

FINISH_REASONS: Mapping[StopReason, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "context_window_exceeded": "length",
    "refusal": "content_filter",
    "content_filtered": "content_filter",
    "guardrail_intervened": "content_filter",
    "pause_turn": "stop",
    "malformed_output": "stop",
    "stopped": "stop",
    "other": "stop",
}
"""
How OpenAI calls our reasons. Where its word says less, the exact one is in `provider_details`.
"""

CUT_REASONS: frozenset[StopReason] = frozenset({"stopped", "malformed_output"})
"""
Reasons that leave calls as they came: they may be cut, and nobody is asked to carry them out.
"""


class _Call(msgspec.Struct):
    index: int
    has_arguments: bool = False


class ChatDeltas:
    """
    Take a log's events in order, and after the terminal one call `finish` once.
    """

    def __init__(self, model: str) -> None:
        self.walk = BlockWalk(takes_nothing)
        self._model = model
        self._details = Details()
        self._calls: dict[int, _Call] = {}
        self._reasoning: dict[int, list[str]] = {}
        self._sealed: list[str] = []

    def take(self, event: StreamEvent) -> list[Delta]:
        """
        Return the deltas that an event adds.
        """
        self._details.take(event)
        return self._write(self.walk.take(event))

    def finish(self, stop: MessageStop) -> tuple[list[Delta], FinishReason]:
        """
        Return the last deltas, and why the answer ended.
        """
        deltas = self._write(self.walk.finish())
        reason = FINISH_REASONS[stop.stop_reason]
        if reason in {"stop", "tool_calls"} and stop.stop_reason not in CUT_REASONS:
            # Clients parse the arguments of a call that has none, too.
            deltas += [_to_arguments(call.index, "{}") for call in self._calls.values() if not call.has_arguments]
            reason = "tool_calls" if self._calls else reason
        last: dict[str, Any] = {}
        if self._sealed:
            last["reasoning_details"] = [
                {"type": "reasoning.encrypted", "index": n, "data": text} for n, text in enumerate(self._sealed)
            ]
        if self._details.entries:
            last["provider_details"] = self._details.entries
        return [*deltas, last] if last else deltas, reason

    def _write(self, steps: list[Step]) -> list[Delta]:
        deltas: list[Delta] = []
        for step in steps:
            match step:
                case Opened():
                    deltas += self._open(step)
                case Added():
                    deltas.append(self._add(step))
                case Signed():
                    self._seal(ReasoningPart(text="".join(self._reasoning[step.number]), signature=step.signature))
                case _:
                    continue
        return deltas

    def _open(self, step: Opened) -> list[Delta]:
        if step.kind == "thinking":
            self._reasoning[step.number] = []
        if step.kind == "redacted":
            self._seal(ReasoningPart(redacted=step.data))
        if step.kind != "tool_use":
            return []
        call = self._calls[step.number] = _Call(len(self._calls))
        function = {"name": step.name, "arguments": ""}
        return [
            {"tool_calls": [{"index": call.index, "id": step.tool_use_id, "type": "function", "function": function}]}
        ]

    def _add(self, step: Added) -> Delta:
        if step.kind == "tool_use":
            self._calls[step.number].has_arguments = True
            return _to_arguments(self._calls[step.number].index, step.text)
        if step.kind == "thinking":
            self._reasoning[step.number].append(step.text)
            return {"reasoning_content": step.text}
        return {"content": step.text}

    def _seal(self, part: ReasoningPart) -> None:
        if sealed := seal_reasoning(part, self._model):
            self._sealed.append(sealed)


def _to_arguments(index: int, text: str) -> Delta:
    return {"tool_calls": [{"index": index, "function": {"arguments": text}}]}
