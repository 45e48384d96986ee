"""
DeepSeek R1 on Bedrock: one templated prompt in, one text with its reasoning out (docs/bedrock_wire.md §4.4).

The prompt ends with `<think>`, so the answer begins inside of the reasoning, which `</think>` ends; it becomes
`ReasoningDelta`s. V3.1 and V3.2 take chat messages and are of another family.

From recollection of DeepSeek's published chat template: the system's text stands before the first turn without a token
of its own, an earlier answer ends with `<｜end▁of▁sentence｜>`, and the reasoning of earlier answers is not given to
the model again, so it is left out here. How an answer that the client begun would relate to the reasoning is not known;
it is refused.

The tokenizer turns `<｜name｜>`, with full-width bars or plain ones, `<think>` and `</think>` into control tokens
wherever they stand; each in a text is broken by one space, so that no text can forge a turn, or open or end the
reasoning.
"""

import re
from typing import Annotated

import msgspec

from outcrop.adapters.completions import STOP_REASONS, CompletionAdapter, CompletionFormat, ListedCompletion, ListedText
from outcrop.adapters.payloads import Json
from outcrop.adapters.prompt_text import break_tokens, join_system, to_turns
from outcrop.adapters.request_rules import bound_answer, bound_stop_sequences, check_request, drop_empty
from outcrop.adapters.token_counts import METRICS_FIELD
from outcrop.calls import ResolvedModel
from outcrop.types import ChatRequest

MAX_STOP_SEQUENCES = 10
MAX_OUTPUT_TOKENS = 32_768
FAMILY_REFUSES = frozenset(
    {"documents", "effort", "images", "prefill", "reasoning_disabled", "reasoning_enabled", "tools", "top_k"}
)
TEXT_OPEN = "<｜begin▁of▁sentence｜>"
TEXT_CLOSE = "<｜end▁of▁sentence｜>"
USER = "<｜User｜>"
ASSISTANT = "<｜Assistant｜>"
THINK = "think"

_CONTROL_TOKEN_START = re.compile(r"<(?=[|｜][^|｜>]*[|｜]>|/?think>)")
_HALF_OPEN_END = re.compile(r"<(?=[|｜]?\Z)")


class _Choices(ListedCompletion, kw_only=True):
    """
    Hold a chunk of a stream, or a whole answer: they have the same fields.
    """

    entries: Annotated[list[ListedText], msgspec.Meta(max_length=1)] = msgspec.field(name="choices")


_choices_decoder = msgspec.json.Decoder(_Choices)
FORMAT = CompletionFormat(
    stop_reasons=STOP_REASONS,
    what="a deepseek completion",
    chunk=_choices_decoder,
    whole=_choices_decoder,
    read_fields=frozenset({"text", "stop_reason", METRICS_FIELD}),
    listed="choices",
    opened_tag=THINK,
)


class DeepSeekTextAdapter(CompletionAdapter):
    """
    Speak the body of DeepSeek R1.
    """

    def __init__(self) -> None:
        super().__init__(FORMAT)

    def _build_body(self, request: ChatRequest, model: ResolvedModel) -> Json:
        check_request(request, model, family_refuses=FAMILY_REFUSES)
        params = request.params
        return {
            "prompt": render_prompt(request),
            **drop_empty(
                {
                    "max_tokens": bound_answer(params.max_tokens, model, limit=MAX_OUTPUT_TOKENS),
                    "temperature": params.temperature,
                    "top_p": params.top_p,
                    "stop": bound_stop_sequences(params, model, MAX_STOP_SEQUENCES),
                }
            ),
        }


def render_prompt(request: ChatRequest) -> str:
    """
    Render the prompt, which ends with the opened reasoning.

    Raises:
        RequestError: a message holds a part that the prompt has no place for.
    """
    pieces = [TEXT_OPEN, neutralise(join_system(request.system))]
    for turn in to_turns(request.messages, "deepseek", skip_reasoning=True):
        text = neutralise(turn.text)
        pieces.append(f"{USER}{text}" if turn.role == "user" else f"{ASSISTANT}{text}{TEXT_CLOSE}")
    return "".join([*pieces, ASSISTANT, f"<{THINK}>\n"])


def neutralise(text: str) -> str:
    """
    Break every literal in `text` that a tokenizer could take for a control token, or for the first half of one.
    """
    return break_tokens(_HALF_OPEN_END, break_tokens(_CONTROL_TOKEN_START, text))
