"""
Mistral's text models on Bedrock, 7B, Mixtral 8x7B and Large 24.02: one prompt in, one text out.

The body, the form of the prompt and of the answers: docs/bedrock_wire.md §4.3. From recollection: these models know no
system role, so the system's text opens the first turn of the user, as Mistral's own guides have it; an answer that the
client begun stands open at the end. A conversation that the assistant opens has no form and is refused.

The tokenizer turns `[INST]`, `</s>` and their like into control tokens wherever they stand, so each one in a text is
broken by one space: `[INST]` becomes `[ INST]`. All tokens of Mistral's published tokenizers are covered, also those of
versions that these models do not have; other words in brackets, such as `[TODO]`, stay as written.
"""

import re
from typing import Annotated

import msgspec

from outcrop.adapters.completions import STOP_REASONS, CompletionAdapter, CompletionFormat, ListedCompletion, ListedText
from outcrop.adapters.payloads import Json
from outcrop.adapters.prompt_text import TextTurn, break_tokens, join_system, to_turns
from outcrop.adapters.request_rules import bound_answer, bound_stop_sequences, check_request, drop_empty
from outcrop.adapters.token_counts import METRICS_FIELD
from outcrop.calls import ResolvedModel
from outcrop.errors import RequestError
from outcrop.types import ChatRequest

MAX_STOP_SEQUENCES = 10
FAMILY_REFUSES = frozenset({"documents", "effort", "images", "reasoning", "reasoning_parts", "tools"})

_CONTROL_TOKEN_START = re.compile(
    r"""
    \[ (?= /? (?: INST | AVAILABLE_TOOLS | TOOL_CALLS | TOOL_RESULTS | TOOL_CONTENT | SYSTEM_PROMPT | MODEL_SETTINGS
                | ARGS | CALL_ID | THINK | PREFIX | MIDDLE | SUFFIX | IMG | IMG_BREAK | IMG_END | AUDIO | BEGIN_AUDIO
                | TRANSCRIBE | control_[0-9]+ | REFERENCE_DOC_[0-9]+ ) \] )
  | <  (?= /? (?: s | unk | pad | SPECIAL_[0-9]+ ) > )
    """,
    re.VERBOSE,
)


class _Outputs(ListedCompletion, kw_only=True):
    """
    Hold a chunk of a stream, or a whole answer: they have the same fields.
    """

    entries: Annotated[list[ListedText], msgspec.Meta(max_length=1)] = msgspec.field(name="outputs")


_outputs_decoder = msgspec.json.Decoder(_Outputs)
FORMAT = CompletionFormat(
    stop_reasons=STOP_REASONS,
    what="a mistral completion",
    chunk=_outputs_decoder,
    whole=_outputs_decoder,
    read_fields=frozenset({"text", "stop_reason", METRICS_FIELD}),
    listed="outputs",
)


class MistralTextAdapter(CompletionAdapter):
    """
    Speak the body of Mistral's text models.
    """

    def __init__(self) -> None:
        super().__init__(FORMAT)

    def _build_body(self, request: ChatRequest, model: ResolvedModel) -> Json:
        check_request(request, model, family_refuses=FAMILY_REFUSES)
        params = request.params
        return {
            "prompt": render_prompt(request, model),
            **drop_empty(
                {
                    "max_tokens": bound_answer(params.max_tokens, model),
                    "temperature": params.temperature,
                    "top_p": params.top_p,
                    "top_k": params.top_k,
                    "stop": bound_stop_sequences(params, model, MAX_STOP_SEQUENCES),
                }
            ),
        }


def render_prompt(request: ChatRequest, model: ResolvedModel) -> str:
    """
    Render the prompt. It ends where the model speaks next, or with the answer that the client begun.

    Raises:
        RequestError: the assistant speaks first, or a message holds a part that the prompt has no place for.
    """
    turns = to_turns(request.messages, "mistral")
    if turns[0].role != "user":
        raise RequestError(f"model {model.name!r} takes no messages[0] from the assistant, expected one from the user")
    if system := join_system(request.system):
        turns[0] = TextTurn("user", f"{system}\n\n{turns[0].text}")
    pieces = ["<s>"]
    for turn in turns:
        text = neutralise(turn.text)
        pieces.append(f"[INST] {text} [/INST]" if turn.role == "user" else f" {text}</s>")
    if turns[-1].role == "assistant":
        pieces[-1] = pieces[-1].removesuffix("</s>")
    return "".join(pieces)


def neutralise(text: str) -> str:
    """
    Break every literal in `text` that a tokenizer could take for a control token.
    """
    return break_tokens(_CONTROL_TOKEN_START, text)
