"""
What a family of models is to the emulator: its native body in, its answers out, and its rules on Converse.

A new family is one file that makes a `Family`, and one line in `table`.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from outcrop.emulator.conversation import Answer, Ask, Metrics, Step
from outcrop.emulator.rules.models import Called

Body = Mapping[str, Any]
Read = Callable[[Body, Called], Ask]
Whole = Callable[[Answer, Called, str, Metrics], bytes]
Stream = Callable[[Answer, Called, str, Callable[[], Metrics]], Iterator[Step]]

ALL_BLOCKS = frozenset({"text", "image", "document", "video", "audio", "searchResult", "guardContent", "toolUse"})
STOP_SEQUENCE = "/stop_sequence"


class ConverseRequest(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold what a family decides on: the model's own fields, and the effort that the request wants.
    """

    extra: Body
    effort: str | None = None


def _no_fields(_called: Called) -> frozenset[str]:
    return frozenset()


def _never(_called: Called) -> bool:
    return False


def _as_it_is(ask: Ask, _called: Called, _request: ConverseRequest) -> Ask:
    return ask


class ConverseRules(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold what is special to a family on Converse, beyond the features in the catalogue (docs/bedrock_wire.md §5.5).

    Args:
        extra_fields: the keys that `additionalModelRequestFields` may have.
        response_fields: the paths that `additionalModelResponseFieldPaths` finds something at.
        may_open_with_assistant: whether the first turn may be the assistant's.
        merges_neighbours: whether two turns of one role in a row are one; else they are refused.
        refused_beside_tool_result: kinds of blocks that a message with tool results can't have.
        takes_tool_status: whether `toolResult.status` is taken.
        settle: finishes an ask: whether the model thinks, and what only the model itself refuses.
    """

    extra_fields: Callable[[Called], frozenset[str]] = _no_fields
    response_fields: frozenset[str] = frozenset()
    may_open_with_assistant: Callable[[Called], bool] = _never
    merges_neighbours: bool = False
    refused_beside_tool_result: frozenset[str] = frozenset()
    takes_tool_status: bool = False
    settle: Callable[[Ask, Called, ConverseRequest], Ask] = _as_it_is


def _any_operation(_body: Body, *, streaming: bool) -> None:
    del streaming


class Family(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold a family.

    `stream` must read the answer's blocks in order and once, and how the answer ended only after them. `count` is for
    bodies that CountTokens takes though InvokeModel doesn't. `check_operation` refuses bodies that contradict the
    operation.
    """

    read: Read
    whole: Whole
    stream: Stream
    count: Callable[[Body, Called], int] | None = None
    check_operation: Callable[..., None] = _any_operation
    converse: ConverseRules = ConverseRules()

    def count_tokens(self, body: Body, called: Called) -> int:
        """
        Return the input tokens of a native body.

        Raises:
            Refusal: the body can't be read.
        """
        return self.read(body, called).input_tokens if self.count is None else self.count(body, called)
