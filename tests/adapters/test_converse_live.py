"""
Calls by Converse through the whole client, to an emulator that was written from AWS's model and not from this adapter.
"""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from outcrop.turns.fold import Answer
from outcrop.types import (
    DocumentPart,
    GenerationParams,
    ImagePart,
    Message,
    MessageStop,
    Reasoning,
    ReasoningPart,
    TextPart,
    ToolChoice,
    ToolResultPart,
    ToolSpec,
    ToolUsePart,
)
from outcrop.upstream.client import BedrockClient
from tests.adapters.converse_calls import QUESTION, ask, connected

CLAUDE = "anthropic.claude-sonnet-4-6"
LLAMA = "meta.llama3-3-70b-instruct-v1:0"
WEATHER = ToolSpec(name="get_weather", input_schema={"type": "object", "properties": {"city": {"type": "string"}}})


@pytest.fixture
async def client() -> AsyncIterator[BedrockClient]:
    """
    Give a client of an emulator.
    """
    async with connected() as client:
        yield client


def stop_reason(answer: Answer) -> str:
    """
    Return why an answer ended.
    """
    assert isinstance(answer.terminal, MessageStop)
    return answer.terminal.stop_reason


@pytest.mark.parametrize("base_id", [CLAUDE, LLAMA])
async def test_a_streamed_answer_is_the_whole_answer(client: BedrockClient, base_id: str) -> None:
    """
    Text, counts and stop reason are the same; nothing of them is estimated.
    """
    conversation = (QUESTION, Message("assistant", (TextPart(text="Sunny."),)), QUESTION)
    fields: dict[str, Any] = {"system": (TextPart(text="be brief"),), "params": GenerationParams(temperature=0.5)}
    streamed = await ask(client, base_id, *conversation, stream=True, **fields)
    whole = await ask(client, base_id, *conversation, stream=False, **fields)
    assert streamed.text
    assert (streamed.parts, streamed.usage, stop_reason(streamed)) == (whole.parts, whole.usage, stop_reason(whole))
    assert whole.usage is not None
    assert not whole.usage.estimated


@pytest.mark.parametrize("base_id", [CLAUDE, LLAMA])
@pytest.mark.parametrize("stream", [True, False])
async def test_an_answer_is_cut_at_its_bound(client: BedrockClient, base_id: str, *, stream: bool) -> None:
    """
    `max_tokens` is heard, and told.
    """
    answer = await ask(client, base_id, stream=stream, params=GenerationParams(max_tokens=2))
    assert stop_reason(answer) == "max_tokens"
    assert answer.usage is not None
    assert answer.usage.output_tokens == 2


async def test_claude_tells_which_sequence_stopped_it(client: BedrockClient) -> None:
    """
    Converse tells it among the model's own fields only.
    """
    first = (await ask(client, CLAUDE, stream=False)).text.split()[1]
    for stream in (True, False):
        answer = await ask(client, CLAUDE, stream=stream, params=GenerationParams(stop_sequences=(first,)))
        assert isinstance(answer.terminal, MessageStop)
        assert (answer.terminal.stop_reason, answer.terminal.stop_sequence) == ("stop_sequence", first)


@pytest.mark.parametrize(("base_id", "streams"), [(CLAUDE, True), (CLAUDE, False), (LLAMA, False)])
async def test_a_tool_is_called_and_answered(client: BedrockClient, base_id: str, *, streams: bool) -> None:
    """
    The call comes with its arguments; its result goes back, also where the second request names no tools.
    """
    called = await ask(client, base_id, stream=streams, tools=(WEATHER,))
    call = next(part for part in called.parts if isinstance(part, ToolUsePart))
    assert (call.name, stop_reason(called)) == ("get_weather", "tool_use")
    results = Message("user", (ToolResultPart(tool_use_id=call.tool_use_id, content=(), is_error=True),))
    conversation = (QUESTION, Message("assistant", called.parts), results)
    for tools in ((WEATHER,), ()):
        assert stop_reason(await ask(client, base_id, *conversation, stream=streams, tools=tools)) == "end_turn"


async def test_claude_is_made_to_call_a_tool(client: BedrockClient) -> None:
    """
    A forced choice is obeyed.
    """
    answer = await ask(
        client,
        CLAUDE,
        Message("user", (TextPart(text="hi"),)),
        stream=True,
        tools=(WEATHER,),
        tool_choice=ToolChoice(mode="tool", name="get_weather"),
    )
    assert [type(part) for part in answer.parts] == [ToolUsePart]


@pytest.mark.parametrize("stream", [True, False])
async def test_reasoning_comes_signed_and_goes_back(client: BedrockClient, *, stream: bool) -> None:
    """
    Claude's reasoning is taken back with its signature; Llama goes on with the conversation without it.
    """
    params = GenerationParams(reasoning=Reasoning(mode="enabled", budget_tokens=1024, effort="high"), max_tokens=4096)
    first = await ask(client, CLAUDE, stream=stream, params=params)
    assert isinstance(first.parts[0], ReasoningPart)
    assert first.parts[0].signature
    conversation = (QUESTION, Message("assistant", first.parts), QUESTION)
    assert (await ask(client, CLAUDE, *conversation, stream=stream, params=params)).text
    assert (await ask(client, LLAMA, *conversation, stream=stream)).text


async def test_images_documents_and_cache_points_are_taken(client: BedrockClient) -> None:
    """
    The emulator finds nothing to refuse in them.
    """
    message = Message(
        "user",
        (
            DocumentPart(media_type="text/plain", data=b"hello", name="my notes.txt", cache_ttl="5m"),
            ImagePart(media_type="image/png", data=b"\x89PNG\r\n\x1a\n"),
            TextPart(text="what is this?", cache_ttl="1h"),
        ),
    )
    assert (await ask(client, CLAUDE, message, stream=True)).text
