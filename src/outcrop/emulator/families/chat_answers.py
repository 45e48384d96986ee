"""
The Chat Completions body, what goes out: a completion, or its chunks (docs/bedrock_wire.md §4.3, §4.5, §4.10).

Reasoning stands in the text, between `<reasoning>` tags, before the answer.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from outcrop.emulator.conversation import Answer, Block, Metrics, Step, StopReason
from outcrop.emulator.rules.models import Called
from outcrop.emulator.sending.frames import METRICS_KEY, encode_chunk, metrics_of

_FINISH_REASONS: Mapping[StopReason, str] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
}
_OPEN, _CLOSE = "<reasoning>", "</reasoning>"
_LAST_WORD = encode_chunk(b'"[DONE]"')


class ChatWriter(msgspec.Struct, frozen=True, kw_only=True):
    """
    Write completions. `call_id` makes a tool call's ID, `says_done` ends streams with the string "[DONE]".
    """

    call_id: Callable[[str], str] = "call_{}".format
    says_done: bool = False

    def whole(self, answer: Answer, called: Called, request_id: str, _metrics: Metrics) -> bytes:
        """
        Return the body of the whole answer.
        """
        calls = [self._call(block) for block in answer.blocks if block.kind == "tool_use"]
        message: dict[str, Any] = {"role": "assistant", "content": _content(answer) or (None if calls else "")}
        if calls:
            message["tool_calls"] = calls
        choice = {"index": 0, "message": message, "finish_reason": _FINISH_REASONS[answer.stop_reason]}
        head = _head(called, request_id, "chat.completion")
        return msgspec.json.encode(head | {"choices": [choice], "usage": _usage(answer)})

    def stream(self, answer: Answer, called: Called, request_id: str, measure: Callable[[], Metrics]) -> Iterator[Step]:
        """
        Yield the answer's messages; `measure` is called when the last one is made.
        """
        head = _head(called, request_id, "chat.completion.chunk")
        pieces = _PieceEncoder(head)
        yield _step(head, {"role": "assistant", "content": ""})
        number, was_thinking = -1, False
        for block in answer.blocks:
            if was_thinking:
                yield Step(pieces.text(_CLOSE))
            was_thinking = block.kind == "thinking"
            if block.kind == "tool_use":
                number += 1
                opened = {"index": number, **self._call(block), "function": {"name": block.name, "arguments": ""}}
                yield _step(head, {"tool_calls": [opened]})
                yield from (Step(pieces.arguments(number, piece), 1) for piece in block.pieces)
                continue
            if was_thinking:
                yield Step(pieces.text(_OPEN))
            for piece in block.pieces:
                yield Step(pieces.text(piece), 1, "" if was_thinking else piece)
        choice = {"index": 0, "delta": {}, "finish_reason": _FINISH_REASONS[answer.stop_reason]}
        last = head | {"choices": [choice], "usage": _usage(answer), METRICS_KEY: metrics_of(answer, measure())}
        yield Step(encode_chunk(msgspec.json.encode(last)))
        if self.says_done:
            yield Step(_LAST_WORD)

    def _call(self, block: Block) -> dict[str, Any]:
        function = {"name": block.name, "arguments": block.content}
        return {"id": self.call_id(block.call_id), "type": "function", "function": function}


class _PieceEncoder:
    """
    Encode the chunks that there are many of: all but the piece is made once.
    """

    def __init__(self, head: Mapping[str, Any]) -> None:
        self._before = msgspec.json.encode(head)[:-1] + b',"choices":[{"index":0,"delta":{'

    def text(self, piece: str) -> bytes:
        """
        Return the message of a piece of text.
        """
        return encode_chunk(self._before + b'"content":%b},"finish_reason":null}]}' % msgspec.json.encode(piece))

    def arguments(self, number: int, piece: str) -> bytes:
        """
        Return the message of a piece of the arguments of the tool call with this number.
        """
        call = b'"tool_calls":[{"index":%d,"function":{"arguments":%b}}]' % (number, msgspec.json.encode(piece))
        return encode_chunk(self._before + call + b'},"finish_reason":null}]}')


def _content(answer: Answer) -> str:
    parts: list[str] = []
    for block in answer.blocks:
        if parts and parts[0] == _OPEN and _CLOSE not in parts:
            parts.append(_CLOSE)
        if block.kind == "thinking":
            parts.append(_OPEN)
        if block.kind != "tool_use":
            parts.append(block.content)
    return "".join(parts)


def _head(called: Called, request_id: str, kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{request_id}",
        "object": kind,
        "created": int(time.time()),
        "model": called.entry.base_id,
    }


def _usage(answer: Answer) -> dict[str, int]:
    return {
        "prompt_tokens": answer.input_tokens,
        "completion_tokens": answer.output_tokens,
        "total_tokens": answer.input_tokens + answer.output_tokens,
    }


def _step(head: Mapping[str, Any], delta: Mapping[str, Any]) -> Step:
    choice = {"index": 0, "delta": delta, "finish_reason": None}
    return Step(encode_chunk(msgspec.json.encode({**head, "choices": [choice]})))
