"""
What an answer is made of, as values.

The same types are the pieces of an answer as it comes, and the parts of a whole one: there, the pieces of one part are
joined.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec


class TextPiece(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold text of the answer. Pieces with the same `part_id` belong to one part.
    """

    text: str
    part_id: str = ""


class ReasoningPiece(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold what the model thinks aloud, which is not part of its answer: `text` is empty, `reasoning` is not.

    `details` (whole parts only) is the model's opaque mark on its reasoning, which goes back with the conversation.
    """

    text: ClassVar[str] = ""
    reasoning: str
    part_id: str = ""
    details: Mapping[str, Any] | None = None


class ToolCall(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold a model's call of a tool, once its input is complete. `error` says why the input can't be used.
    """

    text: ClassVar[str] = ""
    tool_call_id: str
    name: str
    input: Any = None
    error: str | None = None


class DataPiece(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold a `data-NAME` part of the server: its name and its JSON.
    """

    text: ClassVar[str] = ""
    name: str
    data: Any


class OtherPiece(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold a part that has no type here (a source, a file, or one from a newer server), as it came.
    """

    text: ClassVar[str] = ""
    kind: str
    payload: Mapping[str, Any]


Piece = TextPiece | ReasoningPiece | ToolCall | DataPiece | OtherPiece
"""
Every piece has `text`: what it adds to the answer's text, often nothing.
"""


class Usage(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """
    Hold the tokens that an answer took. `estimated` marks counts that are the gateway's own, and not Bedrock's.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    estimated: bool = False
