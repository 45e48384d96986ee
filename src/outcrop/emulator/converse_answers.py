"""
Converse, what goes out: an `Answer` written as a response, or the events of a stream (docs/bedrock_wire.md §5.2, §5.3).

Events are flat: the payload of `messageStart` is `{"role":"assistant"}`, never nested under its name.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import msgspec

from outcrop.emulator.conversation import Answer, Block, Metrics, Step
from outcrop.emulator.rules.models import Called
from outcrop.emulator.sending.frames import encode_event


def whole(answer: Answer, _called: Called, _request_id: str, metrics: Metrics) -> bytes:
    """
    Return the body of the whole answer.
    """
    return msgspec.json.encode(
        {
            "output": {"message": {"role": "assistant", "content": [content_of(block) for block in answer.blocks]}},
            "stopReason": answer.stop_reason,
            "usage": _usage(answer),
            "metrics": {"latencyMs": metrics.invocation_latency_ms},
        }
        | _additional(answer)
        | _applied(answer)
    )


def stream(answer: Answer, _called: Called, _request_id: str, measure: Callable[[], Metrics]) -> Iterator[Step]:
    """
    Yield the answer's messages; `measure` is called when the last one is made.
    """
    yield _step("messageStart", {"role": "assistant"})
    for index, block in enumerate(answer.blocks):
        if block.kind == "tool_use":
            yield _step("contentBlockStart", {"contentBlockIndex": index, "start": start_of(block)})
        is_text = block.kind == "text"
        for piece in block.pieces:
            yield Step(_delta(block.kind, index, piece), 1, piece if is_text else "")
        if block.signature:
            delta = {"reasoningContent": {"signature": block.signature}}
            yield _step("contentBlockDelta", {"contentBlockIndex": index, "delta": delta})
        yield _step("contentBlockStop", {"contentBlockIndex": index})
    yield _step("messageStop", {"stopReason": answer.stop_reason} | _additional(answer))
    metrics = measure()
    metadata = {"usage": _usage(answer), "metrics": {"latencyMs": metrics.invocation_latency_ms}}
    yield _step("metadata", metadata | _applied(answer))


def _additional(answer: Answer) -> dict[str, Any]:
    if not answer.tells_stop_sequence or answer.stop_sequence is None:
        return {}
    return {"additionalModelResponseFields": {"stop_sequence": answer.stop_sequence}}


def _applied(answer: Answer) -> dict[str, Any]:
    applied: dict[str, Any] = {}
    if answer.latency is not None:
        applied["performanceConfig"] = {"latency": answer.latency}
    if answer.tier is not None:
        applied["serviceTier"] = {"type": answer.tier}
    return applied


def _usage(answer: Answer) -> dict[str, Any]:
    cached = answer.cache_read_tokens + answer.cache_write_tokens
    usage: dict[str, Any] = {
        "inputTokens": answer.input_tokens,
        "outputTokens": answer.output_tokens,
        "totalTokens": answer.input_tokens + answer.output_tokens + cached,
        "cacheReadInputTokens": answer.cache_read_tokens,
        "cacheWriteInputTokens": answer.cache_write_tokens,
    }
    for_an_hour = answer.cache_write_1h_tokens
    written = (("5m", answer.cache_write_tokens - for_an_hour), ("1h", for_an_hour))
    details = [{"ttl": ttl, "inputTokens": tokens} for ttl, tokens in written if tokens]
    return usage | ({"cacheDetails": details} if details else {})


def content_of(block: Block) -> dict[str, Any]:
    """
    Return a block as a message's content.
    """
    if block.kind == "text":
        return {"text": block.content}
    if block.kind == "thinking":
        signed = {"signature": block.signature} if block.signature else {}
        return {"reasoningContent": {"reasoningText": {"text": block.content} | signed}}
    return {"toolUse": {"toolUseId": f"tooluse_{block.call_id}", "name": block.name, "input": block.arguments()}}


def start_of(block: Block) -> dict[str, Any]:
    """
    Return how a tool call's block opens.
    """
    return {"toolUse": {"toolUseId": f"tooluse_{block.call_id}", "name": block.name}}


def delta_of(kind: str, piece: str) -> dict[str, Any]:
    """
    Return one piece of a block.
    """
    if kind == "thinking":
        return {"reasoningContent": {"text": piece}}
    return {"toolUse": {"input": piece}} if kind == "tool_use" else {"text": piece}


@lru_cache(maxsize=16_384)
def _delta(kind: str, index: int, piece: str) -> bytes:
    delta = delta_of(kind, piece)
    return encode_event("contentBlockDelta", msgspec.json.encode({"contentBlockIndex": index, "delta": delta}))


def _step(event_type: str, payload: Any) -> Step:
    return Step(encode_event(event_type, msgspec.json.encode(payload)))
