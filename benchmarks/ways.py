"""
The ways to ask the gateway: one for each dialect, with what a client sends and where tokens stand in what comes.

All of them ask for the same model, so what goes to and comes from the source is the same for all.
"""

import os
import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any

import msgspec

PROMPT = "Tell me the time."
MODEL = "llama3"
_MESSAGES = [{"role": "user", "content": PROMPT}]
_CONVERSE = msgspec.json.encode({"messages": [{"role": "user", "content": [{"text": PROMPT}]}]})
_INVOKE = msgspec.json.encode({"prompt": PROMPT, "max_gen_len": 512})
_IN_TEXT = re.compile(rb"(\d{20}) ")
# The source writes this before each token: 15 bytes, so that the token's base64 begins with a character of its own.
_IN_BASE64 = re.compile(b'"bytes":"' + re.escape(b64encode(b'{"generation":"')) + rb"([A-Za-z0-9+/]{28})")


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """
    Say how a client asks in one dialect.

    Attributes:
        stream_path, whole_path: where it asks for a stream, and for a whole answer.
        write: what it sends, from the request's number and whether it wants a stream.
        is_socket: it asks over a WebSocket.
        token: finds a token's time in what comes.
        read_time: makes nanoseconds of it.
        last: what stands in the last message of a whole answer; only over a WebSocket.
    """

    stream_path: str
    whole_path: str
    write: Callable[[int, bool], bytes]
    is_socket: bool = False
    token: re.Pattern[bytes] = _IN_TEXT
    read_time: Callable[[bytes], int] = int
    last: bytes = b""


def _write_chat(number: int, stream: bool) -> dict[str, Any]:
    # A chat of the warm-up may still be running, and one chat has one running turn.
    message = {"id": f"m{number}", "role": "user", "parts": [{"type": "text", "text": PROMPT}]}
    return {"id": f"chat-{os.getpid()}-{number}", "messages": [message], "body": {"model": MODEL, "stream": stream}}


def _write_frame(number: int, stream: bool) -> bytes:
    chat = _write_chat(number, stream)
    return msgspec.json.encode({"type": "send", "requestId": f"r{number}", "trigger": "submit-message", **chat})


def _write_flat_chat(number: int, stream: bool) -> bytes:
    chat = _write_chat(number, stream)
    return msgspec.json.encode({**chat.pop("body"), **chat})


def _write_openai(_number: int, stream: bool) -> bytes:
    return msgspec.json.encode({"model": MODEL, "messages": _MESSAGES, "stream": stream})


def _write_responses(_number: int, stream: bool) -> bytes:
    return msgspec.json.encode({"model": MODEL, "input": PROMPT, "stream": stream})


def _write_anthropic(_number: int, stream: bool) -> bytes:
    return msgspec.json.encode({"model": MODEL, "max_tokens": 512, "messages": _MESSAGES, "stream": stream})


WAYS: dict[str, Way] = {
    "raw": Way(
        stream_path=f"/ws/model?model={MODEL}&streaming=true",
        whole_path=f"/ws/model?model={MODEL}&streaming=false",
        write=lambda _number, _stream: PROMPT.encode(),
        is_socket=True,
    ),
    "native-ws": Way(
        stream_path="/api/chat", whole_path="/api/chat", write=_write_frame, is_socket=True, last=b'"type":"end"'
    ),
    "native-sse": Way(stream_path="/api/chat", whole_path="/api/chat", write=_write_flat_chat),
    "openai-chat": Way(stream_path="/v1/chat/completions", whole_path="/v1/chat/completions", write=_write_openai),
    "responses": Way(stream_path="/v1/responses", whole_path="/v1/responses", write=_write_responses),
    "anthropic": Way(stream_path="/v1/messages", whole_path="/v1/messages", write=_write_anthropic),
    "converse": Way(
        stream_path=f"/model/{MODEL}/converse-stream",
        whole_path=f"/model/{MODEL}/converse",
        write=lambda _number, _stream: _CONVERSE,
    ),
    "invoke": Way(
        stream_path=f"/model/{MODEL}/invoke-with-response-stream",
        whole_path=f"/model/{MODEL}/invoke",
        write=lambda _number, _stream: _INVOKE,
        token=_IN_BASE64,
        read_time=lambda found: int(b64decode(found)[:20]),
    ),
}
"""
`raw` is the one that others are held against.
"""
