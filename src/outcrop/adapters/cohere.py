"""
Cohere Command R and R+ on Bedrock: one message, the history beside it (docs/bedrock_wire.md §4.8).

Names of the fields: documented. The steps of the stream but for `is_finished` and `text` are from recollection, and so
is what the reasons mean. A whole answer counts no tokens (the headers do); a stream's `meta.billed_units` are read
where they come. The last message must be the user's; the system prompt is the `preamble`.

Refused: tools, because the form of Cohere's own parameter definitions and results is not known here, images, documents
as parts (grounding texts go as the option `documents`), reasoning, and an answer begun by the client. `raw_prompting`
is no option: with it, text of a user could forge turns.
"""

from collections.abc import Mapping

import msgspec

from outcrop.adapters.answer_stream import AnswerDecoder
from outcrop.adapters.invoke_call import make_call
from outcrop.adapters.payloads import Json, Kept, decode_payload, object_decoder, unread
from outcrop.adapters.prompt_text import join_system, to_turns
from outcrop.adapters.request_rules import bound_answer, check_request, drop_empty
from outcrop.adapters.token_counts import (
    METRICS_FIELD,
    NO_COUNTS,
    NO_METRICS,
    Count,
    InvocationMetrics,
    TokenCounts,
    parse_metric_headers,
)
from outcrop.calls import ResolvedModel, UpstreamCall
from outcrop.errors import ModelFailed
from outcrop.types import ChatRequest, Role, StopReason, StreamEvent

FAMILY_REFUSES = frozenset({"documents", "effort", "images", "prefill", "reasoning", "reasoning_parts", "tools"})
PROVIDER_OPTIONS = frozenset(
    {
        *("documents", "frequency_penalty", "presence_penalty", "prompt_truncation"),
        *("return_prompt", "search_queries_only", "seed"),
    }
)
ROLES: Mapping[Role, str] = {"user": "USER", "assistant": "CHATBOT"}
STOP_REASONS: Mapping[str, StopReason] = {
    "COMPLETE": "end_turn",
    "MAX_TOKENS": "max_tokens",
    "ERROR_TOXIC": "content_filtered",
    "ERROR_LIMIT": "context_window_exceeded",
    "USER_CANCEL": "stopped",
}
MAX_KEPT_EVENTS = 100
"""
How many events of the stream that are not text are kept for `MessageStop`; those beyond are counted there.
"""

_WHAT = "a cohere answer"
_STREAM_END = "stream-end"
_CHUNK_FIELDS = frozenset({"is_finished", "event_type", "text", "finish_reason", "response", METRICS_FIELD})
_ANSWER_FIELDS = frozenset({"response_id", "generation_id", "text", "finish_reason", "chat_history", "meta"})


class _BilledUnits(msgspec.Struct):
    """
    Hold the counts.
    """

    input_tokens: Count | None = None
    output_tokens: Count | None = None


class _Meta(msgspec.Struct):
    """
    Hold what is said about the answer.
    """

    billed_units: _BilledUnits = msgspec.field(default_factory=_BilledUnits)


class _Response(msgspec.Struct):
    """
    Hold a whole answer, or the one that ends a stream.
    """

    text: str = ""
    finish_reason: str | None = None
    meta: _Meta | None = None


class _Whole(_Response):
    """
    Hold a whole answer, which has its text.
    """

    text: str


class _Chunk(msgspec.Struct):
    """
    Hold an event of the stream.
    """

    event_type: str
    text: str | None = None
    is_finished: bool = False
    finish_reason: str | None = None
    response: _Response | None = None
    metrics: InvocationMetrics = msgspec.field(default=NO_METRICS, name=METRICS_FIELD)


_chunk_decoder = msgspec.json.Decoder(_Chunk)
_whole_decoder = msgspec.json.Decoder(_Whole)


class CohereAdapter:
    """
    Speak the body of Command R.
    """

    def build_call(self, request: ChatRequest, model: ResolvedModel) -> UpstreamCall:
        """
        Build the call for a request.

        Raises:
            RequestError: the model can't take something that the request holds; the message names the model and it.
        """
        check_request(request, model, options=PROVIDER_OPTIONS, family_refuses=FAMILY_REFUSES)
        *history, last = to_turns(request.messages, "cohere")
        params = request.params
        options = {name: value for name, value in request.provider_options.items() if name in PROVIDER_OPTIONS}
        body = {
            "message": last.text,
            **options,
            **drop_empty(
                {
                    "chat_history": [{"role": ROLES[turn.role], "message": turn.text} for turn in history],
                    "preamble": join_system(request.system) or None,
                    "max_tokens": bound_answer(params.max_tokens, model),
                    "temperature": params.temperature,
                    "p": params.top_p,
                    "k": params.top_k,
                    "stop_sequences": params.stop_sequences,
                }
            ),
        }
        return make_call(request, model, body)

    def decoder(self) -> "CohereDecoder":
        """
        Make a decoder for one stream.
        """
        return CohereDecoder()

    def parse_answer(self, body: bytes, headers: Mapping[str, str]) -> list[StreamEvent]:
        """
        Turn a whole answer into events; its counts come from the headers.

        Raises:
            InvalidMessage: the body is not Command R's, or does not say why it ended.
            ModelFailed: the model says that it failed.
        """
        return CohereDecoder(metrics=parse_metric_headers(headers)).take_whole(body)


class CohereDecoder(AnswerDecoder):
    """
    Turn one stream's events into ours. What a stream holds beside text travels in the details of `MessageStop`.
    """

    reason_field = "finish_reason"

    def __init__(self, *, metrics: InvocationMetrics = NO_METRICS) -> None:
        super().__init__(metrics=metrics)
        self._kept = Kept(MAX_KEPT_EVENTS)

    def take_whole(self, body: bytes) -> list[StreamEvent]:
        """
        Take a whole answer as if it had been streamed, and return all of its events.

        Raises:
            InvalidMessage: the body is not Command R's, or does not say why it ended.
            ModelFailed: the model says that it failed.
        """
        answer = decode_payload(_whole_decoder, body, _WHAT)
        events = self._begin()
        if answer.text:
            events += self._blocks.add_text(answer.text)
        self._take_response(answer, decode_payload(object_decoder, body, _WHAT))
        return events + self.end_whole()

    def _take(self, payload: bytes) -> list[StreamEvent]:
        chunk = decode_payload(_chunk_decoder, payload, _WHAT)
        events = [] if self._has_begun else self._begin()
        if chunk.event_type == "text-generation":
            self._check_order(has_content=True)
            return events + (self._blocks.add_text(chunk.text) if chunk.text else [])
        fields = decode_payload(object_decoder, payload, _WHAT)
        if chunk.event_type == _STREAM_END:
            self._check_order(has_content=True)
            self._keep_details(unread(fields, _CHUNK_FIELDS))
            self._take_response(chunk.response or _Response(), fields.get("response") or {})
            self._reason = (chunk.finish_reason or self._reason or "").upper() or None
        elif set(fields) - {"is_finished", "event_type", "generation_id", METRICS_FIELD}:
            self._kept.add(fields)
        self._count(NO_COUNTS, chunk.metrics)
        is_last = self._reason is not None and chunk.metrics is not NO_METRICS
        return events + (self._finish() if is_last and not self.has_stopped else [])

    def _take_response(self, response: _Response, fields: Json) -> None:
        self._reason = None if response.finish_reason is None else response.finish_reason.upper()
        self._keep_details(unread(fields, _ANSWER_FIELDS))
        if response.meta is not None:
            units = response.meta.billed_units
            self._count(TokenCounts(input_tokens=units.input_tokens, output_tokens=units.output_tokens), NO_METRICS)

    def _finish(self) -> list[StreamEvent]:
        self._keep_details(self._kept.to_details("events"))
        return super()._finish()

    def _to_stop_reason(self, reason: str) -> StopReason:
        if reason == "ERROR":
            raise ModelFailed("the model answered with the finish reason 'ERROR'")
        return STOP_REASONS.get(reason, "other")
