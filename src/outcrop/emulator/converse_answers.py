"""
Converse, what goes out: an `Answer` written as a response, or as the events of a stream (`bedrock_wire` §5.2, §5.3).

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
            "output": {"message": {"role": "assistant", "content": [_content(block) for block in answer.blocks]}},
            "stopReason": answer.stop_reason,
            "usage": _usage(answer),
            "metrics": {"latencyMs": metrics.invocation_latency_ms},
        }
        | _additional(answer)
    )


def stream(answer: Answer, _called: Called, _request_id: str, measure: Callable[[], Metrics]) -> Iterator[Step]:
    """
    Yield the answer's messages; `measure` is called when the last one is made.
    """
    yield _step("messageStart", {"role": "assistant"})
    for index, block in enumerate(answer.blocks):
        if block.kind == "tool_use":
            start = {"toolUse": {"toolUseId": f"tooluse_{block.call_id}", "name": block.name}}
            yield _step("contentBlockStart", {"contentBlockIndex": index, "start": start})
        is_text = block.kind == "text"
        for piece in block.pieces:
            yield Step(_delta(block.kind, index, piece), 1, piece if is_text else "")
        if block.signature:
            delta = {"reasoningContent": {"signature": block.signature}}
            yield _step("contentBlockDelta", {"contentBlockIndex": index, "delta": delta})
        yield _step("contentBlockStop", {"contentBlockIndex": index})
    yield _step("messageStop", {"stopReason": answer.stop_reason} | _additional(answer))
    metrics = measure()
    yield _step("metadata", {"usage": _usage(answer), "metrics": {"latencyMs": metrics.invocation_latency_ms}})


def _additional(answer: Answer) -> dict[str, Any]:
    if not answer.tells_stop_sequence or answer.stop_sequence is None:
        return {}
    return {"additionalModelResponseFields": {"stop_sequence": answer.stop_sequence}}


def _usage(answer: Answer) -> dict[str, int]:
    return {
        "inputTokens": answer.input_tokens,
        "outputTokens": answer.output_tokens,
        "totalTokens": answer.input_tokens + answer.output_tokens,
        "cacheReadInputTokens": 0,
        "cacheWriteInputTokens": 0,
    }


def _content(block: Block) -> dict[str, Any]:
    if block.kind == "text":
        return {"text": block.content}
    if block.kind == "thinking":
        return {"reasoningContent": {"reasoningText": {"text": block.content, "signature": block.signature}}}
    return {"toolUse": {"toolUseId": f"tooluse_{block.call_id}", "name": block.name, "input": block.arguments()}}


@lru_cache(maxsize=16_384)
def _delta(kind: str, index: int, piece: str) -> bytes:
    delta: dict[str, Any] = {"text": piece}
    if kind == "thinking":
        delta = {"reasoningContent": {"text": piece}}
    elif kind == "tool_use":
        delta = {"toolUse": {"input": piece}}
    return encode_event("contentBlockDelta", msgspec.json.encode({"contentBlockIndex": index, "delta": delta}))


def _step(event_type: str, payload: Any) -> Step:
    return Step(encode_event(event_type, msgspec.json.encode(payload)))
