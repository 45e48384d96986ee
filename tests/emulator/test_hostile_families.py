"""
Native bodies that nobody would send, for each family: each is answered or refused, none breaks the emulator.
"""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from outcrop.catalogue.models import load_catalogue
from outcrop.emulator import converse
from outcrop.emulator.conversation import Metrics
from outcrop.emulator.families.table import family_of
from outcrop.emulator.rules.models import Called
from outcrop.emulator.rules.refusals import Refusal
from outcrop.emulator.speech.compose import compose
from tests.emulator.test_hostile_bodies import TOOL_SCHEMA, spoiled

METRICS = Metrics(invocation_latency_ms=1, first_byte_latency_ms=1)
FUNCTION = {"name": "weather", "description": "d", "parameters": TOOL_SCHEMA}
CALL = {"id": "c", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
PARTS = [{"type": "text", "text": "x"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,eA=="}}]
CHAT: dict[str, Any] = {
    "messages": [
        {"role": "system", "content": "brief"},
        {"role": "user", "content": [PARTS[0]]},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "c", "content": "18"},
        {"role": "user", "content": "and the weather?"},
    ],
    "max_tokens": 50,
    "temperature": 0.5,
    "top_p": 0.5,
    "stop": ["x"],
    "tools": [{"type": "function", "function": FUNCTION}],
    "tool_choice": {"type": "function", "function": {"name": "weather"}},
}  # fmt: skip
BODIES: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": ("moonshotai.kimi-k2.5", CHAT | {"reasoning_effort": "high", "stream": False, "n": 1}),
    "chat with images": ("moonshotai.kimi-k2.5", CHAT | {"messages": [{"role": "user", "content": PARTS}]}),
    "grok": ("xai.grok-4.6", CHAT | {"reasoning": {"effort": "low"}}),
    "mistral chat": ("mistral.pixtral-large-2502-v1:0", CHAT | {"tool_choice": "any"}),
    "jamba": ("ai21.jamba-1-5-mini-v1:0", CHAT),
    "writer": ("writer.palmyra-x5-v1:0", CHAT),
    "mistral text": (
        "mistral.mixtral-8x7b-instruct-v0:1",
        {"prompt": "<s>[INST] a [/INST] b</s>[INST] c [/INST]", "max_tokens": 5, "top_k": 9, "stop": ["x"]},
    ),
    "deepseek": (
        "deepseek.r1-v1:0",
        {"prompt": "<｜User｜>a<｜Assistant｜><think>\n", "max_tokens": 5, "top_p": 1, "stop": ["x"]},
    ),
    "titan": (
        "amazon.titan-text-express-v1",
        {"inputText": "User: a\nBot:", "textGenerationConfig": {"maxTokenCount": 5, "topP": 1, "stopSequences": ["x"]}},
    ),
    "nova": (
        "amazon.nova-2-lite-v1:0",
        {
            "schemaVersion": "messages-v1",
            "system": [{"text": "brief"}, {"cachePoint": {"type": "default"}}],
            "messages": [{"role": "user", "content": [{"image": {"format": "png", "source": {"bytes": "eA=="}}}]}],
            "inferenceConfig": {"max_new_tokens": 5, "topK": 5, "stopSequences": ["x"]},
            "toolConfig": {"tools": [{"toolSpec": {"name": "weather", "inputSchema": {"json": TOOL_SCHEMA}}}]},
            "reasoningConfig": {"type": "enabled"},
        },
    ),
    "cohere": (
        "cohere.command-r-v1:0",
        {
            "message": "weather",
            "chat_history": [{"role": "USER", "message": "x"}, {"role": "CHATBOT", "message": "y"}],
            "tools": [{"name": "weather", "description": "d", "parameter_definitions": {"city": {"type": "str"}}}],
            "tool_results": [{"call": {"name": "weather"}, "outputs": [{"c": 18}]}],
            "documents": [{"title": "x"}],
            "p": 0.5,
            "k": 5,
            "stop_sequences": ["x"],
        },
    ),
}  # fmt: skip
EXTRAS: dict[str, dict[str, Any]] = {
    "amazon.nova-2-lite-v1:0": {"inferenceConfig": {"topK": 5}, "reasoningConfig": {"type": "enabled"}},
    "openai.gpt-oss-20b-1:0": {"reasoning_effort": "low"},
    "openai.gpt-6-sol": {"reasoning": {"effort": "low"}},
    "qwen.qwen3-32b-v1:0": {"reasoning_config": "low"},
    "anthropic.claude-sonnet-4-6": {"output_config": {"effort": "low"}, "thinking": {"type": "adaptive"}},
    "ai21.jamba-1-5-mini-v1:0": {"n": 1},
}
SEARCH = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def called(base_id: str) -> Called:
    """
    Return a model as if its base ID could be called.
    """
    return Called(base_id, load_catalogue().models[base_id])


@pytest.mark.parametrize("name", BODIES)
def test_the_whole_bodies_are_answered(name: str) -> None:
    """
    What is spoiled below is whole to begin with.
    """
    model, body = called(BODIES[name][0]), BODIES[name][1]
    family = family_of(model)
    family.check_operation(body, streaming=False)
    answer = compose(family.read(body, model), 0)
    assert answer.output_tokens > 0
    assert json.loads(family.whole(answer, model, "request", METRICS))


@SEARCH
@given(drawn=st.sampled_from(sorted(BODIES)).flatmap(lambda name: st.tuples(st.just(name), spoiled(BODIES[name][1]))))
def test_native_bodies(drawn: tuple[str, dict[str, Any]]) -> None:
    """
    A spoiled native body is refused in words, or answered whole and as a stream.
    """
    name, body = drawn
    model = called(BODIES[name][0])
    family = family_of(model)
    try:
        family.check_operation(body, streaming=False)
        ask = family.read(body, model)
    except Refusal:
        return
    answer = compose(ask, 0)
    family.whole(answer, model, "request", METRICS)
    assert list(family.stream(answer, model, "request", lambda: METRICS))


@SEARCH
@given(drawn=st.sampled_from(sorted(EXTRAS)).flatmap(lambda model: st.tuples(st.just(model), spoiled(EXTRAS[model]))))
def test_the_models_own_fields_on_converse(drawn: tuple[str, dict[str, Any]]) -> None:
    """
    Spoiled fields of the model's own are refused in words or answered.
    """
    model, extra = drawn
    body = {"messages": [{"role": "user", "content": [{"text": "x"}]}], "additionalModelRequestFields": extra}
    try:
        ask = converse.read(body, called(model), streaming=False)
    except Refusal:
        return
    assert compose(ask, 0).blocks
