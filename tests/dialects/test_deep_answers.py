"""
Answers that nest deeply: what a model wrote is never a fault of whoever reads it, however deep the reader's own calls.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import pytest

from outcrop.adapters.registry import ADAPTERS, CONVERSE
from outcrop.dialects.anthropic.stream import AnthropicOpening, render_message
from outcrop.dialects.bedrock.stream import ConverseFrames, render_answer
from outcrop.dialects.blocks import parse_arguments
from outcrop.dialects.openai.chat_stream import ChatAnswerOpening, ChatChunkRenderer, encode_chat_completion
from outcrop.dialects.openai.responses_stream import ResponseOpening, ResponsesRenderer, encode_response
from outcrop.dialects.ui_stream.message import to_answer_parts
from outcrop.errors import InvalidMessage
from outcrop.nesting import MAX_ARGUMENT_DEPTH
from outcrop.turns.fold import fold
from outcrop.types import (
    LogEntry,
    MessageStart,
    MessageStop,
    StreamEvent,
    TextPart,
    ToolResultPart,
    ToolUseDelta,
    ToolUseStart,
)
from tests.dialects.anthropic_logs import to_log
from tests.dialects.ui_stream_logs import CLOSING, opening, render

DEPTHS = [*range(MAX_ARGUMENT_DEPTH - 2, MAX_ARGUMENT_DEPTH + 3), *range(480, 520), *range(800, 1001)]
"""
Around each bound, and where Python's own lies for a caller that is anything from 0 to 190 calls deep.
"""

COMPLETION = ChatAnswerOpening(turn_id="t", model="m", created=1)
RESPONSE = ResponseOpening(turn_id="t", model="m", created_at=1, echo={})
WRITERS: Mapping[str, Callable[[Sequence[LogEntry]], object]] = {
    "anthropic": lambda log: render_message(log, AnthropicOpening(turn_id="t", model="m")),
    "converse": lambda log: render_answer(log, latency_ms=1),
    "converse stream": lambda log: ConverseFrames().render(log),
    "chat": lambda log: encode_chat_completion(COMPLETION, log, None),
    "chat stream": lambda log: ChatChunkRenderer(COMPLETION).render(log),
    "responses": lambda log: encode_response(RESPONSE, log),
    "responses stream": lambda log: ResponsesRenderer(RESPONSE).render(log),
    "page": lambda log: msgspec.json.encode(to_answer_parts([entry.event for entry in log], opening(), CLOSING)),
    "page stream": lambda log: render([entry.event for entry in log]),
    "page at once": lambda log: render([entry.event for entry in log], whole=True),
}
BLOCKS = {
    "anthropic": '{"type":"new","input":%s}',
    "converse": '{"toolUse":{"toolUseId":"t","name":"f","type":"server_tool_use","input":%s}}',
}
"""
Blocks of no known kind, which pass as they are.
"""


def nest(depth: int) -> str:
    """
    Nest an object.
    """
    return '{"a":' * depth + "1" + "}" * depth


def call(arguments: str) -> list[StreamEvent]:
    """
    Call a tool.
    """
    start = ToolUseStart(index=0, tool_use_id="t1", name="f")
    return [MessageStart(), start, ToolUseDelta(index=0, input_json=arguments), MessageStop(stop_reason="tool_use")]


def answer(family: str, depth: int) -> list[StreamEvent]:
    """
    Read a whole answer with one block that nests; nothing where it is refused.
    """
    block = BLOCKS[family] % nest(depth)
    native = f'{{"id":"m","type":"message","role":"assistant","content":[{block}],"stop_reason":"end_turn"}}'
    usage = '"usage":{"inputTokens":1,"outputTokens":1,"totalTokens":2}'
    output = f'"output":{{"message":{{"role":"assistant","content":[{block}]}}}}'
    converse = f'{{{output},"stopReason":"end_turn",{usage}}}'
    try:
        if family == "converse":
            return CONVERSE.parse_answer(converse.encode(), {})
        return ADAPTERS[family].parse_answer(native.encode(), {})
    except InvalidMessage:
        return []


@pytest.mark.parametrize("writer", WRITERS)
def test_a_deep_call_is_written_or_left_out(writer: str) -> None:
    """
    A call whose arguments nest deeply is written, as an error or not at all, and nobody who reads it fails.
    """
    for depth in DEPTHS:
        assert WRITERS[writer](to_log(call(nest(depth)))) is not None


@pytest.mark.parametrize("family", BLOCKS)
@pytest.mark.parametrize("writer", WRITERS)
def test_a_deep_block_is_written_or_refused(writer: str, family: str) -> None:
    """
    A block of an unknown kind that nests deeply is written, or was refused when it came.
    """
    taken = [events for depth in DEPTHS if (events := answer(family, depth))]
    assert 0 < len(taken) < len(DEPTHS)
    for events in taken:
        assert WRITERS[writer](to_log(events)) is not None


@pytest.mark.parametrize("depth", [MAX_ARGUMENT_DEPTH - 1, MAX_ARGUMENT_DEPTH])
def test_a_turn_and_its_dialects_agree_on_what_is_deep(depth: int) -> None:
    """
    Arguments up to the bound are whole everywhere, those beyond it nowhere.
    """
    is_whole = depth < MAX_ARGUMENT_DEPTH
    assert (parse_arguments([nest(depth)]) is not None) is is_whole
    assert bool(fold(call(nest(depth))).parts) is is_whole
    kinds = [part["type"] for part in render(call(nest(depth)))]
    assert ("tool-input-available" in kinds, "tool-input-error" in kinds) == (is_whole, not is_whole)


@pytest.mark.parametrize("output", ["[" * 5000, nest(900), "[" * 300 + "]" * 300])
def test_a_deep_output_of_a_tool_stays_text(output: str) -> None:
    """
    A tool's output that nests too deeply, or without end, is shown as the text that it was.
    """
    result = ToolResultPart(tool_use_id="t1", content=(TextPart(text=output),))
    parts, _ = to_answer_parts([*call("{}"), result], opening(), CLOSING)
    answered: dict[str, Any] = parts[-1]
    assert (answered["state"], answered["output"]) == ("output-available", output)
    shallow = ToolResultPart(tool_use_id="t1", content=(TextPart(text='{"a":[1]}'),))
    assert to_answer_parts([*call("{}"), shallow], opening(), CLOSING)[0][-1]["output"] == json.loads('{"a":[1]}')
