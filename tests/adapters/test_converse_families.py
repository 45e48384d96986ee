"""
What differs between families by Converse: top_k, reasoning, fields of the model's own, and how a row is found.
"""

import json
from typing import Any

import pytest

from outcrop.adapters.converse import ConverseAdapter
from outcrop.adapters.converse_families import FAMILIES, UNKNOWN, find_converse_family
from outcrop.calls import ResolvedModel
from outcrop.errors import RequestError
from outcrop.types import ChatRequest, GenerationParams, Message, Reasoning, TextPart

Json = dict[str, Any]

CLAUDE = "anthropic.claude-sonnet-4-6"
LOW = Reasoning(mode="enabled", effort="low")
HIGH = Reasoning(mode="adaptive", effort="high")
OFF = Reasoning(mode="disabled")
BUDGET = Reasoning(mode="enabled", budget_tokens=2048)


def resolved(base_id: str, family: str = "any", refuses: tuple[str, ...] = ()) -> ResolvedModel:
    """
    Make a model that is called by Converse.
    """
    return ResolvedModel(
        name="ours", model_id=base_id, base_id=base_id, family=family, route="converse", refuses=frozenset(refuses)
    )


def body(model: ResolvedModel, params: GenerationParams, **options: Any) -> Json:
    """
    Build a body and decode it.
    """
    request = ChatRequest(model="ours", messages=(Message("user", (TextPart(text="hi"),)),), params=params, **options)
    built: Json = json.loads(ConverseAdapter().build_call(request, model).body)
    return built


def fields(model: ResolvedModel, **params: Any) -> Json:
    """
    Build a body with these parameters and return the fields of the model's own.
    """
    own: Json = body(model, GenerationParams(**params)).get("additionalModelRequestFields", {})
    return own


@pytest.mark.parametrize(
    ("base_id", "expected"),
    [
        ("anthropic.claude-sonnet-4-6", {"top_k": 7}),
        ("amazon.nova-lite-v1:0", {"inferenceConfig": {"topK": 7}}),
        ("amazon.nova-2-lite-v1:0", {"inferenceConfig": {"topK": 7}}),
        ("mistral.mixtral-8x7b-instruct-v0:1", {"top_k": 7}),
        ("cohere.command-r-v1:0", {"k": 7}),
    ],
)
def test_top_k_has_each_familys_own_name(base_id: str, expected: Json) -> None:
    """
    Converse has no field for it.
    """
    assert fields(resolved(base_id), top_k=7) == expected


@pytest.mark.parametrize("base_id", ["meta.llama3-3-70b-instruct-v1:0", "openai.gpt-oss-20b-1:0", "acme.new-1"])
def test_top_k_is_refused_where_its_name_is_not_known(base_id: str) -> None:
    """
    It is not sent on a guess.
    """
    with pytest.raises(RequestError, match="model 'ours' does not take top_k by converse"):
        fields(resolved(base_id), top_k=7)


@pytest.mark.parametrize(
    ("base_id", "reasoning", "expected"),
    [
        ("anthropic.claude-sonnet-4-6", BUDGET, {"thinking": {"type": "enabled", "budget_tokens": 2048}}),
        ("anthropic.claude-sonnet-4-6", Reasoning(mode="adaptive"), {"thinking": {"type": "adaptive"}}),
        ("anthropic.claude-sonnet-4-6", OFF, {"thinking": {"type": "disabled"}}),
        ("amazon.nova-2-lite-v1:0", LOW, {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}}),
        ("amazon.nova-2-lite-v1:0", OFF, {"reasoningConfig": {"type": "disabled"}}),
        ("qwen.qwen3-32b-v1:0", LOW, {"reasoning_config": "low"}),
        ("qwen.qwen3-32b-v1:0", OFF, {"reasoning_config": "none"}),
        ("openai.gpt-oss-120b-1:0", HIGH, {"reasoning_effort": "high"}),
        ("openai.gpt-6-sol", LOW, {"reasoning": {"effort": "low"}}),
        ("xai.grok-4.7", HIGH, {"reasoning": {"effort": "high"}}),
        ("zai.glm-4.7", HIGH, {"reasoning_effort": "high"}),
        ("zai.glm-5", OFF, {"reasoning_effort": "none"}),
        ("zai.glm-5.3", LOW, {"reasoning_effort": "low"}),
        ("deepseek.v3.2", HIGH, {"reasoning_effort": "high"}),
        ("deepseek.v3.2", OFF, {}),
        ("openai.gpt-6-sol", Reasoning(mode="adaptive"), {}),
    ],
)
def test_reasoning_has_each_familys_own_switch(base_id: str, reasoning: Reasoning, expected: Json) -> None:
    """
    A budget or a level of effort goes where the family looks for it; what a model decides itself is not told to it.
    """
    assert fields(resolved(base_id), reasoning=reasoning) == expected


@pytest.mark.parametrize(
    ("base_id", "reasoning", "complaint"),
    [
        ("anthropic.claude-sonnet-4-6", LOW, "the reasoning budget is None tokens, expected at least 1024"),
        ("amazon.nova-2-lite-v1:0", BUDGET, "'ours' takes a level of effort for its reasoning, not a budget"),
        ("qwen.qwen3-32b-v1:0", Reasoning(mode="enabled"), "'ours' takes a level of effort for its reasoning"),
        ("zai.glm-5", LOW, "'ours' does not take effort 'low', expected one of 'high'"),
        ("openai.gpt-oss-20b-1:0", OFF, "'ours' does not take switching reasoning off by converse"),
        ("moonshot.kimi-k2-thinking", HIGH, "'ours' does not take a setting of its reasoning by converse"),
        ("acme.new-1", OFF, "'ours' does not take a setting of its reasoning by converse"),
    ],
)
def test_reasoning_is_refused_where_it_can_not_be_told(base_id: str, reasoning: Reasoning, complaint: str) -> None:
    """
    The message names the model and what it lacks.
    """
    with pytest.raises(RequestError, match=complaint):
        fields(resolved(base_id), reasoning=reasoning)


def test_a_model_that_does_not_reason_need_not_be_told_not_to() -> None:
    """
    Switching off what is not there is no request at all.
    """
    assert fields(resolved("meta.llama3-3-70b-instruct-v1:0", refuses=("reasoning", "effort")), reasoning=OFF) == {}


@pytest.mark.parametrize("row", [row for row in FAMILIES if row.families], ids=lambda row: row.families[0])
def test_an_arn_finds_its_row_by_the_familys_name(row: Any) -> None:
    """
    Where the base ID tells nothing, the family does.
    """
    arn = "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/abcdefghijkl"
    assert all(find_converse_family(resolved(arn, family)) is row for family in row.families)


@pytest.mark.parametrize("row", FAMILIES, ids=lambda row: row.starts_with[0])
def test_no_row_hides_another(row: Any) -> None:
    """
    Each beginning of a base ID finds the row that it stands in.
    """
    assert all(find_converse_family(resolved(f"{start}x")) is row for start in row.starts_with)


def test_a_family_without_a_row_has_the_cautious_one() -> None:
    """
    Models of tomorrow work with what all models have in common.
    """
    assert find_converse_family(resolved("acme.new-1", "acme")) is UNKNOWN


def test_provider_options_are_the_models_own_fields() -> None:
    """
    What has no name here goes to the model; objects are completed by what the request says itself.
    """
    options = {"anthropic_beta": ["x"], "thinking": {"display": "omitted"}}
    built = body(resolved(CLAUDE), GenerationParams(reasoning=BUDGET, top_k=5), provider_options=options)
    assert built["additionalModelRequestFields"] == {
        "anthropic_beta": ["x"],
        "thinking": {"display": "omitted", "type": "enabled", "budget_tokens": 2048},
        "top_k": 5,
    }


def test_converses_own_newer_fields_are_options_too() -> None:
    """
    Structured output and paths into the answer are not the model's fields.
    """
    options = {"outputConfig": {"textFormat": {}}, "additionalModelResponseFieldPaths": ["/x"]}
    params = GenerationParams(reasoning=Reasoning(mode="adaptive", effort="max"))
    built = body(resolved(CLAUDE), params, provider_options=options)
    assert built["outputConfig"] == {"textFormat": {}, "effort": "max"}
    assert built["additionalModelResponseFieldPaths"] == ["/x"]


def test_claude_is_asked_for_its_stop_sequence() -> None:
    """
    Converse does not tell which sequence stopped an answer unless it is asked.
    """
    params = GenerationParams(stop_sequences=("END",))
    assert body(resolved(CLAUDE), params)["additionalModelResponseFieldPaths"] == ["/stop_sequence"]
    assert "additionalModelResponseFieldPaths" not in body(resolved("meta.llama3-3-70b-instruct-v1:0"), params)
