"""
What the template text families share: one prompt in, one text out, streamed as deltas of that text.

Llama, Mistral's text models, DeepSeek R1 and Titan differ in their template and in where the text stands; a family
gives its body, a struct for each form of its answer, and its table of stop reasons.
"""

import abc
from collections.abc import Mapping
from typing import Annotated, Any, Protocol

import msgspec

from outcrop.adapters.answer_stream import AnswerDecoder
from outcrop.adapters.invoke_call import make_call
from outcrop.adapters.payloads import Json, decode_payload, object_decoder, unread
from outcrop.adapters.reasoning_tags import TagSplitter
from outcrop.adapters.token_counts import (
    METRICS_FIELD,
    NO_METRICS,
    InvocationMetrics,
    TokenCounts,
    parse_metric_headers,
)
from outcrop.calls import ResolvedModel, UpstreamCall
from outcrop.types import ChatRequest, StopReason, StreamEvent, Usage, UsageReport

STOP_REASONS: Mapping[str, StopReason] = {"stop": "end_turn", "length": "max_tokens"}
"""
The reasons of Llama, Mistral and DeepSeek. A stop sequence looks like a natural end to them.
"""


class Completion(Protocol):
    """
    Hold a chunk of an answer, or a whole one.
    """

    @property
    def text(self) -> str:
        """
        The text, or the next piece of it.
        """

    @property
    def stop_reason(self) -> str | None:
        """
        Why the answer ended, None before it has.
        """

    @property
    def input_tokens(self) -> int | None:
        """
        The prompt's count, None where it does not say.
        """

    @property
    def output_tokens(self) -> int | None:
        """
        The answer's count so far, None where it does not say.
        """

    @property
    def metrics(self) -> InvocationMetrics:
        """
        Bedrock's own counts, `NO_METRICS` before the last chunk.
        """


class ListedText(msgspec.Struct):
    """
    Hold the one entry of a list of answers.
    """

    text: str
    stop_reason: str | None = None


class ListedCompletion(msgspec.Struct, kw_only=True):
    """
    Hold an answer that stands in a list, and that counts no tokens; a family gives `entries` the name of its list.
    """

    entries: Annotated[list[ListedText], msgspec.Meta(max_length=1)]
    metrics: InvocationMetrics = msgspec.field(default=NO_METRICS, name=METRICS_FIELD)

    @property
    def text(self) -> str:
        """
        The text of the entry.
        """
        return self.entries[0].text if self.entries else ""

    @property
    def stop_reason(self) -> str | None:
        """
        Why the entry ended.
        """
        return self.entries[0].stop_reason if self.entries else None

    @property
    def input_tokens(self) -> int | None:
        """
        Never counted.
        """
        return None

    @property
    def output_tokens(self) -> int | None:
        """
        Never counted.
        """
        return None


class CompletionFormat(msgspec.Struct, frozen=True, kw_only=True):
    """
    Describe a family's answers: their forms, streamed and whole, what is read of them, and why they end.

    `listed` names the list that holds the answer, `reason_field` the field with the stop reason. `opened_tag` is the
    reasoning tag that the family's prompts end with.
    """

    what: str
    chunk: msgspec.json.Decoder[Any]
    whole: msgspec.json.Decoder[Any]
    read_fields: frozenset[str]
    stop_reasons: Mapping[str, StopReason]
    reason_field: str = "stop_reason"
    listed: str | None = None
    opened_tag: str | None = None


class CompletionDecoder(AnswerDecoder):
    """
    Turn one stream's chunks into events.

    A first `UsageReport` comes as soon as the prompt's count is known, so that a turn which is stopped knows what it
    read; the last one stands before `MessageStop`. `metrics` are counts that came beside a whole answer.
    """

    def __init__(self, form: CompletionFormat, *, whole: bool = False, metrics: InvocationMetrics = NO_METRICS) -> None:
        splitter = None if form.opened_tag is None else TagSplitter((form.opened_tag,), opened=form.opened_tag)
        super().__init__(metrics=metrics, splitter=splitter)
        self.reason_field = form.reason_field
        self._form = form
        self._decoder = form.whole if whole else form.chunk
        self._is_running = False
        self._input: int | None = None
        self._output: int | None = None

    def _take(self, payload: bytes) -> list[StreamEvent]:
        chunk: Completion = decode_payload(self._decoder, payload, self._form.what)
        if chunk.output_tokens is not None:
            self._output = chunk.output_tokens
        if self._is_running and chunk.stop_reason is None and chunk.metrics is NO_METRICS:
            return self._blocks.add_text(chunk.text) if chunk.text else []
        return self._take_edge(chunk, payload)

    def _take_edge(self, chunk: Completion, payload: bytes) -> list[StreamEvent]:
        """
        Take a chunk that is not amidst the answer: the first, the one with the reason, or what follows that.
        """
        reason = chunk.stop_reason
        self._check_order(has_content=bool(chunk.text or reason))
        if chunk.input_tokens is not None:
            self._input = chunk.input_tokens
        events = [] if self._has_begun else self._open(chunk)
        if chunk.text:
            events += self._blocks.add_text(chunk.text)
        if reason is not None:
            self._reason = reason
            self._keep_details(self._read_details(payload))
        self._is_running = self._reason is None
        if chunk.metrics is not NO_METRICS:
            self._metrics = chunk.metrics
            if self._reason is not None and not self.has_stopped:
                events += self._finish()
        return events

    def _open(self, chunk: Completion) -> list[StreamEvent]:
        events = self._begin()
        if self._input is not None and chunk.stop_reason is None:
            early = Usage(input_tokens=self._input, output_tokens=chunk.output_tokens or 0, estimated=True)
            events.append(UsageReport(early))
        return events

    def _finish(self) -> list[StreamEvent]:
        self._counts = TokenCounts(input_tokens=self._input, output_tokens=self._output)
        return super()._finish()

    def _read_details(self, payload: bytes) -> Json:
        fields = decode_payload(object_decoder, payload, self._form.what)
        details = unread(fields, self._form.read_fields)
        if self._form.listed is not None:
            for entry in details.pop(self._form.listed):
                details |= unread(entry, self._form.read_fields)
        return details

    def _to_stop_reason(self, reason: str) -> StopReason:
        return self._form.stop_reasons.get(reason, "other")


class CompletionAdapter(abc.ABC):
    """
    Speak a template text family's body; a family says in `_build_body` what it is.
    """

    def __init__(self, form: CompletionFormat) -> None:
        self._form = form

    def build_call(self, request: ChatRequest, model: ResolvedModel) -> UpstreamCall:
        """
        Build the call for a request.

        Raises:
            RequestError: the model can't take something that the request holds; the message names the model and it.
        """
        return make_call(request, model, self._build_body(request, model))

    def decoder(self) -> CompletionDecoder:
        """
        Make a decoder for one stream.
        """
        return CompletionDecoder(self._form)

    def parse_answer(self, body: bytes, headers: Mapping[str, str]) -> list[StreamEvent]:
        """
        Turn a whole answer into events; counts that the body lacks come from the headers.

        Raises:
            InvalidMessage: the body is not this family's, or does not say why it ended.
        """
        decoder = CompletionDecoder(self._form, whole=True, metrics=parse_metric_headers(headers))
        return decoder.feed("chunk", body) + decoder.end_whole()

    @abc.abstractmethod
    def _build_body(self, request: ChatRequest, model: ResolvedModel) -> Json: ...
