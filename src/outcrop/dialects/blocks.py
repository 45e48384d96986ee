"""
Walk through a turn's events block by block, for dialects whose answers are numbered content blocks.

Blocks get numbers in the order in which they open, without gaps, whatever numbers the model gave them; that order is
the answer's order. A block closes when another opens, except a tool call whose arguments are not complete yet: should
its fragments be mixed with another block's, it stays open beside it. Streams and whole answers both come from this
walk, so they can't differ.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

import msgspec

from outcrop.nesting import parse_object
from outcrop.types import LogEntry, ReasoningDelta, StreamEvent, TextDelta, ToolUseDelta, ToolUseStart

BlockKind = Literal["text", "thinking", "redacted", "tool_use", "opaque"]
NO_BLOCK = -1


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """
    Open block `number`. `data` is all of a redacted one; `content` is an opaque one, as the model's family wrote it.
    """

    number: int
    kind: BlockKind
    tool_use_id: str = ""
    name: str = ""
    data: str = ""
    content: Mapping[str, Any] | None = None


class Added(msgspec.Struct, frozen=True):
    """
    Add to block `number`: text, a piece of reasoning, or a fragment of a tool's arguments, by the block's kind.
    """

    number: int
    kind: BlockKind
    text: str


class Cited(msgspec.Struct, frozen=True):
    """
    Add a citation to text block `number`.
    """

    number: int
    citation: Any


class Signed(msgspec.Struct, frozen=True):
    """
    Sign the reasoning in block `number`; comes once, before it closes.
    """

    number: int
    signature: str


class Passed(msgspec.Struct, frozen=True):
    """
    Pass on a delta of block `number` that has no words here.
    """

    number: int
    delta: Mapping[str, Any]


class Closed(msgspec.Struct, frozen=True):
    """
    Close block `number`.
    """

    number: int


Step = Opened | Added | Cited | Signed | Passed | Closed


class _Block(msgspec.Struct):
    number: int
    kind: BlockKind
    signature: str = ""
    arguments: list[str] = []


class BlockWalk:
    """
    Turn events into steps. `takes_opaque` says of a block or delta of unknown kind whether the dialect can pass it on.

    `text_index` is the model's own number of the text block that is open, `text_number` ours; a dialect may write
    plain text deltas of it without asking.
    """

    def __init__(self, takes_opaque: Callable[[Mapping[str, Any]], bool]) -> None:
        self.text_index = NO_BLOCK
        self.text_number = NO_BLOCK
        self._takes_opaque = takes_opaque
        self._open: dict[int, _Block] = {}
        self._count = 0

    def take(self, event: StreamEvent) -> list[Step]:
        """
        Take one event and return its steps; none for those that are not about blocks.
        """
        steps: list[Step] = []
        match event:
            case TextDelta():
                self._take_text(event, steps)
            case ReasoningDelta():
                self._take_reasoning(event, steps)
            case ToolUseStart():
                self._start(event.index, "tool_use", steps, tool_use_id=event.tool_use_id, name=event.name)
            case ToolUseDelta():
                block = self._open.get(event.index)
                if block is not None and block.kind == "tool_use" and event.input_json:
                    block.arguments.append(event.input_json)
                    steps.append(Added(block.number, "tool_use", event.input_json))
            case _:
                pass
        return steps

    def finish(self) -> list[Step]:
        """
        Close every block that is open.
        """
        steps: list[Step] = []
        for index in tuple(self._open):
            self._close(index, steps)
        return steps

    def _take_text(self, event: TextDelta, steps: list[Step]) -> None:
        index = event.index
        if event.text:
            block = self._enter(index, "text", steps)
            self.text_index, self.text_number = index, block.number
            steps.append(Added(block.number, "text", event.text))
        for name, value in (event.provider_details or {}).items():
            if name == "citation":
                block = self._enter(index, "text", steps)
                self.text_index, self.text_number = index, block.number
                steps.append(Cited(block.number, value))
            elif isinstance(value, Mapping) and self._takes_opaque(value):
                self._take_opaque(index, value, steps, is_delta=name == "delta")

    def _take_opaque(self, index: int, value: Mapping[str, Any], steps: list[Step], *, is_delta: bool) -> None:
        block = self._open.get(index)
        if not is_delta:
            self._start(index, "opaque", steps, content=value)
        else:
            if block is None:
                block = self._start(index, "opaque", steps)
            steps.append(Passed(block.number, value))

    def _take_reasoning(self, event: ReasoningDelta, steps: list[Step]) -> None:
        if event.redacted is not None:
            self._start(event.index, "redacted", steps, data=event.redacted)
        elif event.text or event.signature:
            block = self._enter(event.index, "thinking", steps)
            block.signature += event.signature or ""
            if event.text:
                steps.append(Added(block.number, "thinking", event.text))

    def _enter(self, index: int, kind: BlockKind, steps: list[Step]) -> _Block:
        block = self._open.get(index)
        return block if block is not None and block.kind == kind else self._start(index, kind, steps)

    def _start(self, index: int, kind: BlockKind, steps: list[Step], **fields: Any) -> _Block:
        for other in tuple(self._open):
            if other == index or not self._is_waiting(self._open[other]):
                self._close(other, steps)
        block = self._open[index] = _Block(number=self._count, kind=kind)
        self._count += 1
        steps.append(Opened(number=block.number, kind=kind, **fields))
        return block

    def _is_waiting(self, block: _Block) -> bool:
        return block.kind == "tool_use" and parse_arguments(block.arguments or [""]) is None

    def _close(self, index: int, steps: list[Step]) -> None:
        block = self._open.pop(index)
        if index == self.text_index:
            self.text_index = self.text_number = NO_BLOCK
        if block.signature:
            steps.append(Signed(block.number, block.signature))
        steps.append(Closed(block.number))


class WholeBlock(msgspec.Struct, kw_only=True):
    """
    Hold one block of a whole answer: how it opened, and all that was added.
    """

    opened: Opened
    pieces: list[str] = []
    citations: list[Any] = []
    deltas: list[Mapping[str, Any]] = []
    signature: str = ""

    @property
    def text(self) -> str:
        """
        Join what was added.
        """
        return "".join(self.pieces)


def collect_blocks(entries: Iterable[LogEntry], takes_opaque: Callable[[Mapping[str, Any]], bool]) -> list[WholeBlock]:
    """
    Walk through a whole log and return its blocks. A tool call whose arguments never became whole is left out.
    """
    walk = BlockWalk(takes_opaque)
    blocks: list[WholeBlock] = []
    steps = [step for entry in entries for step in walk.take(entry.event)]
    for step in steps + walk.finish():
        match step:
            case Opened():
                blocks.append(WholeBlock(opened=step))
            case Added():
                blocks[step.number].pieces.append(step.text)
            case Cited():
                blocks[step.number].citations.append(step.citation)
            case Signed():
                blocks[step.number].signature = step.signature
            case Passed():
                blocks[step.number].deltas.append(step.delta)
            case Closed():
                pass
    return [one for one in blocks if one.opened.kind != "tool_use" or parse_arguments(one.pieces) is not None]


def parse_arguments(fragments: Iterable[str]) -> dict[str, Any] | None:
    """
    Return a tool's arguments, None while they are not one JSON object of at most `MAX_ARGUMENT_DEPTH` levels.

    No fragments at all are an empty object.
    """
    fragments = list(fragments)
    return parse_object("".join(fragments)) if fragments else {}
