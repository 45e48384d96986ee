"""
Write answers for the page's tests: each one's parts as they are streamed, and the message that is kept of it.

They are made by the server's own code, into ui/src/protocol/fixtures/. With `--check` nothing is written, and what is
stale is named.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from outcrop.dialects.ui_stream.endings import UiStreamClosing
from outcrop.dialects.ui_stream.message import to_answer_parts
from outcrop.dialects.ui_stream.renderer import UiStreamOpening, UiStreamRenderer
from outcrop.turns.records import state_after
from outcrop.types import (
    AnswerContinued,
    LogEntry,
    MessageStart,
    MessageStop,
    ReasoningDelta,
    StreamEvent,
    StreamFailed,
    TextDelta,
    ToolUseDelta,
    ToolUseStart,
    Usage,
)

FOLDER = Path(__file__).parents[1] / "ui" / "src" / "protocol" / "fixtures"
CLOSING = UiStreamClosing(
    usage=Usage(input_tokens=12, output_tokens=34, reasoning_tokens=5, cache_read_tokens=6, estimated=True),
    duration_ms=1200,
    ttft_ms=300,
    cost_usd=0.0025,
)
END = MessageStop(stop_reason="end_turn")
PAGE = {"type": "web", "url": "https://example.org/basalt", "title": "Basalt"}
DOCUMENT = {"location": {"documentPage": {"documentIndex": 0, "start": 1, "end": 2}}, "title": "granite.pdf"}

ANSWERS: dict[str, Sequence[StreamEvent]] = {
    "text": [
        MessageStart(message_id="m-1"),
        *(TextDelta(text) for text in ("Basalt", " is ", "", "dark. 🪨\n\n")),
        END,
    ],
    "two_texts": [
        MessageStart(),
        TextDelta("one", 0),
        TextDelta("other", 1),
        TextDelta(" more", 0),
        TextDelta(" still", 0),
        END,
    ],
    "reasoning": [
        MessageStart(),
        ReasoningDelta(text="It cooled ", index=0),
        ReasoningDelta(text="quickly.", index=0),
        ReasoningDelta(index=0, signature="c2ln"),
        TextDelta("Basalt.", 1),
        END,
    ],
    "redacted": [MessageStart(), ReasoningDelta(index=0, redacted="c2VjcmV0"), TextDelta("Yes.", 1), END],
    "calls": [
        MessageStart(),
        TextDelta("Let me look.", 0),
        ToolUseStart(index=1, tool_use_id="call-1", name="search"),
        ToolUseDelta(index=1, input_json='{"words": ["ba'),
        ToolUseDelta(index=1, input_json='salt"], "limit": 3}'),
        ToolUseStart(index=2, tool_use_id="call-2", name="clock"),
        MessageStop(stop_reason="tool_use"),
    ],
    "interleaved_calls": [
        MessageStart(),
        ToolUseStart(index=0, tool_use_id="call-1", name="search"),
        ToolUseDelta(index=0, input_json='{"a": 1}'),
        ToolUseStart(index=1, tool_use_id="call-2", name="search"),
        ToolUseDelta(index=1, input_json='{"b"'),
        ToolUseDelta(index=0, input_json=" "),
        ToolUseDelta(index=1, input_json=": {}}"),
        MessageStop(stop_reason="tool_use"),
    ],
    "broken_call": [
        MessageStart(),
        ToolUseStart(index=0, tool_use_id="call-1", name="search"),
        ToolUseDelta(index=0, input_json='{"words": ["ba'),
        MessageStop(stop_reason="max_tokens"),
    ],
    "sources": [
        MessageStart(),
        TextDelta("Dark", 0, {"citation": PAGE}),
        TextDelta(" and ", 0),
        TextDelta("coarse", 0, {"citation": DOCUMENT}),
        TextDelta(".", 0, {"citation": {"location": {"of": "another kind"}}}),
        END,
    ],
    "details": [
        MessageStart(provider_details={"servedBy": "us-west-2"}),
        TextDelta("", 0, {"content_block": {"type": "server_tool_use", "name": "web_search"}}),
        TextDelta("Found.", 1),
        MessageStop(stop_reason="stop_sequence", stop_sequence="###"),
    ],
    "seam": [MessageStart(), TextDelta("Basalt is"), AnswerContinued(reason="moved"), TextDelta(" dark."), END],
    "stopped": [MessageStart(), TextDelta("Basalt"), MessageStop(stop_reason="stopped")],
    "failed": [
        MessageStart(),
        TextDelta("Basalt"),
        StreamFailed(
            code="throttled", message="slow down", retryable=True, retry_after_seconds=1.5, aws_request_id="r-1"
        ),
    ],
    "interrupted": [
        MessageStart(),
        ToolUseStart(index=0, tool_use_id="call-1", name="search"),
        StreamFailed(code="interrupted", message="the server stopped", retryable=True),
    ],
    "refused_at_once": [StreamFailed(code="model_not_available", message="there is no such model")],
    "empty": [MessageStart(), END],
}


def make_fixture(events: Sequence[StreamEvent], *, whole: bool = False) -> dict[str, Any]:
    """
    Make one answer both ways: streamed, and kept.
    """
    opening = UiStreamOpening(turn_id="turn-1", model="anthropic", region="us-east-1", whole=whole)
    renderer = UiStreamRenderer(opening)
    streamed = renderer.render([LogEntry(seq, event) for seq, event in enumerate(events, 1)])
    streamed += renderer.close(CLOSING)
    parts, metadata = to_answer_parts(events, opening, CLOSING)
    return {
        "parts": [msgspec.json.decode(part) for part in streamed],
        "kept": {"parts": parts, "metadata": metadata, "state": state_after(renderer.terminal)},
    }


def build() -> dict[str, str]:
    """
    Build the files: name → content.
    """
    made = {name: make_fixture(events) for name, events in ANSWERS.items()}
    made["whole"] = make_fixture([*ANSWERS["reasoning"][:-1], *ANSWERS["calls"][2:]], whole=True)
    return {
        f"{name}.json": msgspec.json.format(msgspec.json.encode(fixture), indent=1).decode() + "\n"
        for name, fixture in made.items()
    }


def find_stale() -> list[str]:
    """
    Name the files that are not what would be written now.
    """
    built = build()
    there = {path.name: path.read_text() for path in FOLDER.glob("*.json")}
    return sorted(name for name in built.keys() | there.keys() if built.get(name) != there.get(name))


def main() -> int:
    """
    Write the files, or say which are stale.
    """
    if "--check" in sys.argv:
        stale = find_stale()
        sys.stdout.write("".join(f"stale: {name}\n" for name in stale))
        return 1 if stale else 0
    FOLDER.mkdir(parents=True, exist_ok=True)
    for path in FOLDER.glob("*.json"):
        path.unlink()
    for name, content in build().items():
        (FOLDER / name).write_text(content)
    return 0


if __name__ == "__main__":
    sys.exit(main())
