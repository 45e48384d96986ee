"""
The AWS SDK for JavaScript, unmodified, against the gateway, over HTTP/2 without TLS and over HTTP/1.1.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients.javascript import play
from tests.clients.proof import proves
from tests.e2e.conftest import Book
from tests.support import gateway_environment, run_outcrop

pytestmark = pytest.mark.service

CLIENT = "@aws-sdk/client-bedrock-runtime"


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[str, Book]]:
    """
    Run an emulator, quick but paced, and a gateway.
    """
    pace = ["--first-token-ms", "5", "--tokens-per-second", "1000", "--jitter", "0"]
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


@pytest.fixture(scope="module", params=["1", "2"], ids=["http1", "http2"])
def played(request: pytest.FixtureRequest, node: Path, servers: tuple[str, Book]) -> Any:
    """
    Play the scenarios that need nothing of the emulator, in one process for each version of HTTP.
    """
    return play(node, "aws.mjs", servers[0], request.param, "plain", "tools", "images", "lists", "refusals")


@proves(CLIENT, "plain", "streaming")
def test_four_operations_say_the_same(played: Any) -> None:
    """
    Converse and InvokeModel, whole and streaming, give one text each.
    """
    found = played["plain"]
    assert found["whole"] == found["streamed"] != ""
    assert found["native"] == found["chunks"] != ""


@proves(CLIENT, "tools")
def test_a_round_of_tools(played: Any) -> None:
    """
    A forced call arrives in fragments that are one document, and its result is taken back.
    """
    assert isinstance(played["tools"]["input"], dict)
    assert played["tools"]["answer"]


@proves(CLIENT, "images")
def test_an_image_is_taken(played: Any) -> None:
    """
    Bytes of an image travel in base64 and reach the model, where they cost tokens.
    """
    bare, seen = played["images"]["inputs"]
    assert seen > bare + 100


@proves(CLIENT, "listing models", "counting tokens")
def test_lists_and_counts(played: Any) -> None:
    """
    The control plane's client lists models at the same address, and the runtime's counts tokens.
    """
    assert played["lists"]["models"] > 10
    assert played["lists"]["inputTokens"] > 0


@proves(CLIENT, "errors before")
def test_refusals_are_the_sdks_classes(played: Any) -> None:
    """
    What is refused has AWS's own names.
    """
    found = {name: (error["name"], error["status"]) for name, error in played["refusals"].items()}
    assert found == {"model": ("ResourceNotFoundException", 404), "field": ("ValidationException", 400)}


@proves(CLIENT, "errors before")
def test_throttling_before_a_stream(node: Path, servers: tuple[str, Book], book: Book) -> None:
    """
    Throttling before the first piece is a status, and the SDK's class.
    """
    book.inject({"kind": "http_error", "name": "ThrottlingException", "retry_after": 0})
    found = play(node, "aws.mjs", servers[0], "2", "throttled")["throttled"]["stream"]
    assert (found["name"], found["status"]) == ("ThrottlingException", 429)


@proves(CLIENT, "errors in mid-stream")
@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("scenario", ["midstream", "midnative"])
def test_a_failure_in_mid_stream(
    node: Path, servers: tuple[str, Book], book: Book, scenario: str, version: str
) -> None:
    """
    An exception in the stream of Converse or of InvokeModel is the SDK's class, after a true beginning.
    """
    book.inject({"kind": "exception", "name": "throttlingException", "after_tokens": 5})
    found = play(node, "aws.mjs", servers[0], version, scenario)[scenario]
    assert found["error"]["name"] == "ThrottlingException"
    assert found["text"] == book.calls()[0]["text_emitted"]["text"] != ""


@proves(CLIENT, "cancellation")
@pytest.mark.parametrize("version", ["1", "2"])
def test_abort_stops_the_call(
    node: Path, servers: tuple[str, Book], book: Book, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A client that aborts closes the call to Bedrock, while its process and its connections live on.
    """
    monkeypatch.setenv("EMULATOR_URL", book.url)
    found = play(node, "aws.mjs", servers[0], version, "abort")["abort"]
    assert found["outcome"] == "client_closed", found
