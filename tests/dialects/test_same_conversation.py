"""
One conversation, said in any dialect, is one request: which SDK a client happens to use changes nothing for the model.
"""

from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from outcrop.adapters.registry import find_adapter
from outcrop.calls import ResolvedModel
from outcrop.dialects.anthropic.request import parse_messages_request
from outcrop.dialects.bedrock.invoke import parse_invoke
from outcrop.dialects.bedrock.request import parse_converse
from outcrop.dialects.openai.chat_request import parse_chat_completion
from outcrop.dialects.openai.responses_request import complete_call, parse_response_request
from outcrop.types import ChatRequest
from tests.dialects.anthropic_logs import CLAUDE, CLAUDE_BY_CONVERSE, LLAMA, QWEN
from tests.dialects.conversations import CANNOT_SAY, FEATURES, READ_BACK, common_features, conversations, dialects_for

MODELS = [CLAUDE, CLAUDE_BY_CONVERSE, QWEN, LLAMA]
SCHEMA: dict[str, Any] = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


@pytest.mark.parametrize("model", MODELS, ids=["claude", "claude by converse", "qwen", "llama"])
@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_one_conversation_is_one_request_in_every_dialect(model: ResolvedModel, data: st.DataObject) -> None:
    """
    What several dialects can say is read as the same request by all of them, and as the one that was meant.
    """
    names = data.draw(st.sets(st.sampled_from(dialects_for(model)), min_size=1), label="dialects")
    meant = data.draw(conversations(model.name, common_features(names)), label="meant")
    for name in sorted(names):
        assert READ_BACK[name](meant, model) == meant, name


def test_the_table_has_all_dialects_and_reasons() -> None:
    """
    Every dialect has its rows of what it can't say, each with a reason, and no feature is beyond all of them.
    """
    assert CANNOT_SAY.keys() == READ_BACK.keys()
    assert all(reason for rows in CANNOT_SAY.values() for reason in rows.values())
    for feature in FEATURES:
        assert any(feature not in rows for rows in CANNOT_SAY.values())


def _ask_for_json(model: ResolvedModel) -> dict[str, ChatRequest]:
    """
    Ask for an answer of one schema, in each dialect that can, in its own words.
    """
    name, encode = model.name, msgspec.json.encode
    hi, blocks = [{"role": "user", "content": "hi"}], [{"role": "user", "content": [{"text": "hi"}]}]
    shape = {"name": "place", "schema": SCHEMA}
    chat = {"messages": hi, "response_format": {"type": "json_schema", "json_schema": shape}, "max_tokens": 9}
    responses = {"input": hi, "text": {"format": {"type": "json_schema", **shape}}, "max_output_tokens": 9}
    claude = {
        "messages": hi, "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}, "max_tokens": 9
    }  # fmt: skip
    definition = {"name": "place", "schema": encode(SCHEMA).decode()}
    form = {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": definition}}}
    converse = {"messages": blocks, "outputConfig": form, "inferenceConfig": {"maxTokens": 9}}
    asked = {
        "chat": parse_chat_completion(encode({"model": name, **chat})).request,
        "responses": complete_call(parse_response_request(encode({"model": name, **responses})))[0],
        "anthropic": parse_messages_request(encode({"model": name, **claude}), resolve=lambda _: model),
        "converse": parse_converse(encode(converse), model=model, stream=False).chat,
    }
    if model.family == "anthropic":
        body = encode({"anthropic_version": "bedrock-2023-05-31", **claude})
        asked["invoke"] = parse_invoke(body, headers={}, model=model, stream=False).chat
    return asked


@pytest.mark.parametrize("model", [CLAUDE, CLAUDE_BY_CONVERSE, QWEN], ids=["claude", "claude by converse", "qwen"])
def test_a_schema_becomes_the_same_call(model: ResolvedModel) -> None:
    """
    A schema for the answer is a field of the request, or an option of the model's; the call to Bedrock is the same.
    """
    calls = {}
    for dialect, request in _ask_for_json(model).items():
        body = msgspec.json.decode(find_adapter(model).build_call(request, model).body)
        # Anthropic's format has no name, OpenAI's demands one.
        definition = body.get("outputConfig", {}).get("textFormat", {}).get("structure", {}).get("jsonSchema", {})
        definition.pop("name", None)
        definition |= {"schema": msgspec.json.decode(definition["schema"])} if definition else {}
        calls[dialect] = body
    first = calls["chat"]
    assert SCHEMA in (
        first.get("output_config", {}).get("format", {}).get("schema"),
        first.get("outputConfig", {}).get("textFormat", {}).get("structure", {}).get("jsonSchema", {}).get("schema"),
    )
    assert all(call == first for call in calls.values()), calls
