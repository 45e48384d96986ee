"""
boto3 and Anthropic's SDK count tokens and list models at the gateway.
"""

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import anthropic
import pytest
from botocore.exceptions import ClientError

from tests.clients.proof import proves
from tests.clients.test_gateway_signatures import make_client
from tests.e2e.conftest import Book
from tests.support import gateway_environment, run_outcrop

CLAUDE = "anthropic.claude-haiku-4-5-20251001-v1:0"
PROFILE = f"us.{CLAUDE}"
LLAMA = "meta.llama3-70b-instruct-v1:0"
MESSAGES: list[Any] = [{"role": "user", "content": [{"text": "one two three four five"}]}]
TOOLS: dict[str, Any] = {"tools": [{"toolSpec": {"name": "weather", "inputSchema": {"json": {"type": "object"}}}}]}
NATIVE: dict[str, Any] = {
    "anthropic_version": "bedrock-2023-05-31",
    "max_tokens": 10,
    "messages": [{"role": "user", "content": "one two three four five"}],
}
ASK: dict[str, Any] = {"model": PROFILE, "messages": [{"role": "user", "content": "one two three four five"}]}


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[str, Book]]:
    """
    Run an emulator, and a gateway.
    """
    with (
        run_outcrop("emulate", "--port", "0", "--first-token-ms", "5", "--tokens-per-second", "2000") as (_, emulator),
        run_outcrop("serve", "--port", "0", environ=gateway_environment(emulator)) as (_, url),
    ):
        yield url, Book(emulator)


@pytest.fixture
def runtime(servers: tuple[str, Book]) -> Iterator[Any]:
    """
    Return a client of the runtime, and empty the emulator's book.
    """
    servers[1].clear()
    with closing(make_client(servers[0], "AKIDEXAMPLE", "secret")) as client:
        yield client


@pytest.fixture
def control(servers: tuple[str, Book]) -> Iterator[Any]:
    """
    Return a client of the control plane.
    """
    with closing(make_client(servers[0], "AKIDEXAMPLE", "secret", "bedrock")) as client:
        yield client


@proves("boto3", "counting tokens")
@pytest.mark.parametrize("model", [CLAUDE, PROFILE])
@pytest.mark.parametrize("extra", [{}, {"system": [{"text": "be brief"}]}, {"toolConfig": TOOLS}])
def test_a_count_is_what_the_request_then_costs(
    servers: tuple[str, Book], runtime: Any, model: str, extra: dict[str, Any]
) -> None:
    """
    CountTokens says of a Converse request what Bedrock bills for its input, also where a profile is named.
    """
    counted = runtime.count_tokens(modelId=model, input={"converse": {"messages": MESSAGES, **extra}})
    answer = runtime.converse(modelId=model, messages=MESSAGES, **extra)
    assert counted["inputTokens"] == answer["usage"]["inputTokens"] > 5
    assert next(call["operation"] for call in servers[1].calls()) == "CountTokens"


@proves("boto3", "counting tokens")
def test_a_native_body_is_counted(runtime: Any) -> None:
    """
    CountTokens says of a native body what Bedrock bills for its input.
    """
    body = json.dumps(NATIVE).encode()
    counted = runtime.count_tokens(modelId=PROFILE, input={"invokeModel": {"body": body}})
    answer = json.loads(runtime.invoke_model(modelId=PROFILE, body=body)["body"].read())
    assert counted["inputTokens"] == answer["usage"]["input_tokens"]


@proves("boto3", "errors before")
def test_a_model_that_bedrock_cannot_count_for_is_refused(servers: tuple[str, Book], runtime: Any) -> None:
    """
    The refusal names models that can be counted for; Bedrock is not asked.
    """
    with pytest.raises(ClientError, match=r"can't count tokens for model .*anthropic\.claude") as caught:
        runtime.count_tokens(modelId=LLAMA, input={"converse": {"messages": MESSAGES}})
    assert caught.value.response["Error"]["Code"] == "ValidationException"
    assert servers[1].calls() == []


@proves("anthropic (Python)", "counting tokens")
def test_anthropic_counts(servers: tuple[str, Book]) -> None:
    """
    `messages.count_tokens` says what the message then costs; tools and instructions count.
    """
    tool: Any = {"name": "weather", "input_schema": {"type": "object"}}
    with anthropic.Anthropic(base_url=servers[0], api_key="none", max_retries=0) as client:
        plain = client.messages.count_tokens(**ASK)
        # This one names the beta features that count, and adds one for itself.
        beta = client.beta.messages.count_tokens(**ASK, betas=["context-1m-2025-08-07"])
        counted = client.messages.count_tokens(**ASK, system="be brief", tools=[tool])
        answer = client.messages.create(**ASK, system="be brief", tools=[tool], max_tokens=10)
    assert plain.input_tokens == beta.input_tokens
    assert plain.input_tokens < counted.input_tokens == answer.usage.input_tokens


@proves("anthropic (Python)", "counting tokens")
def test_a_request_that_thinks_is_counted(servers: tuple[str, Book]) -> None:
    """
    A count needs no `max_tokens`, however large the budget of the thinking is.
    """
    thinking: Any = {"type": "enabled", "budget_tokens": 16_000}
    with anthropic.Anthropic(base_url=servers[0], api_key="none", max_retries=0) as client:
        counted = client.messages.count_tokens(**ASK, thinking=thinking)
        answer = client.messages.create(**ASK, thinking=thinking, max_tokens=16_100)
    assert counted.input_tokens == answer.usage.input_tokens


@proves("boto3", "counting tokens")
def test_a_converse_request_that_thinks_is_counted(runtime: Any) -> None:
    """
    The model's own fields of a Converse request are counted with it.
    """
    fields = {"thinking": {"type": "enabled", "budget_tokens": 4096}}
    ask: dict[str, Any] = {"messages": MESSAGES, "additionalModelRequestFields": fields}
    counted = runtime.count_tokens(modelId=PROFILE, input={"converse": ask})
    answer = runtime.converse(modelId=PROFILE, inferenceConfig={"maxTokens": 4200}, **ask)
    assert counted["inputTokens"] == answer["usage"]["inputTokens"]


@proves("anthropic (Python)", "errors before")
@pytest.mark.parametrize("wrong", [{"model": "llama3"}, {"model": "nosuch"}, {"messages": []}, {"max_tokens": 3}])
def test_a_count_that_cannot_be_made_is_an_error_of_the_sdk(servers: tuple[str, Book], wrong: dict[str, Any]) -> None:
    """
    What is wrong is said in Anthropic's shape.
    """
    with (
        anthropic.Anthropic(base_url=servers[0], api_key="none", max_retries=0) as client,
        pytest.raises(anthropic.APIStatusError) as caught,
    ):
        client.post("/v1/messages/count_tokens", body={**ASK, **wrong}, cast_to=object)
    assert 400 <= caught.value.status_code < 500
    assert caught.value.body["type"] == "error"  # type: ignore[index]  # the SDK says `object`


@proves("boto3", "listing models")
def test_models_are_listed_as_bedrock_lists_them(control: Any) -> None:
    """
    Every listed model can be looked up by its ID and its ARN, and filters narrow the list.
    """
    models = control.list_foundation_models()["modelSummaries"]
    assert {CLAUDE, LLAMA} <= {model["modelId"] for model in models}
    claude = next(model for model in models if model["modelId"] == CLAUDE)
    assert claude == control.get_foundation_model(modelIdentifier=CLAUDE)["modelDetails"]
    assert claude == control.get_foundation_model(modelIdentifier=claude["modelArn"])["modelDetails"]
    assert {model["providerName"] for model in control.list_foundation_models(byProvider="meta")["modelSummaries"]} == {
        "Meta"
    }
    assert control.list_foundation_models(byOutputModality="EMBEDDING")["modelSummaries"] == []
    on_demand = control.list_foundation_models(byInferenceType="ON_DEMAND")["modelSummaries"]
    assert 0 < len(on_demand) < len(models)


@proves("boto3", "listing models")
def test_profiles_are_listed_in_pages(control: Any) -> None:
    """
    The SDK's paginator reads every page, and each profile can be looked up.
    """
    whole = control.list_inference_profiles()["inferenceProfileSummaries"]
    pages = list(control.get_paginator("list_inference_profiles").paginate(PaginationConfig={"PageSize": 7}))
    assert [profile for page in pages for profile in page["inferenceProfileSummaries"]] == whole
    assert len(pages) > 1
    found = control.get_inference_profile(inferenceProfileIdentifier=PROFILE)
    assert {name: found[name] for name in whole[0]} in whole
    assert control.list_inference_profiles(typeEquals="APPLICATION")["inferenceProfileSummaries"] == []


@pytest.mark.parametrize(
    ("operation", "ask", "code"),
    [
        ("get_foundation_model", {"modelIdentifier": "meta.nosuch-v1:0"}, "ResourceNotFoundException"),
        ("get_inference_profile", {"inferenceProfileIdentifier": "us.meta.nosuch-v1:0"}, "ResourceNotFoundException"),
        ("list_inference_profiles", {"nextToken": "made-up"}, "ValidationException"),
    ],
)
@proves("boto3", "errors before")
def test_what_is_not_offered_is_an_error_of_the_sdk(
    control: Any, operation: str, ask: dict[str, Any], code: str
) -> None:
    """
    Lists refuse in Bedrock's own shape.
    """
    with pytest.raises(ClientError) as caught:
        getattr(control, operation)(**ask)
    assert caught.value.response["Error"]["Code"] == code
