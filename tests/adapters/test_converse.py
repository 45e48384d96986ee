"""
A whole answer of Converse and the stream of the same answer mean the same.
"""

import json
from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outcrop.adapters.converse import ConverseAdapter
from outcrop.adapters.converse_shapes import STOP_REASONS
from outcrop.adapters.registry import find_adapter
from outcrop.calls import ResolvedModel
from outcrop.errors import InvalidMessage
from outcrop.turns.fold import fold
from outcrop.turns.ports import Adapter, StreamDecoder
from outcrop.types import MessageStop, ReasoningPart, StreamEvent, TextPart, ToolUsePart

Json = dict[str, Any]
Event = tuple[str, Json]

COUNTS: Json = {"inputTokens": 10, "outputTokens": 25, "totalTokens": 35}

adapter: Adapter = ConverseAdapter()
decoder: StreamDecoder = ConverseAdapter().decoder()


def stream(*events: Event) -> list[StreamEvent]:
    """
    Decode a whole stream.
    """
    decoder = ConverseAdapter().decoder()
    decoded = [event for kind, payload in events for event in decoder.feed(kind, json.dumps(payload).encode())]
    return decoded + decoder.flush()


def whole(answer: Json) -> list[StreamEvent]:
    """
    Parse a whole answer.
    """
    return ConverseAdapter().parse_answer(json.dumps(answer).encode(), {})


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
arguments = st.dictionaries(texts, st.none() | st.booleans() | st.integers(-9, 9) | texts | st.lists(texts), max_size=3)
signed = st.fixed_dictionaries({"text": texts}, optional={"signature": texts})
blocks = st.one_of(
    st.fixed_dictionaries({"text": texts}),
    st.fixed_dictionaries({"reasoningContent": st.fixed_dictionaries({"reasoningText": signed})}),
    st.fixed_dictionaries(
        {
            "reasoningContent": st.fixed_dictionaries(
                {"redactedContent": st.binary(max_size=20).map(lambda content: b64encode(content).decode())}
            )
        }
    ),
    st.fixed_dictionaries(
        {
            "toolUse": st.fixed_dictionaries(
                {
                    "toolUseId": st.from_regex(r"tooluse_[a-z0-9]{1,8}", fullmatch=True),
                    "name": st.from_regex(r"[a-z_]{1,8}", fullmatch=True),
                    "input": arguments,
                },
                optional={"type": st.just("server_tool_use")},
            )
        }
    ),
    st.fixed_dictionaries(
        {
            "citationsContent": st.fixed_dictionaries(
                {
                    "content": st.lists(st.fixed_dictionaries({"text": texts}), max_size=2),
                    "citations": st.lists(st.fixed_dictionaries({"title": texts}), max_size=2),
                }
            )
        }
    ),
    st.fixed_dictionaries({"image": st.just({"format": "png", "source": {"bytes": "aGk="}})}),
)
answers = st.fixed_dictionaries(
    {
        "output": st.fixed_dictionaries(
            {"message": st.fixed_dictionaries({"role": st.just("assistant"), "content": st.lists(blocks, max_size=5)})}
        ),
        "stopReason": st.sampled_from([*STOP_REASONS, "boredom"]),
        "usage": st.fixed_dictionaries(
            {"inputTokens": st.integers(0, 999), "outputTokens": st.integers(0, 999), "totalTokens": st.just(9)},
            optional={
                "cacheReadInputTokens": st.integers(0, 999),
                "cacheWriteInputTokens": st.integers(0, 999),
                "cacheDetails": st.just([{"ttl": "5m", "inputTokens": 3}]),
            },
        ),
        "metrics": st.fixed_dictionaries({"latencyMs": st.integers(0, 999)}),
    },
    optional={
        "additionalModelResponseFields": st.sampled_from(
            [{"stop_sequence": "END"}, {"stop_sequence": None}, {"stop_sequence": 3}, {"x": {"y": 1}}, ["z"], None]
        ),
        "trace": st.just({"guardrail": {"actionReason": "none"}}),
        "performanceConfig": st.just({"latency": "standard"}),
        "serviceTier": st.just({"type": "flex"}),
    },
)


def render_stream(answer: Json, cut: int) -> list[Event]:
    """
    Render a whole answer as the events that stream it, with pieces of `cut` characters.
    """
    events: list[Event] = [("messageStart", {"role": "assistant", "p": "ab"})]
    for index, block in enumerate(answer["output"]["message"]["content"]):
        start, deltas = render_block(block, cut)
        if start is not None:
            events.append(("contentBlockStart", {"contentBlockIndex": index, "start": start}))
        events += [("contentBlockDelta", {"contentBlockIndex": index, "delta": delta, "p": "abc"}) for delta in deltas]
        events.append(("contentBlockStop", {"contentBlockIndex": index, "p": "a"}))
    stop: Json = {name: answer[name] for name in ("stopReason", "additionalModelResponseFields") if name in answer}
    rest = {name: value for name, value in answer.items() if name not in stop and name != "output"}
    return [*events, ("messageStop", stop), ("metadata", {**rest, "p": "abcd"})]


def render_block(block: Json, cut: int) -> tuple[Json | None, list[Json]]:
    """
    Render one block as its start, if it has one, and its deltas.
    """
    match block:
        case {"text": text}:
            return None, [{"text": piece} for piece in pieces(text, cut)]
        case {"reasoningContent": {"reasoningText": reasoning}}:
            deltas = [{"reasoningContent": {"text": piece}} for piece in pieces(reasoning["text"], cut)]
            signature = reasoning.get("signature")
            return None, deltas + ([{"reasoningContent": {"signature": signature}}] if signature is not None else [])
        case {"reasoningContent": redacted}:
            return None, [{"reasoningContent": redacted}]
        case {"toolUse": use}:
            written = json.dumps(use["input"], ensure_ascii=False) if use["input"] else ""
            start = {name: value for name, value in use.items() if name != "input"}
            return {"toolUse": start}, [{"toolUse": {"input": piece}} for piece in pieces(written, cut)]
        case {"citationsContent": cited}:
            said = "".join(piece["text"] for piece in cited["content"])
            citations = [{"citation": citation} for citation in cited["citations"]]
            return None, [{"text": piece} for piece in pieces(said, cut)] + citations
    return {"image": {"format": "png"}}, [{"image": block["image"]["source"]}]


def pieces(text: str, cut: int) -> list[str]:
    """
    Cut a text into pieces; an empty text is one empty piece.
    """
    return [text[at : at + cut] for at in range(0, len(text) + 1, cut)]


@given(answers, st.integers(1, 7))
@settings(deadline=None, max_examples=150)
def test_a_streamed_answer_folds_like_the_whole_answer(answer: Json, cut: int) -> None:
    """
    The same answer, streamed in any pieces or sent whole, folds to the same parts, usage and terminal.
    """
    assert fold(stream(*render_stream(answer, cut))) == fold(whole(answer))


@given(answers)
@settings(deadline=None, max_examples=50)
def test_nothing_of_a_whole_answer_is_lost(answer: Json) -> None:
    """
    Every text, every reasoning and every call of ours in an answer is in the fold, in order.
    """
    expected: list[TextPart | ReasoningPart | ToolUsePart] = []
    for block in answer["output"]["message"]["content"]:
        match block:
            case {"text": text} if text:
                expected.append(TextPart(text=text))
            case {"citationsContent": cited} if said := "".join(piece["text"] for piece in cited["content"]):
                expected.append(TextPart(text=said))
            case {"reasoningContent": {"reasoningText": said}} if said["text"] or said.get("signature"):
                expected.append(ReasoningPart(text=said["text"], signature=said.get("signature") or None))
            case {"reasoningContent": {"redactedContent": redacted}} if redacted:
                expected.append(ReasoningPart(redacted=redacted))
            case {"toolUse": use} if "type" not in use:
                expected.append(ToolUsePart(tool_use_id=use["toolUseId"], name=use["name"], input=use["input"]))
    folded = fold(whole(answer))
    assert list(folded.parts) == expected
    assert isinstance(folded.terminal, MessageStop)


@pytest.mark.parametrize("family", ["anthropic", "llama3", "nova", "made_up"])
def test_the_route_decides_whether_converse_is_spoken(family: str) -> None:
    """
    A model that is called by Converse finds this adapter, whatever its family is, also one that nobody knows.
    """
    model = ResolvedModel(name="ours", model_id="arn", base_id="arn", family=family, route="converse")
    assert isinstance(find_adapter(model), ConverseAdapter)


def test_every_decoder_is_a_new_one() -> None:
    """
    Streams share nothing.
    """
    assert adapter.decoder() is not adapter.decoder()
    assert decoder is not adapter.decoder()


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"output": {"message": {"role": "assistant", "content": []}}, "stopReason": "end_turn"},
        {"output": {"message": {"role": "assistant", "content": []}}, "usage": COUNTS},
        {"output": {}, "stopReason": "end_turn", "usage": COUNTS},
        {"output": {"message": {"role": "assistant", "content": [{"text": 1}]}}, "stopReason": "x", "usage": COUNTS},
    ],
)
def test_a_whole_answer_that_lacks_something_is_refused(answer: Json) -> None:
    """
    Output, stop reason and counts are required of a whole answer.
    """
    with pytest.raises(InvalidMessage):
        whole(answer)
