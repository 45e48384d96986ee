"""
The npm package `ai`, unmodified, talks to the gateway: its chats over its WebSocket transport and over its SSE one.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from outcrop.accounts.authenticate import make_key
from outcrop.client import Client
from tests.clients.ai_sdk import emitted, part_of, play_scenario, run_pinging_gateway, text_of
from tests.clients.proof import proves
from tests.e2e.conftest import Book
from tests.support import gateway_environment, run_outcrop

pytestmark = pytest.mark.service

STOP_SECONDS = 0.25
ATTEMPTS = 4
PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
    "YPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
WEATHER = {
    "name": "weather",
    "description": "Tells the weather in a city.",
    "inputSchema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
Play = Callable[..., Awaitable[Any]]
BOTH = pytest.mark.parametrize("binding", ["socket", "sse"])


@pytest.fixture(scope="module")
def paced_emulator() -> Iterator[str]:
    """
    Run an emulator, quick but paced.
    """
    pace = ["--first-token-ms", "10", "--tokens-per-second", "400", "--jitter", "0"]
    with run_outcrop("emulate", "--port", "0", *pace) as (_, url):
        yield url


@pytest.fixture
def book(paced_emulator: str) -> Iterator[Book]:
    """
    Give the emulator's book, cleared.
    """
    found = Book(paced_emulator)
    found.clear()
    yield found
    found.clear()


@pytest.fixture(scope="module")
def gateway(paced_emulator: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """
    Run a gateway that wants no key, and keeps conversations.
    """
    path = tmp_path_factory.mktemp("kept") / "outcrop.db"
    environ = gateway_environment(paced_emulator, database_url=str(path))
    with run_outcrop("serve", "--port", "0", environ=environ) as (_, url):
        yield url


@pytest.fixture(scope="module")
def guarded(paced_emulator: str) -> Iterator[tuple[str, str]]:
    """
    Run a gateway that wants a key; gives its URL and the key.
    """
    key, digest = make_key()
    environ = gateway_environment(paced_emulator, api_keys=json.dumps({"page": digest}))
    with run_outcrop("serve", "--port", "0", environ=environ) as (_, url):
        yield url, key


@pytest.fixture
def play(node: Path, gateway: str, book: Book) -> Play:
    """
    Give a function that plays one scenario with the package, and returns what the page then has.
    """

    async def run(scenario: str, **options: Any) -> Any:
        return await play_scenario(node, scenario, {"url": gateway, **options})

    return run


def assert_done(page: dict[str, Any]) -> None:
    """
    Check that a chat waits for the next message, and that it was told of no error.
    """
    assert (page["status"], page["errors"], page["data"]) == ("ready", [], [])
    assert not any(finish["isError"] or finish["isDisconnect"] for finish in page["finishes"])


def assert_answered(message: dict[str, Any], call: dict[str, Any]) -> None:
    """
    Check that a message is a call's answer: its exact text, finished, with its bill.
    """
    metadata, usage = message["metadata"], call["usage"]
    assert text_of(message) == emitted(call)
    assert all(part["state"] == "done" for part in message["parts"] if part["type"] in {"text", "reasoning"})
    assert message["id"].startswith("msg-")
    assert metadata["turnId"].startswith("turn_")
    assert (metadata["region"], metadata["stopReason"]) == ("us-east-1", "end_turn")
    assert (metadata["usage"]["inputTokens"], metadata["usage"]["outputTokens"]) == (usage["input"], usage["output"])
    assert metadata["usage"]["estimated"] is False
    assert 0 <= metadata["ttftMs"] <= metadata["durationMs"]
    assert metadata["costUsd"] > 0


async def test_two_chats_share_a_socket(play: Play, gateway: str, book: Book) -> None:
    """
    Two chats of the package run at once on one socket; each has its own exact text and its own bill.
    """
    prompts = ["emulate 120 tokens", "emulate 130 tokens"]
    page = await play("two_at_once", prompts=prompts, models=["llama3", "anthropic"])
    calls = {call["model"].split(".")[-2]: call for call in await book.ended_calls(2)}
    for chat, vendor in zip(page["chats"], ["meta", "anthropic"], strict=True):
        answer = chat["messages"][-1]
        assert_done(chat)
        assert_answered(answer, calls[vendor])
        turn = await asyncio.to_thread(Book(gateway).request, "GET", f"/api/turns/{answer['metadata']['turnId']}")
        assert text_of(answer) == turn["result"]["text"]
    assert page["sockets"] == 1
    first_end = [kind for kind, _ in page["frames"]].index("end")
    assert len({request_id for kind, request_id in page["frames"][:first_end] if kind == "chunk"}) == 2


def plain(message: dict[str, Any]) -> dict[str, Any]:
    """
    Pass over what a package notes while it reads a stream, and what the store knows besides.
    """
    parts = [{name: value for name, value in part.items() if name != "state"} for part in message["parts"]]
    shown = [part for part in parts if part["type"] != "step-start"]
    return {"id": message["id"], "role": message["role"], "parts": shown}


async def test_stock_and_own_clients_see_one_conversation(play: Play, gateway: str, book: Book) -> None:
    """
    A chat that the package began and our client goes on with is one conversation, which both have as it is kept.
    """
    page = await play("ask", id="shared", prompts=["emulate 30 tokens", "and then?"])
    kept = await asyncio.to_thread(Book(gateway).request, "GET", "/api/conversations/shared")
    assert list(map(plain, page["messages"])) == list(map(plain, kept["messages"]))
    async with Client(gateway) as client:
        chat = client.chat(model="anthropic", chat_id="shared", messages=kept["messages"])
        answer = await chat.send("what did I say first?").whole()
        mine = [dict(message) for message in chat.messages]
    assert "emulate 30 tokens" in answer.text
    kept = await asyncio.to_thread(Book(gateway).request, "GET", "/api/conversations/shared")
    assert [message["id"] for message in kept["messages"]] == [message["id"] for message in mine]
    assert plain(kept["messages"][-1]) == plain(mine[-1])
    page = await play("ask", id="shared", messages=kept["messages"], prompts=["and last?"])
    kept = await asyncio.to_thread(Book(gateway).request, "GET", "/api/conversations/shared")
    assert list(map(plain, page["messages"])) == list(map(plain, kept["messages"]))
    assert len(kept["messages"]) == 8
    assert all(message["siblings"] == [message["id"]] for message in kept["messages"])


@BOTH
@proves("ai (JavaScript)", "streaming")
async def test_a_chat_goes_on(play: Play, book: Book, binding: str) -> None:
    """
    The second question carries the first answer; `regenerate` makes the last answer anew, or an earlier one.
    """
    prompts = ["emulate 60 tokens", "what did I say before?"]
    page = await play("ask", binding=binding, prompts=prompts, regenerate=[None, 1])
    first, second, again, first_again = await book.ended_calls(4)
    before, after = page["before"], page["messages"]
    assert_done(page)
    assert [message["role"] for message in before] == ["user", "assistant"] * 2
    assert_answered(before[1], first)
    assert_answered(before[3], second)
    assert "emulate 60 tokens" in text_of(before[3])
    assert second["usage"]["input"] >= first["usage"]["input"] + first["usage"]["output"]
    assert (again["usage"], emitted(again)) == (second["usage"], emitted(second))
    assert [message["role"] for message in after] == ["user", "assistant"]
    assert_answered(after[1], first_again)
    assert first_again["usage"] == first["usage"]
    assert after[1]["id"] != before[1]["id"]


@proves("ai (JavaScript)", "cancellation")
async def test_a_stop_closes_the_call(play: Play, book: Book) -> None:
    """
    `chat.stop()` closes the call to Bedrock within 250 ms; the page keeps what it had, and the chat goes on.
    """
    delays: list[float] = []
    # A busy machine may delay one stop, not several.
    while len(delays) < ATTEMPTS and not (delays and delays[-1] < STOP_SECONDS):
        book.clear()
        page = await play("stop", prompt="emulate 2000 tokens", next="repeat after me: on we go")
        cut, following = await book.ended_calls(2)
        assert cut["outcome"] == "client_closed"
        delays.append(cut["client_closed_at_monotonic"] - page["stoppedAt"])
        kept = page["kept"]["messages"][-1]
        assert page["kept"]["status"] == "ready"
        assert page["kept"]["finishes"] == [{"isAbort": True, "isDisconnect": False, "isError": False}]
        assert page["turn"]["result"]["stopReason"] == "stopped"
        assert page["turn"]["result"]["text"].startswith(text_of(kept))
        assert emitted(cut).startswith(page["turn"]["result"]["text"])
        assert_done(page)
        assert_answered(page["messages"][-1], following)
        assert text_of(page["messages"][-1]) == "on we go"
    assert delays[-1] < STOP_SECONDS


@BOTH
async def test_the_stop_route_ends_the_stream(play: Play, book: Book, binding: str) -> None:
    """
    Stopped by its route, the page's own stream ends well, with exactly what was kept and billed.
    """
    prompts = {"prompt": "emulate 2000 tokens", "next": "repeat after me: on we go"}
    page = await play("stop", binding=binding, by_route=True, **prompts)
    cut, following = await book.ended_calls(2)
    kept = page["kept"]["messages"][-1]
    assert (page["route"]["http"], page["route"]["state"]) == (202, "running")
    assert cut["outcome"] == "client_closed"
    assert_done(page["kept"])
    assert kept["metadata"]["stopReason"] == "stopped"
    assert kept["metadata"]["usage"]["outputTokens"] > 0
    assert text_of(kept) == page["turn"]["result"]["text"]
    assert emitted(cut).startswith(text_of(kept))
    assert_answered(page["messages"][-1], following)


@BOTH
@pytest.mark.parametrize("fresh", [False, True], ids=["same page", "loaded anew"])
@proves("ai (JavaScript)", "resume")
async def test_a_lost_network_loses_nothing(play: Play, book: Book, binding: str, *, fresh: bool) -> None:
    """
    Cut off in mid-answer and resumed, a chat has exactly the whole answer, of one call to Bedrock.
    """
    page = await play("drop", binding=binding, prompt="emulate 300 tokens", fresh=fresh)
    (call,) = await book.ended_calls(1)
    part, whole = page["lost"]["messages"][-1], page["messages"][-1]
    assert page["lost"]["status"] == "error"
    assert 0 < len(text_of(part)) < len(emitted(call))
    assert (page["status"], len(page["messages"])) == ("ready", 2)
    assert whole["id"] == part["id"]
    assert_answered(whole, call)
    assert call["outcome"] == "completed"
    if binding == "socket":
        assert page["lost"]["finishes"] == [{"isAbort": False, "isDisconnect": True, "isError": True}]


@BOTH
async def test_nothing_to_resume_is_quiet(play: Play, book: Book, binding: str) -> None:
    """
    A chat in which nothing runs resumes to nothing: no error, no message, no call.
    """
    page = await play("resume_nothing", binding=binding)
    assert page == {"status": "ready", "messages": [], "errors": [], "data": [], "finishes": []}
    assert book.calls() == []


@BOTH
async def test_a_finished_answer_is_not_doubled(play: Play, book: Book, binding: str) -> None:
    """
    A page that is loaded anew just after the end of an answer, and resumes, shows the same answer once.
    """
    page = await play("resume_finished", binding=binding, prompt="emulate 30 tokens")
    assert_done(page)
    assert page["messages"] == page["first"]["messages"]
    assert_answered(page["messages"][-1], (await book.ended_calls(1))[0])


@BOTH
async def test_a_busy_chat_refuses_the_second_question(play: Play, book: Book, binding: str) -> None:
    """
    A second tab that asks while an answer comes is told that the chat is active; the first tab's answer is whole.
    """
    page = await play("ask_twice", binding=binding, prompt="emulate 100 tokens")
    (call,) = await book.ended_calls(1)
    assert page["other"]["status"] == "error"
    assert "already active" in page["other"]["error"]
    assert (page["other"]["errors"], len(page["other"]["messages"])) == ([page["other"]["error"]], 1)
    assert_done(page["one"])
    assert_answered(page["one"]["messages"][-1], call)


@BOTH
@proves("ai (JavaScript)", "errors before")
async def test_an_error_before_the_stream(play: Play, book: Book, binding: str) -> None:
    """
    An unknown model is an error that names it; there is no message for it, and the next question is answered.
    """
    page = await play("fail", binding=binding, prompt="hello", next="hello", body={"model": "nobody"})
    failed = page["failed"]
    assert failed["status"] == "error"
    # Over HTTP the package takes the body of the answer for the error's message.
    message = failed["error"] if binding == "socket" else json.loads(failed["error"])["error"]["message"]
    assert message.startswith("model 'nobody' is unknown")
    assert [one["role"] for one in failed["messages"]] == ["user"]
    assert failed["data"] == []
    assert page["status"] == "ready"
    assert_answered(page["messages"][-1], (await book.ended_calls(1))[0])


@BOTH
@proves("ai (JavaScript)", "errors in mid-stream")
async def test_an_error_in_mid_answer(play: Play, book: Book, binding: str) -> None:
    """
    When Bedrock throttles in mid-answer, the page keeps the text so far, and is told why, in words and in codes.
    """
    book.inject({"kind": "exception", "name": "throttlingException", "after_tokens": 5}, times=1)
    page = await play("fail", binding=binding, prompt="emulate 50 tokens", next="repeat after me: fine")
    cut, following = await book.ended_calls(2)
    failed, partial = page["failed"], page["failed"]["messages"][-1]
    assert cut["outcome"] == "fault:exception"
    assert (failed["status"], failed["errors"]) == ("error", [failed["error"]])
    assert "quota" in failed["error"]
    assert text_of(partial) == emitted(cut) != ""
    assert [part["type"] for part in partial["parts"]] == ["step-start", "text"]
    assert partial["metadata"]["usage"]["outputTokens"] == 5
    (told,) = failed["data"]
    assert (told["type"], told["transient"]) == ("data-error", True)
    assert (told["data"]["code"], told["data"]["retryable"]) == ("throttled", True)
    assert told["data"]["message"] == failed["error"]
    assert told["data"]["awsRequestId"] == cut["request_id"]
    assert page["status"] == "ready"
    assert_answered(page["messages"][-1], following)


@proves("ai (JavaScript)", "plain")
async def test_a_whole_answer_is_one_delta(play: Play, book: Book) -> None:
    """
    With `stream: false` the package gets the text in one delta, from the operation that does not stream.
    """
    page = await play("ask", prompts=["emulate 40 tokens"], body={"stream": False})
    (call,) = await book.ended_calls(1)
    chunks = [frame["chunk"] for frame in page["frames"] if frame["type"] == "chunk"]
    assert [chunk["delta"] for chunk in chunks if chunk["type"] == "text-delta"] == [emitted(call)]
    assert call["operation"] == "InvokeModel"
    assert_done(page)
    assert_answered(page["messages"][-1], call)


@proves("ai (JavaScript)", "images")
async def test_an_image_is_sent(play: Play, book: Book) -> None:
    """
    A file part of the package reaches Claude as an image, beside the text.
    """
    text = {"type": "text", "text": "repeat after me: opal"}
    for parts in ([text], [{"type": "file", "mediaType": "image/png", "url": PIXEL}, text]):
        page = await play("ask", parts=parts, body={"model": "anthropic"})
        assert_done(page)
        assert text_of(page["messages"][-1]) == "opal"
    without, with_image = await book.ended_calls(2)
    assert with_image["usage"]["input"] > without["usage"]["input"]


async def test_reasoning_comes_and_goes_back(play: Play, book: Book) -> None:
    """
    Reasoning is a part of its own, with its signature, and the next question carries it back.
    """
    body = {"model": "anthropic", "maxTokens": 3000, "reasoning": {"mode": "enabled", "budgetTokens": 1024}}
    page = await play("ask", prompts=["Why is granite hard?", "repeat after me: opal"], body=body)
    calls = await book.ended_calls(2)
    assert_done(page)
    for message, call in zip(page["messages"][1::2], calls, strict=True):
        reasoning = part_of(message, "reasoning")
        assert reasoning["text"]
        assert reasoning["providerMetadata"]["bedrock"]["signature"]
        assert_answered(message, call)


@proves("ai (JavaScript)", "tools")
async def test_a_tool_is_called_and_answered(play: Play, book: Book) -> None:
    """
    A call is a tool part with its input; its output, sent by the package itself, is answered in the same message.
    """
    prompt = "What is the weather in Oslo? Use the tool weather."
    body = {"model": "anthropic", "tools": [WEATHER]}
    page = await play("call_tool", prompt=prompt, output={"sky": "clear"}, body=body)
    _, following = await book.ended_calls(2)
    asked, answered = page["asked"]["messages"], page["messages"]
    call = part_of(asked[-1], "tool-weather")
    assert (call["state"], call["input"]) == ("input-available", {"city": "Oslo"})
    assert (asked[-1]["metadata"]["stopReason"], page["finishes"][0]["finishReason"]) == ("tool_use", "tool-calls")
    assert_done(page)
    assert [message["id"] for message in answered] == [message["id"] for message in asked]
    assert part_of(answered[-1], "tool-weather")["state"] == "output-available"
    assert answered[-1]["parts"][-1]["text"] == emitted(following)
    assert "clear" in emitted(following)


@BOTH
async def test_the_bare_transport(play: Play, book: Book, binding: str) -> None:
    """
    Without a chat, `sendMessages` and `readUIMessageStream` give the same message, and `reconnectToStream` nothing.
    """
    page = await play("read_stream", binding=binding, prompt="emulate 40 tokens")
    assert_answered(page["message"], (await book.ended_calls(1))[0])
    assert page["nothing"] is None


@BOTH
async def test_a_key_opens_the_gateway(play: Play, guarded: tuple[str, str], book: Book, binding: str) -> None:
    """
    The package brings a key where each binding has a place for it; without one it gets an error and no answer.
    """
    url, key = guarded
    page = await play("stop", url=url, key=key, binding=binding, by_route=True, prompt="emulate 2000 tokens", next="hi")
    assert_done(page)
    assert_answered(page["messages"][-1], (await book.ended_calls(2))[1])
    page = await play("drop", url=url, key=key, binding=binding, prompt="emulate 100 tokens", fresh=True)
    assert_answered(page["messages"][-1], (await book.ended_calls(3))[2])
    refused = await play("ask", url=url, binding=binding, prompts=["hello"])
    assert (refused["status"], len(refused["errors"]), len(refused["messages"])) == ("error", 1, 1)
    assert len(book.calls()) == 3


async def test_pings_disturb_nothing(play: Play, paced_emulator: str, book: Book) -> None:
    """
    Pings in mid-answer and between answers do the package no harm: one socket serves both answers.
    """
    async with run_pinging_gateway(paced_emulator, 0.05) as url:
        page = await play("sit", url=url, prompt="emulate 150 tokens", pings=5)
    kinds = [frame.get("event", frame["type"]) for frame in page["frames"]]
    assert "ping" in kinds[: kinds.index("end")]
    assert page["sockets"] == 1
    assert_done(page)
    for message, call in zip(page["messages"][1::2], await book.ended_calls(2), strict=True):
        assert_answered(message, call)


async def test_a_draining_gateway_ends_the_answer(play: Play, paced_emulator: str, book: Book) -> None:
    """
    The package passes over `draining`, and has its whole answer before the gateway goes.
    """
    environ = gateway_environment(paced_emulator)
    with run_outcrop("serve", "--port", "0", environ=environ) as (process, url):
        page = await play("drain", url=url, prompt="emulate 150 tokens", pid=process.pid)
        assert await asyncio.to_thread(process.wait) == 0
    assert "draining" in [frame.get("event") for frame in page["frames"]]
    assert_done(page)
    assert_answered(page["messages"][-1], (await book.ended_calls(1))[0])
