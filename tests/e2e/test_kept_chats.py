"""
Chats that are kept: what a client sees, what is stored, and what the emulator gave are one and the same.
"""

import asyncio
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from outcrop.accounts.authenticate import make_key
from tests.e2e.chat_client import ChatSocket, HttpAnswer, open_chat, request, text_of
from tests.e2e.conftest import Book
from tests.support import Process, gateway_environment, run_outcrop

KEYS = {name: make_key() for name in ("alice", "bob")}
ALICE, BOB = ({"x-api-key": KEYS[name][0]} for name in ("alice", "bob"))


@pytest.fixture(scope="module")
def emulator() -> Iterator[str]:
    """
    Run an emulator, quick but paced.
    """
    pace = ["--first-token-ms", "5", "--tokens-per-second", "500", "--jitter", "0"]
    with run_outcrop("emulate", "--port", "0", *pace) as (_, url):
        yield url


@pytest.fixture
def book(emulator: str) -> Book:
    """
    Give the emulator's book, empty.
    """
    found = Book(emulator)
    found.clear()
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """
    Where the database lies.
    """
    return tmp_path_factory.mktemp("kept")


def environment(emulator: str, path: Path, **settings: str) -> dict[str, str]:
    """
    Return the environment of a gateway that keeps conversations in a file.
    """
    keys = json.dumps({name: digest for name, (_, digest) in KEYS.items()})
    return gateway_environment(emulator, **{"database_url": str(path), "api_keys": keys, **settings})


@pytest.fixture(scope="module")
def url(emulator: str, folder: Path) -> Iterator[str]:
    """
    Run a gateway with two callers.
    """
    with run_outcrop("serve", "--port", "0", environ=environment(emulator, folder / "outcrop.db")) as (_, found):
        yield found


def message(text: str, name: str, role: str = "user") -> dict[str, Any]:
    """
    Write a page's message.
    """
    return {"id": name, "role": role, "parts": [{"type": "text", "text": text}]}


def say(url: str, chat: str, *messages: dict[str, Any], by: dict[str, str] = ALICE, **body: Any) -> HttpAnswer:
    """
    Ask, and read the answer.
    """
    asked = {"id": chat, "messages": list(messages), "model": "llama3", **body}
    return request(url, "POST", "/api/chat", asked, by)


def open_kept(url: str, chat: str, query: str = "", by: dict[str, str] = ALICE) -> HttpAnswer:
    """
    Open a conversation.
    """
    return request(url, "GET", f"/api/conversations/{chat}{query}", headers=by)


def texts_of(branch: Any) -> list[tuple[str, str]]:
    """
    Return who says what in a branch.
    """
    return [
        (each["role"], "".join(part["text"] for part in each["parts"] if part["type"] == "text"))
        for each in branch["messages"]
    ]


async def test_what_is_kept_is_what_was_said(url: str, book: Book) -> None:
    """
    A conversation is listed with its first words as title; its messages are the prompts, and what the emulator gave.
    """
    first = say(url, "plain", message("emulate 20 tokens please", "u1"))
    shown = text_of(first.parts)
    answer_id = first.parts[0]["messageId"]
    second = say(
        url,
        "plain",
        message("emulate 20 tokens please", "u1"),
        message(shown, answer_id, "assistant"),
        message("and?", "u2"),
    )
    calls = await book.ended_calls(2)
    branch = open_kept(url, "plain").json
    assert texts_of(branch) == [
        ("user", "emulate 20 tokens please"),
        ("assistant", calls[0]["text_emitted"]["text"]),
        ("user", "and?"),
        ("assistant", calls[1]["text_emitted"]["text"]),
    ]
    assert calls[0]["text_emitted"]["text"] == shown
    assert branch["conversation"]["title"] == "emulate 20 tokens please"
    answer = branch["messages"][-1]
    assert (answer["id"], answer["state"]) == (second.parts[0]["messageId"], "completed")
    finish = next(part for part in second.parts if part["type"] == "finish")
    assert answer["metadata"] == {
        **second.parts[0]["messageMetadata"],
        **answer["metadata"],
        **finish["messageMetadata"],
    }
    listed = request(url, "GET", "/api/conversations", headers=ALICE).json["conversations"]
    assert "plain" in [each["id"] for each in listed]


async def test_the_server_adds_what_came_before(url: str, book: Book) -> None:
    """
    A page sends only what is new, and the message that it follows; the model gets the whole conversation.
    """
    first = say(url, "tree", message("repeat after me: granite", "u1"))
    answer_id = first.parts[0]["messageId"]
    say(url, "tree", message("emulate 5 tokens", "u2"), parentId=answer_id)
    whole = say(
        url,
        "tree",
        message("repeat after me: granite", "u1"),
        message("", answer_id, "assistant"),
        message("emulate 5 tokens", "u2"),
    )
    assert whole.status == 200
    calls = await book.ended_calls(3)
    assert calls[1]["usage"]["input"] == calls[2]["usage"]["input"] > calls[0]["usage"]["input"]
    branch = open_kept(url, "tree").json
    assert [each["id"] for each in branch["messages"]][:3] == ["u1", answer_id, "u2"]
    assert len(branch["messages"][-1]["siblings"]) == 2


def test_an_answer_made_anew_is_a_branch(url: str) -> None:
    """
    Both answers are kept, and each can be shown.
    """
    first = say(url, "anew", message("hello", "u1")).parts[0]["messageId"]
    second = say(url, "anew", trigger="regenerate-message", parentId="u1").parts[0]["messageId"]
    branch = open_kept(url, "anew").json
    assert branch["messages"][-1]["siblings"] == [first, second]
    assert branch["conversation"]["leafId"] == second
    assert open_kept(url, "anew", f"?leaf={first}").json["messages"][-1]["id"] == first
    assert open_kept(url, "anew", "?through=u1").json["messages"][-1]["id"] == second


def test_what_follows_nothing_is_refused(url: str) -> None:
    """
    A parent that is not kept is named; nothing is called.
    """
    refused = say(url, "nothing", message("hello", "u1"), parentId="nobody")
    assert (refused.status, refused.error["code"]) == (404, "not_found")
    assert open_kept(url, "nothing").status == 404


def test_a_temporary_chat_keeps_nothing(url: str) -> None:
    """
    It is answered, and that is all.
    """
    assert say(url, "temporary", message("hello", "u1"), temporary=True).status == 200
    assert open_kept(url, "temporary").status == 404


async def test_a_stopped_answer_is_kept_as_far_as_it_came(url: str, book: Book) -> None:
    """
    What is stored is what the client has seen, and it says that it was stopped.
    """
    async with open_chat(url, additional_headers=ALICE) as chat:
        await chat.send("r1", "emulate 4000 tokens", "stopped", maxTokens=2000)
        for _ in range(8):
            await chat.read()
        await chat.abort("r1")
        frames = await chat.answer("r1")
    assert frames.parts[-1]["type"] != "finish"
    call = (await book.ended_calls(1))[0]
    kept = open_kept(url, "stopped").json["messages"][-1]
    assert kept["state"] == "stopped"
    assert call["text_emitted"]["text"].startswith(kept["parts"][-1]["text"])
    assert kept["parts"][-1]["text"].endswith(frames.text[-20:])


def test_a_failure_is_kept(url: str, book: Book) -> None:
    """
    The beginning is there, and the reason of the failure can be shown again.
    """
    book.inject({"kind": "exception", "name": "throttlingException", "after_tokens": 3}, times=1)
    say(url, "failed", message("emulate 40 tokens", "u1"))
    book.clear()
    kept = open_kept(url, "failed").json["messages"][-1]
    assert kept["state"] == "failed"
    assert kept["parts"][-1]["text"]
    assert (kept["failure"]["code"], kept["failure"]["retryable"]) == ("throttled", True)
    assert kept["failure"]["message"]


def test_anothers_conversation_is_unknown(url: str) -> None:
    """
    Another caller sees nothing of it, and changes nothing.
    """
    say(url, "mine", message("hello", "u1"))
    assert open_kept(url, "mine", by=BOB).status == 404
    for method, path, body in (
        ("PATCH", "/api/conversations/mine", {"title": "stolen"}),
        ("DELETE", "/api/conversations/mine", None),
        ("POST", "/api/conversations/mine/restore", None),
    ):
        answer = request(url, method, path, body, {**BOB, "content-type": "application/json"})
        assert (answer.status, answer.error["code"]) == (404, "not_found")
    assert "mine" not in [
        each["id"] for each in request(url, "GET", "/api/conversations", headers=BOB).json["conversations"]
    ]
    assert request(url, "GET", "/api/search?q=hello", headers=BOB).json["found"] == []
    assert open_kept(url, "mine").json["conversation"]["title"] == "hello"


def test_changes_with_and_without_a_condition(url: str) -> None:
    """
    A change answers with the conversation and its ETag; one for an older copy is refused.
    """
    say(url, "changed", message("hello", "u1"))
    opened = open_kept(url, "changed")
    etag = opened.headers["etag"]
    assert request(url, "GET", "/api/conversations/changed", headers={**ALICE, "if-none-match": etag}).status == 304
    as_json = {**ALICE, "content-type": "application/json"}
    renamed = request(url, "PATCH", "/api/conversations/changed", {"title": "New"}, {**as_json, "if-match": etag})
    assert (renamed.status, renamed.json["title"], renamed.json["titleSource"]) == (200, "New", "person")
    stale = request(url, "PATCH", "/api/conversations/changed", {"pinned": True}, {**as_json, "if-match": etag})
    assert (stale.status, stale.error["code"]) == (412, "conflict")
    pinned = request(url, "PATCH", "/api/conversations/changed", {"pinned": True}, as_json)
    assert pinned.json["pinnedAt"] is not None
    listed = request(url, "GET", "/api/conversations?show=pinned", headers=ALICE).json["conversations"]
    assert [each["id"] for each in listed] == ["changed"]
    for wrong in ({}, {"title": "a", "pinned": True}, {"titel": "x"}, {"title": ""}, {"title": "x" * 300}):
        assert request(url, "PATCH", "/api/conversations/changed", wrong, as_json).status == 400


async def test_deleting_stops_the_answer(url: str, book: Book) -> None:
    """
    Whoever deletes a chat does not pay for the rest of its answer; taken back, it is there as far as it came.
    """
    async with open_chat(url, additional_headers=ALICE) as chat:
        await chat.send("r1", "emulate 4000 tokens", "deleted", maxTokens=2000)
        for _ in range(6):
            await chat.read()
        deleted = await asyncio.to_thread(request, url, "DELETE", "/api/conversations/deleted", None, ALICE)
        assert deleted.json["deletedAt"] is not None
        await chat.answer("r1")
    assert (await book.ended_calls(1))[0]["outcome"] == "client_closed"
    assert open_kept(url, "deleted").status == 404
    restored = request(url, "POST", "/api/conversations/deleted/restore", None, ALICE)
    assert (restored.status, restored.json["deletedAt"]) == (200, None)
    assert open_kept(url, "deleted").json["messages"][-1]["state"] == "stopped"


def test_search_over_http(url: str) -> None:
    """
    Found messages have a snippet with marks.
    """
    say(url, "found", message("where is the zirconium mine?", "u1"))
    found = request(url, "GET", "/api/search?q=zircon", headers=ALICE).json["found"]
    hit = next(each for each in found if each["messageId"] == "u1")
    (mark,) = hit["marks"]
    assert hit["snippet"][mark["start"] : mark["end"]] == "zirconium"


def test_export_and_import_over_http(url: str) -> None:
    """
    What was taken out by one caller can be put in by another; as Markdown it can be read.
    """
    say(url, "exported", message("hello", "u1"))
    taken = request(url, "GET", "/api/conversations/exported/export", headers=ALICE)
    as_json = {**BOB, "content-type": "application/json"}
    put = request(url, "POST", "/api/conversations/import", taken.content, as_json)
    assert (put.status, put.json["id"]) == (201, "exported")
    mine, theirs = open_kept(url, "exported").json, open_kept(url, "exported", by=BOB).json
    assert texts_of(mine) == texts_of(theirs)
    page = request(url, "GET", "/api/conversations/exported/export?format=markdown", headers=ALICE)
    assert page.headers["content-type"].startswith("text/markdown")
    assert page.content.decode().startswith("# hello\n\n## You\n\nhello\n\n## llama3\n\n")
    refused = request(url, "POST", "/api/conversations/import", b'{"version": 1}', as_json)
    assert (refused.status, refused.error["code"]) == (400, "invalid_request")


async def test_a_killed_server_loses_nothing_that_was_acknowledged(emulator: str, tmp_path: Path, book: Book) -> None:
    """
    After kill -9 in mid-answer, what was completed is whole, and what ran is interrupted; nobody sees it running.
    """
    path = tmp_path / "outcrop.db"
    with run_outcrop("serve", "--port", "0", environ=environment(emulator, path)) as (process, url):
        done = text_of(say(url, "done", message("emulate 20 tokens", "u1")).parts)
        async with open_chat(url, additional_headers=ALICE) as chat:
            await chat.send("r1", "emulate 4000 tokens", "cut", maxTokens=2000)
            for _ in range(6):
                await chat.read()
            process.send_signal(signal.SIGKILL)
    with run_outcrop("serve", "--port", "0", environ=environment(emulator, path)) as (_, url):
        assert texts_of(open_kept(url, "done").json)[-1] == ("assistant", done)
        assert done == book.calls()[0]["text_emitted"]["text"]
        states = [each["state"] for each in open_kept(url, "cut").json["messages"]]
        assert states == ["completed", "interrupted"]
        again = say(url, "cut", message("and now?", "u2"), parentId=open_kept(url, "cut").json["messages"][-1]["id"])
        assert again.status == 200


def test_a_second_server_on_the_file_is_refused(emulator: str, url: str, folder: Path) -> None:
    """
    It says why, and what to do.
    """
    del url
    process = Process("serve", "--port", "0", environ=environment(emulator, folder / "outcrop.db"))
    assert process.wait() != 0
    said = "\n".join(process.lines)
    process.close()
    assert "another server has the database" in said
    assert "OUTCROP_DATABASE_URL" in said
    assert "Traceback" not in said


def test_a_server_without_a_history_says_so(emulator: str) -> None:
    """
    Chats work; what needs a history is refused with a reason.
    """
    with run_outcrop("serve", "--port", "0", environ=gateway_environment(emulator)) as (_, url):
        assert say(url, "c", message("hello", "u1"), by={}).status == 200
        refused = request(url, "GET", "/api/conversations")
        assert (refused.status, refused.error["code"]) == (404, "nothing_kept")


async def test_other_tabs_hear_of_changes(url: str) -> None:
    """
    A turn's begin and end, and each change by the routes, are told to all sockets of the owner, and to no other's.
    """

    async def next_changes(socket: ChatSocket, count: int) -> list[str]:
        found: list[str] = []
        while len(found) < count:
            async with asyncio.timeout(20):
                frame = json.loads(await socket.connection.recv())
            assert frame["requestId"] == "$server"
            found += [frame["chatId"]] if frame["event"] == "conversation-changed" else []
        return found

    async with (
        open_chat(url, additional_headers=ALICE) as tab,
        open_chat(url, additional_headers=BOB) as other,
    ):
        assert say(url, "news", message("hello", "p")).status == 200
        assert await next_changes(tab, 2) == ["news", "news"]
        assert (
            request(
                url, "PATCH", "/api/conversations/news", {"title": "New"}, {**ALICE, "content-type": "application/json"}
            ).status
            == 200
        )
        assert await next_changes(tab, 1) == ["news"]
        assert request(url, "DELETE", "/api/conversations/news", None, ALICE).status == 200
        assert await next_changes(tab, 1) == ["news"]
        assert say(url, "mine", message("hello", "p"), by=BOB).status == 200
        assert await next_changes(other, 2) == ["mine", "mine"]


async def test_results_of_tools_that_are_sent_again_are_answered_once(url: str, book: Book) -> None:
    """
    A client that missed the answer to its tool's result asks again with its key, and gets it: also when all is kept.
    """
    tool = {"name": "weather", "inputSchema": {"type": "object", "properties": {"city": {"type": "string"}}}}
    prompt = message("What is the weather in Oslo? Use the tool weather.", "u1")

    async def ask(*messages: dict[str, Any], key: dict[str, str], **body: Any) -> HttpAnswer:
        settings = {"model": "anthropic", "tools": [tool], **body}
        return await asyncio.to_thread(say, url, "tools", *messages, by=ALICE | key, **settings)

    asked = await ask(prompt, key={})
    (call,) = (part for part in asked.parts if part["type"] == "tool-input-available")
    result = {"type": "tool-weather", "toolCallId": call["toolCallId"], "input": call["input"], "output": "clear"}
    called = message("", asked.parts[0]["messageId"], "assistant") | {"parts": [result | {"state": "output-available"}]}
    key = {"Idempotency-Key": "result-key"}
    first = await ask(prompt, called, key=key)
    again = await ask(prompt, called, key=key)
    assert (first.status, again.content) == (200, first.content)
    assert "clear" in text_of(first.parts)
    assert len(await book.ended_calls(2)) == 2
    other = await ask(prompt, called, key=key, maxTokens=7)
    assert (other.status, other.error["code"]) == (422, "idempotency_mismatch")
    bare = await ask(prompt, called, key={})
    assert (bare.status, bare.error["code"]) == (400, "invalid_request")
