"""
Meta Llama: `prompt` in, `generation` out (docs/bedrock_wire.md §4.2).

The prompt is one string. Its turns are found leniently, in the template of Llama 3 and in that of Llama 4, with one
newline or two, with or without an opening token; a prompt without any template is one message of the user.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

import msgspec

from outcrop.emulator.conversation import Answer, Ask, Metrics, Step, Turn
from outcrop.emulator.families.family import ALL_BLOCKS, ConverseRules, Family
from outcrop.emulator.rules.limits import check_context
from outcrop.emulator.rules.models import Called
from outcrop.emulator.rules.refusals import malformed
from outcrop.emulator.rules.schema import Field, check_fields
from outcrop.emulator.sending.frames import METRICS_KEY, encode_chunk, metrics_of
from outcrop.emulator.speech.tokens import TOKENS_PER_IMAGE, count_tokens

DEFAULT_MAX_TOKENS = 512

_HEADER = re.compile(
    r"<\|(?:start_header_id|header_start)\|>\s*(?P<role>\w+)\s*<\|(?:end_header_id|header_end)\|>[ \t]*\n{0,2}"
)
_END = re.compile(r"<\|(?:eot_id|eot|eom_id|end_of_text|begin_of_text)\|>\s*")


def read(body: Mapping[str, Any], called: Called) -> Ask:
    """
    Read a body into an ask.

    Raises:
        Refusal: the body breaks the schema, or asks for what the model can't do.
    """
    check_fields(body, _fields(called))
    images = body.get("images") or []
    if images and not called.takes_images:
        raise malformed("#", "extraneous key [images] is not permitted")
    if not all(isinstance(image, str) for image in images):
        raise malformed("#/images/0", "expected type: String")
    prompt = body["prompt"]
    system, turns = parse_prompt(prompt)
    ask = Ask(
        model=called.entry.base_id,
        title=called.entry.title,
        system=system,
        turns=_with_images(turns, len(images)),
        max_tokens=DEFAULT_MAX_TOKENS if body.get("max_gen_len") is None else body["max_gen_len"],
        input_tokens=count_tokens(prompt) + len(images) * TOKENS_PER_IMAGE,
        temperature=body.get("temperature"),
        top_p=body.get("top_p"),
    )
    check_context(ask, called)
    return ask


def _fields(called: Called) -> dict[str, Field]:
    return {
        "prompt": Field(kind="String", required=True, minimum=1),
        "temperature": Field(kind="Number", minimum=0, maximum=1),
        "top_p": Field(kind="Number", minimum=0, maximum=1),
        "max_gen_len": Field(kind="Integer", minimum=1, maximum=called.entry.max_output_tokens),
        "images": Field(kind="JSONArray"),
    }


def parse_prompt(prompt: str) -> tuple[str, tuple[Turn, ...]]:
    """
    Return the system text and the turns that a templated prompt holds.
    """
    headers = list(_HEADER.finditer(prompt))
    if not headers:
        return "", (Turn(speaker="user", text=_END.sub("", prompt)),)
    system: list[str] = []
    turns: list[Turn] = []
    ends = [header.start() for header in headers[1:]] + [len(prompt)]
    for header, end in zip(headers, ends, strict=True):
        text = _END.split(prompt[header.end() : end], maxsplit=1)[0]
        if header["role"] == "system":
            system.append(text)
        elif header["role"] == "assistant":
            if text:
                turns.append(Turn(speaker="assistant", text=text))
        else:
            turns.append(Turn(speaker="user", text=text))
    return "\n".join(system), tuple(turns)


def _with_images(turns: tuple[Turn, ...], images: int) -> tuple[Turn, ...]:
    if not images:
        return turns
    last = turns[-1] if turns else Turn(speaker="user")
    return (*turns[:-1], msgspec.structs.replace(last, images=images))


def _stop_reason(answer: Answer) -> Literal["stop", "length"]:
    return "length" if answer.stop_reason == "max_tokens" else "stop"


def whole(answer: Answer, _called: Called, _request_id: str, _metrics: Metrics) -> bytes:
    """
    Return the body of the whole answer.
    """
    return msgspec.json.encode(
        {
            "generation": answer.text,
            "prompt_token_count": answer.input_tokens,
            "generation_token_count": answer.output_tokens,
            "stop_reason": _stop_reason(answer),
        }
    )


def stream(answer: Answer, _called: Called, _request_id: str, measure: Callable[[], Metrics]) -> Iterator[Step]:
    """
    Yield the answer's messages; `measure` is called when the last one is made.
    """
    prompt_tokens: int | None = answer.input_tokens
    count = 0
    for block in answer.blocks:
        for piece in block.pieces:
            count += 1
            yield Step(encode_chunk(_chunk(piece, prompt_tokens, count, None)), 1, piece)
            prompt_tokens = None
    last = {
        "generation": "",
        "prompt_token_count": prompt_tokens,
        "generation_token_count": count,
        "stop_reason": _stop_reason(answer),
        METRICS_KEY: metrics_of(answer, measure()),
    }
    yield Step(encode_chunk(msgspec.json.encode(last)))


def _chunk(piece: str, prompt_tokens: int | None, count: int, stop_reason: str | None) -> bytes:
    return msgspec.json.encode(
        {
            "generation": piece,
            "prompt_token_count": prompt_tokens,
            "generation_token_count": count,
            "stop_reason": stop_reason,
        }
    )


FAMILY = Family(read=read, whole=whole, stream=stream, converse=ConverseRules(refused_beside_tool_result=ALL_BLOCKS))
