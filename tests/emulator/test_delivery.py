"""
Tests of `outcrop.emulator.sending.delivery` over the wire: pace, faults, and the client's end.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from botocore.eventstream import ChecksumMismatch

CLAUDE = "us.anthropic.claude-sonnet-4-6"
LLAMA = "meta.llama3-70b-instruct-v1:0"
PROMPT = {"prompt": "emulate 10 tokens"}
STREAM = f"/model/{LLAMA}/invoke-with-response-stream"
Stream = Callable[..., Awaitable[Any]]


@pytest.fixture
def stream(wire: Any) -> Stream:
    """
    Return a function that plants a fault, streams ten tokens, and returns the reply.
    """

    async def run(**fault: Any) -> Any:
        await wire.add_fault(**fault)
        return await wire.call("invoke-with-response-stream", LLAMA, PROMPT)

    return run


async def outcome(wire: Any) -> tuple[str, int]:
    """
    Return how the last call ended, and how many tokens had gone out.
    """
    call = (await wire.calls())[-1]
    return call["outcome"], call["tokens_emitted"]


@pytest.mark.parametrize("after", [0, 1, 5, 10, 99])
async def test_an_exception_follows_the_tokens_before_it(after: int, stream: Stream, wire: Any) -> None:
    """
    An exception comes after k tokens, or before the terminal chunk where the answer is shorter; then HTTP ends well.
    """
    reply = await stream(kind="exception", name="throttlingException", after_tokens=after)
    messages = reply.messages()
    assert [headers[":message-type"] for headers, _ in messages] == ["event"] * min(after, 10) + ["exception"]
    assert messages[-1][0][":exception-type"] == "throttlingException"
    assert json.loads(messages[-1][1]) == {"message": "Too many tokens, please wait before trying again."}
    assert reply.ending == "clean"
    assert await outcome(wire) == ("fault:exception", min(after, 10))


async def test_an_error_message_has_code_and_text_in_its_headers(stream: Stream, wire: Any) -> None:
    """
    An unmodelled error is a message without a payload.
    """
    reply = await stream(kind="error_message", code="InternalFailure", message="boom", after_tokens=2)
    headers, payload = reply.messages()[-1]
    assert (headers[":error-code"], headers[":error-message"], payload) == ("InternalFailure", "boom", b"")
    assert await outcome(wire) == ("fault:error_message", 2)


@pytest.mark.parametrize("what", ["prelude", "message", "length"])
async def test_a_corrupt_message_fails_its_checksum(what: str, stream: Stream, wire: Any) -> None:
    """
    Damage is found by its CRC; the stream goes on as if nothing had happened.
    """
    reply = await stream(kind="corrupt", what=what, after_tokens=3)
    assert (len(reply.chunks), reply.ending) == (11, "clean")
    with pytest.raises(ChecksumMismatch):
        reply.messages()
    assert await outcome(wire) == ("fault:corrupt", 3)


async def test_a_cut_after_tokens_ends_without_http(stream: Stream, wire: Any) -> None:
    """
    The connection closes after k tokens, and HTTP never ends.
    """
    reply = await stream(kind="cut", after_tokens=4)
    assert (len(reply.chunks), reply.ending) == (4, "cut")
    assert await outcome(wire) == ("fault:cut", 4)


@pytest.mark.parametrize("after", [0, 1, 100, 1000])
async def test_a_cut_after_bytes_is_exact(after: int, stream: Stream, wire: Any) -> None:
    """
    The connection closes in the midst of a message, at the very byte.
    """
    reply = await stream(kind="cut", after_bytes=after)
    assert (len(reply.body), reply.ending) == (after, "cut")
    assert (await outcome(wire))[0] == "fault:cut"


async def test_a_cut_beyond_the_answer_takes_https_end(stream: Stream) -> None:
    """
    Where the answer is shorter than the cut, all of it comes but HTTP's end.
    """
    reply = await stream(kind="cut", after_bytes=999_999)
    assert (len(reply.chunks), reply.ending) == (11, "cut")


async def test_a_reset_is_seen_as_one(stream: Stream, wire: Any) -> None:
    """
    The client gets ECONNRESET after the tokens before it.
    """
    reply = await stream(kind="reset", after_tokens=3)
    assert (len(reply.chunks), reply.ending) == (3, "reset")
    assert await outcome(wire) == ("fault:reset", 3)


@pytest.mark.parametrize("after", [None, 2])
async def test_an_end_without_terminal_is_clean_http(after: int | None, stream: Stream, wire: Any) -> None:
    """
    HTTP ends well, the answer doesn't.
    """
    reply = await stream(kind="end_without_terminal", **({} if after is None else {"after_tokens": after}))
    assert reply.ending == "clean"
    assert all(payload["stop_reason"] is None for payload in reply.payloads())
    assert await outcome(wire) == ("fault:end_without_terminal", 10 if after is None else after)


@pytest.mark.parametrize("where", ["before_headers", "before_first_token", "after_tokens"])
async def test_silence_delays_and_then_all_is_well(where: str, stream: Stream, wire: Any) -> None:
    """
    After a silence the answer comes whole.
    """
    started = time.monotonic()
    reply = await stream(kind="silence", where=where, seconds=0.2, tokens=3)
    assert time.monotonic() - started >= 0.2
    assert (len(reply.chunks), reply.ending) == (11, "clean")
    assert await outcome(wire) == ("completed", 10)
    assert (await wire.calls())[-1]["fault"] == "silence"


async def test_slow_is_slow(stream: Stream) -> None:
    """
    A slow answer keeps the pace of its rule.
    """
    started = time.monotonic()
    await stream(kind="slow", tokens_per_second=50)
    assert time.monotonic() - started >= 9 / 50


async def test_an_http_error_is_all_that_comes(stream: Stream, wire: Any) -> None:
    """
    A call that fails by HTTP has status, name, message and both spellings of when to come back.
    """
    reply = await stream(kind="http_error", name="ThrottlingException", retry_after=1.5)
    assert (reply.status, reply.error) == (429, "throttlingexception")
    assert (reply.headers["retry-after"], reply.headers["x-amz-retry-after"]) == ("1.5", "1500")
    assert reply.json() == {"message": "Too many tokens, please wait before trying again."}
    assert await outcome(wire) == ("fault:http_error", 0)


@pytest.mark.parametrize(("fault", "ending"), [({"kind": "cut"}, "cut"), ({"kind": "cut", "after_bytes": 7}, "cut")])
async def test_a_whole_answer_can_be_cut(fault: dict[str, Any], ending: str, wire: Any) -> None:
    """
    Less comes than Content-Length has promised.
    """
    await wire.add_fault(**fault)
    reply = await wire.call("invoke", LLAMA, PROMPT)
    assert (reply.ending, len(reply.body) < int(reply.headers["content-length"])) == (ending, True)
    assert await outcome(wire) == ("fault:cut", 0)


async def test_a_whole_answer_can_be_reset(wire: Any) -> None:
    """
    The connection is reset before any answer.
    """
    await wire.add_fault(kind="reset")
    with pytest.raises(ConnectionResetError):
        await wire.call("invoke", LLAMA, PROMPT)
    assert await outcome(wire) == ("fault:reset", 0)


async def test_a_whole_answer_can_be_silent(wire: Any) -> None:
    """
    Silence before the headers is for every operation.
    """
    await wire.add_fault(kind="silence", where="before_headers", seconds=0.1)
    started = time.monotonic()
    assert (await wire.request("GET", "/foundation-models")).status == 200
    assert time.monotonic() - started >= 0.1


async def leave(wire: Any, *, after_bytes: bool) -> dict[str, Any]:
    """
    Begin a stream, go away, and return the call's entry when it has ended.
    """
    reader, writer = await wire.open("POST", STREAM, json.dumps(PROMPT).encode())
    if after_bytes:
        await reader.readuntil(b"\r\n\r\n")
    else:
        while not await wire.calls():
            await asyncio.sleep(0.005)
    writer.close()
    await writer.wait_closed()
    async with asyncio.timeout(3):
        while (call := (await wire.calls())[0])["outcome"] is None:
            await asyncio.sleep(0.005)
    entry: dict[str, Any] = call
    return entry


@pytest.mark.parametrize("where", ["before_headers", "before_first_token", "after_tokens"])
async def test_a_client_that_goes_in_silence_is_noticed_at_once(where: str, wire: Any) -> None:
    """
    The book has the moment when the client closed, though nothing was being sent.
    """
    await wire.add_fault(kind="silence", where=where, seconds=60, tokens=0)
    call = await leave(wire, after_bytes=where != "before_headers")
    assert (call["outcome"], call["fault"], call["tokens_emitted"]) == ("client_closed", "silence", 0)
    assert 0 < call["closed_by_client_ms_after_start"] < 2000


async def test_a_client_that_goes_between_tokens_is_noticed(start_emulator: Any) -> None:
    """
    A stopped answer has only the tokens that went out, and its text is theirs.
    """
    wire = await start_emulator(tokens_per_second=20)
    call = await leave(wire, after_bytes=True)
    assert call["outcome"] == "client_closed"
    assert call["tokens_emitted"] < 10


async def test_the_first_token_comes_when_it_is_due(start_emulator: Any) -> None:
    """
    The pace is kept: first the wait, then so many tokens a second.
    """
    wire = await start_emulator(first_token_ms=100, tokens_per_second=50, jitter=0)
    started = time.monotonic()
    reply = await wire.call("invoke-with-response-stream", LLAMA, PROMPT)
    elapsed = time.monotonic() - started
    assert 0.28 <= elapsed < 1.5
    metrics = reply.payloads()[-1]["amazon-bedrock-invocationMetrics"]
    assert metrics["firstByteLatency"] == 100
    assert metrics["invocationLatency"] >= 280


async def test_a_whole_answer_takes_as_long_as_its_stream(start_emulator: Any) -> None:
    """
    Without streaming the wait is for the last token.
    """
    wire = await start_emulator(first_token_ms=50, tokens_per_second=50)
    started = time.monotonic()
    await wire.call("invoke", LLAMA, PROMPT)
    assert time.monotonic() - started >= 0.25


async def test_calls_are_answered_at_the_same_time(start_emulator: Any) -> None:
    """
    A hundred streams take hardly longer than one.
    """
    wire = await start_emulator(first_token_ms=100, tokens_per_second=50)
    started = time.monotonic()
    replies = await asyncio.gather(*(wire.call("invoke-with-response-stream", LLAMA, PROMPT) for _ in range(100)))
    assert all(len(reply.chunks) == 11 for reply in replies)
    assert time.monotonic() - started < 5


async def test_thinking_counts_as_tokens_but_not_as_text(wire: Any) -> None:
    """
    The book's text is the answer; its tokens are all that went out.
    """
    body = {
        "anthropic_version": "x",
        "max_tokens": 2000,
        "messages": [{"role": "user", "content": "repeat after me: abc"}],
        "thinking": {"type": "enabled", "budget_tokens": 1024},
    }
    reply = await wire.call("invoke-with-response-stream", CLAUDE, body)
    kinds = {payload["delta"]["type"] for payload in reply.payloads() if payload["type"] == "content_block_delta"}
    assert kinds == {"thinking_delta", "signature_delta", "text_delta"}
    call = (await wire.calls())[-1]
    assert (call["text_emitted"]["text"], call["tokens_emitted"]) == ("abc", call["usage"]["output"])
