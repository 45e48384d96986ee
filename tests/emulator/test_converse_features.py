"""
What each model can and can't do by Converse: the catalogue's facts, in Bedrock's words (docs/bedrock_wire.md §5.4).
"""

import json
from collections.abc import Callable
from typing import Any

import pytest

from outcrop.catalogue.models import Feature, ModelEntry, load_catalogue
from outcrop.emulator import converse, converse_answers
from outcrop.emulator.conversation import Answer, Ask, Metrics, Step
from outcrop.emulator.families import titan
from outcrop.emulator.families.family import ConverseRules, Family
from outcrop.emulator.families.table import FAMILIES
from outcrop.emulator.rules.models import Called
from outcrop.emulator.rules.refusals import Refusal
from outcrop.emulator.speech.compose import compose
from tests.emulator.conftest import Wire

ENTRIES = list(load_catalogue().models.values())
METRICS = Metrics(invocation_latency_ms=1, first_byte_latency_ms=1)
HELLO = {"role": "user", "content": [{"text": "hello"}]}
REPLY = {"role": "assistant", "content": [{"text": "hi"}]}
TOOLS = {"tools": [{"toolSpec": {"name": "get_weather", "inputSchema": {"json": {"type": "object"}}}}]}
IMAGE = {"image": {"format": "png", "source": {"bytes": "eA=="}}}
DOCUMENT = {"document": {"format": "txt", "name": "notes", "source": {"bytes": "eA=="}}}
THOUGHT = {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s"}}}
every_model = pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.base_id)


def called(entry: ModelEntry | str) -> Called:
    """
    Return a model as if its base ID could be called.
    """
    found = load_catalogue().models[entry] if isinstance(entry, str) else entry
    return Called(found.base_id, found)


def refusal_of(entry: ModelEntry | str, *, streaming: bool = False, **body: Any) -> str:
    """
    Return the words in which a request is refused; "" where it is answered.
    """
    try:
        compose(converse.read({"messages": [HELLO], **body}, called(entry), streaming=streaming), 0)
    except Refusal as refusal:
        return refusal.message
    return ""


def with_blocks(*blocks: Any) -> list[Any]:
    """
    Return messages whose only one has these blocks beside a text.
    """
    return [{"role": "user", "content": [{"text": "x"}, *blocks]}]


FEATURES: list[tuple[Feature, dict[str, Any], str]] = [
    ("system", {"system": [{"text": "brief"}]}, "This model doesn't support system messages."),
    ("tools", {"toolConfig": TOOLS}, "This model doesn't support tool use."),
    ("streaming_tools", {"toolConfig": TOOLS, "streaming": True}, "This model doesn't support tool use"),
    ("tool_choice", {"toolConfig": TOOLS | {"toolChoice": {"any": {}}}}, "This model doesn't support t"),
    ("prefill", {"messages": [HELLO, REPLY]}, "must end with a user message"),
    (
        "reasoning_history",
        {"messages": [HELLO, {"role": "assistant", "content": [THOUGHT, {"text": "hi"}]}, HELLO]},
        "User messages cannot contain reasoning content",
    ),
    (
        "cache",
        {"system": [{"text": "x"}, {"cachePoint": {"type": "default"}}]},
        "did not allow prompt caching",
    ),
    (
        "guardrails",
        {"guardrailConfig": {"guardrailIdentifier": "abcdefghij", "guardrailVersion": "1"}},
        "doesn't support guardrails",
    ),
]


@every_model
@pytest.mark.parametrize(("feature", "body", "words"), FEATURES, ids=[feature for feature, *_ in FEATURES])
def test_a_feature_is_taken_or_refused_as_the_catalogue_says(
    feature: Feature, body: dict[str, Any], words: str, entry: ModelEntry
) -> None:
    """
    What a model has is answered, what it lacks is refused in Bedrock's words.
    """
    refusal = refusal_of(entry, **body)
    if feature in entry.features:
        # Some models can't be forced to use tools although they take a choice.
        assert refusal == "" or (feature == "tool_choice" and "forced_tool_choice" in entry.refuses)
    elif feature == "cache" and "system" not in entry.features:
        assert "system messages" in refusal
    else:
        assert words in refusal


@every_model
@pytest.mark.parametrize(("modality", "block"), [("image", IMAGE), ("document", DOCUMENT)])
def test_a_modality_is_taken_or_refused_as_the_catalogue_says(modality: str, block: Any, entry: ModelEntry) -> None:
    """
    Images and documents go to the models that can read them.
    """
    refusal = refusal_of(entry, messages=with_blocks(block))
    expected = "" if modality in entry.input_modalities else f"This model doesn't support the {modality} content block"
    assert refusal.startswith(expected)
    assert bool(refusal) == bool(expected)


@every_model
def test_more_tokens_than_the_model_has_are_refused(entry: ModelEntry) -> None:
    """
    The model's own limit is named.
    """
    limit = entry.max_output_tokens
    assert refusal_of(entry, inferenceConfig={"maxTokens": limit}) == ""
    assert f"exceed the model limit of {limit}" in refusal_of(entry, inferenceConfig={"maxTokens": limit + 1})


@every_model
def test_sampling_parameters_are_refused_as_the_catalogue_says(entry: ModelEntry) -> None:
    """
    A model that takes no temperature says so, in its own voice.
    """
    refusal = refusal_of(entry, inferenceConfig={"temperature": 0.5})
    assert bool(refusal) == ("temperature" in entry.refuses)
    assert refusal.startswith("The model returned the following errors: " if refusal else "")


@pytest.mark.parametrize(
    ("model", "extra", "words"),
    [
        ("openai.gpt-oss-20b-1:0", {"reasoning": {"effort": "low"}}, "extraneous key [reasoning]"),
        ("openai.gpt-6-sol", {"reasoning_effort": "low"}, "extraneous key [reasoning_effort]"),
        ("qwen.qwen3-32b-v1:0", {"reasoning_config": "huge"}, "Invalid value: 'huge'"),
        ("mistral.mistral-large-2407-v1:0", {"top_k": 5}, "extraneous key [top_k]"),
        ("amazon.nova-lite-v1:0", {"top_k": 5}, "extraneous key [top_k]"),
        ("amazon.nova-lite-v1:0", {"inferenceConfig": {"topK": 500}}, "#/inferenceConfig/topK: 500"),
        ("amazon.nova-lite-v1:0", {"reasoningConfig": {"type": "enabled"}}, "doesn't support reasoning"),
        ("meta.llama3-70b-instruct-v1:0", {"max_gen_len": 5}, "extraneous key [max_gen_len]"),
    ],
)
def test_the_fields_of_another_model_are_refused(model: str, extra: dict[str, Any], words: str) -> None:
    """
    `additionalModelRequestFields` takes what the model's own body would.
    """
    assert words in refusal_of(model, additionalModelRequestFields=extra)


@pytest.mark.parametrize(
    ("model", "members", "thinks"),
    [
        ("openai.gpt-oss-20b-1:0", {}, True),
        ("openai.gpt-oss-20b-1:0", {"additionalModelRequestFields": {"reasoning_effort": "none"}}, False),
        ("openai.gpt-6-sol", {}, False),
        ("openai.gpt-6-sol", {"additionalModelRequestFields": {"reasoning": {"effort": "high"}}}, True),
        ("openai.gpt-6-sol", {"outputConfig": {"effort": "high"}}, True),
        ("qwen.qwen3-32b-v1:0", {"additionalModelRequestFields": {"reasoning_config": "low"}}, True),
        ("amazon.nova-2-lite-v1:0", {"additionalModelRequestFields": {"reasoningConfig": {"type": "enabled"}}}, True),
        ("deepseek.r1-v1:0", {}, True),
        ("meta.llama3-70b-instruct-v1:0", {}, False),
    ],
)
def test_reasoning_comes_in_a_block_without_a_signature(model: str, members: dict[str, Any], thinks: bool) -> None:
    """
    Models that reason, unasked or by their switch, put it before the text; only Claude signs.
    """
    answer = compose(converse.read({"messages": [HELLO], **members}, called(model), streaming=False), 0)
    content = json.loads(converse_answers.whole(answer, called(model), "", METRICS))["output"]["message"]["content"]
    assert ("reasoningContent" in content[0]) is thinks
    if thinks:
        assert set(content[0]["reasoningContent"]["reasoningText"]) == {"text"}


def test_only_some_models_take_a_leading_turn_of_the_assistant() -> None:
    """
    Qwen, GLM and Kimi take it, as Claude does; others refuse.
    """
    messages = [REPLY, HELLO]
    taken = {entry.provider_segment for entry in ENTRIES if not refusal_of(entry, messages=messages)}
    assert taken == {"anthropic", "qwen", "zai", "moonshot", "moonshotai"}


def test_the_status_of_a_tools_result_is_for_claude_and_nova() -> None:
    """
    Others refuse it.
    """
    use = {"role": "assistant", "content": [{"toolUse": {"toolUseId": "t", "name": "get_weather", "input": {}}}]}
    result = {"toolUseId": "t", "content": [{"text": "18"}], "status": "success"}
    body: dict[str, Any] = {
        "messages": [HELLO, use, {"role": "user", "content": [{"toolResult": result}]}],
        "toolConfig": TOOLS,
    }
    taken = {entry.family for entry in ENTRIES if not refusal_of(entry, **body)}
    assert taken == {"anthropic", "nova"}


async def test_latency_and_tier_are_told_back(wire: Wire) -> None:
    """
    What the service was asked for stands in the answer: in the body by Converse, in headers natively.
    """
    model = "amazon.nova-lite-v1:0"
    wanted = {"performanceConfig": {"latency": "optimized"}, "serviceTier": {"type": "flex"}}
    reply = (await wire.call("converse", model, {"messages": [HELLO], **wanted})).json()
    headers = {"x-amzn-bedrock-performanceconfig-latency": "optimized", "x-amzn-bedrock-service-tier": "flex"}
    native = await wire.call("invoke", model, {"messages": [HELLO]}, headers)
    refused = await wire.call("invoke", model, {"messages": [HELLO]}, {"x-amzn-bedrock-service-tier": "gold"})
    assert {name: reply[name] for name in wanted} == wanted
    assert {name: native.headers[name] for name in headers} == headers
    assert (refused.status, refused.error) == (400, "validationexception")


def test_a_made_up_family_is_one_value_and_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A family that nobody has heard of works natively and by Converse with a `Family` and its line in the table.
    """

    def read(body: Any, model: Called) -> Ask:
        ask: Ask = titan.read({"inputText": body["say"]}, model)
        return ask

    def whole(answer: Answer, _called: Called, _request_id: str, _metrics: Metrics) -> bytes:
        return json.dumps({"said": answer.text}).encode()

    def stream(answer: Answer, _called: Called, _request_id: str, _measure: Callable[[], Metrics]) -> Any:
        return (Step(piece.encode(), 1, piece) for block in answer.blocks for piece in block.pieces)

    rules = ConverseRules(extra_fields=lambda _called: frozenset({"mood"}))
    monkeypatch.setitem(FAMILIES, "made_up", Family(read=read, whole=whole, stream=stream, converse=rules))
    template = load_catalogue().models["amazon.titan-text-lite-v1"]
    entry = type(template)(
        **{name: getattr(template, name) for name in template.__struct_fields__} | {"family": "made_up"}
    )
    native = FAMILIES["made_up"]
    answer = compose(native.read({"say": "hello"}, called(entry)), 0)
    assert json.loads(native.whole(answer, called(entry), "", METRICS)) == {"said": answer.text}
    assert refusal_of(entry, additionalModelRequestFields={"mood": "good"}) == ""
