"""
A turn belongs to no dialect: begun in any, it is followed and stopped in another.
"""

import asyncio
import http.client
import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from tests.e2e.chat_client import open_chat, request
from tests.e2e.conftest import Book, RawClient
from tests.support import gateway_environment, run_outcrop

PROMPT = "emulate 3000 tokens"
CLAUDE = "us.anthropic.claude-sonnet-4-6"
MESSAGES = [{"role": "user", "content": PROMPT}]
BLOCKS = [{"role": "user", "content": [{"text": PROMPT}]}]
NATIVE = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 4000, "messages": MESSAGES}
UI_MESSAGES = [{"id": "m1", "role": "user", "parts": [{"type": "text", "text": PROMPT}]}]

STARTERS: dict[str, tuple[str, dict[str, Any]]] = {
    "native": ("/api/chat", {"id": "c", "messages": UI_MESSAGES, "model": CLAUDE, "maxTokens": 4000}),
    "chat completions": (
        "/v1/chat/completions",
        {"model": CLAUDE, "messages": MESSAGES, "stream": True, "max_completion_tokens": 4000},
    ),
    "responses": ("/v1/responses", {"model": CLAUDE, "input": PROMPT, "stream": True, "max_output_tokens": 4000}),
    "messages": ("/v1/messages", {"model": CLAUDE, "messages": MESSAGES, "stream": True, "max_tokens": 4000}),
    "converse": (
        f"/model/{CLAUDE}/converse-stream",
        {"messages": BLOCKS, "inferenceConfig": {"maxTokens": 4000}},
    ),
    "invoke": (f"/model/{CLAUDE}/invoke-with-response-stream", NATIVE),
}
ENDINGS: dict[str, bytes] = {
    "native": b'"type":"abort"',
    "chat completions": b'"finish_reason":"stop"',
    "responses": b"response.incomplete",
    "messages": b"message_stop",
    "converse": b"messageStop",
    "invoke": b"",
}
"""
How each dialect tells its own client of an answer that was stopped.
"""


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[str, Book]]:
    """
    Run an emulator that takes several seconds for an answer, and a gateway.
    """
    pace = ["--first-token-ms", "5", "--tokens-per-second", "300", "--jitter", "0"]
    with (
        run_outcrop("emulate", "--port", "0", *pace) as (_, emulator),
        run_outcrop("serve", "--port", "0", environ=gateway_environment(emulator)) as (_, url),
    ):
        yield url, Book(emulator)


@pytest.fixture
def book(servers: tuple[str, Book]) -> Book:
    """
    Give the emulator's book, empty.
    """
    servers[1].clear()
    return servers[1]


class Starter:
    """
    Begin a turn in one dialect over HTTP, and leave its stream open.
    """

    def __init__(self, url: str, dialect: str) -> None:
        path, body = STARTERS[dialect]
        self._connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)
        self._connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
        self._response = self._connection.getresponse()
        assert self._response.status == 200
        self.seen = self._response.read1(200)
        named = self._response.getheader("x-outcrop-turn-id")
        self.turn_id = named or json.loads(self.seen.split(b"\n")[0][6:])["messageMetadata"]["turnId"]

    def finish(self) -> bytes:
        """
        Read the rest, and return all.
        """
        return self.seen + self._response.read()

    def close(self) -> None:
        """
        Leave.
        """
        self._connection.close()
        self._response.close()


def follow(url: str, turn_id: str) -> tuple[str, str]:
    """
    Read a turn's events to the end: its text, and how it ended.
    """
    answer = request(url, "GET", f"/api/turns/{turn_id}/events")
    assert answer.status == 200
    text, last = "", {}
    for event in answer.events:
        last = json.loads(event["data"])
        if last["type"] == "text_delta":
            text += last["text"]
    return text, str(last.get("stop_reason") or last["code"])


@pytest.mark.parametrize("dialect", STARTERS)
async def test_it_is_followed_and_stopped_elsewhere(servers: tuple[str, Book], book: Book, dialect: str) -> None:
    """
    A reader of the turns API has what the emulator gave; a stop there closes the call, and ends the stream well.
    """
    url = servers[0]
    with closing(await asyncio.to_thread(Starter, url, dialect)) as starter:
        following = asyncio.create_task(asyncio.to_thread(follow, url, starter.turn_id))
        await asyncio.sleep(0.3)
        stopped = await asyncio.to_thread(request, url, "POST", f"/api/turns/{starter.turn_id}/stop", {})
        assert stopped.status == 202
        whole = await asyncio.to_thread(starter.finish)
    text, reason = await following
    call = (await book.ended_calls(1))[0]
    assert (reason, call["outcome"]) == ("stopped", "client_closed")
    assert text
    assert call["text_emitted"]["text"].startswith(text)
    assert ENDINGS[dialect] in whole


@pytest.mark.parametrize("dialect", ["chat completions", "messages", "converse", "invoke"])
async def test_leaving_is_a_stop_that_others_see(servers: tuple[str, Book], book: Book, dialect: str) -> None:
    """
    In a dialect that can't resume, the client that leaves stops its turn; unless somebody else still reads it.
    """
    url = servers[0]
    starter = await asyncio.to_thread(Starter, url, dialect)
    turn_id = starter.turn_id
    starter.close()
    call = (await book.ended_calls(1))[0]
    text, reason = await asyncio.to_thread(follow, url, turn_id)
    assert (reason, call["outcome"]) == ("stopped", "client_closed")
    assert call["text_emitted"]["text"].startswith(text)


async def test_a_response_is_cancelled_though_it_was_begun_on_a_socket_of_another_dialect(
    servers: tuple[str, Book], book: Book
) -> None:
    """
    A turn of the native socket is stopped by the turns API, and one of Responses by its own verb from another client.
    """
    url = servers[0]
    async with open_chat(url) as chat:
        await chat.send("r1", PROMPT, "socket", model=CLAUDE, maxTokens=4000)
        start = await chat.read()
        while (await chat.read()).get("chunk", {}).get("type") != "text-delta":
            # Before that there may be no call that could be stopped.
            continue
        await asyncio.to_thread(request, url, "POST", f"/api/turns/{start['turnId']}/stop", {})
        frames = await chat.answer("r1")
    assert frames.parts[-1]["type"] == "abort"
    with closing(await asyncio.to_thread(Starter, url, "responses")) as starter:
        response_id = f"resp_{starter.turn_id}"
        cancelled = await asyncio.to_thread(request, url, "POST", f"/v1/responses/{response_id}/cancel", {})
        assert cancelled.status == 200
        assert b"response.incomplete" in await asyncio.to_thread(starter.finish)
    assert [call["outcome"] for call in await book.ended_calls(2)] == ["client_closed", "client_closed"]


async def test_a_raw_client_has_what_its_turn_has(servers: tuple[str, Book], book: Book) -> None:
    """
    A raw client never learns its turn's name; what it reads is what was given, and leaving is a stop.
    """
    async with RawClient(servers[0]).open(model=CLAUDE, streaming="true", max_tokens=4000) as socket:
        await socket.send(PROMPT)
        pieces = [await asyncio.wait_for(socket.recv(), 10) for _ in range(10)]
        socket.transport.abort()
    call = (await book.ended_calls(1))[0]
    assert call["outcome"] == "client_closed"
    assert call["text_emitted"]["text"].startswith("".join(map(str, pieces)))
