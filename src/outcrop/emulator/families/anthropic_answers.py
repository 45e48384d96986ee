"""
Anthropic Claude, what goes out: an `Answer` as a message, or as the chunks of a stream (docs/bedrock_wire.md §4.1).
"""

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import msgspec

from outcrop.emulator.conversation import Answer, Block, Metrics, Step
from outcrop.emulator.rules.models import Called
from outcrop.emulator.sending.frames import METRICS_KEY, encode_chunk, metrics_of

_DELTAS = {
    "text": ("text_delta", "text"),
    "thinking": ("thinking_delta", "thinking"),
    "tool_use": ("input_json_delta", "partial_json"),
}


def whole(answer: Answer, called: Called, request_id: str, _metrics: Metrics) -> bytes:
    """
    Return the body of the whole answer.
    """
    message = _message(called, request_id)
    message["content"] = [_content(block) for block in answer.blocks]
    message["stop_reason"] = answer.stop_reason
    message["stop_sequence"] = answer.stop_sequence
    message["usage"] = _usage(answer, answer.output_tokens)
    return msgspec.json.encode(message)


def stream(answer: Answer, called: Called, request_id: str, measure: Callable[[], Metrics]) -> Iterator[Step]:
    """
    Yield the answer's messages; `measure` is called when the last one is made.
    """
    message = _message(called, request_id) | {"content": [], "usage": _usage(answer, 1)}
    yield _step({"type": "message_start", "message": message})
    for index, block in enumerate(answer.blocks):
        yield _step({"type": "content_block_start", "index": index, "content_block": _opened(block)})
        if index == 0:
            yield _step({"type": "ping"})
        is_text = block.kind == "text"
        for piece in block.pieces:
            yield Step(_delta(block.kind, index, piece), 1, piece if is_text else "")
        if block.signature:
            delta = {"type": "signature_delta", "signature": block.signature}
            yield _step({"type": "content_block_delta", "index": index, "delta": delta})
        yield _step({"type": "content_block_stop", "index": index})
    ending = {"stop_reason": answer.stop_reason, "stop_sequence": answer.stop_sequence}
    yield _step({"type": "message_delta", "delta": ending, "usage": {"output_tokens": answer.output_tokens}})
    yield _step({"type": "message_stop", METRICS_KEY: metrics_of(answer, measure())})


def _message(called: Called, request_id: str) -> dict[str, Any]:
    return {
        "id": f"msg_bdrk_{request_id.replace('-', '')[:24]}",
        "type": "message",
        "role": "assistant",
        "model": called.entry.base_id.removeprefix("anthropic."),
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }


def _usage(answer: Answer, output_tokens: int) -> dict[str, Any]:
    return {
        "input_tokens": answer.input_tokens,
        "cache_creation_input_tokens": answer.cache_write_tokens,
        "cache_read_input_tokens": answer.cache_read_tokens,
        "cache_creation": {
            "ephemeral_5m_input_tokens": answer.cache_write_tokens - answer.cache_write_1h_tokens,
            "ephemeral_1h_input_tokens": answer.cache_write_1h_tokens,
        },
        "output_tokens": output_tokens,
    }


def _content(block: Block) -> dict[str, Any]:
    if block.kind == "text":
        return {"type": "text", "text": block.content}
    if block.kind == "thinking":
        return {"type": "thinking", "thinking": block.content, "signature": block.signature}
    return {"type": "tool_use", "id": f"toolu_bdrk_{block.call_id}", "name": block.name, "input": block.arguments()}


def _opened(block: Block) -> dict[str, Any]:
    if block.kind == "text":
        return {"type": "text", "text": ""}
    if block.kind == "thinking":
        return {"type": "thinking", "thinking": "", "signature": ""}
    return {"type": "tool_use", "id": f"toolu_bdrk_{block.call_id}", "name": block.name, "input": {}}


@lru_cache(maxsize=16_384)
def _delta(kind: str, index: int, piece: str) -> bytes:
    delta_type, key = _DELTAS[kind]
    payload = {"type": "content_block_delta", "index": index, "delta": {"type": delta_type, key: piece}}
    return encode_chunk(msgspec.json.encode(payload))


def _step(payload: Any) -> Step:
    return Step(encode_chunk(msgspec.json.encode(payload)))
