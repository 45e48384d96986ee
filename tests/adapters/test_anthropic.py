"""
A whole answer and the stream of the same answer mean the same.
"""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from outcrop.adapters.anthropic import AnthropicAdapter
from outcrop.turns.fold import fold
from outcrop.types import StreamEvent

Json = dict[str, Any]


def stream(*chunks: Json) -> list[StreamEvent]:
    """
    Decode a whole stream of chunks.
    """
    decoder = AnthropicAdapter().decoder()
    events = [event for chunk in chunks for event in decoder.feed("chunk", json.dumps(chunk).encode())]
    return events + decoder.flush()


def whole(message: Json) -> list[StreamEvent]:
    """
    Parse a whole answer.
    """
    return AnthropicAdapter().parse_answer(json.dumps(message).encode(), {})


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
arguments = st.dictionaries(texts, st.none() | st.booleans() | st.integers(-9, 9) | texts | st.lists(texts), max_size=3)
blocks = st.one_of(
    st.fixed_dictionaries({"type": st.just("text"), "text": texts}),
    st.fixed_dictionaries({"type": st.just("thinking"), "thinking": texts, "signature": texts}),
    st.fixed_dictionaries({"type": st.just("redacted_thinking"), "data": texts}),
    st.fixed_dictionaries(
        {
            "type": st.just("tool_use"),
            "id": st.from_regex(r"toolu_[a-z0-9]{1,8}", fullmatch=True),
            "name": st.from_regex(r"[a-z_]{1,8}", fullmatch=True),
            "input": arguments,
        }
    ),
)
answers = st.fixed_dictionaries(
    {
        "id": st.just("msg_1"),
        "content": st.lists(blocks, max_size=5),
        "stop_reason": st.sampled_from(["end_turn", "max_tokens", "tool_use", "boredom"]),
        "stop_sequence": st.none() | texts.filter(bool),
        "usage": st.fixed_dictionaries(
            {
                "input_tokens": st.integers(0, 999),
                "output_tokens": st.integers(0, 999),
                "cache_read_input_tokens": st.integers(0, 999),
            }
        ),
    }
)


def render_stream(message: Json, cut: int) -> list[Json]:
    """
    Render a whole message as the chunks that stream it, with pieces of `cut` characters.
    """
    usage = message["usage"]
    chunks: list[Json] = [
        {"type": "message_start", "message": {**message, "content": [], "stop_reason": None, "usage": usage}}
    ]
    for index, block in enumerate(message["content"]):
        opening, deltas = render_block(block, cut)
        chunks.append({"type": "content_block_start", "index": index, "content_block": opening})
        chunks += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        chunks.append({"type": "content_block_stop", "index": index})
    ending = {"stop_reason": message["stop_reason"], "stop_sequence": message["stop_sequence"]}
    chunks.append({"type": "message_delta", "delta": ending, "usage": {"output_tokens": usage["output_tokens"]}})
    return [*chunks, {"type": "message_stop"}]


def render_block(block: Json, cut: int) -> tuple[Json, list[Json]]:
    """
    Render one block as its opening and its deltas.
    """
    match block["type"]:
        case "text":
            return block | {"text": ""}, pieces("text_delta", "text", block["text"], cut)
        case "thinking":
            signature = [{"type": "signature_delta", "signature": block["signature"]}]
            deltas = pieces("thinking_delta", "thinking", block["thinking"], cut) + signature
            return block | {"thinking": "", "signature": ""}, deltas
        case "tool_use":
            written = json.dumps(block["input"], ensure_ascii=False) if block["input"] else ""
            return block | {"input": {}}, pieces("input_json_delta", "partial_json", written, cut)
    return block, []


def pieces(kind: str, field: str, text: str, cut: int) -> list[Json]:
    """
    Cut a text into deltas.
    """
    return [{"type": kind, field: text[at : at + cut]} for at in range(0, len(text) + 1, cut)]


@given(answers, st.integers(1, 7))
@settings(deadline=None, max_examples=150)
def test_a_streamed_answer_folds_like_the_whole_answer(message: Json, cut: int) -> None:
    """
    The same answer, streamed in any pieces or sent whole, folds to the same parts, usage and terminal.
    """
    streamed, at_once = fold(stream(*render_stream(message, cut))), fold(whole(message))
    assert streamed == at_once
