"""
OpenAI's SDK for JavaScript, unmodified, against a gateway and an emulator in processes of their own.
"""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients.proof import proves
from tests.e2e.conftest import Book
from tests.support import gateway_environment, run_outcrop

pytestmark = pytest.mark.service

SCRIPT = Path(__file__).parent / "js" / "openai.mjs"
PATIENCE_SECONDS = 60


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[str, str]]:
    """
    Run an emulator, quick but paced, and a gateway that knows a fixed model name of its clients.
    """
    pace = ["--first-token-ms", "10", "--tokens-per-second", "400", "--jitter", "0"]
    names = json.dumps({"gpt-4o": "us.anthropic.claude-sonnet-4-6"})
    with (
        run_outcrop("emulate", "--port", "0", *pace) as (_, emulator_url),
        run_outcrop("serve", "--port", "0", environ=gateway_environment(emulator_url, models=names)) as (_, url),
    ):
        yield emulator_url, url


@pytest.fixture
def book(servers: tuple[str, str]) -> Iterator[Book]:
    """
    Give the emulator's book, cleared.
    """
    found = Book(servers[0])
    found.clear()
    yield found
    found.clear()


class Player:
    """
    Play scenarios of the script.
    """

    def __init__(self, node: Path, url: str) -> None:
        self._node = node
        self.url = url

    async def play(self, scenario: str) -> Any:
        """
        Play one, and return what the SDK had in the end.
        """
        return json.loads(await self.run(str(SCRIPT), scenario, self.url))

    async def run(self, *arguments: str) -> bytes:
        """
        Run Node beside the script, and return what it printed.
        """
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            self._node, *arguments, stdout=pipe, stderr=pipe, cwd=SCRIPT.parent
        )
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                output, complaint = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert process.returncode == 0, complaint.decode()
        return output


@pytest.fixture
def player(node: Path, servers: tuple[str, str], book: Book) -> Player:
    """
    Make a player whose emulator has an empty book.
    """
    assert book.calls() == []
    return Player(node, servers[1])


@proves("openai (JavaScript)", "plain", "streaming", "listing models")
async def test_a_streamed_completion_is_the_whole_one(player: Player) -> None:
    """
    The SDK's fold of a stream has the text, the reason and the counts of the whole completion.
    """
    found = await player.play("chat")
    whole, streamed = found["whole"], found["streamed"]
    assert streamed["usage"] == whole["usage"]
    for one in (whole, streamed):
        assert one["choices"][0]["finish_reason"] == "stop"
        assert one["choices"][0]["message"]["content"] == whole["choices"][0]["message"]["content"]
    assert "gpt-4o" in found["models"]


@proves("openai (JavaScript)", "images")
async def test_an_image_goes_along(player: Player) -> None:
    """
    An image in a data URL reaches the model, where it costs tokens.
    """
    bare, seen = (await player.play("image"))["inputs"]
    assert seen > bare + 100


@proves("openai (JavaScript)", "tools")
async def test_a_tools_arguments_are_streamed(player: Player) -> None:
    """
    A call of a tool arrives in pieces which the SDK joins.
    """
    found = await player.play("tools")
    assert found["reason"] == "tool_calls"
    assert json.loads(found["call"]["function"]["arguments"]) == {"city": "Oslo"}
    assert "".join(found["pieces"]) == found["call"]["function"]["arguments"]


@proves("openai (JavaScript)", "errors before")
async def test_errors_have_the_sdks_classes(player: Player, book: Book) -> None:
    """
    An error before the answer has its class, with and without a stream.
    """
    book.inject({"kind": "http_error", "name": "ThrottlingException", "retry_after": 0})
    found = await player.play("errors")
    limited = {"name": "RateLimitError", "status": 429, "code": "rate_limit_exceeded"}
    assert (found["before"], found["response"]) == (limited, limited)
    assert found["unknown"] == {"name": "NotFoundError", "status": 404, "code": "model_not_found"}


@proves("openai (JavaScript)", "errors in mid-stream")
async def test_an_error_in_the_midst_of_a_stream(player: Player, book: Book) -> None:
    """
    A failure after the first piece is an exception after that piece.
    """
    book.inject({"kind": "exception", "name": "throttlingException", "after_tokens": 5})
    found = await player.play("midstream")
    assert (found["error"]["name"], found["error"]["code"]) == ("APIError", "rate_limit_exceeded")
    assert found["text"] == book.calls()[0]["text_emitted"]["text"] != ""


@proves("openai (JavaScript)", "cancellation")
async def test_a_client_that_leaves_stops_its_answer(
    player: Player, book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Leaving the loop over a stream closes the call to Bedrock, while the client's process and its connections live on.
    """
    monkeypatch.setenv("EMULATOR_URL", book.url)
    assert await player.play("abort") == {"outcome": "client_closed"}


@proves("openai (JavaScript)", "resume")
async def test_a_dropped_stream_is_resumed(player: Player, book: Book) -> None:
    """
    The stream goes on after the last event that the client has: nothing is lost or twice.
    """
    found = await player.play("resume")
    events = found["events"]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    text = "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")
    assert (await book.ended_calls(1))[0]["text_emitted"]["text"] == text
    assert found["found"]["output_text"] == text


async def test_a_response_is_cancelled_then_deleted(player: Player) -> None:
    """
    A response in the background is cancelled, deleted, and then not found.
    """
    found = await player.play("background")
    assert found["begun"] in {"queued", "in_progress"}
    assert found["cancelled"] == "cancelled"
    assert (found["gone"]["name"], found["gone"]["status"]) == ("NotFoundError", 404)


async def test_responses_go_on_from_each_other(player: Player) -> None:
    """
    A tool's result is sent with `previous_response_id` alone, and the input is listed with the call before it.
    """
    found = await player.play("conversation")
    assert json.loads(found["call"]["arguments"]) == {"city": "Oslo"}
    assert "12 degrees" in found["text"]
    assert found["kinds"][0] == "message"
    assert found["kinds"][-2:] == ["function_call", "function_call_output"]
