"""
DeepSeek R1: `prompt` in, `choices` out (docs/bedrock_wire.md §4.4).

Its reasoning stands in the text, up to `</think>`; the prompt has opened it with `<think>`.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from outcrop.emulator.conversation import Answer, Ask, Metrics, Speaker, Step, Turn
from outcrop.emulator.families import reasoning
from outcrop.emulator.families.family import ConverseRequest, ConverseRules, Family
from outcrop.emulator.families.stops import read_stops
from outcrop.emulator.rules.limits import check_context
from outcrop.emulator.rules.models import Called
from outcrop.emulator.rules.schema import Field, check_fields
from outcrop.emulator.sending.frames import METRICS_KEY, encode_chunk, metrics_of
from outcrop.emulator.speech.tokens import count_tokens

DEFAULT_MAX_TOKENS = 512
_CLOSE = "\n</think>\n\n"
_MARK = re.compile(r"<｜(?P<role>User|Assistant|begin▁of▁sentence|end▁of▁sentence)｜>")
_THOUGHT = re.compile(r"\A\s*(?:<think>)?.*</think>|\A\s*<think>\s*\Z", re.DOTALL)
_SPEAKERS: Mapping[str, Speaker] = {"User": "user", "Assistant": "assistant"}


def read(body: Mapping[str, Any], called: Called) -> Ask:
    """
    Read a body into an ask.

    Raises:
        Refusal: the body breaks the schema, or asks for what the model can't do.
    """
    check_fields(body, _fields(called))
    system, turns = parse_prompt(body["prompt"])
    ask = Ask(
        model=called.entry.base_id,
        title=called.entry.title,
        system=system,
        turns=turns,
        max_tokens=DEFAULT_MAX_TOKENS if body.get("max_tokens") is None else body["max_tokens"],
        input_tokens=count_tokens(body["prompt"]),
        temperature=body.get("temperature"),
        top_p=body.get("top_p"),
        stop_sequences=read_stops(body.get("stop"), "#/stop"),
        thinks=reasoning.thinks(called, None),
    )
    check_context(ask, called)
    return ask


def _fields(called: Called) -> dict[str, Field]:
    return {
        "prompt": Field(kind="String", required=True, minimum=1),
        "max_tokens": Field(kind="Integer", minimum=1, maximum=max(called.entry.max_output_tokens, 32_768)),
        "temperature": Field(kind="Number", minimum=0, maximum=1),
        "top_p": Field(kind="Number", minimum=0, maximum=1),
        "stop": Field(kind="JSONArray", maximum=10),
    }


def parse_prompt(prompt: str) -> tuple[str, tuple[Turn, ...]]:
    """
    Return the system text, which stands before the first turn, and the turns of a templated prompt.
    """
    system: list[str] = []
    turns: list[Turn] = []
    place, role = 0, "" if _MARK.search(prompt) else "User"
    for mark in (*_MARK.finditer(prompt), None):
        text = prompt[place : len(prompt) if mark is None else mark.start()]
        if role == "Assistant":
            text = _THOUGHT.sub("", text)
        if text.strip() and role in _SPEAKERS:
            turns.append(Turn(speaker=_SPEAKERS[role], text=text.strip()))
        elif text.strip():
            system.append(text.strip())
        if mark is not None:
            place, role = mark.end(), mark["role"]
    return "\n".join(system), tuple(turns)


def _reason(answer: Answer) -> str:
    return "length" if answer.stop_reason == "max_tokens" else "stop"


def whole(answer: Answer, _called: Called, _request_id: str, _metrics: Metrics) -> bytes:
    """
    Return the body of the whole answer.
    """
    text = _CLOSE.join(block.content for block in answer.blocks)
    return msgspec.json.encode({"choices": [{"text": text, "stop_reason": _reason(answer)}]})


def stream(answer: Answer, _called: Called, _request_id: str, measure: Callable[[], Metrics]) -> Iterator[Step]:
    """
    Yield the answer's messages; `measure` is called when the last one is made.
    """
    was_thinking = False
    for block in answer.blocks:
        if was_thinking:
            yield Step(_chunk(_CLOSE))
        was_thinking = block.kind == "thinking"
        for piece in block.pieces:
            yield Step(_chunk(piece), 1, "" if was_thinking else piece)
    last = {"choices": [{"text": "", "stop_reason": _reason(answer)}], METRICS_KEY: metrics_of(answer, measure())}
    yield Step(encode_chunk(msgspec.json.encode(last)))


def _chunk(text: str) -> bytes:
    return encode_chunk(msgspec.json.encode({"choices": [{"text": text, "stop_reason": None}]}))


def settle(ask: Ask, called: Called, _request: ConverseRequest) -> Ask:
    """
    Finish an ask that came by Converse: R1 always reasons.
    """
    return msgspec.structs.replace(ask, thinks=reasoning.thinks(called, None))


FAMILY = Family(read=read, whole=whole, stream=stream, converse=ConverseRules(settle=settle))
