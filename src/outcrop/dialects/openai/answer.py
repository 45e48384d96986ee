"""
What both OpenAI dialects say of an answer beside its text: counts, and what has no field of OpenAI's.
"""

from collections.abc import Mapping
from typing import Any

from outcrop.types import MessageStart, MessageStop, StopReason, StreamEvent, TextDelta, Usage

PLAIN_STOPS: frozenset[StopReason] = frozenset({"end_turn", "max_tokens", "tool_use"})
"""
Reasons for an end that OpenAI's own words say exactly.
"""


def to_chat_usage(usage: Usage) -> dict[str, Any]:
    """
    Count tokens as Chat Completions does: the prompt's count includes what the cache held.
    """
    prompt = usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens
    return {
        "prompt_tokens": prompt,
        "completion_tokens": usage.output_tokens,
        "total_tokens": prompt + usage.output_tokens,
        "prompt_tokens_details": {
            "cached_tokens": usage.cache_read_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }


def to_responses_usage(usage: Usage) -> dict[str, Any]:
    """
    Count tokens as Responses does: the input's count includes what the cache held.
    """
    counted = to_chat_usage(usage)
    return {
        "input_tokens": counted["prompt_tokens"],
        "input_tokens_details": counted["prompt_tokens_details"],
        "output_tokens": usage.output_tokens,
        "output_tokens_details": counted["completion_tokens_details"],
        "total_tokens": counted["total_tokens"],
    }


class Details:
    """
    Collect what a model said that has no field: citations, blocks of unknown kinds, the exact reason for the end.

    They go out together, with the end of the answer, as `provider_details`. That is not OpenAI's; its SDKs keep it.
    """

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []

    def take(self, event: StreamEvent) -> None:
        """
        Take one event of the log.
        """
        match event:
            case TextDelta(provider_details=details) if details:
                self._add(details, block=event.index)
            case MessageStart(provider_details=details) if details:
                self._add(details)
            case MessageStop():
                self._add_end(event)
            case _:
                return

    def _add_end(self, stop: MessageStop) -> None:
        said: dict[str, Any] = dict(stop.provider_details or {})
        if stop.stop_reason not in PLAIN_STOPS:
            said = {"stop_reason": stop.stop_reason, **said}
        if stop.stop_sequence is not None:
            said = {"stop_sequence": stop.stop_sequence, **said}
        if said:
            self._add(said)

    def _add(self, details: Mapping[str, Any], **place: int) -> None:
        self.entries.append({"index": len(self.entries), **place, "details": details})


def takes_nothing(_content: Mapping[str, Any]) -> bool:
    """
    Say that no block of unknown kind has a place among an answer's blocks: `Details` has it.
    """
    return False
