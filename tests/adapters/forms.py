"""
Each family's answers as docs/bedrock_wire.md §4.2 to §4.10 has them, streamed and whole, for tests that hold for all.

A stream says its counts in Bedrock's metrics at its end, a whole answer in Bedrock's headers, whether or not the body
counts too.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from outcrop.adapters.registry import ADAPTERS
from outcrop.calls import ResolvedModel, UpstreamCall
from outcrop.types import ChatRequest, Message, MessageStop, Part, StreamEvent, TextPart

Json = dict[str, Any]

READ, WRITTEN = 11, 7
METRICS: Json = {"amazon-bedrock-invocationMetrics": {"inputTokenCount": READ, "outputTokenCount": WRITTEN}}
HEADERS: Mapping[str, str] = {
    "x-amzn-bedrock-input-token-count": str(READ),
    "x-amzn-bedrock-output-token-count": str(WRITTEN),
}


class Form(msgspec.Struct, frozen=True):
    """
    Hold how a family says something: pieces of a text and the reason for its end, or both at once.
    """

    stream: Callable[[Sequence[str], str], list[Json]]
    whole: Callable[[str, str], Json]
    reasons: Mapping[str, str]


def _llama(pieces: Sequence[str], reason: str) -> list[Json]:
    chunks: list[Json] = [{"generation": piece, "generation_token_count": 1} for piece in pieces]
    last = {"generation": "", "prompt_token_count": READ, "generation_token_count": WRITTEN, "stop_reason": reason}
    return [*chunks, last | METRICS]


def _llama_whole(text: str, reason: str) -> Json:
    counts = {"prompt_token_count": READ, "generation_token_count": WRITTEN}
    return {"generation": text, "stop_reason": reason, **counts}


def _listed(name: str) -> Form:
    def stream(pieces: Sequence[str], reason: str) -> list[Json]:
        chunks: list[Json] = [{name: [{"text": piece, "stop_reason": None}]} for piece in pieces]
        return [*chunks, {name: [{"text": "", "stop_reason": reason}], **METRICS}]

    def whole(text: str, reason: str) -> Json:
        return {name: [{"text": text, "stop_reason": reason}]}

    return Form(stream, whole, {"stop": "end_turn", "length": "max_tokens"})


def _titan(pieces: Sequence[str], reason: str) -> list[Json]:
    chunks: list[Json] = [
        {"index": 0, "inputTextTokenCount": READ, "totalOutputTextTokenCount": 1, "outputText": piece}
        for piece in pieces
    ]
    counts = {"inputTextTokenCount": READ, "totalOutputTextTokenCount": WRITTEN}
    return [*chunks, {"index": 0, "outputText": "", "completionReason": reason, **counts, **METRICS}]


def _titan_whole(text: str, reason: str) -> Json:
    result = {"tokenCount": WRITTEN, "outputText": text, "completionReason": reason}
    return {"inputTextTokenCount": READ, "results": [result]}


def _chat(pieces: Sequence[str], reason: str) -> list[Json]:
    def chunk(delta: Json, finish_reason: str | None = None) -> Json:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": [choice]}

    opening = chunk({"role": "assistant", "content": ""})
    return [opening, *(chunk({"content": piece}) for piece in pieces), chunk({}, reason) | METRICS]


def _chat_whole(text: str, reason: str) -> Json:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": reason}
    usage = {"prompt_tokens": READ, "completion_tokens": WRITTEN, "total_tokens": READ + WRITTEN}
    return {"id": "chatcmpl-1", "object": "chat.completion", "choices": [choice], "usage": usage}


def _nova(pieces: Sequence[str], reason: str) -> list[Json]:
    usage = {"inputTokens": READ, "outputTokens": WRITTEN, "totalTokens": READ + WRITTEN}
    return [
        {"messageStart": {"role": "assistant"}},
        *({"contentBlockDelta": {"delta": {"text": piece}, "contentBlockIndex": 0}} for piece in pieces),
        {"contentBlockStop": {"contentBlockIndex": 0}},
        {"messageStop": {"stopReason": reason}},
        {"metadata": {"usage": usage, "metrics": {}}, **METRICS},
    ]


def _nova_whole(text: str, reason: str) -> Json:
    message = {"role": "assistant", "content": [{"text": text}]}
    usage = {"inputTokens": READ, "outputTokens": WRITTEN, "totalTokens": READ + WRITTEN}
    return {"output": {"message": message}, "stopReason": reason, "usage": usage}


def _cohere(pieces: Sequence[str], reason: str) -> list[Json]:
    chunks: list[Json] = [{"is_finished": False, "event_type": "text-generation", "text": piece} for piece in pieces]
    response = {"text": "".join(pieces), "generation_id": "g", "response_id": "r", "finish_reason": reason}
    end = {"is_finished": True, "event_type": "stream-end", "finish_reason": reason, "response": response}
    return [*chunks, end | METRICS]


def _cohere_whole(text: str, reason: str) -> Json:
    return {"text": text, "generation_id": "g", "response_id": "r", "finish_reason": reason, "chat_history": []}


_CHAT = Form(_chat, _chat_whole, {"stop": "end_turn", "length": "max_tokens"})
FORMS: Mapping[str, Form] = {
    "cohere": Form(_cohere, _cohere_whole, {"COMPLETE": "end_turn", "max_tokens": "max_tokens"}),
    "deepseek_text": _listed("choices"),
    "jamba": _CHAT,
    "llama3": Form(_llama, _llama_whole, {"stop": "end_turn", "length": "max_tokens"}),
    "mistral_chat": _CHAT,
    "mistral_text": _listed("outputs"),
    "nova": Form(_nova, _nova_whole, {"end_turn": "end_turn", "stop_sequence": "stop_sequence"}),
    "openai_chat": _CHAT,
    "titan": Form(_titan, _titan_whole, {"FINISHED": "end_turn", "STOP_CRITERIA_MET": "stop_sequence"}),
    "writer": _CHAT,
}


def ask(*parts: Part, **fields: Any) -> ChatRequest:
    """
    Build a request with one message from the user; without parts it says "hi".
    """
    fields.setdefault("messages", (Message("user", parts or (TextPart(text="hi"),)),))
    return ChatRequest(model="m", **fields)


def call(family: str, request: ChatRequest, **model: Any) -> UpstreamCall:
    """
    Build the call for a request to a model of the family.
    """
    resolved = ResolvedModel(name="m", model_id="maker.m", base_id="maker.m", family=family, **model)
    return ADAPTERS[family].build_call(request, resolved)


def body(family: str, request: ChatRequest, **model: Any) -> Json:
    """
    Build the body for a request.
    """
    return msgspec.json.decode(call(family, request, **model).body, type=Json)


def stream(family: str, *chunks: Any) -> list[StreamEvent]:
    """
    Decode a whole stream of chunks.
    """
    return stream_bytes(family, *(json.dumps(chunk).encode() for chunk in chunks))


def stream_bytes(family: str, *payloads: bytes) -> list[StreamEvent]:
    """
    Decode a whole stream of payloads.
    """
    decoder = ADAPTERS[family].decoder()
    return [event for payload in payloads for event in decoder.feed("chunk", payload)] + decoder.flush()


def whole(family: str, answer: Any, headers: Mapping[str, str] = HEADERS) -> list[StreamEvent]:
    """
    Parse a whole answer.
    """
    return ADAPTERS[family].parse_answer(json.dumps(answer).encode(), headers)


def stop_of(events: Sequence[StreamEvent]) -> MessageStop:
    """
    Return the terminal event of an answer that ended well.
    """
    stop = events[-1]
    assert isinstance(stop, MessageStop)
    return stop


def texts(*contents: str) -> tuple[TextPart, ...]:
    """
    Build text parts.
    """
    return tuple(TextPart(text=content) for content in contents)


def user(*contents: str) -> Message:
    """
    Build a message from the user.
    """
    return Message("user", texts(*contents))


def assistant(*contents: str) -> Message:
    """
    Build a message from the assistant.
    """
    return Message("assistant", texts(*contents))
