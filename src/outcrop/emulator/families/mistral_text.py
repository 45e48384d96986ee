"""
Mistral's first models: `prompt` in, `outputs` out (docs/bedrock_wire.md §4.3).

The prompt's turns are found between `[INST]` and `[/INST]`; a prompt without them is one message of the user.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from outcrop.emulator.conversation import Answer, Ask, Metrics, Step, Turn
from outcrop.emulator.families.family import ALL_BLOCKS, ConverseRules, Family
from outcrop.emulator.families.stops import read_stops
from outcrop.emulator.rules.limits import check_context
from outcrop.emulator.rules.models import Called
from outcrop.emulator.rules.schema import Field, check_fields
from outcrop.emulator.sending.frames import METRICS_KEY, encode_chunk, metrics_of
from outcrop.emulator.speech.tokens import count_tokens

DEFAULT_MAX_TOKENS = 512
_MARK = re.compile(r"\[(?P<end>/?)INST\]")
_EDGES = re.compile(r"<s>|</s>")


def read(body: Mapping[str, Any], called: Called) -> Ask:
    """
    Read a body into an ask.

    Raises:
        Refusal: the body breaks the schema, or asks for what the model can't do.
    """
    check_fields(body, _fields(called))
    ask = Ask(
        model=called.entry.base_id,
        title=called.entry.title,
        turns=parse_prompt(body["prompt"]),
        max_tokens=DEFAULT_MAX_TOKENS if body.get("max_tokens") is None else body["max_tokens"],
        input_tokens=count_tokens(body["prompt"]),
        temperature=body.get("temperature"),
        top_p=body.get("top_p"),
        top_k=body.get("top_k"),
        stop_sequences=read_stops(body.get("stop"), "#/stop"),
    )
    check_context(ask, called)
    return ask


def _fields(called: Called) -> dict[str, Field]:
    return {
        "prompt": Field(kind="String", required=True, minimum=1),
        "max_tokens": Field(kind="Integer", minimum=1, maximum=called.entry.max_output_tokens),
        "temperature": Field(kind="Number", minimum=0, maximum=1),
        "top_p": Field(kind="Number", minimum=0, maximum=1),
        "top_k": Field(kind="Integer", minimum=0, maximum=200),
        "stop": Field(kind="JSONArray", maximum=10),
    }


def parse_prompt(prompt: str) -> tuple[Turn, ...]:
    """
    Return the turns that a templated prompt holds.
    """
    turns: list[Turn] = []
    place, is_user = 0, not _MARK.search(prompt)
    for mark in (*_MARK.finditer(prompt), None):
        text = _EDGES.sub("", prompt[place : len(prompt) if mark is None else mark.start()]).strip()
        if text:
            turns.append(Turn(speaker="user" if is_user else "assistant", text=text))
        if mark is not None:
            place, is_user = mark.end(), not mark["end"]
    return tuple(turns)


def _reason(answer: Answer) -> str:
    return "length" if answer.stop_reason == "max_tokens" else "stop"


def whole(answer: Answer, _called: Called, _request_id: str, _metrics: Metrics) -> bytes:
    """
    Return the body of the whole answer; it has no counts of tokens.
    """
    return msgspec.json.encode({"outputs": [{"text": answer.text, "stop_reason": _reason(answer)}]})


def stream(answer: Answer, _called: Called, _request_id: str, measure: Callable[[], Metrics]) -> Iterator[Step]:
    """
    Yield the answer's messages; `measure` is called when the last one is made.
    """
    for block in answer.blocks:
        for piece in block.pieces:
            chunk = {"outputs": [{"text": piece, "stop_reason": None}]}
            yield Step(encode_chunk(msgspec.json.encode(chunk)), 1, piece)
    last = {"outputs": [{"text": "", "stop_reason": _reason(answer)}], METRICS_KEY: metrics_of(answer, measure())}
    yield Step(encode_chunk(msgspec.json.encode(last)))


FAMILY = Family(
    read=read,
    whole=whole,
    stream=stream,
    converse=ConverseRules(extra_fields=lambda _called: frozenset({"top_k"}), refused_beside_tool_result=ALL_BLOCKS),
)
