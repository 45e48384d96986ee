"""
The turns API against a real gateway: any dialect's turn can be seen, followed, stopped and forgotten.
"""

import asyncio
from collections.abc import Iterator
from datetime import datetime

import msgspec
import pytest

from outcrop.accounts.authenticate import make_key
from tests.e2e.chat_client import chat_body, open_chat, request
from tests.e2e.conftest import Book
from tests.support import Process, gateway_environment, run_outcrop


@pytest.fixture
def url(gateway: tuple[Process, str]) -> str:
    """
    Where the gateway listens.
    """
    return gateway[1]


def ask(url: str, prompt: str, chat_id: str = "turns") -> str:
    """
    Run a turn to its end; returns its ID.
    """
    answer = request(url, "POST", "/api/chat", chat_body(prompt, chat_id))
    return str(answer.parts[0]["messageMetadata"]["turnId"])


async def test_a_finished_turn_is_described(url: str, book: Book) -> None:
    """
    A finished turn tells its state, its times, its bill and its whole result.
    """
    turn_id = await asyncio.to_thread(ask, url, "emulate 30 tokens")
    turn = (await asyncio.to_thread(request, url, "GET", f"/api/turns/{turn_id}")).json
    call = (await book.ended_calls(1))[0]
    assert (turn["turnId"], turn["state"], turn["model"], turn["chatId"]) == (turn_id, "completed", "llama3", "turns")
    assert turn["modelId"].startswith("meta.llama3")
    assert turn["region"] == "us-east-1"
    assert datetime.fromisoformat(turn["startedAt"]) <= datetime.fromisoformat(turn["endedAt"])
    assert turn["usage"]["outputTokens"] == call["usage"]["output"]
    assert turn["durationMs"] >= turn["ttftMs"] >= 0
    assert turn["costUsd"] > 0
    assert turn["result"]["complete"] is True
    assert turn["result"]["text"] == turn["result"]["parts"][0]["text"] == call["text_emitted"]["text"]
    assert turn["result"]["stopReason"] in {"end_turn", "max_tokens"}


async def test_a_running_turn_is_described_stopped_and_forgotten(url: str, book: Book) -> None:
    """
    A running turn shows its result so far and can't be forgotten; stopped, it can, and is unknown then.
    """
    async with open_chat(url) as chat:
        await chat.send("r1", "emulate 1000 tokens", "running")
        path = f"/api/turns/{(await chat.read())['turnId']}"
        while (await chat.read()).get("chunk", {}).get("type") != "text-delta":
            pass
        turn = (await asyncio.to_thread(request, url, "GET", path)).json
        assert (turn["state"], turn["endedAt"], turn["result"]["complete"]) == ("running", None, False)
        assert turn["result"]["text"]
        refused = await asyncio.to_thread(request, url, "DELETE", path)
        assert (refused.status, refused.error["code"]) == (409, "still_running")
        stopped = await asyncio.to_thread(request, url, "POST", f"{path}/stop")
        assert (stopped.status, stopped.json["state"]) == (202, "running")
        assert (await chat.answer("r1")).parts[-1]["type"] == "abort"
    assert (await book.ended_calls(1))[0]["outcome"] == "client_closed"
    again = await asyncio.to_thread(request, url, "POST", f"{path}/stop")
    assert (again.status, again.json["state"]) == (200, "stopped")
    assert (await asyncio.to_thread(request, url, "GET", path)).json["result"]["stopReason"] == "stopped"
    assert (await asyncio.to_thread(request, url, "DELETE", path)).status == 200
    for method, below in (("GET", ""), ("GET", "/events"), ("POST", "/stop"), ("DELETE", "")):
        gone = await asyncio.to_thread(request, url, method, path + below)
        assert (gone.status, gone.error["code"]) == (404, "not_found")


async def test_events_go_on_after_every_position(url: str) -> None:
    """
    From any position, named in the query or by `Last-Event-ID`, the events are the rest; after the last one, 204.
    """
    turn_id = await asyncio.to_thread(ask, url, "emulate 12 tokens")
    path = f"/api/turns/{turn_id}/events"
    whole = await asyncio.to_thread(request, url, "GET", path)
    events = whole.events
    assert whole.headers["content-type"].startswith("text/event-stream")
    assert events[0]["event"] == "message_start"
    assert events[-1]["event"] == "message_stop"
    assert "".join(msgspec.json.decode(event["data"]).get("text", "") for event in events)
    epoch = events[0]["id"].split(":")[0]
    assert [event["id"] for event in events] == [f"{epoch}:{seq}" for seq in range(1, len(events) + 1)]
    for position in range(len(events) + 1):
        expected = events[position:]
        named = [
            (f"{path}?after={position}", {}),
            (f"{path}?after={epoch}:{position}", {}),
            (path, {"Last-Event-ID": f"{epoch}:{position}"}),
            (f"{path}?after=0", {"Last-Event-ID": f"{epoch}:{position}"}),
        ]
        for target, headers in named:
            rest = await asyncio.to_thread(request, url, "GET", target, None, headers)
            assert (rest.status, rest.content) == (204, b"") if not expected else rest.events == expected


async def test_events_of_a_running_turn_come_as_they_come(url: str, book: Book) -> None:
    """
    A reader of a raw or native turn that still runs is sent its events to the very end.
    """
    async with open_chat(url) as chat:
        await chat.send("r1", "emulate 100 tokens", "followed")
        turn_id = (await chat.read())["turnId"]
        followed = await asyncio.to_thread(request, url, "GET", f"/api/turns/{turn_id}/events")
        await chat.answer("r1")
    texts = [msgspec.json.decode(event["data"]).get("text", "") for event in followed.events]
    assert "".join(texts) == (await book.ended_calls(1))[0]["text_emitted"]["text"]
    assert followed.events[-1]["event"] == "message_stop"


@pytest.mark.parametrize(
    ("query", "headers", "status", "code", "words"),
    [
        ("?after=x", {}, 400, "invalid_request", "parameter after"),
        ("?after=-1", {}, 400, "invalid_request", "from 0"),
        ("?after=", {}, 400, "invalid_request", "EPOCH:NUMBER"),
        ("?after=1&after=2", {}, 400, "invalid_request", "twice"),
        ("?afetr=1", {}, 400, "invalid_request", "known is after"),
        ("", {"Last-Event-ID": "1:2:3"}, 400, "invalid_request", "Last-Event-ID"),
        ("", {"Last-Event-ID": "9" * 4000}, 400, "invalid_request", "Last-Event-ID"),
        ("?after=999999", {}, 410, "expired", "position"),
        ("?after=another:1", {}, 410, "epoch_changed", ""),
    ],
)
def test_a_position_that_means_nothing(
    url: str, query: str, headers: dict[str, str], status: int, code: str, words: str
) -> None:
    """
    A reader that can't go on gets one typed error, which names what is wrong.
    """
    turn_id = ask(url, "hello")
    answer = request(url, "GET", f"/api/turns/{turn_id}/events{query}", None, headers)
    assert (answer.status, answer.error["code"]) == (status, code)
    assert words in answer.error["message"]
    assert answer.error["retryable"] is False


@pytest.mark.parametrize("turn_id", ["turn_unknown", "x" * 10_000, "%0a%0d", "..%2f..", "%00", "';drop"])
@pytest.mark.parametrize(("method", "below"), [("GET", ""), ("GET", "/events"), ("POST", "/stop"), ("DELETE", "")])
def test_an_unknown_turn(url: str, turn_id: str, method: str, below: str) -> None:
    """
    A turn that does not exist is not found, whatever its name looks like.
    """
    answer = request(url, method, f"/api/turns/{turn_id}{below}")
    assert answer.status in {400, 404}
    assert answer.json["error"]["code"] in {"not_found", "invalid_request"}


@pytest.fixture(scope="module")
def guarded(emulator_process: tuple[Process, str]) -> Iterator[tuple[str, dict[str, str], dict[str, str]]]:
    """
    Run a gateway that wants keys, and is soon full; gives the headers of two principals.
    """
    (one, one_digest), (two, two_digest) = make_key(), make_key()
    digests = msgspec.json.encode({"one": one_digest, "two": two_digest}).decode()
    environ = gateway_environment(emulator_process[1], api_keys=digests, max_turns="1")
    with run_outcrop("serve", "--port", "0", environ=environ) as (_, url):
        yield url, {"x-api-key": one}, {"x-api-key": two}


async def test_foreign_turns_and_a_full_server(guarded: tuple[str, dict[str, str], dict[str, str]]) -> None:
    """
    Another's turn looks like an unknown one; without a key nothing is told; beyond the limit of turns 429.
    """
    url, one, two = guarded
    async with open_chat(url, additional_headers=one) as chat:
        await chat.send("r1", "emulate 1000 tokens")
        path = f"/api/turns/{(await chat.read())['turnId']}"
        for method, below in (("GET", ""), ("GET", "/events"), ("POST", "/stop"), ("DELETE", "")):
            foreign = await asyncio.to_thread(request, url, method, path + below, None, two)
            assert (foreign.status, foreign.error["code"]) == (404, "not_found")
            nobody = await asyncio.to_thread(request, url, method, path + below)
            assert (nobody.status, nobody.error["code"]) == (401, "not_authenticated")
        full = await asyncio.to_thread(request, url, "POST", "/api/chat", chat_body("hello", "full"), two)
        assert (full.status, full.error["code"], full.error["retryable"]) == (429, "rate_limited", True)
        assert (await asyncio.to_thread(request, url, "POST", f"{path}/stop", None, one)).status == 202
        await chat.answer("r1")
