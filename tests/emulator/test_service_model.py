"""
The emulator's answers against botocore's own service models: every member that goes in, every member that comes out.

What the emulator can't say is listed in `NEVER_SAID`, so that a new member of the model is noticed. `legacyTime` is
there because the catalogue has it for models only that are not served any more.
"""

import json
from base64 import b64encode
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from tests.emulator.conftest import Reply, Wire
from tests.emulator.referee import (
    CONTROL,
    RUNTIME,
    Path,
    Referee,
    members_of,
    operation_model,
    sample,
    with_member,
    wrong_type,
)

CLAUDE = "us.anthropic.claude-sonnet-4-6"
MODELS = {
    "claude": CLAUDE,
    "gpt-oss": "openai.gpt-oss-20b-1:0",
    "nova": "amazon.nova-lite-v1:0",
    "llama": "meta.llama3-70b-instruct-v1:0",
}
PATHS = {
    "InvokeModel": "invoke",
    "InvokeModelWithResponseStream": "invoke-with-response-stream",
    "Converse": "converse",
    "ConverseStream": "converse-stream",
    "CountTokens": "count-tokens",
}
NATIVE = {"anthropic_version": "x", "max_tokens": 20, "messages": [{"role": "user", "content": "hello"}]}
HELLO = {"role": "user", "content": [{"text": "count to 5"}]}
TOOLS = {"tools": [{"toolSpec": {"name": "get_weather", "inputSchema": {"json": {"type": "object"}}}}]}
POINTS = [
    {"text": "rocks"},
    {"cachePoint": {"type": "default"}},
    {"text": "x"},
    {"cachePoint": {"type": "default", "ttl": "1h"}},
]
EVERYTHING: tuple[dict[str, Any], ...] = (
    {"messages": [HELLO]},
    {"messages": [HELLO], "inferenceConfig": {"maxTokens": 2}},
    {
        "messages": [HELLO],
        "inferenceConfig": {"stopSequences": ["4"]},
        "additionalModelResponseFieldPaths": ["/stop_sequence"],
    },
    {"messages": [{"role": "user", "content": [{"text": "use the tool get_weather"}]}], "toolConfig": TOOLS},
    {"messages": [HELLO], "additionalModelRequestFields": {"thinking": {"type": "adaptive"}}},
    {"messages": [HELLO], "system": POINTS},
    {"messages": [HELLO], "performanceConfig": {"latency": "optimized"}, "serviceTier": {"type": "flex"}},
)
"""
Requests to Claude that bring out all that Converse can say here.
"""
_CONTENT = ("output", "message", "content")
_START, _DELTA = ("stream", "contentBlockStart", "start"), ("stream", "contentBlockDelta", "delta")
_NO_CONTENT = ("image", "document", "video", "audio", "toolResult", "guardContent", "cachePoint", "citationsContent")
NEVER_SAID: dict[str, tuple[Path, ...]] = {
    "InvokeModel": (),
    "InvokeModelWithResponseStream": (),
    "Converse": (
        ("trace",),
        *((*_CONTENT, kind) for kind in (*_NO_CONTENT, "searchResult", "toolAddition", "toolRemoval")),
        (*_CONTENT, "toolUse", "type"),
        (*_CONTENT, "reasoningContent", "redactedContent"),
    ),
    "ConverseStream": (
        *((*_START, kind) for kind in ("toolResult", "image")),
        (*_START, "toolUse", "type"),
        *((*_DELTA, kind) for kind in ("toolResult", "image", "citation")),
        (*_DELTA, "reasoningContent", "redactedContent"),
        ("stream", "metadata", "trace"),
    ),
    "CountTokens": (),
    "ListFoundationModels": (
        ("modelSummaries", "modelLifecycle", "startOfLifeTime"),
        ("modelSummaries", "modelLifecycle", "legacyTime"),
        ("modelSummaries", "modelLifecycle", "publicExtendedAccessTime"),
    ),
    "GetFoundationModel": (
        ("modelDetails", "modelLifecycle", "startOfLifeTime"),
        ("modelDetails", "modelLifecycle", "legacyTime"),
        ("modelDetails", "modelLifecycle", "publicExtendedAccessTime"),
    ),
    "ListInferenceProfiles": (),
    "GetInferenceProfile": (),
}


async def call(wire: Wire, operation: str, model: str, body: Any, headers: dict[str, str] | None = None) -> Reply:
    """
    Call an operation of bedrock-runtime.
    """
    return await wire.call(PATHS[operation], model, body, headers)


async def answers_of(wire: Wire, operation: str) -> list[Reply]:
    """
    Return answers that together have all that the operation can say here.
    """
    wanted = {
        "x-amzn-bedrock-performanceconfig-latency": "optimized",
        "x-amzn-bedrock-service-tier": "priority",
    }
    if operation.startswith("Invoke"):
        return [await call(wire, operation, CLAUDE, NATIVE, wanted)]
    if operation.startswith("Converse"):
        return [await call(wire, operation, CLAUDE, body) for body in EVERYTHING]
    if operation == "CountTokens":
        body = {"input": {"converse": {"messages": [HELLO]}}}
        return [await call(wire, operation, "anthropic.claude-sonnet-4-6", body)]
    paths = {
        "ListFoundationModels": ["/foundation-models"],
        "GetFoundationModel": [f"/foundation-models/{quote('anthropic.claude-sonnet-4-5-20250929-v1:0')}"],
        "ListInferenceProfiles": ["/inference-profiles?maxResults=2", "/inference-profiles?type=APPLICATION"],
        "GetInferenceProfile": [f"/inference-profiles/{CLAUDE}"],
    }
    return [await wire.request("GET", path) for path in paths[operation]]


@pytest.mark.parametrize("operation", [*RUNTIME, *CONTROL])
async def test_answers_have_the_shape_that_botocore_knows(operation: str, wire: Wire) -> None:
    """
    Required members are there, types and enums are right, unions have one member, and nothing is unknown.
    """
    referee = Referee()
    for reply in await answers_of(wire, operation):
        referee.judge_reply(operation, reply)
    assert referee.complaints == []


@pytest.mark.parametrize("operation", [*RUNTIME, *CONTROL])
async def test_every_member_of_the_output_is_said_or_known_never_to_be(operation: str, wire: Wire) -> None:
    """
    Each member of the output's shape comes in some answer, or stands in the list of what is never said.
    """
    referee = Referee()
    for reply in await answers_of(wire, operation):
        referee.judge_reply(operation, reply)
    if operation in {"InvokeModelWithResponseStream", "ConverseStream"}:
        for name in exceptions_of(operation):
            await wire.add_fault(kind="exception", name=name, after_tokens=0, times=1)
            referee.judge_reply(operation, await call(wire, operation, CLAUDE, stream_body(operation)))
    members = {path for path, _ in members_of(operation_model(operation).output_shape)}
    never = {path for path in members if any(path[: len(prefix)] == prefix for prefix in NEVER_SAID[operation])}
    assert referee.complaints == []
    assert members - never - referee.seen == set()
    assert operation in CONTROL or never & referee.seen == set()


def stream_body(operation: str) -> dict[str, Any]:
    """
    Return a body for a streaming operation.
    """
    return {"messages": [HELLO]} if operation == "ConverseStream" else NATIVE


def exceptions_of(operation: str) -> list[str]:
    """
    Return the exceptions in the union of an operation's stream.
    """
    shape: Any = operation_model(operation).output_shape
    union = shape.members[shape.serialization["payload"]]
    return [name for name, member in union.members.items() if member.metadata.get("exception")]


@pytest.mark.parametrize("name", MODELS, ids=str)
async def test_every_kind_of_model_keeps_to_converses_shape(name: str, wire: Wire) -> None:
    """
    Reasoning with and without a signature, tools and plain text are in Converse's shape for all families.
    """
    referee = Referee()
    for operation in ("Converse", "ConverseStream"):
        referee.judge_reply(operation, await call(wire, operation, MODELS[name], {"messages": [HELLO]}))
    assert referee.complaints == []


ERRORS = [(operation, shape) for operation in RUNTIME for shape in operation_model(operation).error_shapes]


@pytest.mark.parametrize(("operation", "shape"), ERRORS, ids=lambda one: getattr(one, "name", one))
async def test_every_modelled_error_has_its_status_and_its_members(operation: str, shape: Any, wire: Wire) -> None:
    """
    An error has the status that the model gives it, and only members that it has.
    """
    await wire.add_fault(kind="http_error", name=shape.name, times=1)
    body = {"input": {"converse": {"messages": [HELLO]}}} if operation == "CountTokens" else stream_body(operation)
    reply = await call(wire, operation, CLAUDE, body)
    referee = Referee()
    referee.judge(reply.json(), shape, ())
    assert (reply.error, reply.status) == (shape.name.lower(), shape.metadata["error"]["httpStatusCode"])
    assert referee.complaints == []


INPUTS = [
    (operation, path, shape)
    for operation in ("Converse", "ConverseStream", "CountTokens")
    for path, shape in members_of(operation_model(operation).input_shape)
    if path != ("modelId",)
]


def request_with(operation: str, path: Path, value: Any) -> dict[str, Any]:
    """
    Return a request that is whole but for what must be there beside the value at the path.
    """
    body: dict[str, Any] = with_member(operation_model(operation).input_shape, path, value)
    body.pop("modelId", None)
    if operation.startswith("Converse"):
        body.setdefault("messages", [HELLO])
    return body


@pytest.mark.parametrize("operation", ["Converse", "ConverseStream", "CountTokens"])
async def test_every_member_of_the_input_is_known(operation: str, wire: Wire) -> None:
    """
    Each member of the input's shape is taken, or refused for a reason other than that nobody knows it.
    """
    outcomes = {}
    for path, shape in ((path, shape) for one, path, shape in INPUTS if one == operation):
        reply = await call(wire, operation, "anthropic.claude-sonnet-4-6", request_with(operation, path, sample(shape)))
        if reply.status != 200:
            outcomes[path] = (reply.error, reply.json()["message"])
        if operation != "CountTokens" and reply.status == 200:
            referee = Referee()
            referee.judge_reply(operation, reply)
            assert referee.complaints == []
    refused = ("Member must be one of", "exactly one of", "has the wrong type", "Member must not be null")
    assert {path: words for path, words in outcomes.items() if any(one in words[1] for one in refused)} == {}
    assert {name for name, _ in outcomes.values()} <= {"validationexception", "accessdeniedexception"}


@pytest.mark.parametrize("operation", ["Converse", "ConverseStream", "CountTokens"])
async def test_every_member_of_the_input_has_its_type(operation: str, wire: Wire) -> None:
    """
    A value of another type is refused at each place of the input, and never breaks the emulator.
    """
    taken = []
    for path, shape in ((path, shape) for one, path, shape in INPUTS if one == operation):
        if not getattr(shape, "is_document_type", False):
            body = request_with(operation, path, wrong_type(shape))
            reply = await call(wire, operation, CLAUDE, body)
            if reply.status != 400 or reply.error != "validationexception":
                taken.append((path, reply.status))
    assert taken == []


QUERIES = [
    (operation, member.serialization["name"], sample(member))
    for operation in CONTROL
    for _, member in members_of(operation_model(operation).input_shape)
    if member.serialization.get("location") == "querystring"
]


@pytest.mark.parametrize(("operation", "name", "value"), QUERIES, ids=str)
async def test_every_filter_of_the_lists_is_known(operation: str, name: str, value: Any, wire: Wire) -> None:
    """
    Each query parameter of the control plane is taken; a token from nowhere is refused.
    """
    path = {"ListFoundationModels": "/foundation-models", "ListInferenceProfiles": "/inference-profiles"}[operation]
    reply = await wire.request("GET", f"{path}?{name}={value}")
    if name == "nextToken":
        assert (reply.status, reply.error) == (400, "validationexception")
        return
    referee = Referee()
    referee.judge_reply(operation, reply)
    assert referee.complaints == []


async def test_count_tokens_takes_a_native_body(wire: Wire) -> None:
    """
    The other member of CountTokens' union, a native body in base64, is in the shape too.
    """
    body = {"input": {"invokeModel": {"body": b64encode(json.dumps(NATIVE).encode()).decode()}}}
    referee = Referee()
    referee.judge_reply("CountTokens", await call(wire, "CountTokens", "anthropic.claude-sonnet-4-6", body))
    assert referee.complaints == []


BROKEN: list[tuple[Callable[[dict[str, Any]], Any], str]] = [
    (lambda body: body.pop("usage"), "has usage"),
    (lambda body: body.update(extra=1), "has no member extra"),
    (lambda body: body.update(stopReason="tired"), "is a string"),
    (lambda body: body["usage"].update(inputTokens="1"), "is a integer"),
    (lambda body: body["output"]["message"].update(content=[{"text": "x", "image": {}}]), "exactly one member"),
]


@pytest.mark.parametrize(("breaking", "complaint"), BROKEN, ids=[complaint for _, complaint in BROKEN])
async def test_the_referee_sees_what_is_wrong(
    breaking: Callable[[dict[str, Any]], Any], complaint: str, wire: Wire
) -> None:
    """
    An answer that breaks the model is not waved through.
    """
    reply = await call(wire, "Converse", CLAUDE, {"messages": [HELLO]})
    body = reply.json()
    breaking(body)
    referee = Referee()
    referee.judge_reply("Converse", Reply(200, reply.headers, json.dumps(body).encode(), "clean"))
    assert any(complaint in one for one in referee.complaints)
