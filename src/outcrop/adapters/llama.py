"""
Meta Llama 3, 3.1, 3.2, 3.3 and 4 on Bedrock: one templated prompt in, one generation out (bedrock_wire §4.2).

This body has no tools, no documents, no stop list and no top_k; a request with one of them is refused, never sent
without it. A mark for the prompt cache is no more than a hint and is left out: these models have no prompt cache.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from outcrop.adapters.llama_template import LlamaTemplate, render_prompt
from outcrop.adapters.request_rules import check_messages, check_options, check_ranges, check_refusals, encode_body
from outcrop.adapters.token_counts import NO_METRICS, InvocationMetrics, first_known, parse_metric_headers
from outcrop.errors import InvalidMessage, RequestError, StreamInterrupted
from outcrop.types import (
    ChatRequest,
    ImagePart,
    MessageStart,
    MessageStop,
    ResolvedModel,
    StopReason,
    StreamEvent,
    TextDelta,
    UpstreamCall,
    Usage,
    UsageReport,
)

DEFAULT_MAX_TOKENS = 512
DEFAULT_TEMPERATURE = 0.5
FAMILY_REFUSES = frozenset({"documents", "effort", "reasoning", "reasoning_parts", "stop_sequences", "tools", "top_k"})
STOP_REASONS: Mapping[str, StopReason] = {"stop": "end_turn", "length": "max_tokens"}

_METRICS = "amazon-bedrock-invocationMetrics"
_READ_FIELDS = frozenset({"generation", "prompt_token_count", "generation_token_count", "stop_reason", _METRICS})


class _Generation(msgspec.Struct):
    """
    Hold a chunk of a stream, or a whole answer: they have the same fields.
    """

    generation: str
    prompt_token_count: int | None = None
    generation_token_count: int | None = None
    stop_reason: str | None = None
    metrics: InvocationMetrics = msgspec.field(default=NO_METRICS, name=_METRICS)


_decoder = msgspec.json.Decoder(_Generation)
_object_decoder = msgspec.json.Decoder(dict[str, Any])
_Shape = TypeVar("_Shape")


class LlamaAdapter:
    """
    Speak the Llama body with one generation's chat template.
    """

    def __init__(self, template: LlamaTemplate) -> None:
        self._template = template

    def build_call(self, request: ChatRequest, model: ResolvedModel) -> UpstreamCall:
        """
        Build the call for a request.

        Raises:
            RequestError: the model can't take something that the request holds; the message names the model and it.
        """
        check_messages(request)
        check_options(request, model, frozenset())
        check_ranges(request.params)
        check_refusals(request, model, FAMILY_REFUSES)
        temperature = request.params.temperature
        body: dict[str, Any] = {
            "prompt": render_prompt(self._template, request.system, request.messages),
            "max_gen_len": self._bound_answer(request.params.max_tokens, model),
            "temperature": DEFAULT_TEMPERATURE if temperature is None else temperature,
        }
        if request.params.top_p is not None:
            body["top_p"] = request.params.top_p
        if images := [part.data for message in request.messages for part in message.parts if type(part) is ImagePart]:
            body["images"] = images
        return UpstreamCall(
            operation="invoke_stream" if request.stream else "invoke",
            model_id=model.model_id,
            body=encode_body(body),
        )

    def decoder(self) -> "LlamaStreamDecoder":
        """
        Make a decoder for one stream.
        """
        return LlamaStreamDecoder()

    def parse_answer(self, body: bytes, headers: Mapping[str, str]) -> list[StreamEvent]:
        """
        Turn a whole answer into events; counts that the body lacks come from the headers.

        Raises:
            InvalidMessage: the body is not a generation, or has no stop reason.
        """
        decoder = LlamaStreamDecoder(metrics=parse_metric_headers(headers))
        events = decoder.feed("chunk", body)
        if not decoder.has_stopped:
            raise InvalidMessage("the answer has no 'stop_reason'")
        return events

    def _bound_answer(self, max_tokens: int | None, model: ResolvedModel) -> int:
        limit = model.max_output_tokens or self._template.max_output_tokens
        if max_tokens is None:
            return DEFAULT_MAX_TOKENS if limit is None else min(DEFAULT_MAX_TOKENS, limit)
        if max_tokens < 1:
            raise RequestError(f"max_tokens is {max_tokens}, expected at least 1")
        if limit is not None and max_tokens > limit:
            raise RequestError(f"max_tokens is {max_tokens}, model {model.name!r} gives at most {limit}")
        return max_tokens


class LlamaStreamDecoder:
    """
    Turn one stream's chunks into events.

    A first `UsageReport` comes as soon as the prompt's count is known, so that a turn which is stopped knows what it
    read; the last one stands before `MessageStop`. `metrics` are counts that came beside a whole answer.
    """

    def __init__(self, *, metrics: InvocationMetrics = NO_METRICS) -> None:
        self.has_stopped = False
        self._has_begun = False
        self._metrics = metrics
        self._input: int | None = None
        self._output: int | None = None

    def feed(self, event_type: str, payload: bytes) -> list[StreamEvent]:
        """
        Take one chunk and return its events.

        Raises:
            InvalidMessage: the payload is not what this family sends, or comes after the end.
        """
        if event_type != "chunk":
            raise InvalidMessage(f"event type is {event_type!r}, expected 'chunk'")
        if self.has_stopped:
            raise InvalidMessage("a chunk came after the one with the stop reason")
        chunk = _decode(_decoder, payload)
        events: list[StreamEvent] = [] if self._has_begun else self._begin(chunk)
        if chunk.generation:
            events.append(TextDelta(chunk.generation))
        if chunk.generation_token_count is not None:
            self._output = chunk.generation_token_count
        if chunk.stop_reason is not None:
            events += self._finish(chunk, chunk.stop_reason, payload)
        return events

    def flush(self) -> list[StreamEvent]:
        """
        Take the end of the body. Nothing is ever held back.

        Raises:
            StreamInterrupted: no chunk with a stop reason has come.
        """
        if not self.has_stopped:
            raise StreamInterrupted("the answer ended before its last chunk, expected one with a stop reason")
        return []

    def _begin(self, chunk: _Generation) -> list[StreamEvent]:
        self._has_begun = True
        self._input = chunk.prompt_token_count
        if self._input is None or chunk.stop_reason is not None:
            return [MessageStart()]
        early = Usage(input_tokens=self._input, output_tokens=chunk.generation_token_count or 0, estimated=True)
        return [MessageStart(), UsageReport(early)]

    def _finish(self, chunk: _Generation, reason: str, payload: bytes) -> list[StreamEvent]:
        self.has_stopped = True
        beside = self._metrics if chunk.metrics is NO_METRICS else chunk.metrics
        read = first_known(chunk.prompt_token_count, self._input, beside.input_token_count)
        written = first_known(self._output, beside.output_token_count)
        known = STOP_REASONS.get(reason, "other")
        fields = _decode(_object_decoder, payload)
        details = {name: value for name, value in fields.items() if name not in _READ_FIELDS and value is not None}
        if known == "other":
            details["stop_reason"] = reason
        usage = Usage(input_tokens=read or 0, output_tokens=written or 0, estimated=read is None or written is None)
        return [UsageReport(usage), MessageStop(stop_reason=known, provider_details=details or None)]


def _decode(decoder: msgspec.json.Decoder[_Shape], payload: bytes) -> _Shape:
    try:
        return decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidMessage(f"the model's answer is not a llama generation: {error}") from error
