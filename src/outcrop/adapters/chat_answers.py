"""
Read Chat Completions answers, streamed or whole, as events (docs/bedrock_wire.md §4.3, §4.5, §4.9, §4.10).

Both forms run through the same steps: a whole answer is one `message` where a stream has many `delta`s. Reasoning comes
tagged in the text, or beside it as `reasoning_content` or `reasoning` [R]. The prompt's count includes what was read
from the prompt cache [R]; ours does not. A model that was told which tool to call may say `stop` [R]; it called a tool.
"""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from outcrop.adapters.answer_stream import AnswerDecoder
from outcrop.adapters.payloads import decode_payload, object_decoder, unread
from outcrop.adapters.reasoning_tags import TagSplitter
from outcrop.adapters.token_counts import (
    METRICS_FIELD,
    NO_COUNTS,
    NO_METRICS,
    Count,
    InvocationMetrics,
    TokenCounts,
    parse_metric_headers,
)
from outcrop.errors import InvalidMessage, ModelFailed
from outcrop.types import StopReason, StreamEvent

STOP_REASONS: Mapping[str, StopReason] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "content_filtered",
    "model_length": "context_window_exceeded",
}
DONE = b'"[DONE]"'
"""
A bare JSON string that may end a stream of Writer's (docs/bedrock_wire.md §4.10); it says nothing.
"""

_READ_FIELDS = frozenset({"id", "object", "created", "model", "choices", "usage", METRICS_FIELD})
_READ_CHOICE_FIELDS = frozenset({"index", "message", "delta", "finish_reason", "stop_reason"})
_READ_SAID_FIELDS = frozenset({"role", "content", "reasoning_content", "reasoning", "refusal", "tool_calls"})


class _Function(msgspec.Struct):
    """
    Hold a tool's name and its arguments, or a fragment of them.
    """

    name: str | None = None
    arguments: str | dict[str, Any] | None = None


class _ToolCall(msgspec.Struct):
    """
    Hold a tool call, or a fragment of one.
    """

    index: int | None = None
    id: str | None = None
    function: _Function = msgspec.field(default_factory=_Function)


class _Said(msgspec.Struct):
    """
    Hold what the model said: all of it, or a delta.
    """

    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[_ToolCall] | None = None


_NOTHING = _Said()


class _Choice(msgspec.Struct):
    """
    Hold the one answer. `stop_reason` is what older Mistral models have instead of `finish_reason`.
    """

    index: int = 0
    delta: _Said | None = None
    message: _Said | None = None
    finish_reason: str | None = None
    stop_reason: Any = None


class _Details(msgspec.Struct):
    """
    Hold the finer counts.
    """

    cached_tokens: Count | None = None
    reasoning_tokens: Count | None = None


class _Usage(msgspec.Struct):
    """
    Hold the counts.
    """

    prompt_tokens: Count | None = None
    completion_tokens: Count | None = None
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None


class _Completion(msgspec.Struct):
    """
    Hold a chat completion, or a chunk of one; a chunk that only counts has no choice.
    """

    choices: Annotated[list[_Choice], msgspec.Meta(max_length=1)] | None = None
    id: str | None = None
    usage: _Usage | None = None
    error: Any = None
    metrics: InvocationMetrics = msgspec.field(default=NO_METRICS, name=METRICS_FIELD)


_completion_decoder = msgspec.json.Decoder(_Completion)


class ChatDecoder(AnswerDecoder):
    """
    Turn one stream's chunks, or a whole answer, into events.
    """

    reason_field = "finish_reason"

    def __init__(self, tags: tuple[str, ...] = (), *, metrics: InvocationMetrics = NO_METRICS) -> None:
        super().__init__(metrics=metrics, splitter=TagSplitter(tags) if tags else None)
        self._has_tools = False
        self._has_refused = False

    def _take(self, payload: bytes) -> list[StreamEvent]:
        if payload == DONE:
            return []
        chunk = decode_payload(_completion_decoder, payload, "a chat completion")
        if chunk.choices is None:
            raise _to_error(chunk.error)
        events = [] if self._has_begun else self._begin(chunk.id)
        for choice in chunk.choices:
            events += self._take_choice(choice, payload)
        if chunk.usage is not None or chunk.metrics is not NO_METRICS:
            self._count(_to_counts(chunk.usage), chunk.metrics)
            if self._reason is not None and chunk.metrics is not NO_METRICS and not self.has_stopped:
                events += self._finish()
        return events

    def _take_choice(self, choice: _Choice, payload: bytes) -> list[StreamEvent]:
        if choice.index != 0:
            raise InvalidMessage(f"the answer has a choice {choice.index}, expected only choice 0")
        said = choice.delta or choice.message or _NOTHING
        reason = choice.finish_reason
        if reason is None and isinstance(choice.stop_reason, str):
            reason = choice.stop_reason
        events: list[StreamEvent] = []
        if said.content:
            self._check_order(has_content=True)
            if said.reasoning_content or said.reasoning:
                events += self._take_reasoning(said)
            events += self._blocks.add_text(said.content)
        elif said is not _NOTHING:
            events += self._take_reasoning(said)
        if said.refusal or said.tool_calls:
            events += self._take_rest(said)
        if reason is not None and reason != self._reason:
            self._check_order(has_content=True)
            self._reason = reason
            self._read_details(payload)
        return events

    def _take_reasoning(self, said: _Said) -> list[StreamEvent]:
        text = said.reasoning_content or said.reasoning
        self._check_order(has_content=bool(text))
        return self._blocks.add_reasoning(text) if text else []

    def _take_rest(self, said: _Said) -> list[StreamEvent]:
        self._check_order(has_content=True)
        events: list[StreamEvent] = []
        if said.refusal:
            self._has_refused = True
            events += self._blocks.add_text(said.refusal)
        for position, call in enumerate(said.tool_calls or ()):
            self._has_tools = True
            key = position if call.index is None else call.index
            fragment = _to_fragment(call.function.arguments)
            events += self._blocks.add_tool_use(key, call.id or "", call.function.name or "", fragment)
        return events

    def _read_details(self, payload: bytes) -> None:
        fields = decode_payload(object_decoder, payload, "a chat completion")
        self._keep_details(unread(fields, _READ_FIELDS))
        for choice in fields["choices"]:
            self._keep_details(unread(choice, _READ_CHOICE_FIELDS))
            self._keep_details(unread(choice.get("delta") or choice.get("message") or {}, _READ_SAID_FIELDS))

    def _to_stop_reason(self, reason: str) -> StopReason:
        known = STOP_REASONS.get(reason, "other")
        if known == "end_turn" and self._has_refused:
            return "refusal"
        return "tool_use" if known == "end_turn" and self._has_tools else known


def parse_chat_answer(body: bytes, headers: Mapping[str, str], tags: tuple[str, ...]) -> list[StreamEvent]:
    """
    Turn a whole answer into events; counts that the body lacks come from the headers.

    Raises:
        InvalidMessage: the body is not a chat completion, or does not say why it ended.
        UpstreamError: the body is an error.
    """
    decoder = ChatDecoder(tags, metrics=parse_metric_headers(headers))
    return decoder.feed("chunk", body) + decoder.end_whole()


def _to_fragment(arguments: str | dict[str, Any] | None) -> str:
    return msgspec.json.encode(arguments).decode() if isinstance(arguments, dict) else arguments or ""


def _to_counts(usage: _Usage | None) -> TokenCounts:
    if usage is None:
        return NO_COUNTS
    read, written = usage.prompt_tokens_details or _Details(), usage.completion_tokens_details or _Details()
    prompt = usage.prompt_tokens
    return TokenCounts(
        input_tokens=None if prompt is None else max(0, prompt - (read.cached_tokens or 0)),
        output_tokens=usage.completion_tokens,
        reasoning_tokens=written.reasoning_tokens,
        cache_read_tokens=read.cached_tokens,
    )


def _to_error(error: object) -> InvalidMessage | ModelFailed:
    if error is None:
        return InvalidMessage("the model's answer has no 'choices'")
    message = error.get("message") if isinstance(error, dict) else error
    return ModelFailed(f"the model answered with an error: {message}")
