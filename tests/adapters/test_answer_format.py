"""
A JSON schema for the answer: sent where the body has a place for it, refused by name elsewhere.
"""

import json
from typing import Any

import pytest

from outcrop.adapters.registry import find_adapter
from outcrop.calls import ResolvedModel
from outcrop.errors import RequestError
from outcrop.types import AnswerFormat, ChatRequest, GenerationParams, Message, Reasoning, TextPart

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
DEFAULTS = GenerationParams()
NATIVE = ("llama3", "nova", "titan", "mistral_text", "cohere")


def build(family: str, route: Any = "native", params: GenerationParams = DEFAULTS) -> dict[str, Any]:
    """
    Build the body of a request for an answer in JSON.
    """
    model = ResolvedModel(name="ours", model_id="x.y", base_id="x.y", family=family, route=route)
    request = ChatRequest(
        model="ours",
        messages=(Message("user", (TextPart(text="where?"),)),),
        params=params,
        answer_format=AnswerFormat(json_schema=SCHEMA, name="place", description="a place"),
    )
    body: dict[str, Any] = json.loads(find_adapter(model).build_call(request, model).body)
    return body


def test_claude_gets_it_beside_the_effort() -> None:
    """
    The native body holds the schema in `output_config`, with what else stands there.
    """
    params = GenerationParams(max_tokens=100, reasoning=Reasoning(mode="adaptive", effort="low"))
    body = build("anthropic", params=params)
    assert body["output_config"] == {"effort": "low", "format": {"type": "json_schema", "schema": SCHEMA}}


def test_converse_gets_it_as_a_string() -> None:
    """
    Converse takes the schema as a string, with its name and description.
    """
    text_format = build("any", "converse")["outputConfig"]["textFormat"]
    described = text_format["structure"]["jsonSchema"]
    assert text_format["type"] == "json_schema"
    assert json.loads(described.pop("schema")) == SCHEMA
    assert described == {"name": "place", "description": "a place"}


@pytest.mark.parametrize("family", NATIVE)
def test_other_native_bodies_refuse_it(family: str) -> None:
    """
    A body that has no place for a schema is not sent without it.
    """
    with pytest.raises(RequestError, match="model 'ours' does not take a JSON schema for the answer"):
        build(family)
