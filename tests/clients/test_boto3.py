"""
boto3, unmodified, against the emulator: a client that nobody here wrote, and a referee of what is sent.
"""

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EventStreamError
from botocore.loaders import Loader
from botocore.model import ServiceModel
from urllib3.exceptions import ProtocolError, ReadTimeoutError

CLAUDE = "us.anthropic.claude-sonnet-4-6"
LLAMA = "meta.llama3-70b-instruct-v1:0"
HELLO = [{"role": "user", "content": [{"text": "hello"}]}]
CLAUDE_BODY = json.dumps(
    {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 100, "messages": [{"role": "user", "content": "hello"}]}
)
LLAMA_BODY = json.dumps({"prompt": "hello"})
TOOLS = {
    "tools": [
        {
            "toolSpec": {
                "name": "get_weather",
                "inputSchema": {"json": {"type": "object", "properties": {"city": {"type": "string"}}}},
            }
        }
    ]
}


@pytest.fixture
def runtime(emulator: Any) -> Iterator[Any]:
    """
    Return a client of bedrock-runtime with its own defaults.
    """
    client = boto3.client("bedrock-runtime", endpoint_url=emulator.url)
    yield client
    client.close()


@pytest.fixture
def impatient(emulator: Any) -> Iterator[Any]:
    """
    Return a client that tries once and waits a second.
    """
    config = Config(retries={"total_max_attempts": 1}, read_timeout=1)
    client = boto3.client("bedrock-runtime", endpoint_url=emulator.url, config=config)
    yield client
    client.close()


@pytest.fixture
def control(emulator: Any) -> Iterator[Any]:
    """
    Return a client of the control plane.
    """
    client = boto3.client("bedrock", endpoint_url=emulator.url)
    yield client
    client.close()


def read_chunks(reply: Any) -> list[Any]:
    """
    Return the model's JSON of every chunk.
    """
    return [json.loads(event["chunk"]["bytes"]) for event in read_events(reply)]


def note_events(events: Any, seen: list[Any]) -> None:
    """
    Note every event as it comes; what came before an exception stays noted.
    """
    for event in events:
        seen.append(event)  # noqa: PERF402  `extend` would do the same, but this says it


def read_events(reply: Any) -> list[Any]:
    """
    Return all events of a stream, and close it.
    """
    with closing(reply["body"] if "body" in reply else reply["stream"]) as stream:
        return list(stream)


def test_invoke_model(runtime: Any, emulator: Any) -> None:
    """
    InvokeModel gives the model's own body, and the signature is verified.
    """
    reply = runtime.invoke_model(modelId=CLAUDE, body=CLAUDE_BODY)
    assert reply["contentType"] == "application/json"
    assert json.loads(reply["body"].read())["content"][0]["type"] == "text"
    assert emulator.calls()[0]["auth"]["verified"] is True


def test_invoke_model_with_response_stream(runtime: Any) -> None:
    """
    The chunks are Llama's, from the first word to the reason why it ended.
    """
    chunks = read_chunks(runtime.invoke_model_with_response_stream(modelId=LLAMA, body=LLAMA_BODY))
    assert (chunks[0]["prompt_token_count"], chunks[-1]["stop_reason"]) == (1, "stop")


def test_streams_and_whole_answers_agree(runtime: Any) -> None:
    """
    Four operations, one text.
    """
    whole = runtime.converse(modelId=CLAUDE, messages=HELLO)["output"]["message"]["content"][0]["text"]
    events = read_events(runtime.converse_stream(modelId=CLAUDE, messages=HELLO))
    streamed = "".join(event["contentBlockDelta"]["delta"]["text"] for event in events if "contentBlockDelta" in event)
    native = json.loads(runtime.invoke_model(modelId=CLAUDE, body=CLAUDE_BODY)["body"].read())["content"][0]["text"]
    chunks = read_chunks(runtime.invoke_model_with_response_stream(modelId=CLAUDE, body=CLAUDE_BODY))
    deltas = "".join(chunk["delta"]["text"] for chunk in chunks if chunk["type"] == "content_block_delta")
    assert whole == streamed == native == deltas


def test_an_arn_is_a_model_id(runtime: Any) -> None:
    """
    An ARN with its slashes arrives as it was meant, and the signature over its path is right.
    """
    arn = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/emulatedllam"
    assert runtime.invoke_model(modelId=arn, body=LLAMA_BODY)["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_a_tool_is_called_and_its_result_used(runtime: Any) -> None:
    """
    The tool loop: a call whose fragments are one JSON document, then an answer from the result.
    """
    ask = {"role": "user", "content": [{"text": "what is the weather in Paris?"}]}
    events = read_events(runtime.converse_stream(modelId=CLAUDE, messages=[ask], toolConfig=TOOLS))
    start = next(event["contentBlockStart"]["start"]["toolUse"] for event in events if "contentBlockStart" in event)
    deltas = [event["contentBlockDelta"]["delta"] for event in events if "contentBlockDelta" in event]
    arguments = json.loads("".join(delta["toolUse"]["input"] for delta in deltas if "toolUse" in delta))
    assert arguments == {"city": "Paris"}
    call = {"toolUse": {"toolUseId": start["toolUseId"], "name": start["name"], "input": arguments}}
    result = {"toolResult": {"toolUseId": start["toolUseId"], "content": [{"json": {"celsius": 18}}]}}
    messages = [ask, {"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]
    answer = runtime.converse(modelId=CLAUDE, messages=messages, toolConfig=TOOLS)
    assert '{"celsius":18}' in answer["output"]["message"]["content"][0]["text"]


def test_thinking_is_a_reasoning_block(runtime: Any) -> None:
    """
    Thinking comes as reasoningContent with its signature.
    """
    reply = runtime.converse(
        modelId=CLAUDE, messages=HELLO, additionalModelRequestFields={"thinking": {"type": "adaptive"}}
    )
    assert reply["output"]["message"]["content"][0]["reasoningContent"]["reasoningText"]["signature"]


def test_count_tokens(runtime: Any) -> None:
    """
    CountTokens counts what Converse would.
    """
    counted = runtime.count_tokens(modelId="anthropic.claude-sonnet-4-6", input={"converse": {"messages": HELLO}})
    used = runtime.converse(modelId=CLAUDE, messages=HELLO)["usage"]["inputTokens"]
    assert counted["inputTokens"] == used


def test_the_control_plane(control: Any) -> None:
    """
    Models and profiles are listed, paged and read one by one.
    """
    models = control.list_foundation_models(byProvider="Anthropic", byOutputModality="TEXT")["modelSummaries"]
    assert {model["providerName"] for model in models} == {"Anthropic"}
    details = control.get_foundation_model(modelIdentifier=LLAMA)["modelDetails"]
    assert details["inferenceTypesSupported"] == ["ON_DEMAND"]
    pages = control.get_paginator("list_inference_profiles").paginate(
        typeEquals="SYSTEM_DEFINED", PaginationConfig={"PageSize": 5}
    )
    profiles = [profile["inferenceProfileId"] for page in pages for profile in page["inferenceProfileSummaries"]]
    assert CLAUDE in profiles
    profile = control.get_inference_profile(inferenceProfileIdentifier=CLAUDE)
    assert profile["models"][0]["modelArn"].endswith("foundation-model/anthropic.claude-sonnet-4-6")


def test_a_missing_profile_has_its_own_class(control: Any) -> None:
    """
    The control plane's errors are boto3's own exceptions too.
    """
    with pytest.raises(control.exceptions.ResourceNotFoundException):
        control.get_inference_profile(inferenceProfileIdentifier="nobody")


HTTP_ERRORS = (
    ("AccessDeniedException", 403, 1),
    ("ValidationException", 400, 1),
    ("ServiceQuotaExceededException", 400, 1),
    ("ResourceNotFoundException", 404, 1),
    ("ModelTimeoutException", 408, 1),
    ("ModelErrorException", 424, 1),
    ("ThrottlingException", 429, 3),
    ("ModelNotReadyException", 429, 3),
    ("InternalServerException", 500, 3),
    ("ServiceUnavailableException", 503, 3),
)


@pytest.mark.parametrize(("name", "status", "tries"), HTTP_ERRORS, ids=[error[0] for error in HTTP_ERRORS])
def test_http_errors_are_boto3s_own_exceptions(name: str, status: int, tries: int, runtime: Any, emulator: Any) -> None:
    """
    Each error has its class, its status and its number of tries, which the book shows.
    """
    emulator.add_fault(kind="http_error", name=name, message="because", retry_after=0.001)
    with pytest.raises(getattr(runtime.exceptions, name)) as raised:
        runtime.invoke_model(modelId=LLAMA, body=LLAMA_BODY)
    assert raised.value.response["Error"] == {"Message": "because", "Code": name}
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    calls = emulator.calls()
    assert [call["attempt"].partition("attempt=")[2][:1] for call in calls] == ["1", "2", "3"][:tries]
    assert len({call["invocation_id"] for call in calls}) == 1


@pytest.mark.parametrize(
    ("operation", "name"),
    [
        (operation, member)
        for operation, shape in (
            ("invoke", "ResponseStream"),
            ("converse", "ConverseStreamOutput"),
        )
        for member, target in ServiceModel(Loader().load_service_model("bedrock-runtime", "service-2"))
        .shape_for(shape)
        .members.items()  # type: ignore[attr-defined]  # a structure
        if target.metadata.get("exception")
    ],
)
@pytest.mark.parametrize("after", [0, 3])
def test_exceptions_in_the_midst_of_a_stream(
    operation: str, name: str, after: int, runtime: Any, emulator: Any
) -> None:
    """
    Every exception of a stream's union surfaces with its name and message, after the events before it, never retried.
    """
    emulator.add_fault(kind="exception", name=name, message="because", after_tokens=after)
    if operation == "invoke":
        events = runtime.invoke_model_with_response_stream(modelId=LLAMA, body=LLAMA_BODY)["body"]
    else:
        events = runtime.converse_stream(modelId=LLAMA, messages=HELLO)["stream"]
    seen: list[Any] = []
    with closing(events), pytest.raises(EventStreamError) as raised:
        note_events(events, seen)
    assert raised.value.response["Error"] == {"Code": name, "Message": "because"}
    assert sum("chunk" in event or "contentBlockDelta" in event for event in seen) == after
    assert len(emulator.calls()) == 1


def test_an_unmodelled_error_has_its_code(runtime: Any, emulator: Any) -> None:
    """
    An error message gives its code and text.
    """
    emulator.add_fault(kind="error_message", code="InternalFailure", message="boom", after_tokens=1)
    with pytest.raises(EventStreamError) as raised:
        read_events(runtime.converse_stream(modelId=LLAMA, messages=HELLO))
    assert raised.value.response["Error"] == {"Code": "InternalFailure", "Message": "boom"}


@pytest.mark.parametrize("kind", ["cut", "reset"])
def test_a_broken_connection_is_an_error(kind: str, impatient: Any, emulator: Any) -> None:
    """
    A connection that breaks in the midst of a stream is never taken for an end.
    """
    emulator.add_fault(kind=kind, after_tokens=2)
    with pytest.raises(ProtocolError):
        read_events(impatient.converse_stream(modelId=LLAMA, messages=HELLO))


def test_silence_meets_the_clients_patience(impatient: Any, emulator: Any) -> None:
    """
    A client that waits a second gives up in silence, and the book has the moment.
    """
    emulator.add_fault(kind="silence", where="after_tokens", tokens=2, seconds=60)
    with pytest.raises(ReadTimeoutError):
        read_events(impatient.converse_stream(modelId=LLAMA, messages=HELLO))


def test_a_model_that_needs_a_profile(runtime: Any) -> None:
    """
    The refusal of a bare ID is boto3's ValidationException with Bedrock's words.
    """
    with pytest.raises(runtime.exceptions.ValidationException, match="with on-demand throughput isn't supported"):
        runtime.invoke_model(modelId="anthropic.claude-sonnet-4-6", body=CLAUDE_BODY)


def test_a_wrong_secret_is_refused(emulator: Any) -> None:
    """
    A client with another secret is told that its signature is wrong.
    """
    client: Any = boto3.client(
        "bedrock-runtime", endpoint_url=emulator.url, aws_secret_access_key="x", aws_access_key_id="AKIDEXAMPLE"
    )
    with pytest.raises(ClientError) as raised:
        client.invoke_model(modelId=LLAMA, body=LLAMA_BODY)
    client.close()
    assert raised.value.response["Error"]["Code"] == "InvalidSignatureException"


class Referee:
    """
    Collect what a parsed answer has that the model doesn't know, and what it lacks.
    """

    def __init__(self) -> None:
        self.complaints: list[str] = []

    def check(self, value: Any, shape: Any, path: str) -> None:
        """
        Walk through a value beside its shape.
        """
        if shape.type_name == "structure" and isinstance(value, dict):
            if "SDK_UNKNOWN_MEMBER" in value:
                self.complaints.append(f"{path} has an unknown member {value['SDK_UNKNOWN_MEMBER']}")
            self.complaints += [f"{path} lacks {name}" for name in shape.required_members if name not in value]
            for name, member in shape.members.items():
                if name in value:
                    self.check(value[name], member, f"{path}.{name}")
        elif shape.type_name == "list":
            for item in value:
                self.check(item, shape.member, path)


def test_the_referee_finds_nothing(runtime: Any, control: Any) -> None:
    """
    Botocore's own model finds every required member and no unknown one in what the emulator answers.
    """
    referee = Referee()
    thinking = {"thinking": {"type": "adaptive"}}
    arguments: dict[str, Any] = {
        "modelId": CLAUDE,
        "messages": [{"role": "user", "content": [{"text": "weather in Rome?"}]}],
        "toolConfig": TOOLS,
        "additionalModelRequestFields": thinking,
    }
    replies = [
        (runtime, "Converse", runtime.converse(**arguments)),
        (runtime, "CountTokens", runtime.count_tokens(modelId=CLAUDE[3:], input={"converse": {"messages": HELLO}})),
        (control, "ListFoundationModels", control.list_foundation_models()),
        (control, "GetFoundationModel", control.get_foundation_model(modelIdentifier=LLAMA)),
        (control, "ListInferenceProfiles", control.list_inference_profiles()),
        (control, "GetInferenceProfile", control.get_inference_profile(inferenceProfileIdentifier=CLAUDE)),
    ]
    for client, operation, reply in replies:
        referee.check(reply, client.meta.service_model.operation_model(operation).output_shape, operation)
    stream_shape = runtime.meta.service_model.shape_for("ConverseStreamOutput")
    for event in read_events(runtime.converse_stream(**arguments)):
        referee.check(event, stream_shape, "ConverseStream")
        assert next(iter(event.values())), event
    assert referee.complaints == []


def test_no_member_is_lost_in_parsing(runtime: Any) -> None:
    """
    What botocore would drop without a word is not there: the raw answer has only members of the model.
    """
    raw: list[bytes] = []

    def keep(response_dict: dict[str, Any], **_: Any) -> None:
        raw.append(response_dict["body"])

    runtime.meta.events.register("before-parse.bedrock-runtime.Converse", keep)
    runtime.converse(modelId=CLAUDE, messages=HELLO)
    shape = runtime.meta.service_model.operation_model("Converse").output_shape
    answer = json.loads(raw[0])
    assert set(answer) <= set(shape.members)
    assert set(answer["usage"]) <= set(shape.members["usage"].members)
