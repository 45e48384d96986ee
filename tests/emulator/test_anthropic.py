"""
Tests of `outcrop.emulator.families.anthropic` and `claude_rules`.
"""

from collections.abc import Callable
from typing import Any

import pytest

from outcrop.emulator.families import anthropic
from outcrop.emulator.rules.models import Called
from outcrop.emulator.rules.refusals import Refusal

SONNET_46 = "us.anthropic.claude-sonnet-4-6"
HAIKU_45 = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
OPUS_47 = "us.anthropic.claude-opus-4-7"
OPUS_55 = "us.anthropic.claude-opus-5-5"
FindModel = Callable[[str], Called]

TOOL = {"name": "get_weather", "input_schema": {"type": "object", "properties": {}}}
CALL = {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "get_weather", "input": {}}]}
ANSWERED = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "18"}]}


def user(content: Any = "hi") -> dict[str, Any]:
    """
    Return a message of the user.
    """
    return {"role": "user", "content": content}


def body(**members: Any) -> dict[str, Any]:
    """
    Return a valid body with these members put in; None takes one out.
    """
    whole = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 2000, "messages": [user()]} | members
    return {name: value for name, value in whole.items() if value is not None}


@pytest.mark.parametrize(
    ("members", "text"),
    [
        ({"anthropic_version": None}, "required key [anthropic_version] not found"),
        ({"anthropic_version": ""}, "expected minLength: 1"),
        ({"max_tokens": None}, "required key [max_tokens] not found"),
        ({"max_tokens": "5"}, "#/max_tokens: expected type: Integer, found: String"),
        ({"max_tokens": 64_001}, "exceed the model limit of 64000"),
        ({"messages": []}, "#/messages: expected minLength: 1"),
        ({"messages": None}, "required key [messages] not found"),
        ({"model": "x"}, "extraneous key [model] is not permitted"),
        ({"stream": True}, "extraneous key [stream] is not permitted"),
        ({"temperature": 1.1}, "#/temperature: 1.1 is not less or equal to 1"),
        ({"system": 5}, "#/system: expected type: String"),
        ({"system": [{"type": "text", "text": " "}]}, "system: text content blocks must contain non-whitespace text"),
        ({"system": [{"type": "image"}]}, "system.0: Input should be a text block"),
        ({"messages": [{"role": "system", "content": "x"}]}, "#/messages/0/role: system is not a valid enum value"),
        ({"messages": [{"role": "user"}]}, "#/messages/0: required key [content] not found"),
        ({"messages": ["x"]}, "#/messages/0: expected type: JSONObject"),
        ({"messages": [user([])]}, "messages.0: all messages must have non-empty content"),
        ({"messages": [user("  ")]}, "text content blocks must contain non-whitespace text"),
        ({"messages": [user([{"type": "video"}])]}, "messages.0.content.0: Input tag 'video' found using 'type'"),
        ({"messages": [user([{"type": "text"}])]}, "messages.0.content.0.text.text: Field required"),
        ({"messages": [user([{"type": "image", "source": {"type": "url"}}])]}, "expected tag: 'base64'"),
        (
            {"messages": [user([{"type": "image", "source": {"type": "base64", "media_type": "image/bmp"}}])]},
            "media_type: Input should be",
        ),
        (
            {
                "messages": [
                    user([{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "%"}}])
                ]
            },
            "Invalid base64 data",
        ),
        ({"messages": [user(), CALL, user("never mind")]}, "were found without `tool_result` blocks"),
        ({"messages": [ANSWERED]}, "unexpected `tool_use_id` found"),
        (
            {"messages": [user(), {"role": "assistant", "content": "I say"}]},
            "does not support assistant message prefill",
        ),
        ({"tools": [{"name": "x", "input_schema": {}}]}, "input_schema.type: Input should be 'object'"),
        ({"tools": [TOOL, TOOL]}, "Tool names must be unique"),
        ({"tool_choice": {"type": "any"}}, "only be specified while providing tools"),
        ({"tools": [TOOL], "tool_choice": {"type": "maybe"}}, "does not match any of the expected tags"),
        ({"tools": [TOOL], "tool_choice": {"type": "tool", "name": "y"}}, "Tool 'y' not found"),
        ({"stop_sequences": ["  "]}, "each stop sequence must contain non-whitespace"),
        ({"stop_sequences": [5]}, "#/stop_sequences/0: expected type: String"),
        ({"thinking": {"type": "sometimes"}}, "thinking: Input tag"),
        ({"thinking": {"type": "enabled", "budget_tokens": 5}}, "greater than or equal to 1024"),
        ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, "`max_tokens` must be greater than"),
        ({"thinking": {"type": "adaptive"}, "temperature": 0.5}, "may only be set to 1 when thinking is enabled"),
        (
            {"thinking": {"type": "adaptive"}, "tools": [TOOL], "tool_choice": {"type": "any"}},
            "Thinking may not be enabled when tool_choice forces tool use.",
        ),
        ({"output_config": {"effort": "huge"}}, "output_config.effort: Input should be"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_bodies_that_claude_refuses(members: dict[str, Any], text: str, find_model: FindModel) -> None:
    """
    Every broken rule is named in Bedrock's or Claude's words.
    """
    with pytest.raises(Refusal) as refused:
        anthropic.read(body(**members), find_model(SONNET_46))
    assert refused.value.name == "ValidationException"
    assert text in refused.value.message


@pytest.mark.parametrize(
    ("model", "members"),
    [
        (HAIKU_45, {"temperature": 0.5, "top_p": 0.5}),
        (HAIKU_45, {"thinking": {"type": "adaptive"}}),
        (HAIKU_45, {"output_config": {"effort": "low"}}),
        (OPUS_47, {"temperature": 0.5}),
        (OPUS_47, {"top_k": 5}),
        (OPUS_47, {"thinking": {"type": "enabled", "budget_tokens": 1024}}),
        (OPUS_55, {"tools": [TOOL], "tool_choice": {"type": "any"}}),
        (OPUS_55, {"thinking": {"type": "disabled"}}),
    ],
    ids=str,
)
def test_each_version_refuses_what_it_does_not_know(model: str, members: dict[str, Any], find_model: FindModel) -> None:
    """
    What one version of Claude takes another refuses; the catalogue says which.
    """
    with pytest.raises(Refusal) as refused:
        anthropic.read(body(**members), find_model(model))
    assert refused.value.status == 400


@pytest.mark.parametrize(
    ("model", "members"),
    [
        (SONNET_46, {"temperature": 0.5, "top_p": 0.5, "top_k": 5, "stop_sequences": ["x"], "system": "s"}),
        (SONNET_46, {"anthropic_version": "2026-10-21", "anthropic_beta": ["x"], "metadata": {"user_id": "u"}}),
        (SONNET_46, {"thinking": {"type": "enabled", "budget_tokens": 1024}}),
        (SONNET_46, {"messages": [user(), CALL, ANSWERED], "tools": [TOOL]}),
        (SONNET_46, {"messages": [user(), user()]}),
        (SONNET_46, {"messages": [{"role": "assistant", "content": "hello"}, user()]}),
        (SONNET_46, {"messages": [user([{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}])]}),
        (HAIKU_45, {"messages": [user(), {"role": "assistant", "content": "I say"}]}),
        (SONNET_46, {"max_tokens": 0}),
    ],
    ids=str,
)
def test_bodies_that_claude_takes(model: str, members: dict[str, Any], find_model: FindModel) -> None:
    """
    Everything documented is taken.
    """
    assert anthropic.read(body(**members), find_model(model)).turns


def test_a_model_that_always_thinks_needs_no_asking(find_model: FindModel) -> None:
    """
    Where thinking can't be turned off, every answer has it.
    """
    assert anthropic.read(body(), find_model(OPUS_55)).thinks


def test_prefill_may_not_end_in_white_space(find_model: FindModel) -> None:
    """
    The beginning of an answer is taken only without white space at its end.
    """
    with pytest.raises(Refusal, match="cannot end with trailing whitespace"):
        anthropic.read(body(messages=[user(), {"role": "assistant", "content": "I say "}]), find_model(HAIKU_45))
