"""
The dialects against the adapters, which speak the same formats from the other side and share no code with them.
"""

import json
from collections.abc import Sequence
from typing import Any

from botocore.eventstream import EventStreamBuffer
from hypothesis import given, settings

from outcrop.adapters.anthropic import AnthropicAdapter
from outcrop.adapters.converse import ConverseAdapter
from outcrop.adapters.llama import LlamaAdapter
from outcrop.adapters.llama_template import LLAMA3
from outcrop.dialects.anthropic.stream import AnthropicOpening, render_message
from outcrop.dialects.bedrock.chunks import AnthropicChunks, LlamaChunks, render_generation
from outcrop.dialects.bedrock.invoke import parse_invoke
from outcrop.dialects.bedrock.request import parse_converse
from outcrop.dialects.bedrock.stream import ConverseFrames, render_answer
from outcrop.types import LogEntry, StreamEvent
from tests.dialects.anthropic_logs import CLAUDE, CLAUDE_BY_CONVERSE, answers, to_log
from tests.dialects.test_bedrock_invoke import LLAMA_LOG, NATIVE, read_chunks
from tests.dialects.test_bedrock_request import FULL

OPENING = AnthropicOpening(turn_id="t1", model="claude")


def read_back(decoder: Any, messages: Sequence[tuple[str, bytes]]) -> list[LogEntry]:
    """
    Read a stream with an adapter's decoder, as if it had come from Bedrock.
    """
    events: list[StreamEvent] = [event for name, payload in messages for event in decoder.feed(name, payload)]
    return to_log([*events, *decoder.flush()])


def cut(stream: bytes) -> list[tuple[str, bytes]]:
    """
    Cut a stream into messages.
    """
    buffer: Any = EventStreamBuffer()
    buffer.add_data(stream)
    return [(message.headers[":event-type"], message.payload) for message in buffer]


@settings(deadline=None)
@given(answers())
def test_the_adapter_reads_claudes_chunks_as_the_same_answer(log: list[LogEntry]) -> None:
    """
    What the gateway sends as Claude's chunks is, read as Bedrock's, the same answer again: gateways can be chained.
    """
    chunks = AnthropicChunks(OPENING)
    found = read_chunks(chunks.render(log) + chunks.close(latency_ms=5, first_byte_ms=2))
    messages = [("chunk", json.dumps(chunk).encode()) for chunk in found]
    again = read_back(AnthropicAdapter().decoder(), messages)
    said, expected = (json.loads(render_message(one, OPENING)) for one in (again, log))
    assert said["content"] == expected["content"]
    assert (said["stop_reason"], said["usage"]) == (expected["stop_reason"], expected["usage"])
    whole = to_log(AnthropicAdapter().parse_answer(render_message(log, OPENING), {}))
    assert json.loads(render_message(whole, OPENING))["content"] == expected["content"]


@settings(deadline=None)
@given(answers())
def test_the_adapter_reads_frames_of_converse_as_the_same_answer(log: list[LogEntry]) -> None:
    """
    What the gateway sends as ConverseStream, or as Converse, is, read as Bedrock's, the same answer again.
    """
    frames = ConverseFrames()
    stream = frames.render(log) + frames.close(latency_ms=5)
    expected = json.loads(render_answer(log, latency_ms=5))
    again = read_back(ConverseAdapter().decoder(), cut(stream))
    assert json.loads(render_answer(again, latency_ms=5)) == expected
    whole = to_log(ConverseAdapter().parse_answer(render_answer(log, latency_ms=5), {}))
    assert json.loads(render_answer(whole, latency_ms=5)) == expected


def test_the_adapter_reads_llamas_chunks_as_the_same_answer() -> None:
    """
    What the gateway sends as Llama's chunks is, read as Bedrock's, the same answer again.
    """
    chunks = LlamaChunks()
    stream = read_chunks(chunks.render(LLAMA_LOG) + chunks.close(latency_ms=5, first_byte_ms=2))
    messages = [("chunk", json.dumps(chunk).encode()) for chunk in stream]
    assert render_generation(read_back(LlamaAdapter(LLAMA3).decoder(), messages)) == render_generation(LLAMA_LOG)


def test_what_the_adapters_send_comes_back_as_the_same_request() -> None:
    """
    A request that was read, built for Bedrock and read again is the same request, natively and by Converse.
    """
    native = parse_invoke(json.dumps(NATIVE).encode(), headers={}, model=CLAUDE, stream=True)
    call = AnthropicAdapter().build_call(native.chat, CLAUDE)
    again = parse_invoke(call.body, headers=dict(call.headers), model=CLAUDE, stream=True)
    assert again == native
    converse = parse_converse(json.dumps(FULL).encode(), model=CLAUDE_BY_CONVERSE, stream=True)
    sent = ConverseAdapter().build_call(converse.chat, CLAUDE_BY_CONVERSE)
    back = parse_converse(sent.body, model=CLAUDE_BY_CONVERSE, stream=True)
    assert back.chat.messages == converse.chat.messages
    assert (back.chat.params, back.chat.guardrail) == (converse.chat.params, converse.chat.guardrail)
    assert back.chat.provider_options == converse.chat.provider_options
