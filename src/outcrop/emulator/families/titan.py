"""
Amazon Titan Text: `inputText` in, `results` out (docs/bedrock_wire.md §4.6).

A conversation is text too: lines that open with `User:` and `Bot:`. The newline that Titan puts before an answer is
left out, so that equal conversations get equal text on Converse.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from outcrop.emulator.conversation import Answer, Ask, Metrics, Step, StopReason, Turn
from outcrop.emulator.families.family import Family
from outcrop.emulator.families.stops import read_stops
from outcrop.emulator.rules.limits import check_context
from outcrop.emulator.rules.models import Called
from outcrop.emulator.rules.refusals import malformed
from outcrop.emulator.rules.schema import Field, check_fields
from outcrop.emulator.sending.frames import METRICS_KEY, encode_chunk, metrics_of
from outcrop.emulator.speech.tokens import count_tokens

DEFAULT_MAX_TOKENS = 512
_FIELDS = {
    "inputText": Field(kind="String", required=True, minimum=1),
    "textGenerationConfig": Field(kind="JSONObject"),
}
_SPEAKER = re.compile(r"^(?P<name>User|Bot):[ \t]*", re.MULTILINE)
_REASONS: Mapping[StopReason, str] = {
    "end_turn": "FINISHED",
    "stop_sequence": "STOP_CRITERIA_MET",
    "max_tokens": "LENGTH",
    "tool_use": "FINISHED",
}


def read(body: Mapping[str, Any], called: Called) -> Ask:
    """
    Read a body into an ask.

    Raises:
        Refusal: the body breaks the schema, or asks for what the model can't do.
    """
    check_fields(body, _FIELDS)
    config = body.get("textGenerationConfig") or {}
    where = "#/textGenerationConfig"
    check_fields(config, _config_fields(called), where)
    if config.get("topP") == 0:
        raise malformed(f"{where}/topP", "0 is not greater than 0")
    ask = Ask(
        model=called.entry.base_id,
        title=called.entry.title,
        turns=parse_text(body["inputText"]),
        max_tokens=DEFAULT_MAX_TOKENS if config.get("maxTokenCount") is None else config["maxTokenCount"],
        input_tokens=count_tokens(body["inputText"]),
        temperature=config.get("temperature"),
        top_p=config.get("topP"),
        stop_sequences=read_stops(config.get("stopSequences"), f"{where}/stopSequences"),
    )
    check_context(ask, called)
    return ask


def _config_fields(called: Called) -> dict[str, Field]:
    return {
        "temperature": Field(kind="Number", minimum=0, maximum=1),
        "topP": Field(kind="Number", minimum=0, maximum=1),
        "maxTokenCount": Field(kind="Integer", minimum=0, maximum=called.entry.max_output_tokens),
        "stopSequences": Field(kind="JSONArray"),
    }


def parse_text(text: str) -> tuple[Turn, ...]:
    """
    Return the turns that a text holds; one of the user where nobody is named.
    """
    marks = list(_SPEAKER.finditer(text))
    if not marks or text[: marks[0].start()].strip():
        return (Turn(speaker="user", text=text.strip()),)
    turns = []
    for mark, end in zip(marks, [*(mark.start() for mark in marks[1:]), len(text)], strict=True):
        said = text[mark.end() : end].strip()
        if said:
            turns.append(Turn(speaker="user" if mark["name"] == "User" else "assistant", text=said))
    return tuple(turns)


def whole(answer: Answer, _called: Called, _request_id: str, _metrics: Metrics) -> bytes:
    """
    Return the body of the whole answer.
    """
    result = {
        "tokenCount": answer.output_tokens,
        "outputText": answer.text,
        "completionReason": _REASONS[answer.stop_reason],
    }
    return msgspec.json.encode({"inputTextTokenCount": answer.input_tokens, "results": [result]})


def stream(answer: Answer, _called: Called, _request_id: str, measure: Callable[[], Metrics]) -> Iterator[Step]:
    """
    Yield the answer's messages; `measure` is called when the last one is made.
    """
    count = 0
    for block in answer.blocks:
        for piece in block.pieces:
            count += 1
            yield Step(encode_chunk(msgspec.json.encode(_chunk(answer, piece, count, None))), 1, piece)
    last = _chunk(answer, "", count, _REASONS[answer.stop_reason])
    yield Step(encode_chunk(msgspec.json.encode(last | {METRICS_KEY: metrics_of(answer, measure())})))


def _chunk(answer: Answer, piece: str, count: int, reason: str | None) -> dict[str, Any]:
    return {
        "index": 0,
        "inputTextTokenCount": answer.input_tokens,
        "totalOutputTextTokenCount": count,
        "outputText": piece,
        "completionReason": reason,
    }


FAMILY = Family(read=read, whole=whole, stream=stream)
