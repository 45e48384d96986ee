"""
Bodies that nobody would send: each is answered or refused, none breaks the emulator.
"""

import contextlib
import copy
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from outcrop.emulator import converse
from outcrop.emulator.conversation import Ask
from outcrop.emulator.families import anthropic, llama
from outcrop.emulator.rules.models import Called
from outcrop.emulator.rules.refusals import Refusal
from outcrop.emulator.speech.compose import compose

FindModel = Callable[[str], Called]

TOOL_SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1}, "tags": {"type": "array"}},
    "required": ["city"],
}
TEXT = {"type": "text", "text": "18"}
CLAUDE_BODY = {
    "anthropic_version": "x",
    "max_tokens": 2000,
    "system": [{"type": "text", "text": "brief"}],
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "weather?"}]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "weather", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": [TEXT]}]},
    ],
    "tools": [{"name": "weather", "input_schema": TOOL_SCHEMA}],
    "tool_choice": {"type": "auto"},
    "thinking": {"type": "enabled", "budget_tokens": 1024},
    "output_config": {"effort": "low"},
    "stop_sequences": ["x"],
}  # fmt: skip
CONVERSE_BODY = {
    "system": [{"text": "brief"}],
    "messages": [
        {"role": "user", "content": [{"text": "weather?"}, {"image": {"format": "png", "source": {"bytes": "eA=="}}}]},
        {"role": "assistant", "content": [{"toolUse": {"toolUseId": "t", "name": "weather", "input": {}}}]},
        {"role": "user", "content": [{"toolResult": {"toolUseId": "t", "content": [{"json": {}}, {"text": "b"}]}}]},
    ],
    "inferenceConfig": {"maxTokens": 50, "temperature": 1, "stopSequences": ["x"]},
    "toolConfig": {
        "tools": [{"toolSpec": {"name": "weather", "inputSchema": {"json": TOOL_SCHEMA}}}],
        "toolChoice": {"auto": {}},
    },
    "additionalModelRequestFields": {"top_k": 5, "thinking": {"type": "adaptive"}},
    "additionalModelResponseFieldPaths": ["/stop_sequence"],
}  # fmt: skip
LLAMA_BODY = {"prompt": "<|start_header_id|>user<|end_header_id|>x", "max_gen_len": 5, "temperature": 0.5, "top_p": 1}
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)


@st.composite
def spoiled(draw: st.DrawFn, whole: dict[str, Any]) -> dict[str, Any]:
    """
    Draw a body in which one value, at any depth, is something else.
    """
    body = copy.deepcopy(whole)
    place: Any = body
    while True:
        key = draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        inner = place[key]
        if isinstance(inner, dict | list) and inner and draw(st.booleans()):
            place = inner
            continue
        place[key] = draw(ANYTHING)
        return body


def read_and_compose(read: Callable[[], Ask]) -> None:
    """
    Read a body and make its answer; a refusal is an answer too, any other exception is not.
    """
    with contextlib.suppress(Refusal):
        compose(read(), 0)


SEARCH = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@SEARCH
@given(body=spoiled(CLAUDE_BODY))
def test_claude_bodies(body: dict[str, Any], find_model: FindModel) -> None:
    """
    A spoiled Messages body is refused in words or answered.
    """
    read_and_compose(lambda: anthropic.read(body, find_model("us.anthropic.claude-sonnet-4-6")))


@SEARCH
@given(body=spoiled(LLAMA_BODY))
def test_llama_bodies(body: dict[str, Any], find_model: FindModel) -> None:
    """
    A spoiled prompt body is refused in words or answered.
    """
    read_and_compose(lambda: llama.read(body, find_model("meta.llama3-70b-instruct-v1:0")))


@SEARCH
@given(
    body=spoiled(CONVERSE_BODY),
    model=st.sampled_from(["us.anthropic.claude-sonnet-4-6", "us.meta.llama3-3-70b-instruct-v1:0"]),
)
def test_converse_bodies(body: dict[str, Any], model: str, find_model: FindModel) -> None:
    """
    A spoiled Converse request is refused in words or answered.
    """
    read_and_compose(lambda: converse.read(body, find_model(model), streaming=False))


@SEARCH
@given(schema=spoiled({"s": TOOL_SCHEMA}))
def test_tool_schemas(schema: dict[str, Any], find_model: FindModel) -> None:
    """
    Arguments are made for any schema that gets through.
    """
    body = {
        "messages": [{"role": "user", "content": [{"text": "weather?"}]}],
        "toolConfig": {"tools": [{"toolSpec": {"name": "weather", "inputSchema": {"json": schema["s"]}}}]},
    }
    read_and_compose(lambda: converse.read(body, find_model("us.anthropic.claude-sonnet-4-6"), streaming=False))
