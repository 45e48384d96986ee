"""
Faults, the book and CountTokens with every family that is still served: nothing there is about Claude and Llama only.
"""

import json
from base64 import b64encode
from typing import Any

import pytest

from outcrop.catalogue.models import ModelEntry, load_catalogue
from tests.emulator.conftest import Wire
from tests.emulator.native import DIALECTS, streamed_text

SERVED = [entry for entry in load_catalogue().models.values() if entry.lifecycle != "end_of_life"]
EXAMPLES = {entry.family: entry for entry in reversed(SERVED)}
TALK = (("user", "count to 9"),)
every_family = pytest.mark.parametrize("entry", EXAMPLES.values(), ids=EXAMPLES.keys())


def model_id_of(entry: ModelEntry) -> str:
    """
    Return an ID by which the model can be called from us-east-1.
    """
    return entry.base_id if entry.on_demand else f"us.{entry.base_id}"


def body_of(entry: ModelEntry) -> dict[str, Any]:
    """
    Return the model's own body.
    """
    return DIALECTS[entry.family].write(TALK, 1_000)


@every_family
async def test_an_exception_in_the_midst_of_a_native_stream(entry: ModelEntry, wire: Wire) -> None:
    """
    The exception is the last message, and the book has the tokens and the text that left before it.
    """
    await wire.add_fault(kind="exception", name="throttlingException", after_tokens=2)
    reply = await wire.call("invoke-with-response-stream", model_id_of(entry), body_of(entry))
    headers, _ = reply.messages()[-1]
    (call,) = await wire.calls()
    assert headers[":exception-type"] == "throttlingException"
    assert (call["tokens_emitted"], call["outcome"]) == (2, "fault:exception")
    text = "".join(DIALECTS[entry.family].delta(chunk) for chunk in reply.payloads()[:-1])
    assert call["text_emitted"]["text"] in text


@every_family
async def test_a_stream_that_ends_without_its_terminal(entry: ModelEntry, wire: Wire) -> None:
    """
    All tokens come, but neither the reason of the end nor the metrics.
    """
    await wire.add_fault(kind="end_without_terminal")
    reply = await wire.call("invoke-with-response-stream", model_id_of(entry), body_of(entry))
    (call,) = await wire.calls()
    assert reply.ending == "clean"
    assert "invocationMetrics" not in json.dumps(reply.payloads())
    assert (call["tokens_emitted"], call["outcome"]) == (call["usage"]["output"], "fault:end_without_terminal")


@every_family
async def test_the_book_has_the_text_that_was_sent(entry: ModelEntry, wire: Wire) -> None:
    """
    Natively and by Converse, whole and streaming, the book has one text: the answer, without its reasoning.
    """
    model, body = model_id_of(entry), body_of(entry)
    converse = {"messages": [{"role": role, "content": [{"text": text}]} for role, text in TALK]}
    await wire.call("invoke", model, body)
    await wire.call("converse", model, converse)
    await wire.call("converse-stream", model, converse)
    streamed = await wire.call("invoke-with-response-stream", model, body)
    texts = {call["text_emitted"]["text"] for call in await wire.calls()}
    assert texts == {streamed_text(entry.family, streamed.payloads())}


@every_family
async def test_tokens_are_counted_where_the_catalogue_says_so(entry: ModelEntry, wire: Wire) -> None:
    """
    CountTokens serves the models that have it, and refuses all others in its words.
    """
    body = {"input": {"invokeModel": {"body": b64encode(json.dumps(body_of(entry)).encode()).decode()}}}
    reply = await wire.call("count-tokens", entry.base_id, body)
    if "count_tokens" in entry.features:
        assert reply.json()["inputTokens"] > 0
    else:
        assert "doesn't support counting tokens" in reply.json()["message"]
