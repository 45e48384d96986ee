"""
The raw dialect: `GET /ws/model?model=NAME&streaming=BOOL`; one message is one prompt, its answer comes back as text.

A message from the client is one prompt, taken as it is. With `streaming` the answer comes in one message per piece of
text, else in one message. A failed turn closes the socket with a code and a reason, never with text that could be
taken for an answer. Reasoning is not part of the answer's text.

Further parameters: `max_tokens`, `temperature`, `top_p`, `top_k`, `stop` (repeatable), `system`; `memory=1` keeps the
conversation on this socket; `done=1` marks the end of each answer with one empty message.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar
from urllib.parse import parse_qsl

import msgspec

from outcrop.errors import RequestError, RequestTooLarge
from outcrop.types import ChatRequest, GenerationParams, LogEntry, Message, StreamFailed, TextDelta, TextPart

PARAMETERS = (
    "model",
    "streaming",
    "max_tokens",
    "temperature",
    "top_p",
    "top_k",
    "stop",
    "system",
    "memory",
    "done",
)
TRUE_WORDS = frozenset({"true", "yes", "1"})
MAX_QUERY_BYTES = 16 << 10
MAX_STOP_SEQUENCES = 64
MAX_REASON_BYTES = 123
"""
A close frame's payload is at most 125 bytes, two of them the code (RFC 6455, section 5.5).
"""

CLOSE_DRAINING = 1012
CLOSE_INTERNAL = 1011

CLOSE_CODES_BY_CODE = {
    "draining": CLOSE_DRAINING,
    "interrupted": CLOSE_DRAINING,
    "internal": CLOSE_INTERNAL,
    "deadline_exceeded": 4408,
    "upstream_denied": 4503,
    "answer_too_large": 4413,
}
CLOSE_CODES_BY_STATUS = {
    400: 4400,
    401: 4401,
    403: 4403,
    404: 4404,
    413: 4413,
    429: 4429,
    502: 4502,
    503: 4503,
}
"""
Close codes of the raw dialect: 4400 bad parameter or prompt, 4401 not authenticated, 4403 not allowed, 4404 unknown
model, 4408 deadline, 4413 too large, 4429 throttled, 4502 upstream failed, 4503 not available, 1012 draining.
"""

Number = TypeVar("Number", int, float)


class RawOptions(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold what the query string asked for; it is good for every prompt on the socket.
    """

    model: str
    streaming: bool = False
    params: GenerationParams = GenerationParams()
    system: str | None = None
    memory: bool = False
    done: bool = False


def parse_query(query: bytes) -> RawOptions:
    """
    Parse the query string of the upgrade request.

    Raises:
        RequestError: a parameter is missing, unknown, repeated or out of range; the message names it.
    """
    values = _collect(query)
    if not values["model"] or not values["model"][0]:
        raise RequestError("parameter model is missing; write /ws/model?model=llama3&streaming=true")
    params = GenerationParams(
        max_tokens=_number(values, "max_tokens", int, lambda n: 1 <= n <= 1_000_000, "a whole number from 1"),
        temperature=_number(values, "temperature", float, lambda n: 0 <= n <= 2, "a number from 0 to 2"),
        top_p=_number(values, "top_p", float, lambda n: 0 <= n <= 1, "a number from 0 to 1"),
        top_k=_number(values, "top_k", int, lambda n: 0 <= n <= 1_000_000, "a whole number from 0"),
        stop_sequences=_stop_sequences(values["stop"]),
    )
    return RawOptions(
        model=values["model"][0],
        streaming=_truth(values, "streaming"),
        params=params,
        system=values["system"][0] if values["system"] and values["system"][0].strip() else None,
        memory=_truth(values, "memory"),
        done=_truth(values, "done"),
    )


def _collect(query: bytes) -> dict[str, list[str]]:
    if len(query) > MAX_QUERY_BYTES:
        raise RequestTooLarge(f"the query string is {len(query)} bytes, limit is {MAX_QUERY_BYTES}")
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=100)
    except ValueError as error:
        raise RequestError("the query string is not percent-encoded UTF-8 of at most 100 parameters") from error
    values: dict[str, list[str]] = {name: [] for name in PARAMETERS}
    for name, value in pairs:
        if name not in values:
            raise RequestError(f"unknown parameter {name[:20]!r}; known are {', '.join(PARAMETERS)}")
        if values[name] and name != "stop":
            raise RequestError(f"parameter {name} is given twice")
        values[name].append(value)
    return values


def _truth(values: dict[str, list[str]], name: str) -> bool:
    return bool(values[name]) and values[name][0].lower() in TRUE_WORDS


def _number(
    values: dict[str, list[str]],
    name: str,
    kind: Callable[[str], Number],
    fits: Callable[[Number], bool],
    allowed: str,
) -> Number | None:
    if not values[name]:
        return None
    text = values[name][0]
    try:
        number = kind(text) if len(text) <= 32 and text.isascii() and "_" not in text else None
    except ValueError:
        number = None
    if number is None or not fits(number):
        raise RequestError(f"parameter {name} is {text[:20]!r}, expected {allowed}")
    return number


def _stop_sequences(stop: list[str]) -> tuple[str, ...]:
    if len(stop) > MAX_STOP_SEQUENCES:
        raise RequestError(f"parameter stop is given {len(stop)} times, limit is {MAX_STOP_SEQUENCES}")
    if not all(stop):
        raise RequestError("parameter stop is empty, expected the text to stop at")
    return tuple(stop)


def parse_prompt(message: str | bytes) -> str:
    """
    Take one message as a prompt.

    Raises:
        RequestError: it is empty, or binary that is not UTF-8.
    """
    if isinstance(message, bytes):
        try:
            message = message.decode()
        except UnicodeDecodeError as error:
            raise RequestError("the binary prompt is not UTF-8") from error
    if not message.strip():
        raise RequestError("the prompt is empty, expected text")
    return message


def to_request(options: RawOptions, history: Sequence[Message], prompt: str) -> ChatRequest:
    """
    Build the request for one prompt after the socket's conversation so far.
    """
    return ChatRequest(
        model=options.model,
        messages=(*history, Message("user", (TextPart(text=prompt),))),
        system=(TextPart(text=options.system),) if options.system else (),
        params=options.params,
        stream=options.streaming,
    )


def text_of(entries: Sequence[LogEntry]) -> str:
    """
    Return the answer's text in these entries.
    """
    if len(entries) == 1:
        event = entries[0].event
        return event.text if type(event) is TextDelta else ""
    return "".join(entry.event.text for entry in entries if type(entry.event) is TextDelta)


def to_close(failure: StreamFailed) -> tuple[int, str]:
    """
    Choose the close code and the reason (at most 123 bytes) that tell a client of a failure.
    """
    code = CLOSE_CODES_BY_CODE.get(failure.code) or CLOSE_CODES_BY_STATUS.get(failure.status, 4502)
    return code, shorten_reason(failure.message)


def shorten_reason(message: str) -> str:
    """
    Cut a reason to what a close frame holds, at a character's end.
    """
    encoded = message.encode("utf-8", "replace")
    if len(encoded) <= MAX_REASON_BYTES:
        return encoded.decode()
    return encoded[: MAX_REASON_BYTES - 3].decode("utf-8", "ignore").rstrip() + "…"
