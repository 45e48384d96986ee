"""
Amazon Titan Text on Bedrock: one text in, one text out, a conversation written as lines (docs/bedrock_wire.md §4.6).

A conversation has the form `User: …`, `Bot: …`, and ends with the open `Bot:`. The form has no place for a system
prompt and the body none for top_k; both are refused.

These models have no control tokens; what forges a turn is a line that begins with `User:` or `Bot:`. Such a line in a
text is quoted with `> `, as in a mail. A line may begin after any character that ends one in Unicode, and white space
or invisible characters before the word, or in it, don't help it.
"""

import re
from collections.abc import Mapping
from typing import Annotated

import msgspec

from outcrop.adapters.completions import CompletionAdapter, CompletionFormat
from outcrop.adapters.payloads import Json
from outcrop.adapters.prompt_text import to_turns
from outcrop.adapters.request_rules import bound_answer, check_request, drop_empty
from outcrop.adapters.token_counts import METRICS_FIELD, NO_METRICS, InvocationMetrics
from outcrop.calls import ResolvedModel
from outcrop.errors import RequestError
from outcrop.types import ChatRequest, Role, StopReason

FAMILY_REFUSES = frozenset(
    {"documents", "effort", "images", "reasoning", "reasoning_parts", "system", "tools", "top_k"}
)
STOP_REASONS: Mapping[str, StopReason] = {
    "FINISHED": "end_turn",
    "FINISH": "end_turn",
    "LENGTH": "max_tokens",
    "STOP_CRITERIA_MET": "stop_sequence",
    "CONTENT_FILTERED": "content_filtered",
}
SPEAKERS: Mapping[Role, str] = {"user": "User:", "assistant": "Bot:"}

_LINE_ENDS = r"\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029"
_INVISIBLE = (
    r"[\x00-\x09\x0e-\x1b\x1f\x20\x7f-\x84\x86-\xa0\xad\u061c\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f"
    r"\u2000-\u200f\u202a-\u202f\u205f-\u206f\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb"
    r"\U000e0000-\U000e0fff]*"
)
_SPEAKER = "|".join(_INVISIBLE.join(word) for word in ("user", "bot"))
_FORGED_LINE = re.compile(
    rf"(?<=[{_LINE_ENDS}])(?={_INVISIBLE}(?:{_SPEAKER}){_INVISIBLE}[:：])",
    re.IGNORECASE,
)


class _Chunk(
    msgspec.Struct,
    rename={
        "text": "outputText",
        "stop_reason": "completionReason",
        "input_tokens": "inputTextTokenCount",
        "output_tokens": "totalOutputTextTokenCount",
        "metrics": METRICS_FIELD,
    },
):
    """
    Hold a chunk of a stream.
    """

    text: str
    stop_reason: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    metrics: InvocationMetrics = NO_METRICS


class _Result(msgspec.Struct, rename="camel"):
    """
    Hold the one result of a whole answer.
    """

    output_text: str
    completion_reason: str | None = None
    token_count: int | None = None


class _Answer(msgspec.Struct, rename={"input_tokens": "inputTextTokenCount"}):
    """
    Hold a whole answer.
    """

    results: Annotated[list[_Result], msgspec.Meta(min_length=1, max_length=1)]
    input_tokens: int | None = None

    @property
    def text(self) -> str:
        """
        The text of the result.
        """
        return self.results[0].output_text

    @property
    def stop_reason(self) -> str | None:
        """
        Why the result ended.
        """
        return self.results[0].completion_reason

    @property
    def output_tokens(self) -> int | None:
        """
        The count of the result.
        """
        return self.results[0].token_count

    @property
    def metrics(self) -> InvocationMetrics:
        """
        Never in the body of a whole answer.
        """
        return NO_METRICS


FORMAT = CompletionFormat(
    what="a titan answer",
    chunk=msgspec.json.Decoder(_Chunk),
    whole=msgspec.json.Decoder(_Answer),
    read_fields=frozenset(
        {
            *("index", "outputText", "completionReason", "tokenCount", "results"),
            *("inputTextTokenCount", "totalOutputTextTokenCount", METRICS_FIELD),
        }
    ),
    reason_field="completionReason",
    stop_reasons=STOP_REASONS,
)


class TitanAdapter(CompletionAdapter):
    """
    Speak the body of Titan Text.
    """

    def __init__(self) -> None:
        super().__init__(FORMAT)

    def _build_body(self, request: ChatRequest, model: ResolvedModel) -> Json:
        check_request(request, model, family_refuses=FAMILY_REFUSES)
        params = request.params
        if params.top_p == 0:
            raise RequestError(f"top_p is 0, model {model.name!r} takes more than 0")
        config = {
            "maxTokenCount": bound_answer(params.max_tokens, model),
            "temperature": params.temperature,
            "topP": params.top_p,
            "stopSequences": params.stop_sequences,
        }
        return {"inputText": render_prompt(request), **drop_empty({"textGenerationConfig": drop_empty(config)})}


def render_prompt(request: ChatRequest) -> str:
    """
    Render the conversation. It ends with the open `Bot:`, or with the answer that the client begun.

    Raises:
        RequestError: a message holds a part that the text has no place for.
    """
    turns = to_turns(request.messages, "titan")
    lines = [f"{SPEAKERS[turn.role]} {neutralise(turn.text)}" for turn in turns]
    if turns[-1].role == "user":
        lines.append(SPEAKERS["assistant"])
    return "\n".join(lines)


def neutralise(text: str) -> str:
    """
    Quote every line of `text` after its first that could be taken for a turn's beginning.
    """
    return _FORGED_LINE.sub("> ", text)
