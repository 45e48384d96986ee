"""
The emulator's own values: what a client asked for, and what is answered.

Every operation and every family is read into an `Ask` and written from an `Answer`, so that equal conversations get
equal answers, native or Converse, streaming or whole. Nothing here knows a client's JSON or a socket.
"""

import hashlib
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

Speaker = Literal["user", "assistant"]
StopReason = Literal["end_turn", "max_tokens", "stop_sequence", "tool_use"]


class ToolCall(msgspec.Struct, frozen=True):
    """
    Hold a call of a tool that is part of the conversation so far.
    """

    call_id: str
    name: str


class ToolResult(msgspec.Struct, frozen=True):
    """
    Hold what a tool answered, as text.
    """

    call_id: str
    text: str


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold one message: its text parts joined by newlines, and what else was in it.
    """

    speaker: Speaker
    text: str = ""
    images: int = 0
    documents: int = 0
    tool_calls: tuple[ToolCall, ...] = ()
    tool_results: tuple[ToolResult, ...] = ()


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """
    Describe a tool that may be called; `schema` is its JSON Schema.
    """

    name: str
    schema: Mapping[str, Any]
    description: str = ""


class CacheMark(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold one cache point: the digest of all that stands before it, how many tokens that is, and how long it is kept.
    """

    digest: bytes
    tokens: int
    ttl_seconds: int


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold all that decides an answer.

    `tool_choice` is `auto`, `any`, `none`, or `tool:NAME`. `max_tokens` and `stop_sequences` only cut the answer, so
    they are no part of its seed: a shorter answer is a prefix of the longer one. `tells_stop_sequence` asks a Converse
    answer for the stop sequence that ended it. `signs` gives thoughts a signature. `input_tokens` are all, whether they
    come from the cache or not. `latency` and `tier` are what a Converse request wanted of the service.
    """

    model: str
    title: str
    turns: tuple[Turn, ...]
    max_tokens: int
    input_tokens: int
    system: str = ""
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop_sequences: tuple[str, ...] = ()
    tools: tuple[Tool, ...] = ()
    tool_choice: str = "auto"
    thinks: bool = False
    signs: bool = False
    tells_stop_sequence: bool = False
    cache_marks: tuple[CacheMark, ...] = ()
    latency: str | None = None
    tier: str | None = None

    def digest(self, seed: int) -> bytes:
        """
        Return 32 bytes that are equal for equal asks.
        """
        decisive = (
            seed,
            self.model,
            self.system,
            self.turns,
            self.tools,
            self.tool_choice,
            self.thinks,
            (self.temperature, self.top_p, self.top_k),
        )
        return hashlib.blake2b(msgspec.json.encode(decisive, order="deterministic"), digest_size=32).digest()

    @property
    def last(self) -> Turn:
        """
        The newest message of the user; an empty one where there is none.
        """
        return next((turn for turn in reversed(self.turns) if turn.speaker == "user"), Turn(speaker="user"))


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold one content block: its kind, and its content in pieces of one token each.

    A `tool_use` has JSON pieces, `name` and `call_id`; `thinking` may have a `signature`.
    """

    kind: Literal["thinking", "text", "tool_use"]
    pieces: tuple[str, ...]
    name: str = ""
    call_id: str = ""
    signature: str = ""

    @property
    def content(self) -> str:
        """
        The pieces as one string.
        """
        return "".join(self.pieces)

    def arguments(self) -> Any:
        """
        Return the arguments of a tool call; an empty object where the maximum of tokens cut them.
        """
        try:
            return msgspec.json.decode(self.content)
        except msgspec.DecodeError:
            return {}


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold a whole answer. `output_tokens` is the number of pieces.

    `input_tokens` are those that the prompt cache neither gave (`cache_read_tokens`) nor took (`cache_write_tokens`, of
    which `cache_write_1h_tokens` for an hour).
    """

    blocks: tuple[Block, ...]
    stop_reason: StopReason
    stop_sequence: str | None
    input_tokens: int
    output_tokens: int
    digest: bytes
    tells_stop_sequence: bool = False
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0
    latency: str | None = None
    tier: str | None = None

    @property
    def text(self) -> str:
        """
        The text blocks as one string, without thinking and tool calls.
        """
        return "".join(block.content for block in self.blocks if block.kind == "text")


class Metrics(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold what was measured of one call, in milliseconds.
    """

    invocation_latency_ms: int
    first_byte_latency_ms: int


class Step(msgspec.Struct, frozen=True, gc=False):
    """
    Hold one event-stream message that is ready to be sent, how many tokens it carries (0 or 1), and its answer text.
    """

    message: bytes
    tokens: int = 0
    text: str = ""


def merge_turns(turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
    """
    Merge neighbouring turns of one speaker, as Claude does.
    """
    merged: list[Turn] = []
    for turn in turns:
        if merged and merged[-1].speaker == turn.speaker:
            before = merged.pop()
            merged.append(
                Turn(
                    speaker=turn.speaker,
                    text="\n".join(text for text in (before.text, turn.text) if text),
                    images=before.images + turn.images,
                    documents=before.documents + turn.documents,
                    tool_calls=before.tool_calls + turn.tool_calls,
                    tool_results=before.tool_results + turn.tool_results,
                )
            )
        else:
            merged.append(turn)
    return tuple(merged)
