"""
Tests of `outcrop.dialects.raw`.
"""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outcrop.dialects.raw import (
    MAX_REASON_BYTES,
    RawOptions,
    parse_prompt,
    parse_query,
    shorten_reason,
    text_of,
    to_close,
    to_request,
)
from outcrop.errors import OutcropError, RequestError, RequestTooLarge
from outcrop.types import (
    GenerationParams,
    LogEntry,
    Message,
    MessageStart,
    ReasoningDelta,
    StreamFailed,
    TextDelta,
    TextPart,
)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("true", True),
        ("TRUE", True),
        ("Yes", True),
        ("1", True),
        ("false", False),
        ("no", False),
        ("0", False),
        ("on", False),
        ("", False),
        ("2", False),
    ],
)
def test_booleans_are_true_for_three_words(word: str, expected: bool) -> None:
    """
    `true`, `yes` and `1` in any case are true; everything else is false.
    """
    options = parse_query(f"model=llama3&streaming={word}&memory={word}&done={word}".encode())
    assert (options.streaming, options.memory, options.done) == (expected, expected, expected)


def test_every_parameter_is_read() -> None:
    """
    All parameters arrive in the options, percent-decoded once.
    """
    query = (
        b"model=us.meta%3A0&streaming=yes&max_tokens=9&temperature=0.5&top_p=1&top_k=3"
        b"&stop=END&stop=%0A&system=be%20brief%2525&memory=1&done=1"
    )
    assert parse_query(query) == RawOptions(
        model="us.meta:0",
        streaming=True,
        params=GenerationParams(max_tokens=9, temperature=0.5, top_p=1, top_k=3, stop_sequences=("END", "\n")),
        system="be brief%25",
        memory=True,
        done=True,
    )


def test_without_streaming_the_answer_is_whole() -> None:
    """
    Streaming is off unless it is asked for.
    """
    assert parse_query(b"model=llama3") == RawOptions(model="llama3")


@pytest.mark.parametrize(
    ("query", "words"),
    [
        (b"", "parameter model is missing"),
        (b"model=", "parameter model is missing"),
        (b"model=a&model=b", "parameter model is given twice"),
        (b"model=a&temprature=1", "unknown parameter 'temprature'"),
        (b"model=a&temperature=hot", "temperature is 'hot', expected a number from 0 to 2"),
        (b"model=a&temperature=nan", "expected a number"),
        (b"model=a&temperature=inf", "expected a number"),
        (b"model=a&temperature=-1", "expected a number"),
        (b"model=a&max_tokens=0", "max_tokens is '0', expected a whole number from 1"),
        (b"model=a&max_tokens=1.5", "expected a whole number"),
        (b"model=a&max_tokens=1_000", "expected a whole number"),
        (b"model=a&max_tokens=%D9%A3", "expected a whole number"),
        (b"model=a&max_tokens=" + b"9" * 5000, "expected a whole number"),
        (b"model=a&top_p=2", "top_p"),
        (b"model=a&top_k=-1", "top_k"),
        (b"model=a&stop=", "parameter stop is empty"),
        (b"model=a" + b"&stop=x" * 65, "stop is given 65 times, limit is 64"),
        (b"model=a" + b"&stop=x" * 101, "at most 100 parameters"),
        (b"model=%ff", "not percent-encoded UTF-8"),
        (b"model=\xff", "not percent-encoded UTF-8"),
    ],
)
def test_a_bad_query_is_refused_by_name(query: bytes, words: str) -> None:
    """
    Each bad parameter is refused with a sentence that names it.
    """
    with pytest.raises(RequestError) as caught:
        parse_query(query)
    assert words in caught.value.message


def test_a_huge_query_is_refused() -> None:
    """
    The query string is bounded before it is parsed.
    """
    with pytest.raises(RequestTooLarge, match="limit is 16384"):
        parse_query(b"model=a&system=" + b"x" * 20_000)


@given(st.binary(max_size=200))
def test_no_query_breaks_the_parser(query: bytes) -> None:
    """
    Any bytes give options or a RequestError.
    """
    with contextlib.suppress(RequestError):
        assert parse_query(query).model


@pytest.mark.parametrize(("message", "prompt"), [("hi ", "hi "), (b"h\xc3\xa9", "hé"), ("\x00a", "\x00a")])
def test_a_prompt_is_taken_as_it_is(message: str | bytes, prompt: str) -> None:
    """
    Nothing is trimmed or changed; binary prompts are UTF-8.
    """
    assert parse_prompt(message) == prompt


@pytest.mark.parametrize(("message", "words"), [("", "empty"), (" \n", "empty"), (b"", "empty"), (b"\xff", "UTF-8")])
def test_a_bad_prompt_is_refused(message: str | bytes, words: str) -> None:
    """
    Blank prompts and broken UTF-8 are refused.
    """
    with pytest.raises(RequestError, match=words):
        parse_prompt(message)


def test_the_request_holds_the_conversation() -> None:
    """
    The history comes before the prompt, the system prompt beside them.
    """
    history = [Message("user", (TextPart(text="a"),)), Message("assistant", (TextPart(text="b"),))]
    request = to_request(RawOptions(model="m", system="s", streaming=True), history, "c")
    assert [part.text for message in request.messages for part in message.parts if isinstance(part, TextPart)] == [
        "a",
        "b",
        "c",
    ]
    assert (request.system, request.stream, request.model) == ((TextPart(text="s"),), True, "m")


def test_only_text_is_shown() -> None:
    """
    Entries without text, reasoning among them, give no text.
    """
    entries = [
        LogEntry(1, MessageStart()),
        LogEntry(2, ReasoningDelta(text="hm")),
        LogEntry(3, TextDelta("a")),
        LogEntry(4, TextDelta("b")),
    ]
    assert text_of(entries) == "ab"
    assert [text_of([entry]) for entry in entries] == ["", "", "a", "b"]
    assert text_of([]) == ""


def every_error() -> list[type[OutcropError]]:
    """
    Find every error class.
    """
    found = [OutcropError]
    for error in found:
        found += error.__subclasses__()
    return found


@pytest.mark.parametrize(
    ("code", "status", "close_code"),
    [
        ("invalid_request", 400, 4400),
        ("upstream_rejected", 400, 4400),
        ("not_authenticated", 401, 4401),
        ("not_allowed", 403, 4403),
        ("unknown_model", 404, 4404),
        ("model_not_available", 404, 4404),
        ("deadline_exceeded", 504, 4408),
        ("too_large", 413, 4413),
        ("throttled", 429, 4429),
        ("upstream_failed", 502, 4502),
        ("stream_interrupted", 502, 4502),
        ("upstream_unreachable", 503, 4503),
        ("credentials_missing", 503, 4503),
        ("draining", 503, 1012),
        ("interrupted", 503, 1012),
        ("internal", 500, 1011),
    ],
)
def test_failures_have_close_codes(code: str, status: int, close_code: int) -> None:
    """
    Each kind of failure closes with its own code and its own words.
    """
    assert to_close(StreamFailed(code=code, message="why", status=status)) == (close_code, "why")


@pytest.mark.parametrize("error", every_error())
def test_every_error_has_a_close_code(error: type[OutcropError]) -> None:
    """
    No error class closes with a code that a client can't know.
    """
    known = {1011, 1012, 4400, 4401, 4403, 4404, 4408, 4413, 4429, 4502, 4503}
    assert to_close(StreamFailed(code=error.code, message="", status=error.status))[0] in known


@given(st.text(max_size=300))
def test_reasons_fit_a_close_frame(message: str) -> None:
    """
    A reason is at most 123 bytes of valid UTF-8, and only cut when it must be.
    """
    reason = shorten_reason(message)
    assert len(reason.encode()) <= MAX_REASON_BYTES
    encoded = message.encode("utf-8", "replace").decode()
    assert reason == encoded or (reason.endswith("…") and encoded.startswith(reason[:-1]))
