"""
The npm package `ai`, unmodified, reads what the native dialect renders.
"""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from outcrop.dialects.ui_stream.message import to_answer_parts
from outcrop.turns.fold import fold, merge_deltas
from outcrop.types import MessageStop, ReasoningPart, StreamEvent, StreamFailed, ToolUsePart
from tests.dialects.ui_stream_logs import CLOSING, event_streams, opening, render

pytestmark = pytest.mark.service

SCRIPT = Path(__file__).parent / "js" / "ui_stream.mjs"
STREAMS_AT_ONCE = 200


def read_all(node: Path, streams: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """
    Let the package read streams of parts.
    """
    done = subprocess.run(
        [str(node), str(SCRIPT)], input=json.dumps(streams), capture_output=True, text=True, timeout=120, check=True
    )
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def expected_errors(events: list[StreamEvent]) -> list[str]:
    """
    Tell which errors a reader of these events must see.
    """
    return [event.message for event in events if isinstance(event, StreamFailed)]


def make_logs() -> list[tuple[list[StreamEvent], bool]]:
    """
    Make varied streams of events, the same ones each time.
    """
    made: list[tuple[list[StreamEvent], bool]] = []

    @settings(max_examples=STREAMS_AT_ONCE, database=None, deadline=None, derandomize=True, phases=[Phase.generate])
    @given(event_streams(), st.booleans())
    def make(events: list[StreamEvent], whole: bool) -> None:
        made.append((events, whole))

    make()
    return made


def test_every_part_is_valid_and_the_message_is_the_answer(node: Path) -> None:
    """
    Each part fits the package's schema, and the message that it folds is the fold of the events.
    """
    logs = make_logs()
    found = read_all(node, [render(events, whole=whole) for events, whole in logs])
    for (events, _), read in zip(logs, found, strict=True):
        answer = fold(events)
        parts = read["message"]["parts"]
        assert (read["invalid"], read["errors"]) == ([], expected_errors(events))
        assert read["message"]["id"] == "msg-turn1"
        said = [part["text"] for part in parts if part["type"] == "text"]
        assert sorted("".join(said)) == sorted(answer.text)
        assert all(part["state"] == "done" for part in parts if part["type"] in {"text", "reasoning"})
        calls = [part for part in parts if part["type"] == "tool-search" and part["state"] == "input-available"]
        used = [part for part in answer.parts if isinstance(part, ToolUsePart)]
        ended = isinstance(events[-1], MessageStop) and events[-1].stop_reason != "stopped"
        if ended:
            assert sorted(json.dumps(call["input"], sort_keys=True) for call in calls) == sorted(
                json.dumps(part.input, sort_keys=True) for part in used
            )
        signatures = "".join(
            (part.get("providerMetadata") or {}).get("bedrock", {}).get("signature", "")
            for part in parts
            if part["type"] == "reasoning"
        )
        assert len(signatures) == sum(
            len(part.signature or "") for part in answer.parts if isinstance(part, ReasoningPart)
        )


def test_a_kept_answer_is_the_message_that_a_page_has_seen(node: Path) -> None:
    """
    What a page loads of an answer that was stored, merged, is the message that the package folds of its stream.
    """
    logs = [events for events, _ in make_logs()]
    found = read_all(node, [render(events) for events in logs])
    for events, read in zip(logs, found, strict=True):
        parts, metadata = to_answer_parts(tuple(merge_deltas(events)), opening(), CLOSING)
        seen = read["message"]
        assert without_none(parts) == without_none(seen["parts"])
        assert metadata == seen.get("metadata", {})


def without_none(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """
    Pass over what JSON leaves out, and what the package keeps to itself.
    """
    return [{name: value for name, value in part.items() if value is not None} for part in parts]
