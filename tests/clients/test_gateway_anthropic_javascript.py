"""
Anthropic's SDK for JavaScript, unmodified, against the gateway.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from outcrop.accounts.authenticate import make_key
from tests.clients.javascript import play
from tests.clients.proof import proves
from tests.e2e.conftest import Book
from tests.support import gateway_environment, run_outcrop

pytestmark = pytest.mark.service

CLIENT = "@anthropic-ai/sdk"
KEY, DIGEST = make_key()
WAIT_SECONDS = 90  # longer than the gateway itself waits before it tries again: it says no at once


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[str, Book]]:
    """
    Run an emulator, and a gateway that wants a key.
    """
    pace = ["--first-token-ms", "5", "--tokens-per-second", "1000", "--jitter", "0"]
    with run_outcrop("emulate", "--port", "0", *pace) as (_, emulator):
        environ = gateway_environment(emulator) | {"OUTCROP_API_KEYS": json.dumps({"sdk": DIGEST})}
        with run_outcrop("serve", "--port", "0", environ=environ) as (_, url):
            yield url, Book(emulator)


@pytest.fixture
def book(servers: tuple[str, Book]) -> Book:
    """
    Give the emulator's book, empty.
    """
    servers[1].clear()
    return servers[1]


@pytest.fixture(scope="module")
def played(node: Path, servers: tuple[str, Book]) -> Any:
    """
    Play the scenarios that need nothing of the emulator, in one process.
    """
    return play(node, "anthropic.mjs", servers[0], KEY, "plain", "tools", "images", "count", "refusals")


@proves(CLIENT, "plain", "streaming")
def test_a_stream_folds_into_the_whole_message(played: Any) -> None:
    """
    The SDK's own fold of the stream equals the whole message but for its ID.
    """
    whole, streamed, events = (played["plain"][name] for name in ("whole", "streamed", "events"))
    # The SDK adds a field of its own to what it folded.
    assert {**whole, "id": "", "parsed_output": None} == {**streamed, "id": ""}
    assert whole["content"][0]["text"]
    assert (events[0], events[-1]) == ("message_start", "message_stop")


@proves(CLIENT, "tools")
def test_a_round_of_tools(played: Any) -> None:
    """
    A forced call arrives with its arguments, and its result is taken back.
    """
    found = played["tools"]
    assert found["reason"] == "tool_use"
    assert isinstance(found["input"], dict)
    assert found["answer"]


@proves(CLIENT, "images")
def test_images_documents_and_thinking(played: Any) -> None:
    """
    An inline image and a document reach the model, where they cost tokens, and thinking comes with its signature.
    """
    found = played["images"]
    assert (found["kinds"], found["signed"]) == (["thinking", "text"], True)
    bare, image, document = found["inputs"]
    assert image > bare + 100
    assert document > bare + 100


@proves(CLIENT, "counting tokens")
def test_a_count_is_what_is_billed(played: Any) -> None:
    """
    `countTokens` says what the message then costs.
    """
    assert played["count"]["counted"] == played["count"]["billed"] > 0


@proves(CLIENT, "errors before")
def test_refusals_have_the_sdks_classes(played: Any) -> None:
    """
    What is refused has its class, its status, and a name for the request.
    """
    found = played["refusals"]
    names = {name: (error["name"], error["status"]) for name, error in found.items()}
    assert names == {
        "key": ("AuthenticationError", 401),
        "model": ("NotFoundError", 404),
        "field": ("BadRequestError", 400),
    }
    assert all(error["requestID"].startswith("req_") for error in found.values())
    assert "max_tokens" in found["field"]["message"]


@proves(CLIENT, "errors before")
def test_throttling_has_its_class_and_its_wait(node: Path, servers: tuple[str, Book], book: Book) -> None:
    """
    Throttling before the first piece is the SDK's own class, with and without a stream, and says how long to wait.
    """
    book.inject({"kind": "http_error", "name": "ThrottlingException", "retry_after": WAIT_SECONDS})
    found = play(node, "anthropic.mjs", servers[0], KEY, "throttled")["throttled"]
    told = [(error["name"], error["status"], error["wait"]) for error in found.values()]
    assert told == [("RateLimitError", 429, str(WAIT_SECONDS))] * 2


@proves(CLIENT, "errors in mid-stream")
def test_a_failure_in_mid_stream(node: Path, servers: tuple[str, Book], book: Book) -> None:
    """
    What came before the failure was a true beginning; then the SDK raises.
    """
    book.inject({"kind": "exception", "name": "throttlingException", "after_tokens": 5})
    found = play(node, "anthropic.mjs", servers[0], KEY, "midstream")["midstream"]
    assert found["error"]["name"] in {"APIError", "RateLimitError"}
    assert found["error"]["type"] == "rate_limit_error"
    assert found["text"] == book.calls()[0]["text_emitted"]["text"] != ""


@proves(CLIENT, "cancellation")
def test_abort_stops_the_call(
    node: Path, servers: tuple[str, Book], book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A client that aborts closes the call to Bedrock, while its process and its connections live on.
    """
    monkeypatch.setenv("EMULATOR_URL", book.url)
    found = play(node, "anthropic.mjs", servers[0], KEY, "abort")["abort"]
    assert (found["error"]["name"], found["outcome"]) == ("APIUserAbortError", "client_closed")
