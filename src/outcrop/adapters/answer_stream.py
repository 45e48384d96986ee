"""
What the decoders of all native families but Anthropic's have in common.

The answer's opening, its blocks, its counts and its end. A family's decoder says in `_take` what one payload means.

The terminal event stands where Bedrock's own metrics are, because the chunk with the metrics is the last one
(docs/bedrock_wire.md §2.4); if they never come, at the end of the body. So counts that a model sends after its stop
reason are not lost.
"""

import abc
from collections.abc import Mapping
from typing import Any

from outcrop.adapters.payloads import Json
from outcrop.adapters.reasoning_tags import TagSplitter
from outcrop.adapters.token_counts import NO_COUNTS, NO_METRICS, InvocationMetrics, TokenCounts, to_usage
from outcrop.errors import InvalidMessage, StreamInterrupted
from outcrop.types import (
    MessageStart,
    MessageStop,
    ReasoningDelta,
    StopReason,
    StreamEvent,
    TextDelta,
    ToolUseDelta,
    ToolUseStart,
    UsageReport,
)

GUARDRAIL_ACTION = "amazon-bedrock-guardrailAction"
"""
Says `INTERVENED` where a guardrail stopped the model or replaced its words [R].
"""


class Blocks:
    """
    Number content blocks in the order in which they open, and make the events that fill them.
    """

    __slots__ = ("_has_input", "_index", "_kind", "_open_tools", "_splitter")

    def __init__(self, splitter: TagSplitter | None = None) -> None:
        self._splitter = splitter
        self._kind = ""
        self._index = -1
        self._open_tools: dict[int, ToolUseStart] = {}
        self._has_input: set[int] = set()

    def add_text(self, text: str) -> list[StreamEvent]:
        """
        Add what the model wrote: text, and reasoning if it is tagged in it.
        """
        if self._splitter is None:
            if self._kind != "text":
                self._open("text")
            return [TextDelta(text, self._index)]
        events = self._add_pieces(self._splitter.feed(text))
        if self._splitter.is_done:
            self._splitter = None
        return events

    def add_reasoning(self, text: str) -> list[StreamEvent]:
        """
        Add reasoning that the model gave apart from its text.
        """
        return [ReasoningDelta(text=text, index=self._open("reasoning"))]

    def add_unknown(self, details: Json) -> list[StreamEvent]:
        """
        Pass on content that has no event of its own, as the details of an empty text.
        """
        return [TextDelta("", self._open("unknown"), details)]

    def add_tool_use(self, key: int, tool_use_id: str, name: str, fragment: str) -> list[StreamEvent]:
        """
        Add to the tool call that the model knows as `key`, opening it with its first fragment.

        Raises:
            InvalidMessage: a call opens without its ID or its name.
        """
        start = self._open_tools.get(key)
        events: list[StreamEvent] = []
        if start is None or (tool_use_id and tool_use_id != start.tool_use_id):
            if not tool_use_id or not name:
                raise InvalidMessage(f"tool call {key} came without its id or its name")
            events = self._settle_text() + self._settle_tool(key)
            start = ToolUseStart(index=self._open(f"tool {key} {tool_use_id}"), tool_use_id=tool_use_id, name=name)
            self._open_tools[key] = start
            events.append(start)
        if fragment:
            self._has_input.add(start.index)
            events.append(ToolUseDelta(index=start.index, input_json=fragment))
        return events

    def finish(self) -> list[StreamEvent]:
        """
        Close all blocks: what was held back comes out, and a tool that takes no arguments gets an empty object.
        """
        return self._settle_text() + [event for key in tuple(self._open_tools) for event in self._settle_tool(key)]

    def _settle_text(self) -> list[StreamEvent]:
        return [] if self._splitter is None else self._add_pieces(self._splitter.flush())

    def _settle_tool(self, key: int) -> list[StreamEvent]:
        start = self._open_tools.pop(key, None)
        if start is None or start.index in self._has_input:
            return []
        return [ToolUseDelta(index=start.index, input_json="{}")]

    def _add_pieces(self, pieces: list[tuple[bool, str]]) -> list[StreamEvent]:
        return [
            ReasoningDelta(text=text, index=self._open("reasoning"))
            if is_reasoning
            else TextDelta(text, self._open("text"))
            for is_reasoning, text in pieces
        ]

    def _open(self, kind: str) -> int:
        """
        Return the index of the block that is open, or of a new one if that is of another kind.
        """
        if kind != self._kind:
            self._kind = kind
            self._index += 1
        return self._index


class AnswerDecoder(abc.ABC):
    """
    Turn one answer's payloads into events; a family says in `_take` what they hold.

    `metrics` are counts that came beside a whole answer.
    """

    reason_field = "stop_reason"
    """
    Where a whole answer says why it ended.
    """

    def __init__(self, *, metrics: InvocationMetrics = NO_METRICS, splitter: TagSplitter | None = None) -> None:
        self.has_stopped = False
        self._has_begun = False
        self._blocks = Blocks(splitter)
        self._metrics = metrics
        self._counts = NO_COUNTS
        self._reason: str | None = None
        self._details: Json = {}

    def feed(self, event_type: str, payload: bytes) -> list[StreamEvent]:
        """
        Take one chunk and return its events.

        Raises:
            InvalidMessage: the payload is not what this family sends, or comes after the end.
            UpstreamError: the payload says that the model failed.
        """
        if event_type != "chunk":
            raise InvalidMessage(f"event type is {event_type!r}, expected 'chunk'")
        return self._take(payload)

    def flush(self) -> list[StreamEvent]:
        """
        Take the end of the body and return what was held back, the terminal event if the metrics never came.

        Raises:
            StreamInterrupted: nothing has said why the answer ended.
        """
        if self.has_stopped:
            return []
        if self._reason is None:
            raise StreamInterrupted("the answer ended before its last chunk, expected one with a stop reason")
        return self._finish()

    def end_whole(self) -> list[StreamEvent]:
        """
        End an answer that came whole, and return its last events.

        Raises:
            InvalidMessage: it does not say why it ended.
        """
        if self.has_stopped:
            return []
        if self._reason is None:
            raise InvalidMessage(f"the answer has no {self.reason_field!r}")
        return self._finish()

    @abc.abstractmethod
    def _take(self, payload: bytes) -> list[StreamEvent]: ...

    @abc.abstractmethod
    def _to_stop_reason(self, reason: str) -> StopReason: ...

    def _begin(self, message_id: str | None = None) -> list[StreamEvent]:
        """
        Open the answer, unless it is open.
        """
        if self._has_begun:
            return []
        self._has_begun = True
        return [MessageStart(message_id=message_id)]

    def _check_order(self, *, has_content: bool) -> None:
        """
        Refuse content after the end; counts and empty chunks may follow it.
        """
        if has_content and self._reason is not None:
            raise InvalidMessage("a chunk came after the one with the stop reason")

    def _count(self, counts: TokenCounts, metrics: InvocationMetrics) -> None:
        """
        Keep counts. A body repeats its counts as they grow, so the newest of each holds.
        """
        if counts is not NO_COUNTS:
            self._counts = counts if self._counts is NO_COUNTS else _merge_counts(self._counts, counts)
        if metrics is not NO_METRICS:
            self._metrics = metrics

    def _keep_details(self, details: Mapping[str, Any]) -> None:
        self._details |= details

    def _finish(self) -> list[StreamEvent]:
        """
        End the answer; called once, when its reason is known.
        """
        self.has_stopped = True
        reason = self._reason or ""
        details = dict(self._details)
        known = self._to_stop_reason(reason)
        if known == "other":
            details["stop_reason"] = reason
        if details.get(GUARDRAIL_ACTION) == "INTERVENED":
            known = "guardrail_intervened"
        return [
            *self._begin(),
            *self._blocks.finish(),
            UsageReport(to_usage(self._counts, self._metrics)),
            MessageStop(stop_reason=known, provider_details=details or None),
        ]


def _merge_counts(older: TokenCounts, newer: TokenCounts) -> TokenCounts:
    known = {name: value for name in TokenCounts.__struct_fields__ if (value := getattr(newer, name)) is not None}
    return TokenCounts(**({name: getattr(older, name) for name in TokenCounts.__struct_fields__} | known))
