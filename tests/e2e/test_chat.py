"""
The native chat protocol on a WebSocket, against a real gateway: what a client of `WS /api/chat` may rely on.
"""

import asyncio
import signal
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from outcrop.accounts.authenticate import make_key
from tests.e2e.chat_client import open_chat
from tests.e2e.conftest import Book
from tests.support import Process, gateway_environment, run_outcrop


@pytest.fixture(scope="module")
def keys() -> dict[str, tuple[str, str]]:
    """
    Make two keys with their digests.
    """
    return {name: make_key() for name in ("one", "two")}


@pytest.fixture(scope="module")
def guarded(emulator_process: tuple[Process, str], keys: dict[str, tuple[str, str]]) -> Iterator[str]:
    """
    Run a gateway that wants keys.
    """
    digests = {name: digest for name, (_, digest) in keys.items()}
    environ = gateway_environment(emulator_process[1], api_keys=msgspec.json.encode(digests).decode())
    with run_outcrop("serve", "--port", "0", environ=environ) as (_, url):
        yield url


@pytest.fixture
def url(gateway: tuple[Process, str]) -> str:
    """
    Where the gateway listens.
    """
    return gateway[1]


async def test_two_chats_run_on_one_socket(url: str, book: Book) -> None:
    """
    Two chats share one socket: each gets its own answer, whole and in order.
    """
    async with open_chat(url) as chat:
        await chat.send("r1", "emulate 40 tokens", "chat-1")
        await chat.send("r2", "repeat after me: the other one", "chat-2", model="anthropic")
        answers = await chat.read_all("r1", "r2")
    calls = {call["model"]: call for call in await book.ended_calls(2)}
    emitted = sorted(call["text_emitted"]["text"] for call in calls.values())
    assert sorted([answers["r1"].text, answers["r2"].text]) == emitted
    for answer in answers.values():
        assert answer.last["type"] == "end"
        assert answer.chunks[0][0] == 0
        assert answer.parts[-1]["type"] == "finish"
        assert answer.parts[-1]["messageMetadata"]["usage"]["outputTokens"] > 0


async def test_a_whole_answer_is_one_delta(url: str, book: Book) -> None:
    """
    With `stream: false` the answer comes in one `text-delta`, from the operation that does not stream.
    """
    async with open_chat(url) as chat:
        await chat.send("r1", "emulate 40 tokens", stream=False)
        answer = await chat.answer("r1")
    call = (await book.ended_calls(1))[0]
    deltas = [part for part in answer.parts if part["type"] == "text-delta"]
    assert [delta["delta"] for delta in deltas] == [call["text_emitted"]["text"]]
    assert call["operation"] == "InvokeModel"


async def test_abort_stops_the_call(url: str, book: Book) -> None:
    """
    Abort closes the call to Bedrock within 250 ms, and the socket tells the exact end: `abort`, then `end`.
    """
    async with open_chat(url) as chat:
        await chat.send("r1", "emulate 1000 tokens")
        while (await chat.read()).get("chunk", {}).get("type") != "text-delta":
            pass
        aborted_at = asyncio.get_running_loop().time()
        await chat.abort("r1")
        answer = await chat.answer("r1")
    call = (await book.ended_calls(1))[0]
    assert [answer.parts[-1]["type"], answer.last["type"]] == ["abort", "end"]
    assert answer.parts[-2]["messageMetadata"]["stopReason"] == "stopped"
    assert call["outcome"] == "client_closed"
    assert call["client_closed_at_monotonic"] - aborted_at < 0.25


async def test_abort_stops_a_whole_answer(url: str, book: Book) -> None:
    """
    Abort closes a call that does not stream within 250 ms as well.
    """
    book.inject({"kind": "silence", "where": "before_headers", "seconds": 30})
    async with open_chat(url) as chat:
        await chat.send("r1", "emulate 1000 tokens", stream=False)
        while not await asyncio.to_thread(book.calls):
            await asyncio.sleep(0.01)
        aborted_at = asyncio.get_running_loop().time()
        await chat.abort("r1")
        assert (await chat.answer("r1")).parts[-1]["type"] == "abort"
    call = (await book.ended_calls(1))[0]
    assert call["operation"] == "InvokeModel"
    assert call["client_closed_at_monotonic"] - aborted_at < 0.25


async def test_an_early_abort_stops_the_turn(url: str, book: Book) -> None:
    """
    An abort that follows its `send` at once, before anything was answered, stops the turn as well.
    """
    async with open_chat(url) as chat:
        await chat.send("r1", "emulate 1000 tokens")
        await chat.abort("r1")
        answer = await chat.answer("r1")
    assert answer.parts[-1]["type"] == "abort"
    assert len(answer.text) < 1000


async def test_an_abort_of_nothing_is_ignored(url: str) -> None:
    """
    An abort of an unknown or finished request changes nothing, and the socket serves on.
    """
    async with open_chat(url) as chat:
        await chat.abort("never")
        await chat.send("r1", "hello")
        assert (await chat.answer("r1")).last["type"] == "end"
        await chat.abort("r1")
        await chat.send("r2", "hello")
        assert (await chat.answer("r2")).last["type"] == "end"


async def test_drop_and_resume_at_every_position(url: str, book: Book) -> None:
    """
    Cut after any number of parts and resumed with that position, the parts are those of an uncut reader.
    """
    async with open_chat(url) as chat:
        await chat.send("r1", "emulate 12 tokens")
        whole = await chat.answer("r1")
        epoch = whole.frames[0]["epoch"]
        for position in range(len(whole.parts)):
            request_id = f"again-{position}"
            await chat.resume(request_id, last_sequence=position, turnId=whole.turn_id, epoch=epoch)
            rest = await chat.answer(request_id)
            assert rest.chunks == whole.chunks[position + 1 :]
            assert rest.last["type"] == ("end" if rest.chunks else "no-active")
    assert len(await book.ended_calls(1)) == 1


async def test_a_cut_answer_goes_on(url: str, book: Book) -> None:
    """
    A client that vanishes in mid-answer and comes back, with or without its position, has the exact text in the end.
    """
    async with open_chat(url) as chat:
        await chat.send("r1", "emulate 200 tokens")
        seen = [await chat.read() for _ in range(8)]
        chat.connection.transport.abort()
    last = seen[-1]["sequence"]
    async with open_chat(url) as chat:
        await chat.resume("positioned", last_sequence=last, turnId=seen[0]["turnId"], epoch=seen[0]["epoch"])
        await chat.resume("replayed")
        answers = await chat.read_all("positioned", "replayed")
    call = (await book.ended_calls(1))[0]
    assert answers["replayed"].text == call["text_emitted"]["text"]
    assert answers["replayed"].chunks[last + 1 :] == answers["positioned"].chunks
    assert answers["positioned"].frames[0]["type"] == "start"
    assert answers["replayed"].chunks[0][0] == 0


async def test_two_sockets_watch_one_chat(url: str, book: Book) -> None:
    """
    A second tab that resumes a running chat sees the very same parts as the first.
    """
    async with open_chat(url) as one, open_chat(url) as other:
        await one.send("r1", "emulate 100 tokens")
        await one.read()
        await other.resume("r1")
        first, second = await asyncio.gather(one.answer("r1"), other.answer("r1"))
    assert second.chunks == first.chunks
    assert second.text == (await book.ended_calls(1))[0]["text_emitted"]["text"]


async def test_nothing_to_resume(url: str) -> None:
    """
    A chat without a turn has nothing to resume; an unknown turn and a foreign epoch are named as such.
    """
    async with open_chat(url) as chat:
        await chat.resume("r1", "no-such-chat")
        assert (await chat.answer("r1")).last["type"] == "no-active"
        await chat.resume("r2", last_sequence=0, turnId="turn_unknown")
        assert (await chat.answer("r2")).last["code"] == "not_found"
        await chat.send("r3", "hello")
        turn_id = (await chat.answer("r3")).turn_id
        await chat.resume("r4", last_sequence=0, turnId=turn_id, epoch="another")
        assert (await chat.answer("r4")).last["code"] == "epoch_changed"
        await chat.resume("r5", last_sequence=9999, turnId=turn_id)
        assert (await chat.answer("r5")).last["code"] == "expired"


async def test_foreign_turns_do_not_exist(guarded: str, keys: dict[str, tuple[str, str]], book: Book) -> None:
    """
    Another key's chat has nothing to resume, its turn is unknown, and the same chat ID is free for another key.
    """
    one, two = ({"Authorization": f"Bearer {key}"} for key, _ in keys.values())
    async with (
        open_chat(guarded, additional_headers=one) as owner,
        open_chat(guarded, additional_headers=two) as stranger,
    ):
        await owner.send("r1", "emulate 300 tokens")
        turn_id = (await owner.read())["turnId"]
        await stranger.resume("r1")
        assert (await stranger.answer("r1")).last["type"] == "no-active"
        await stranger.resume("r2", turnId=turn_id)
        assert (await stranger.answer("r2")).last["code"] == "not_found"
        await stranger.send("r3", "hello")
        assert (await stranger.answer("r3")).last["type"] == "end"
        await owner.abort("r1")
        await owner.answer("r1")
    async with open_chat(guarded) as nobody:
        assert (await nobody.close_code())[0] == 4401


async def test_a_busy_chat_refuses_a_second_turn(url: str) -> None:
    """
    A second `send` on a chat with a running turn gets an error that names the turn; the first goes on.
    """
    async with open_chat(url) as chat:
        await chat.send("r1", "emulate 300 tokens")
        turn_id = (await chat.read())["turnId"]
        await chat.send("r2", "hello")
        while (frame := await chat.read())["requestId"] != "r2":
            pass
        assert (frame["type"], frame["code"], frame["turnId"]) == ("error", "already_active", turn_id)
        assert "already active" in frame["errorText"]
        await chat.abort("r1")
        assert (await chat.answer("r1")).parts[-1]["type"] == "abort"


async def test_one_key_is_one_call(url: str, book: Book) -> None:
    """
    Twenty concurrent sends with one idempotency key make one call, and each gets the whole answer.
    """

    async def ask(number: int) -> str:
        async with open_chat(url) as chat:
            await chat.send(f"r{number}", "emulate 60 tokens", idempotency_key="key-of-twenty")
            return (await chat.answer(f"r{number}")).text

    texts = await asyncio.gather(*(ask(number) for number in range(20)))
    calls = await book.ended_calls(1)
    assert [call["text_emitted"]["text"] for call in calls] == [texts[0]]
    assert len(set(texts)) == 1
    async with open_chat(url) as chat:
        await chat.send("other", "another prompt", "other-chat", idempotency_key="key-of-twenty")
        assert (await chat.answer("other")).last["code"] == "idempotency_mismatch"


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"kind": "http_error", "name": "AccessDeniedException"}, "model_not_available"),
        ({"kind": "exception", "name": "modelStreamErrorException", "after_tokens": 5}, "model_failed"),
        ({"kind": "exception", "name": "throttlingException", "after_tokens": 5}, "throttled"),
    ],
)
async def test_a_failed_turn_says_why(url: str, book: Book, fault: dict[str, object], code: str) -> None:
    """
    A failure before or within the answer is told in parts: `data-error` for a program, then `error`, then the `end`.
    """
    book.inject(fault)
    async with open_chat(url) as chat:
        await chat.send("r1", "emulate 40 tokens")
        answer = await chat.answer("r1")
        *_, details, error = answer.parts
    assert (details["type"], error["type"], answer.last["type"]) == ("data-error", "error", "end")
    assert details["data"]["code"] == code
    assert error["errorText"] == details["data"]["message"]
    assert bool(answer.text) == (fault["kind"] == "exception")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"model": "nosuchmodel"}, "unknown_model"),
        ({"temperature": 9}, "invalid_request"),
        ({"modle": 1}, "invalid_request"),
    ],
)
async def test_a_refused_request_gets_an_error_frame(url: str, book: Book, body: dict[str, Any], code: str) -> None:
    """
    A request that can't be served gets an `error` frame, costs no call, and leaves the socket open.
    """
    async with open_chat(url) as chat:
        await chat.send("r1", "hello", **body)
        refused = (await chat.answer("r1")).last
        assert (refused["type"], refused["code"]) == ("error", code)
        assert book.calls() == []
        await chat.send("r2", "hello")
        assert (await chat.answer("r2")).last["type"] == "end"


async def test_a_reader_that_reads_nothing_is_cut_off(book: Book, emulator_process: tuple[Process, str]) -> None:
    """
    A socket that takes nothing is closed with 4408; its turn completes, and another socket resumes all of it.
    """
    environ = gateway_environment(emulator_process[1], slow_reader_timeout_seconds="3", max_unsent_bytes="20000")
    with run_outcrop("serve", "--port", "0", environ=environ) as (process, url):
        async with open_chat(url, ping_interval=None) as slow:
            await slow.send("r0", "emulate 3000 tokens", model="anthropic", maxTokens=3000)
            turn_id = (await slow.read())["turnId"]
            slow.connection.transport.pause_reading()
            for number in range(1, 60):
                await slow.resume(f"r{number}")
            await _wait_until(lambda: any(event.get("close_code") == 4408 for event in process.events()))
            slow.connection.transport.resume_reading()
            code, reason = await slow.close_code()
        async with open_chat(url) as back:
            await back.resume("all", turnId=turn_id)
            answer = await back.answer("all")
    assert answer.text == (await book.ended_calls(1))[0]["text_emitted"]["text"]
    assert (code, reason) == (4408, "too slow; resume")


async def _wait_until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.02)


async def test_drain_lets_answers_end(emulator_process: tuple[Process, str], book: Book) -> None:
    """
    On SIGTERM a client is told when to come back, its running answer ends whole, and the socket closes with 1012.
    """
    with run_outcrop("serve", "--port", "0", environ=gateway_environment(emulator_process[1])) as (process, url):
        async with open_chat(url) as chat, open_chat(url) as idle:
            await chat.send("r1", "emulate 300 tokens")
            start = await chat.read()
            process.send_signal(signal.SIGTERM)
            assert (await idle.close_code())[0] == 1012
            answer = await chat.answer("r1")
            assert (await chat.close_code())[0] == 1012
        assert process.wait() == 0
    call = (await book.ended_calls(1))[0]
    assert start["type"] == "start"
    assert answer.text == call["text_emitted"]["text"]
    told = [event for event in chat.server_events if event["event"] == "draining"]
    assert len(told) == 1
    assert 1 <= told[0]["retryAfterMs"] <= 5_000
