"""
The fold of parts into an answer.
"""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outcrop.client.parts import MAX_PARTS, Assembly, TooManyParts, to_message
from outcrop.client.pieces import DataPiece, OtherPiece, Piece, ReasoningPiece, TextPiece, ToolCall
from tests.client.conftest import METADATA, failed_parts, text_parts


def fold(parts: list[dict[str, Any]]) -> tuple[Assembly, list[Piece]]:
    """
    Fold parts; also gives the pieces.
    """
    assembly = Assembly()
    return assembly, [piece for part in parts if (piece := assembly.take(part)) is not None]


@given(st.lists(st.text()))
def test_the_whole_is_the_sum_of_its_pieces(texts: list[str]) -> None:
    """
    The text of a whole answer is that of its pieces, in order.
    """
    assembly, pieces = fold(text_parts(*texts))
    assert assembly.text == "".join(piece.text for piece in pieces) == "".join(texts)
    assert assembly.is_over


def test_texts_and_reasoning_that_interleave_keep_their_places() -> None:
    """
    Parts are in the order in which they began, and the same ID may be used for a text and a reasoning.
    """
    assembly, _ = fold(
        [
            {"type": "reasoning-start", "id": "0", "providerMetadata": {"outcrop": {"signature": "s"}}},
            {"type": "reasoning-delta", "id": "0", "delta": "hm"},
            {"type": "text-start", "id": "0"},
            {"type": "text-delta", "id": "0", "delta": "a"},
            {"type": "reasoning-end", "id": "0"},
            {"type": "text-delta", "id": "0", "delta": "b"},
        ]
    )
    assert assembly.parts == (
        ReasoningPiece(reasoning="hm", part_id="0", details={"outcrop": {"signature": "s"}}),
        TextPiece(text="ab", part_id="0"),
    )
    assert assembly.text == "ab"


def test_a_tool_call_comes_once_its_input_is_whole() -> None:
    """
    Deltas of a tool's input are no pieces; an input that can't be used has an error.
    """
    _, pieces = fold(
        [
            {"type": "tool-input-start", "toolCallId": "t", "toolName": "clock"},
            {"type": "tool-input-delta", "toolCallId": "t", "inputTextDelta": "{}"},
            {"type": "tool-input-available", "toolCallId": "t", "toolName": "clock", "input": {}},
            {"type": "tool-input-start", "toolCallId": "u", "toolName": "clock"},
            {"type": "tool-input-error", "toolCallId": "u", "input": "{", "errorText": "no JSON"},
        ]
    )
    assert pieces == [
        ToolCall(tool_call_id="t", name="clock", input={}),
        ToolCall(tool_call_id="u", name="clock", input="{", error="no JSON"),
    ]


def test_unknown_parts_are_passed_on() -> None:
    """
    A part that has no type here is never dropped; a transient one is no part of the whole.
    """
    source = {"type": "source-url", "sourceId": "1", "url": "https://example.org"}
    assembly, pieces = fold(
        [
            source,
            {"type": "data-note", "data": 1},
            {"type": "data-tick", "data": 2, "transient": True},
        ]
    )
    assert pieces == [
        OtherPiece(kind="source-url", payload=source),
        DataPiece(name="note", data=1),
        DataPiece(name="tick", data=2),
    ]
    assert assembly.parts == tuple(pieces[:2])


def test_the_server_s_figures_are_kept() -> None:
    """
    Metadata from anywhere in the answer is joined; the last word counts.
    """
    assembly, _ = fold([{"type": "start", "messageMetadata": {"turnId": "0", "x": 1}}, *text_parts("a")[1:]])
    assert assembly.metadata == METADATA | {"x": 1}


def test_an_error_is_what_the_machine_readable_part_said() -> None:
    """
    Code and times come from `data-error`, the sentence from `error`; alone it has a general code.
    """
    assembly, _ = fold(failed_parts("a"))
    assert assembly.error is not None
    assert (assembly.error.code, assembly.error.retryable, assembly.error.retry_after_seconds) == (
        "throttled",
        True,
        1.5,
    )
    alone, _ = fold([{"type": "error"}])
    assert alone.error is not None
    assert (alone.error.code, alone.error.retryable) == ("chat_failed", False)
    assert "did not say why" in alone.error.message


@pytest.mark.parametrize(
    "part",
    [
        {"type": "text-delta", "id": "0"},
        {"type": "text-delta", "id": 0, "delta": "a"},
        {"type": "text-delta", "id": "0", "delta": None},
        {"type": "text-end", "id": []},
        {"type": "data-x"},
        {"type": "tool-input-available", "toolCallId": "unknown"},
        {"type": "finish", "messageMetadata": []},
        {"type": "start", "messageId": 1},
    ],
)
def test_a_malformed_part_is_refused(part: dict[str, Any]) -> None:
    """
    A field that is missing, or of another type, is an error of one of three kinds.
    """
    with pytest.raises((KeyError, TypeError, ValueError)):
        Assembly().take(part)


def test_parts_are_bounded() -> None:
    """
    An answer can't have more parts than the bound.
    """
    assembly = Assembly()
    for number in range(MAX_PARTS):
        assembly.take({"type": "text-start", "id": str(number)})
    with pytest.raises(TooManyParts):
        assembly.take({"type": "data-x", "data": 1})


def test_an_answer_goes_back_as_a_message() -> None:
    """
    Text, reasoning with its mark, and tool calls go back; data and empty texts don't, and nothing makes no message.
    """
    parts = (
        ReasoningPiece(reasoning="hm", details={"p": 1}),
        TextPiece(text="a"),
        TextPiece(text=""),
        DataPiece(name="x", data=1),
        ToolCall(tool_call_id="t", name="clock", input={}),
        ToolCall(tool_call_id="u", name="clock", error="no JSON"),
    )
    assert to_message("m", parts) == {
        "id": "m",
        "role": "assistant",
        "parts": [
            {"type": "reasoning", "text": "hm", "state": "done", "providerMetadata": {"p": 1}},
            {"type": "text", "text": "a", "state": "done"},
            {"type": "tool-clock", "toolCallId": "t", "state": "input-available", "input": {}},
        ],
    }
    assert to_message("m", parts[:1]) is None
