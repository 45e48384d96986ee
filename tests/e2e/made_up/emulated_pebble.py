"""
A made-up family as the emulator's file for it would be: `hear` in, `words` out.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from outcrop.emulator.conversation import Answer, Ask, Metrics, Step, Turn
from outcrop.emulator.families.family import Family
from outcrop.emulator.rules.models import Called
from outcrop.emulator.rules.schema import Field, check_fields
from outcrop.emulator.sending.frames import encode_chunk
from outcrop.emulator.speech.tokens import count_tokens


def read(body: Mapping[str, Any], called: Called) -> Ask:
    """
    Read a body.
    """
    check_fields(body, {"hear": Field(kind="JSONArray", required=True)})
    return Ask(
        model=called.entry.base_id,
        title=called.entry.title,
        turns=(Turn(speaker="user", text=str(body["hear"][-1])),),
        max_tokens=called.entry.max_output_tokens,
        input_tokens=count_tokens(str(body["hear"])),
    )


def whole(answer: Answer, _called: Called, _request_id: str, _metrics: Metrics) -> bytes:
    """
    Write a whole answer.
    """
    return msgspec.json.encode({"words": answer.text, "silent": True})


def stream(answer: Answer, _called: Called, _request_id: str, _measure: Callable[[], Metrics]) -> Iterator[Step]:
    """
    Write an answer's chunks.
    """
    for block in answer.blocks:
        for piece in block.pieces:
            yield Step(encode_chunk(msgspec.json.encode({"words": piece})), 1, piece)
    yield Step(encode_chunk(b'{"words":"","silent":true}'))


FAMILY = Family(read=read, whole=whole, stream=stream)
