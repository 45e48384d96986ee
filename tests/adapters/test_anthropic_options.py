"""
Further fields of the Anthropic body come from an allow-list, and never replace the request's own.
"""

from typing import Any

import msgspec
import pytest

from outcrop.adapters.anthropic import AnthropicAdapter
from outcrop.adapters.anthropic_request import PROVIDER_OPTIONS
from outcrop.calls import ResolvedModel
from outcrop.errors import RequestError
from outcrop.types import ChatRequest, GenerationParams, Message, Reasoning, TextPart

MODEL = ResolvedModel(name="claude", model_id="us.claude", base_id="claude", family="anthropic")


def request(**fields: Any) -> ChatRequest:
    """
    Build a request that says "hi".
    """
    return ChatRequest(model="claude", messages=(Message("user", (TextPart(text="hi"),)),), **fields)


def body(made: ChatRequest) -> dict[str, Any]:
    """
    Build the body for a request.
    """
    return msgspec.json.decode(AnthropicAdapter().build_call(made, MODEL).body, type=dict[str, Any])


def test_allowed_provider_options_are_sent() -> None:
    """
    Further fields of the body go out as they are; objects are completed by the request's own fields.
    """
    options = {
        "anthropic_beta": ["context-1m-2025-08-07"],
        "metadata": {"user_id": "u"},
        "context_management": {"edits": []},
        "output_config": {"format": {"type": "json_schema"}, "effort": "low"},
        "thinking": {"display": "summarized"},
    }
    assert options.keys() == PROVIDER_OPTIONS
    params = GenerationParams(reasoning=Reasoning(mode="adaptive", effort="max"))
    made = body(request(params=params, provider_options=options))
    assert {name: made[name] for name in options} == {
        **options,
        "output_config": {"format": {"type": "json_schema"}, "effort": "max"},
        "thinking": {"display": "summarized", "type": "adaptive"},
    }


@pytest.mark.parametrize("name", ["model", "stream", "messages", "max_tokens", "seed", "anthropic_version", "api_base"])
def test_any_other_provider_option_is_refused_by_name(name: str) -> None:
    """
    No option overwrites the request's own fields, and none is dropped in silence.
    """
    with pytest.raises(RequestError, match=f"model 'claude' does not take the provider option '{name}'"):
        body(request(provider_options={name: "x"}))


@pytest.mark.parametrize("name", ["thinking", "output_config"])
def test_an_option_of_the_wrong_shape_is_refused(name: str) -> None:
    """
    An option that is completed here must be an object.
    """
    with pytest.raises(RequestError, match=f"provider option '{name}' is list, expected an object"):
        body(request(provider_options={name: [1]}))
