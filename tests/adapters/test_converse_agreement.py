"""
The adapter and the emulator agree on every model of the catalogue: what is sent is taken, the rest is refused before.

The two were written apart, from AWS's model and the wire's description, so that each finds the other's mistakes.
"""

from typing import Any

import pytest

from outcrop.catalogue.models import load_catalogue
from outcrop.errors import RequestError
from outcrop.types import (
    DocumentPart,
    GenerationParams,
    Guardrail,
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
from tests.adapters.converse_calls import QUESTION, ask, connected

BASE_IDS = [entry.base_id for entry in load_catalogue().models.values() if entry.lifecycle != "end_of_life"]
WEATHER = ToolSpec(name="get_weather", input_schema={})
SEEN = ImagePart(media_type="image/png", data=b"\x89PNG\r\n\x1a\n")
READ = DocumentPart(media_type="text/plain", data=b"x", name="my notes.txt")
TOOL_TURN = (
    QUESTION,
    Message(
        "assistant",
        (
            ReasoningPart(text="hm", signature="c2ln"),
            TextPart(text="so"),
            ToolUsePart(tool_use_id="t1", name="get_weather", input={}),
        ),
    ),
    Message("user", (ToolResultPart(tool_use_id="t1", content=(), is_error=True),)),
)


def reasoning(**fields: Any) -> dict[str, Any]:
    """
    Ask for reasoning.
    """
    return {"params": GenerationParams(reasoning=Reasoning(**fields))}


CASES: dict[str, tuple[tuple[Message, ...], dict[str, Any]]] = {
    "text": ((QUESTION,), {}),
    "system": ((QUESTION,), {"system": (TextPart(text="be brief", cache_ttl="5m"),)}),
    "many turns": ((QUESTION, QUESTION, Message("assistant", (TextPart(text="a"),)), QUESTION), {}),
    "answer begun": ((QUESTION, Message("assistant", (TextPart(text="So"),))), {}),
    "answer first": ((Message("assistant", (TextPart(text="Hi"),)), QUESTION), {}),
    "image": ((Message("user", (TextPart(text="see"), SEEN)),), {}),
    "document": ((Message("user", (TextPart(text="see", cache_ttl="1h"), READ)),), {}),
    "tools": ((QUESTION,), {"tools": (WEATHER,)}),
    "forced tool": ((QUESTION,), {"tools": (WEATHER,), "tool_choice": ToolChoice(mode="any")}),
    "tools in history": (TOOL_TURN, {}),
    "effort": ((QUESTION,), reasoning(mode="adaptive", effort="high")),
    "bound": ((QUESTION,), {"params": GenerationParams(max_tokens=4096)}),
    "budget": ((QUESTION,), reasoning(mode="enabled", budget_tokens=1024)),
    "no reasoning": ((QUESTION,), reasoning(mode="disabled")),
    "top_k": ((QUESTION,), {"params": GenerationParams(top_k=3)}),
    "sampling": ((QUESTION,), {"params": GenerationParams(temperature=0.5, top_p=0.5, stop_sequences=("END",))}),
    "Bedrock's own": (
        (QUESTION,),
        {
            "guardrail": Guardrail(identifier="abc", version="1"),
            "latency": "optimized",
            "service_tier": "flex",
            "request_metadata": {"team": "a"},
        },
    ),
}


@pytest.mark.parametrize("case", CASES)
async def test_what_is_sent_is_taken_and_the_rest_is_refused_before(case: str) -> None:
    """
    No model refuses, by Converse, what the adapter let through; some model takes every feature.
    """
    messages, fields = CASES[case]
    answered = []
    async with connected() as client:
        for number, base_id in enumerate(BASE_IDS):
            for stream in (True, False) if case in {"text", "tools"} else (number % 2 == 0,):
                try:
                    answer = await ask(client, base_id, *messages, stream=stream, **fields)
                except RequestError:
                    continue
                assert isinstance(answer.terminal, MessageStop)
                assert answer.parts
                answered.append(base_id)
    assert answered
    if case == "text":
        assert len(answered) == 2 * len(BASE_IDS)
