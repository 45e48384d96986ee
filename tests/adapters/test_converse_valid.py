"""
Whatever is built is valid by AWS's own model of Converse, as botocore knows it.

Two referees look at every body: botocore's validator and serializer, which AWS's SDK for Python runs before it sends
anything, and a walk over the same model's patterns, lengths and enumerations, which only the service checks.
"""

import json
import re
from base64 import b64decode
from functools import cache
from typing import Any

import msgspec
import pytest
from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel
from botocore.serialize import create_serializer
from botocore.validate import ParamValidator
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from outcrop.adapters.converse import ConverseAdapter
from outcrop.adapters.converse_blocks import DOCUMENT_FORMATS, IMAGE_FORMATS
from outcrop.calls import ResolvedModel, UpstreamCall
from outcrop.errors import RequestError
from outcrop.types import (
    ChatRequest,
    DocumentPart,
    GenerationParams,
    Guardrail,
    ImagePart,
    Message,
    Reasoning,
    ReasoningPart,
    TextPart,
    ToolChoice,
    ToolResultPart,
    ToolSpec,
    ToolUsePart,
)

Json = dict[str, Any]

BASE_IDS = [
    "anthropic.claude-sonnet-4-6",
    "amazon.nova-2-lite-v1:0",
    "meta.llama3-3-70b-instruct-v1:0",
    "mistral.pixtral-large-2502-v1:0",
    "openai.gpt-oss-120b-1:0",
    "acme.new-1",
]


@cache
def operation(name: str) -> OperationModel:
    """
    Return AWS's model of an operation.
    """
    return ServiceModel(Loader().load_service_model("bedrock-runtime", "service-2")).operation_model(name)


def check_call(call: UpstreamCall) -> None:
    """
    Assert that a call is valid input of its operation, and that botocore would send the same body.
    """
    model: Any = operation("ConverseStream" if call.operation == "converse_stream" else "Converse")
    body: Json = json.loads(call.body)
    parameters = to_parameters(body | {"modelId": call.model_id}, model.input_shape)
    report = ParamValidator().validate(parameters, model.input_shape)
    assert not report.has_errors(), report.generate_report()
    sent = create_serializer("rest-json", include_validation=False).serialize_to_request(parameters, model)["body"]
    assert json.loads(sent) == body


def to_parameters(value: Any, shape: Any) -> Any:
    """
    Return JSON as the parameters of botocore: base64 becomes bytes. Limits of the model are asserted on the way.
    """
    if getattr(shape, "is_document_type", False):
        return value
    if shape.type_name in {"structure", "map"}:
        assert not getattr(shape, "is_tagged_union", False) or len(value) == 1, (shape.name, value)
        return {name: to_parameters(item, member_of(shape, name)) for name, item in bounded(value, shape).items()}
    if shape.type_name == "list":
        return [to_parameters(item, shape.member) for item in bounded(value, shape)]
    if shape.type_name == "blob":
        return bounded(b64decode(value, validate=True), shape)
    if shape.type_name == "string":
        pattern = shape.metadata.get("pattern")
        assert pattern is None or re.fullmatch(pattern, value), (shape.name, value)
        assert not shape.enum or value in shape.enum, (shape.name, value)
        return bounded(value, shape)
    assert shape.metadata.get("min", value) <= value <= shape.metadata.get("max", value), (shape.name, value)
    return value


def member_of(shape: Any, name: str) -> Any:
    """
    Return the shape of a member; one that the model does not have is an error.
    """
    if shape.type_name == "map":
        to_parameters(name, shape.key)
        return shape.value
    return shape.members[name]


def bounded(value: Any, shape: Any) -> Any:
    """
    Assert the length's bounds.
    """
    bounds = shape.metadata
    assert bounds.get("min", 0) <= len(value) <= bounds.get("max", len(value)), (shape.name, value)
    return value


def resolved(base_id: str, refuses: frozenset[str] = frozenset()) -> ResolvedModel:
    """
    Make a model that is called by Converse.
    """
    return ResolvedModel(
        name="ours", model_id=base_id, base_id=base_id, family="any", route="converse", refuses=refuses
    )


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
ttls = st.none() | st.sampled_from(["5m", "1h"])
values = st.none() | st.booleans() | st.integers(-9, 9) | texts
objects = st.dictionaries(texts, values | st.lists(values, max_size=2), max_size=3)
ids = st.from_regex(r"[a-zA-Z0-9_.:-]{1,64}", fullmatch=True)
names = st.from_regex(r"[a-zA-Z0-9_-]{1,64}", fullmatch=True)
guarded: st.SearchStrategy[Json] = st.just({"guardContent": {"qualifiers": ["query"]}}) | st.just({"guardContent": {}})
text_parts = st.builds(TextPart, text=texts, cache_ttl=ttls, provider_details=st.none() | guarded)
images = st.builds(
    ImagePart, media_type=st.sampled_from(sorted(IMAGE_FORMATS)), data=st.binary(min_size=1, max_size=9), cache_ttl=ttls
)
documents = st.builds(
    DocumentPart,
    media_type=st.sampled_from(sorted(DOCUMENT_FORMATS)),
    data=st.binary(min_size=1, max_size=9),
    name=st.text(max_size=250),
    context=st.none() | texts,
    citations=st.booleans(),
    cache_ttl=ttls,
)
reasoning_parts = st.builds(ReasoningPart, text=texts, signature=st.none() | texts) | st.builds(
    ReasoningPart, redacted=st.just("YWI=")
)
calls = st.builds(ToolUsePart, tool_use_id=ids, name=names, input=objects, cache_ttl=ttls)
results = st.builds(
    ToolResultPart,
    tool_use_id=ids,
    content=st.lists(st.one_of(st.builds(TextPart, text=texts), images, documents), max_size=3).map(tuple),
    is_error=st.booleans(),
    cache_ttl=ttls,
)
messages = st.builds(
    Message, st.just("user"), st.lists(st.one_of(text_parts, images, documents, results), max_size=4).map(tuple)
) | st.builds(
    Message, st.just("assistant"), st.lists(st.one_of(text_parts, reasoning_parts, calls), max_size=4).map(tuple)
)
opening = st.builds(Message, st.just("user"), st.just((TextPart(text="hi"),)))
reasonings = st.builds(
    Reasoning,
    mode=st.sampled_from(["enabled", "adaptive", "disabled"]),
    budget_tokens=st.none() | st.integers(1024, 4096),
    effort=st.none() | st.sampled_from(["low", "high", "max"]),
)
parameters = st.builds(
    GenerationParams,
    max_tokens=st.none() | st.integers(1, 10**6),
    temperature=st.none() | st.floats(0, 1),
    top_p=st.none() | st.floats(0, 1),
    top_k=st.none() | st.integers(1, 99),
    stop_sequences=st.lists(texts.filter(bool), max_size=3).map(tuple),
    reasoning=st.none() | reasonings,
)
tools = st.builds(
    ToolSpec,
    name=names,
    input_schema=objects,
    description=st.none() | texts,
    strict=st.none() | st.booleans(),
    cache_ttl=ttls,
)
metadata_texts = st.text("abc 0189:_@$#=/+,-.\n", max_size=20)
requests = st.builds(
    ChatRequest,
    model=st.just("ours"),
    messages=st.builds(lambda first, rest: (first, *rest), opening, st.lists(messages, max_size=5)),
    system=st.lists(text_parts, max_size=2).map(tuple),
    params=parameters,
    tools=st.lists(tools, max_size=3).map(tuple),
    tool_choice=st.none() | st.builds(ToolChoice, mode=st.sampled_from(["auto", "any", "none"])),
    stream=st.booleans(),
    guardrail=st.none()
    | st.builds(
        Guardrail,
        identifier=st.just("abc123"),
        version=st.sampled_from(["DRAFT", "12"]),
        trace=st.none() | st.sampled_from(["enabled", "disabled", "enabled_full"]),
    ),
    latency=st.none() | st.sampled_from(["standard", "optimized"]),
    service_tier=st.none() | st.sampled_from(["priority", "default", "flex", "reserved"]),
    request_metadata=st.dictionaries(metadata_texts.filter(bool), metadata_texts, max_size=3),
    provider_options=st.dictionaries(texts, values, max_size=2),
)


@given(requests, st.sampled_from(BASE_IDS), st.sets(st.sampled_from(["reasoning_parts", "cache"])))
@settings(deadline=None, max_examples=250)
def test_every_body_that_is_built_is_valid(request: ChatRequest, base_id: str, refuses: set[str]) -> None:
    """
    A request is refused with words, or its body is valid input of Converse.
    """
    try:
        call = ConverseAdapter().build_call(request, resolved(base_id, frozenset(refuses)))
    except RequestError:
        return
    check_call(call)


@given(requests)
@settings(deadline=None, max_examples=100)
def test_a_plain_conversation_is_never_refused(request: ChatRequest) -> None:
    """
    Texts, images, reasoning and calls with their results, in any order and with blanks anywhere, are sent to Claude.
    """
    kept = [message for message in request.messages if any(_is_visible(part) for part in message.parts)]
    assume(not any(isinstance(part, DocumentPart) for message in kept for part in message.parts))
    answered = [Message(message.role, tuple(_without_mark(part) for part in message.parts)) for message in kept]
    plain = ChatRequest(
        model="ours",
        messages=(*answered, Message("user", (TextPart(text="so?"),))),
        tools=(ToolSpec(name="t", input_schema={}),),
    )
    check_call(ConverseAdapter().build_call(plain, resolved(BASE_IDS[0])))


def _is_visible(part: Any) -> bool:
    return not isinstance(part, TextPart) or bool(part.text.strip())


def _without_mark(part: Any) -> Any:
    if isinstance(part, ReasoningPart):
        return part
    inner = {"content": tuple(map(_without_mark, part.content))} if isinstance(part, ToolResultPart) else {}
    return msgspec.structs.replace(part, cache_ttl=None, **inner)


def test_the_referee_sees_what_is_wrong() -> None:
    """
    A body that breaks the model does not pass.
    """
    good = ConverseAdapter().build_call(
        ChatRequest(model="ours", messages=(Message("user", (TextPart(text="hi"),)),)), resolved(BASE_IDS[0])
    )
    check_call(good)
    for wrong in (b'{"messages":[{"role":"robot","content":[]}]}', b'{"system":[{"text":"a","x":1}]}'):
        with pytest.raises(AssertionError):
            check_call(msgspec.structs.replace(good, body=wrong))
