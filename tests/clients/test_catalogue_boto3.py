"""
boto3, unmodified, against every model of the catalogue: four operations, one text.
"""

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from outcrop.catalogue.models import ModelEntry, load_catalogue
from tests.emulator.native import DIALECTS, streamed_text

REGION = "us-east-1"
TALK = (("user", "Hello"), ("assistant", "Hi."), ("user", "Why is granite hard?"))
MESSAGES = [{"role": role, "content": [{"text": text}]} for role, text in TALK]
MAX_TOKENS = 1_000
ENTRIES = list(load_catalogue().models.values())
SERVED = [entry for entry in ENTRIES if entry.lifecycle != "end_of_life"]
ENDED = [entry for entry in ENTRIES if entry.lifecycle == "end_of_life"]


def model_id_of(entry: ModelEntry) -> str:
    """
    Return an ID by which the model can be called from `REGION`: its own where it can be, else a profile's.
    """
    if entry.on_demand:
        return entry.base_id
    prefix = next(prefix for prefix in ("us", "global") if prefix in entry.profiles)
    return f"{prefix}.{entry.base_id}"


@pytest.fixture(scope="module")
def runtime(emulator_process: Any) -> Iterator[Any]:
    """
    Return a client of bedrock-runtime for all tests here; its signatures are verified.
    """
    client = boto3.client(
        "bedrock-runtime",
        endpoint_url=emulator_process.url,
        region_name=REGION,
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    )
    yield client
    client.close()


def read_events(stream: Any) -> list[Any]:
    """
    Return all events of a stream, and close it.
    """
    with closing(stream):
        return list(stream)


def text_of(content: list[Any]) -> str:
    """
    Return the text of a message's blocks, without its reasoning.
    """
    return "".join(block.get("text", "") for block in content)


@pytest.mark.parametrize("entry", SERVED, ids=lambda entry: entry.base_id)
def test_four_operations_one_text(entry: ModelEntry, runtime: Any) -> None:
    """
    Converse, its stream, the native body and its stream give the same text and the same number of tokens.
    """
    model_id = model_id_of(entry)
    converse = {"modelId": model_id, "messages": MESSAGES, "inferenceConfig": {"maxTokens": MAX_TOKENS}}
    whole = runtime.converse(**converse)
    events = read_events(runtime.converse_stream(**converse)["stream"])
    deltas = [event["contentBlockDelta"]["delta"] for event in events if "contentBlockDelta" in event]
    body = json.dumps(DIALECTS[entry.family].write(TALK, MAX_TOKENS))
    native = runtime.invoke_model(modelId=model_id, body=body)
    streamed = runtime.invoke_model_with_response_stream(modelId=model_id, body=body)["body"]
    chunks = [json.loads(event["chunk"]["bytes"]) for event in read_events(streamed)]
    text = text_of(whole["output"]["message"]["content"])
    assert "simulated by the outcrop emulator" in text
    assert text_of(deltas) == text
    assert DIALECTS[entry.family].text(json.loads(native["body"].read())) == text
    assert streamed_text(entry.family, chunks) == text
    counts = native["ResponseMetadata"]["HTTPHeaders"]["x-amzn-bedrock-output-token-count"]
    assert whole["usage"]["outputTokens"] == int(counts) == events[-1]["metadata"]["usage"]["outputTokens"]


@pytest.mark.parametrize("entry", ENDED, ids=lambda entry: entry.base_id)
def test_models_that_have_ended_are_refused(entry: ModelEntry, runtime: Any) -> None:
    """
    A model past its end of life fails as it does at AWS.
    """
    with pytest.raises(ClientError, match="has reached the end of its life") as refused:
        runtime.converse(modelId=entry.base_id, messages=MESSAGES)
    assert refused.value.response["Error"]["Code"] == "ResourceNotFoundException"


def test_a_model_that_reasons_says_so_on_both_streams(runtime: Any) -> None:
    """
    gpt-oss reasons before it answers: in a block of its own by Converse, between tags in its own body.
    """
    model_id = "openai.gpt-oss-120b-1:0"
    first, second = runtime.converse(modelId=model_id, messages=MESSAGES)["output"]["message"]["content"]
    thought = first["reasoningContent"]["reasoningText"]["text"]
    reply = runtime.invoke_model(modelId=model_id, body=json.dumps({"messages": [{"role": "user", "content": "x"}]}))
    native = json.loads(reply["body"].read())["choices"][0]["message"]["content"]
    assert thought
    assert "text" in second
    assert native.startswith("<reasoning>")


def test_a_cached_prefix_is_written_then_read(runtime: Any) -> None:
    """
    A cache point's prefix costs a write at first and a read after that; boto3 shows both counts.
    """
    system = [{"text": "Only rocks, please. " * 50}, {"cachePoint": {"type": "default"}}]
    asked = {"modelId": "amazon.nova-lite-v1:0", "system": system, "messages": MESSAGES}
    first, second = (runtime.converse(**asked)["usage"] for _ in range(2))
    assert first["cacheWriteInputTokens"] == second["cacheReadInputTokens"] > 100
    assert first["cacheReadInputTokens"] == second["cacheWriteInputTokens"] == 0
    assert first["inputTokens"] == second["inputTokens"]
    assert first["totalTokens"] == second["totalTokens"]
