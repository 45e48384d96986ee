"""
Other dialects are kept where a header or a setting says so, and new chats get titles from a model.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.chat_client import HttpAnswer, chat_body, request
from tests.e2e.conftest import Book
from tests.support import gateway_environment, run_outcrop

MODEL = "anthropic"
WAIT_SECONDS = 20


@pytest.fixture(scope="module")
def emulator() -> Iterator[str]:
    """
    Run an emulator.
    """
    with run_outcrop("emulate", "--port", "0", "--first-token-ms", "0", "--tokens-per-second", "0") as (_, url):
        yield url


@pytest.fixture(scope="module")
def url(emulator: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """
    Run a gateway that keeps what it is told to.
    """
    path = tmp_path_factory.mktemp("kept") / "outcrop.db"
    with run_outcrop("serve", "--port", "0", environ=gateway_environment(emulator, database_url=str(path))) as (_, it):
        yield it


def ask(url: str, path: str, body: dict[str, Any], chat: str | None) -> HttpAnswer:
    """
    Ask, in a conversation.
    """
    named = {} if chat is None else {"x-outcrop-conversation": chat}
    answer = request(url, "POST", path, body, {"content-type": "application/json", **named})
    assert answer.status == 200, answer
    return answer


def ask_chat_completions(url: str, said: list[tuple[str, str]], chat: str | None) -> str:
    """
    Ask as OpenAI's Chat Completions does.
    """
    messages = [{"role": role, "content": text} for role, text in said]
    answer = ask(url, "/v1/chat/completions", {"model": MODEL, "messages": messages}, chat).json
    return str(answer["choices"][0]["message"]["content"])


def ask_responses(url: str, said: list[tuple[str, str]], chat: str | None) -> str:
    """
    Ask as OpenAI's Responses does.
    """
    items = [{"role": role, "content": text} for role, text in said]
    answer = ask(url, "/v1/responses", {"model": MODEL, "input": items}, chat).json
    return "".join(part["text"] for item in answer["output"] for part in item.get("content", []))


def ask_messages(url: str, said: list[tuple[str, str]], chat: str | None) -> str:
    """
    Ask as Anthropic's Messages does.
    """
    messages = [{"role": role, "content": text} for role, text in said]
    answer = ask(url, "/v1/messages", {"model": MODEL, "max_tokens": 100, "messages": messages}, chat).json
    return "".join(block["text"] for block in answer["content"])


def ask_converse(url: str, said: list[tuple[str, str]], chat: str | None) -> str:
    """
    Ask as Bedrock's Converse does.
    """
    messages = [{"role": role, "content": [{"text": text}]} for role, text in said]
    answer = ask(url, f"/model/{MODEL}/converse", {"messages": messages}, chat).json
    return "".join(block["text"] for block in answer["output"]["message"]["content"])


DIALECTS = {
    "chat-completions": ask_chat_completions,
    "responses": ask_responses,
    "messages": ask_messages,
    "converse": ask_converse,
}


def branch_of(url: str, chat: str) -> list[tuple[str, str]]:
    """
    Open a conversation.
    """
    found = request(url, "GET", f"/api/conversations/{chat}").json
    return [
        (message["role"], "".join(part["text"] for part in message["parts"] if part["type"] == "text"))
        for message in found["messages"]
    ]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_header_keeps_a_conversation(url: str, dialect: str) -> None:
    """
    Each request sends all that was said; what is known is kept once, and what is new follows it.
    """
    asking, chat = DIALECTS[dialect], f"by-header-{dialect}"
    said: list[tuple[str, str]] = []
    for prompt in ("hello", "and then?", "why?"):
        said.append(("user", prompt))
        said.append(("assistant", asking(url, said, chat)))
    assert branch_of(url, chat) == said
    asking(url, [said[0], said[1], ("user", "something else")], chat)
    assert [text for _, text in branch_of(url, chat)][:3] == ["hello", said[1][1], "something else"]


def test_one_conversation_goes_on_in_another_dialect(url: str) -> None:
    """
    What began in one dialect is the same conversation in the others.
    """
    said: list[tuple[str, str]] = []
    for asking in DIALECTS.values():
        said.append(("user", f"number {len(said)}"))
        said.append(("assistant", asking(url, said, "across")))
    assert branch_of(url, "across") == said


def test_without_a_header_nothing_is_kept(url: str) -> None:
    """
    A request that says nothing, or `none`, leaves no conversation; one that names none is refused.
    """
    before = request(url, "GET", "/api/conversations").json["conversations"]
    ask_messages(url, [("user", "hello")], None)
    ask_messages(url, [("user", "hello")], "none")
    assert request(url, "GET", "/api/conversations").json["conversations"] == before
    body = {"model": MODEL, "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]}
    refused = request(
        url, "POST", "/v1/messages", body, {"x-outcrop-conversation": "", "content-type": "application/json"}
    )
    assert refused.status == 400
    assert "x-outcrop-conversation" in str(refused.json)
    refused = request(url, "POST", "/model/llama3/invoke", {"prompt": "x"}, {"x-outcrop-conversation": "c"})
    assert refused.status == 400


def test_a_setting_keeps_all(emulator: str, tmp_path: Path) -> None:
    """
    Each request of another dialect is then a conversation, unless it says `none`; a model that is named makes titles.
    """
    settings = {"database_url": str(tmp_path / "outcrop.db"), "keep_all_dialects": "true", "title_model": "llama3"}
    book = Book(emulator)
    book.clear()
    with run_outcrop("serve", "--port", "0", environ=gateway_environment(emulator, **settings)) as (_, url):
        for name, asking in DIALECTS.items():
            asking(url, [("user", f"hello {name}")], None)
        ask_messages(url, [("user", "hello")], "none")
        listed = request(url, "GET", "/api/conversations").json["conversations"]
        assert sorted(each["title"] for each in listed) == sorted(f"hello {name}" for name in DIALECTS)
        assert request(url, "POST", "/api/chat", chat_body("tell me", "titled")).status == 200
        deadline = time.monotonic() + WAIT_SECONDS
        while (found := request(url, "GET", "/api/conversations/titled").json["conversation"])[
            "titleSource"
        ] != "model":
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert 0 < len(found["title"]) <= 61
        assert request(url, "POST", "/api/chat", chat_body("tell me more", "titled")).status == 200
    assert len(book.calls()) == len(DIALECTS) + 1 + 2 + 1
