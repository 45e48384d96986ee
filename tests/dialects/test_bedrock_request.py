"""
What comes in by Converse: every member of botocore's model, and agreement with the Anthropic dialect.
"""

import json
from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outcrop.adapters.registry import find_adapter
from outcrop.calls import ResolvedModel
from outcrop.dialects.anthropic.request import parse_messages_request
from outcrop.dialects.bedrock import tables
from outcrop.dialects.bedrock.request import ConverseCall, parse_converse
from outcrop.errors import RequestError
from outcrop.types import Guardrail, Reasoning, TextPart
from tests.dialects.anthropic_logs import CLAUDE, CLAUDE_BY_CONVERSE, JSON, QWEN, mangle
from tests.emulator.referee import operation_model

PNG = b64encode(b"png").decode()
HI: dict[str, Any] = {"messages": [{"role": "user", "content": [{"text": "hi"}]}]}
FULL: dict[str, Any] = {
    "system": [{"text": "be kind"}, {"cachePoint": {"type": "default", "ttl": "1h"}}],
    "messages": [
        {
            "role": "user",
            "content": [
                {"text": "what is this?"},
                {"cachePoint": {"type": "default"}},
                {"image": {"format": "png", "source": {"bytes": PNG}}},
                {"document": {"format": "pdf", "name": "notes", "source": {"bytes": PNG}, "context": "of last week"}},
                {"document": {"name": "more", "source": {"content": [{"text": "a"}, {"text": "b"}]}}},
                {"guardContent": {"text": {"text": "guarded", "qualifiers": ["query"]}}},
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "c2ln"}}},
                {"reasoningContent": {"redactedContent": PNG}},
                {"toolUse": {"toolUseId": "t1", "name": "look", "input": {"x": 1}}},
            ],
        },
        {
            "role": "user",
            "content": [{"toolResult": {"toolUseId": "t1", "content": [{"json": {"a": 1}}], "status": "error"}}],
        },
    ],
    "inferenceConfig": {"maxTokens": 9, "temperature": 1, "topP": 0.5, "stopSequences": ["END"]},
    "toolConfig": {
        "tools": [{"toolSpec": {"name": "look", "inputSchema": {"json": {}}}}, {"cachePoint": {"type": "default"}}],
        "toolChoice": {"tool": {"name": "look"}},
    },
    "guardrailConfig": {"guardrailIdentifier": "abc", "guardrailVersion": "1", "trace": "enabled"},
    "additionalModelRequestFields": {"top_k": 5, "thinking": {"type": "enabled", "budget_tokens": 1024}, "x": 1},
    "additionalModelResponseFieldPaths": ["/stop_sequence", "/y"],
    "requestMetadata": {"team": "a"},
    "performanceConfig": {"latency": "optimized"},
    "serviceTier": {"type": "flex"},
    "outputConfig": {"effort": "low"},
}  # fmt: skip


def parse(body: Any, model: ResolvedModel = CLAUDE) -> ConverseCall:
    """
    Parse a body for one model.
    """
    return parse_converse(json.dumps(body).encode(), model=model, stream=True)


def refuse(**fields: Any) -> str:
    """
    Return why a request with these members is refused.
    """
    with pytest.raises(RequestError) as caught:
        parse({**HI, **fields})
    return caught.value.message


@pytest.mark.parametrize("operation", ["Converse", "ConverseStream"])
def test_every_member_of_the_service_model_is_in_a_table(operation: str) -> None:
    """
    What botocore can send is taken, ignored or refused by name, at every depth that the tables reach.
    """
    shape: Any = operation_model(operation).input_shape
    members = shape.members
    block = members["messages"].member.members["content"].member.members
    result = block["toolResult"].members["content"].member.members
    expected = {
        "request": (shape, tables.CONVERSE),
        "block": (members["messages"].member.members["content"].member, tables.BLOCKS),
        "system": (members["system"].member, tables.SYSTEM_BLOCKS),
        "inference": (members["inferenceConfig"], tables.INFERENCE),
        "tools": (members["toolConfig"].members["tools"].member, tables.TOOLS),
        "spec": (members["toolConfig"].members["tools"].member.members["toolSpec"], tables.TOOL_SPEC),
        "choice": (members["toolConfig"].members["toolChoice"], tables.TOOL_CHOICES),
        "output": (members["outputConfig"], tables.OUTPUT_CONFIG),
        "schema": (
            members["outputConfig"].members["textFormat"].members["structure"].members["jsonSchema"],
            tables.JSON_SCHEMA,
        ),
        "image": (block["image"], tables.IMAGE),
        "image source": (block["image"].members["source"], tables.IMAGE_SOURCES),
        "document": (block["document"], tables.DOCUMENT),
        "document source": (block["document"].members["source"], tables.DOCUMENT_SOURCES),
        "use": (block["toolUse"], tables.TOOL_USE),
        "result": (block["toolResult"], tables.TOOL_RESULT),
        "result block": (block["toolResult"].members["content"].member, tables.RESULT_BLOCKS),
        "cache": (block["cachePoint"], tables.CACHE_POINT),
        "reasoning": (block["reasoningContent"], tables.REASONING),
        "guard": (block["guardContent"], tables.GUARD_CONTENT),
    }
    assert result.keys() == tables.RESULT_BLOCKS.keys()
    for what, (known, table) in expected.items():
        assert set(known.members) == set(table), what
    assert set(members["guardrailConfig"].members) <= set(tables.GUARDRAIL)


def test_a_full_request() -> None:
    """
    Everything that is taken arrives in the waist; Claude's own fields in the fields that the waist has for them.
    """
    call = parse(FULL)
    chat = call.chat
    assert call.tells_stop_sequence
    assert chat.system == (TextPart(text="be kind", cache_ttl="1h"),)
    assert [type(part).__name__ for message in chat.messages for part in message.parts] == [
        "TextPart", "ImagePart", "DocumentPart", "DocumentPart", "TextPart", "ReasoningPart", "ReasoningPart",
        "ToolUsePart", "ToolResultPart",
    ]  # fmt: skip
    assert chat.messages[0].parts[0] == TextPart(text="what is this?", cache_ttl="5m")
    assert chat.messages[0].parts[-1] == TextPart(
        text="guarded", provider_details={"guardContent": {"qualifiers": ["query"]}}
    )
    assert chat.params.top_k == 5
    assert chat.params.reasoning == Reasoning(mode="enabled", budget_tokens=1024, effort="low")
    assert chat.tools[0].cache_ttl == "5m"
    assert chat.guardrail == Guardrail(identifier="abc", version="1", trace="enabled")
    assert (chat.latency, chat.service_tier, chat.request_metadata) == ("optimized", "flex", {"team": "a"})
    assert chat.provider_options == {"x": 1, "additionalModelResponseFieldPaths": ["/y"]}


def test_a_schema_for_the_answer_by_either_route() -> None:
    """
    Converse's schema in a string becomes Claude's own where the model is called natively, and stays where it is not.
    """
    definition = {"schema": '{"type": "object"}', "name": "n", "description": "d"}
    form = {"type": "json_schema", "structure": {"jsonSchema": definition}}
    body = {**HI, "outputConfig": {"textFormat": form}}
    native = parse(body, CLAUDE).chat.provider_options
    assert native == {"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}}
    compact = {**form, "structure": {"jsonSchema": {**definition, "schema": '{"type":"object"}'}}}
    assert parse(body, CLAUDE_BY_CONVERSE).chat.provider_options == {"outputConfig": {"textFormat": compact}}


def test_another_familys_own_fields_stay_as_they_are() -> None:
    """
    Fields of a model that is not Claude go to it unread; a level of effort becomes one of reasoning.
    """
    chat = parse(FULL, QWEN).chat
    assert chat.provider_options["top_k"] == 5
    assert chat.params.top_k is None
    assert chat.params.reasoning == Reasoning(mode="adaptive", effort="low")


@pytest.mark.parametrize("inner", [{"topK": 20}, {"topK": None}, {}, None])
@pytest.mark.parametrize("name", ["amazon.nova-pro-v1:0", "amazon.nova-2-lite-v1:0"])
def test_novas_top_k_stands_where_aws_has_it(name: str, inner: Any) -> None:
    """
    Nova's topK, in an inferenceConfig of the model's own, is the request's top_k, and goes out as it came.
    """
    nova = ResolvedModel(name="nova", model_id=name, base_id=name, family="nova", route="converse")
    own = {"additionalModelRequestFields": {"inferenceConfig": inner, "x": 1}}
    chat = parse({**HI, **own}, nova).chat
    wanted = (inner or {}).get("topK")
    assert (chat.params.top_k, chat.provider_options) == (wanted, {"x": 1})
    sent = json.loads(find_adapter(nova).build_call(chat, nova).body)["additionalModelRequestFields"]
    assert sent == ({"x": 1, "inferenceConfig": {"topK": 20}} if wanted else {"x": 1})


@pytest.mark.parametrize(
    ("inner", "said"),
    [
        (
            {"topK": 1, "maxTokens": 9},
            "inferenceConfig holds 'maxTokens', expected topK alone, the rest in inferenceConf",
        ),
        ({"topK": -1}, "additionalModelRequestFields.inferenceConfig.topK is -1, expected a whole number from 0"),
        ([], "additionalModelRequestFields.inferenceConfig is a list, expected an object"),
    ],
)
def test_novas_own_inference_config_has_top_k_alone(inner: Any, said: str) -> None:
    """
    What else stands in Nova's own inferenceConfig is refused with what may stand there.
    """
    name = "amazon.nova-pro-v1:0"
    nova = ResolvedModel(name="nova", model_id=name, base_id=name, family="nova", route="converse")
    with pytest.raises(RequestError) as caught:
        parse({**HI, "additionalModelRequestFields": {"inferenceConfig": inner}}, nova)
    assert said in caught.value.message


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"promptVariables": {"a": {"text": "b"}}}, "promptVariables can't be served: prompts that are kept"),
        ({"messages": []}, "messages is empty"),
        ({"messages": [{"role": "system", "content": []}]}, "expected it as the member system"),
        ({"inferenceConfig": {"maxTokens": 0}}, "inferenceConfig.maxTokens is 0, expected a whole number from 1"),
        ({"inferenceConfig": {"temperature": 2}}, "inferenceConfig.temperature is 2"),
        ({"toolConfig": {"tools": [{"systemTool": {"name": "x"}}]}}, "systemTool can't be served"),
        ({"toolConfig": {"tools": []}}, "toolConfig.tools is empty"),
        ({"guardrailConfig": {"guardrailIdentifier": "a"}}, "needs both"),
        ({"guardrailConfig": {"streamProcessingMode": "async"}}, "streamProcessingMode is 'async'"),
        ({"system": [{"cachePoint": {"type": "default"}}]}, "must stand after what is to be cached"),
        ({"outputConfig": {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"schema": "x"}}}}},
         "is not a JSON object in a string"),
        ({"system": [{"cachePoint": {"type": "default"}}, {"cachePoint": {"type": "default"}}]}, "must stand after"),
        ({"system": [{"nope": 1}]}, "system[0] is 'nope', expected one of text"),
        ({"system": [{"text": 1}]}, "system[0] is 1, expected a string"),
        ({"system": [{"text": "a", "guardContent": {}}]}, "system[0] has 2 fields, expected exactly one"),
        ({"inferenceConfig": {"stopSequences": ["x"] * 2501}}, "has 2501 entries, limit is 2500"),
        ({"additionalModelResponseFieldPaths": ["x"]}, "expected at most 10 JSON pointers"),
        ({"additionalModelRequestFields": {"x": {"s3Location": {}}}}, "nothing is fetched for a client"),
        ({"messages": [{"role": "user", "content": [{"document": {
            "name": "a", "format": "pdf", "source": {"text": "x"}}}]}]}, "expected 'txt' for a text"),
        ({"messages": [{"role": "user", "content": [{"document": {"name": "a", "citations": {"enabled": True},
            "source": {"content": [{"text": "x"}, {"text": "y"}]}}}]}]}, "has several blocks to cite from"),
        ({"requestMetadata": {"a": 1}}, "requestMetadata.a is 1, expected a string"),
        ({"extra": 1}, "extra is not a field that is known here"),
    ],
)  # fmt: skip
def test_a_malformed_member_is_named(fields: dict[str, Any], said: str) -> None:
    """
    What is wrong is said with its place and what was expected.
    """
    assert said in refuse(**fields)


@pytest.mark.parametrize("kind", [name for name, row in tables.BLOCKS.items() if row.fate == "refused"])
def test_a_refused_block_says_why(kind: str) -> None:
    """
    A content block that can't be served is refused by its name with a reason.
    """
    message = refuse(messages=[{"role": "user", "content": [{kind: {}}]}])
    assert message == f"messages[0].content[0].{kind} can't be served: {tables.BLOCKS[kind].why}"


def test_nothing_is_read_from_s3_for_a_client() -> None:
    """
    A location in S3 would be read with the gateway's own rights, so it is refused.
    """
    source = {"s3Location": {"uri": "s3://others/secret"}}
    message = refuse(messages=[{"role": "user", "content": [{"image": {"format": "png", "source": source}}]}])
    assert "nothing is fetched for a client" in message


@settings(deadline=None)
@given(places=st.lists(st.integers(0, 20), min_size=1, max_size=7), junk=JSON, model=st.sampled_from([CLAUDE, QWEN]))
def test_a_mangled_request_is_a_request_error_or_a_request(places: list[int], junk: Any, model: ResolvedModel) -> None:
    """
    Whatever stands anywhere in a request, it is understood or refused; nothing else is raised.
    """
    try:
        parse(mangle(FULL, places, junk), model)
    except RequestError:
        return


TEXT = st.text(min_size=1, max_size=8)
BYTES = st.binary(min_size=1, max_size=8).map(lambda content: b64encode(content).decode())
NAME = st.text("abc", min_size=1, max_size=4)
TTL = st.sampled_from([None, "5m", "1h"])
Both = tuple[dict[str, Any], dict[str, Any]]


@st.composite
def blocks(draw: st.DrawFn) -> Both:
    """
    Draw one content block in both shapes: Converse's, and Anthropic's.
    """
    kind = draw(st.sampled_from(["text", "image", "pdf", "note", "thinking", "redacted", "use", "result"]))
    text, content, name = draw(TEXT), draw(BYTES), draw(NAME)
    source = {"type": "base64", "data": content}
    result = {"type": "tool_result", "tool_use_id": name, "content": [{"type": "text", "text": text}], "is_error": True}
    note = {"type": "text", "media_type": "text/plain", "data": text}
    shapes: dict[str, Both] = {
        "text": ({"text": text}, {"type": "text", "text": text}),
        "image": (
            {"image": {"format": "png", "source": {"bytes": content}}},
            {"type": "image", "source": {**source, "media_type": "image/png"}},
        ),
        "pdf": (
            {"document": {"format": "pdf", "name": name, "source": {"bytes": content}}},
            {"type": "document", "title": name, "source": {**source, "media_type": "application/pdf"}},
        ),
        "note": (
            {"document": {"format": "txt", "name": name, "source": {"text": text}, "citations": {"enabled": True}}},
            {"type": "document", "title": name, "source": note, "citations": {"enabled": True}},
        ),
        "thinking": (
            {"reasoningContent": {"reasoningText": {"text": text, "signature": content}}},
            {"type": "thinking", "thinking": text, "signature": content},
        ),
        "redacted": (
            {"reasoningContent": {"redactedContent": content}},
            {"type": "redacted_thinking", "data": content},
        ),
        "use": (
            {"toolUse": {"toolUseId": name, "name": name, "input": {text: 1}}},
            {"type": "tool_use", "id": name, "name": name, "input": {text: 1}},
        ),
        "result": ({"toolResult": {"toolUseId": name, "content": [{"text": text}], "status": "error"}}, result),
    }
    return shapes[kind]


@st.composite
def conversations(draw: st.DrawFn) -> Both:
    """
    Draw one request in both shapes.
    """
    converse: dict[str, Any] = {"messages": []}
    messages: list[dict[str, Any]] = []
    for role in draw(st.lists(st.sampled_from(["user", "assistant"]), min_size=1, max_size=3)):
        ours: list[dict[str, Any]] = []
        theirs: list[dict[str, Any]] = []
        for one, other in draw(st.lists(blocks(), min_size=1, max_size=3)):
            ttl = None if "reasoningContent" in one else draw(TTL)
            ours += [one, {"cachePoint": {"type": "default", "ttl": ttl}}] if ttl else [one]
            theirs.append({**other, "cache_control": {"type": "ephemeral", "ttl": ttl}} if ttl else other)
        converse["messages"].append({"role": role, "content": ours})
        messages.append({"role": role, "content": theirs})
    system, effort, top_k = draw(TEXT), draw(st.sampled_from([None, "low"])), draw(st.none() | st.integers(0, 9))
    thinking = draw(st.sampled_from([None, {"type": "adaptive"}, {"type": "enabled", "budget_tokens": 1024}]))
    choice = draw(
        st.sampled_from([({"auto": {}}, {"type": "auto"}), ({"tool": {"name": "f"}}, {"type": "tool", "name": "f"})])
    )
    converse |= {
        "system": [{"text": system}],
        "inferenceConfig": {"maxTokens": 5, "temperature": 0.5, "topP": 1, "stopSequences": [system]},
        "toolConfig": {
            "tools": [{"toolSpec": {"name": "f", "inputSchema": {"json": {}}, "strict": True}}],
            "toolChoice": choice[0],
        },
        "additionalModelRequestFields": {"top_k": top_k, "thinking": thinking, "anthropic_beta": ["b"]},
        "outputConfig": {"effort": effort},
        "serviceTier": {"type": "default"},
    }
    body = {
        "model": "claude",
        "stream": True,
        "messages": messages,
        "system": system,
        "max_tokens": 5,
        "temperature": 0.5,
        "top_p": 1,
        "top_k": top_k,
        "stop_sequences": [system],
        "tools": [{"name": "f", "input_schema": {}, "strict": True}],
        "tool_choice": choice[1],
        "thinking": thinking,
        "output_config": {"effort": effort},
        "service_tier": "standard_only",
    }
    return converse, body


@settings(deadline=None)
@given(conversations(), st.sampled_from([CLAUDE, CLAUDE_BY_CONVERSE]))
def test_both_dialects_say_the_same(both: Both, model: ResolvedModel) -> None:
    """
    One conversation, written as Converse has it and as Anthropic has it, is one request.
    """
    converse, body = both
    expected = parse_messages_request(json.dumps(body).encode(), beta_headers=["b"], resolve=lambda _: model)
    assert parse(converse, model).chat == expected
