"""
Meta Llama 3, 3.1, 3.2, 3.3 and 4 on Bedrock: one templated prompt in, one generation out (docs/bedrock_wire.md §4.2).

This body has no tools, no documents, no stop list and no top_k; a request with one of them is refused, never sent
without it. A mark for the prompt cache is no more than a hint and is left out: these models have no prompt cache.
"""

import msgspec

from outcrop.adapters.completions import STOP_REASONS, CompletionAdapter, CompletionFormat
from outcrop.adapters.llama_template import LlamaTemplate, render_prompt
from outcrop.adapters.payloads import Json
from outcrop.adapters.request_rules import bound_answer, check_request
from outcrop.adapters.token_counts import METRICS_FIELD, NO_METRICS, InvocationMetrics
from outcrop.calls import ResolvedModel
from outcrop.types import ChatRequest, ImagePart

DEFAULT_MAX_TOKENS = 512
DEFAULT_TEMPERATURE = 0.5
FAMILY_REFUSES = frozenset({"documents", "effort", "reasoning", "reasoning_parts", "stop_sequences", "tools", "top_k"})


class _Generation(
    msgspec.Struct,
    rename={
        "text": "generation",
        "input_tokens": "prompt_token_count",
        "output_tokens": "generation_token_count",
        "metrics": METRICS_FIELD,
    },
):
    """
    Hold a chunk of a stream, or a whole answer: they have the same fields.
    """

    text: str
    input_tokens: int | None = None
    output_tokens: int | None = None
    stop_reason: str | None = None
    metrics: InvocationMetrics = NO_METRICS


_generation_decoder = msgspec.json.Decoder(_Generation)
FORMAT = CompletionFormat(
    stop_reasons=STOP_REASONS,
    what="a llama generation",
    chunk=_generation_decoder,
    whole=_generation_decoder,
    read_fields=frozenset({"generation", "prompt_token_count", "generation_token_count", "stop_reason", METRICS_FIELD}),
)


class LlamaAdapter(CompletionAdapter):
    """
    Speak the Llama body with one generation's chat template.
    """

    def __init__(self, template: LlamaTemplate) -> None:
        super().__init__(FORMAT)
        self._template = template

    def _build_body(self, request: ChatRequest, model: ResolvedModel) -> Json:
        check_request(request, model, family_refuses=FAMILY_REFUSES)
        temperature = request.params.temperature
        body: Json = {
            "prompt": render_prompt(self._template, request.system, request.messages),
            "max_gen_len": self._bound_answer(request.params.max_tokens, model),
            "temperature": DEFAULT_TEMPERATURE if temperature is None else temperature,
        }
        if request.params.top_p is not None:
            body["top_p"] = request.params.top_p
        if images := [part.data for message in request.messages for part in message.parts if type(part) is ImagePart]:
            body["images"] = images
        return body

    def _bound_answer(self, max_tokens: int | None, model: ResolvedModel) -> int:
        limit = self._template.max_output_tokens
        bound = bound_answer(max_tokens, model, limit=limit)
        if bound is not None:
            return bound
        limit = model.max_output_tokens or limit
        return DEFAULT_MAX_TOKENS if limit is None else min(DEFAULT_MAX_TOKENS, limit)
