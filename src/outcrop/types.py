"""
The narrow waist: the frozen values that every layer speaks (`calls.py` is its lower half: one call to Bedrock).

A dialect can only produce a `ChatRequest`; an adapter can only produce an `UpstreamCall` and `StreamEvent`s; a turn log
holds `LogEntry`s. Nothing here knows a client's JSON, a model's JSON, a socket or a clock.

Laws of an event stream: it opens with one `MessageStart`, ends with exactly one `MessageStop` or `StreamFailed`, and
nothing follows. A whole answer is the fold of its events (`outcrop.turns.fold`), so streaming and whole answers cannot
differ.

Events are JSON-like and immutable, so they can't be part of a reference cycle; `gc=False` keeps the hundreds of
thousands that a busy server holds out of the garbage collector's way.

`provider_details` carries, opaque, what a model family says that has no field here. It is passed on, never dropped.
"""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

ANSWER_ID_PREFIX = "msg-"
"""
What an answer is called where its client has no name for it: this, and its turn's ID.
"""

CacheTtl = Literal["5m", "1h"]
Role = Literal["user", "assistant"]
ReasoningEffort = Literal["low", "medium", "high", "xhigh", "max"]
StopReason = Literal[
    "end_turn",
    "max_tokens",
    "stop_sequence",
    "tool_use",
    "pause_turn",
    "refusal",
    "content_filtered",
    "guardrail_intervened",
    "context_window_exceeded",
    "malformed_output",
    "stopped",
    "other",
]
"""
Why an answer ended. `stopped` means that a client asked us to stop; `other` that the model gave a reason which has no
name here (it is then in `provider_details["stop_reason"]`).
"""


class TextPart(msgspec.Struct, frozen=True, kw_only=True, tag="text", tag_field="type"):
    """
    Hold text. `cache_ttl` marks the prefix up to and including this part as worth caching.
    """

    text: str
    cache_ttl: CacheTtl | None = None
    provider_details: Mapping[str, Any] | None = None


class ImagePart(msgspec.Struct, frozen=True, kw_only=True, tag="image", tag_field="type"):
    """
    Hold an inline image: its media type (`image/png`, `image/jpeg`, `image/gif`, `image/webp`) and its bytes.
    """

    media_type: str
    data: bytes
    cache_ttl: CacheTtl | None = None


class DocumentPart(msgspec.Struct, frozen=True, kw_only=True, tag="document", tag_field="type"):
    """
    Hold an inline document: its media type (`application/pdf`, `text/plain`, …), its bytes, and what to call it.
    """

    media_type: str
    data: bytes
    name: str = "document"
    context: str | None = None
    citations: bool = False
    cache_ttl: CacheTtl | None = None


class ReasoningPart(msgspec.Struct, frozen=True, kw_only=True, tag="reasoning", tag_field="type"):
    """
    Hold a model's reasoning. `signature` must go back unmodified; `redacted` is an encrypted block instead of text.
    """

    text: str = ""
    signature: str | None = None
    redacted: str | None = None


class ToolUsePart(msgspec.Struct, frozen=True, kw_only=True, tag="tool_use", tag_field="type"):
    """
    Hold a model's call of a tool, with its complete JSON arguments.
    """

    tool_use_id: str
    name: str
    input: Mapping[str, Any]
    cache_ttl: CacheTtl | None = None


class ToolResultPart(msgspec.Struct, frozen=True, kw_only=True, tag="tool_result", tag_field="type"):
    """
    Hold what a tool answered to the call `tool_use_id`.
    """

    tool_use_id: str
    content: tuple[TextPart | ImagePart | DocumentPart, ...]
    is_error: bool = False
    cache_ttl: CacheTtl | None = None


Part = TextPart | ImagePart | DocumentPart | ReasoningPart | ToolUsePart | ToolResultPart


class Message(msgspec.Struct, frozen=True):
    """
    Hold one message of a conversation: who speaks, and its parts in order.
    """

    role: Role
    parts: tuple[Part, ...]


class Reasoning(msgspec.Struct, frozen=True, kw_only=True):
    """
    Say how much a model may reason before it answers.

    `mode` is `enabled` (with `budget_tokens`, at least 1024), `adaptive` (the model decides) or `disabled`.
    """

    mode: Literal["enabled", "adaptive", "disabled"]
    budget_tokens: int | None = None
    effort: ReasoningEffort | None = None


class GenerationParams(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold the sampling parameters. None means "not given": the model's own default holds.
    """

    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop_sequences: tuple[str, ...] = ()
    reasoning: Reasoning | None = None


class ToolSpec(msgspec.Struct, frozen=True, kw_only=True):
    """
    Describe a tool that the model may call; `input_schema` is a JSON Schema object.
    """

    name: str
    input_schema: Mapping[str, Any]
    description: str | None = None
    strict: bool | None = None
    cache_ttl: CacheTtl | None = None


class ToolChoice(msgspec.Struct, frozen=True, kw_only=True):
    """
    Say whether the model may (`auto`), must (`any`), must not (`none`) call a tool, or must call `name` (`tool`).
    """

    mode: Literal["auto", "any", "none", "tool"]
    name: str | None = None
    allow_parallel: bool = True


class AnswerFormat(msgspec.Struct, frozen=True, kw_only=True):
    """
    Ask for an answer whose text is one JSON document of a schema (structured output).
    """

    json_schema: Mapping[str, Any]
    name: str = "answer"
    description: str | None = None


class Guardrail(msgspec.Struct, frozen=True, kw_only=True):
    """
    Name a guardrail of the AWS account, by ID or ARN, and its version (`DRAFT` or a number).
    """

    identifier: str
    version: str
    trace: Literal["enabled", "disabled", "enabled_full"] | None = None


class ChatRequest(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold one prompt and all that belongs to it: the only thing that a dialect may produce.

    `model` is what the client wrote. `stream` says which of Bedrock's operations is called, not how the client is
    answered. `latency`, `service_tier`, `guardrail` and `request_metadata` are Bedrock's own, for whichever model.
    `provider_options` are fields for the model's own body that have no name here; an adapter that can't send one
    refuses it. `native_body` is a body of the model's own, sent as it came; `messages` is empty then, and the answer's
    payloads are events of their own (`NativePayload`).
    """

    model: str
    messages: tuple[Message, ...]
    system: tuple[TextPart, ...] = ()
    params: GenerationParams = GenerationParams()
    tools: tuple[ToolSpec, ...] = ()
    tool_choice: ToolChoice | None = None
    answer_format: AnswerFormat | None = None
    stream: bool = True
    guardrail: Guardrail | None = None
    latency: Literal["standard", "optimized"] | None = None
    service_tier: Literal["priority", "default", "flex", "reserved"] | None = None
    request_metadata: Mapping[str, str] = {}
    provider_options: Mapping[str, Any] = {}
    native_body: bytes | None = None


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """
    Count tokens. `input_tokens` excludes what was read from or written to the prompt cache.

    `estimated` marks counts that Bedrock did not report.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    estimated: bool = False


class MessageStart(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag="message_start", tag_field="type"):
    """
    Open the answer.
    """

    message_id: str | None = None
    provider_details: Mapping[str, Any] | None = None


class TextDelta(msgspec.Struct, frozen=True, gc=False, tag="text_delta", tag_field="type"):
    """
    Add text to content block `index`. Neighbouring deltas of one block may be merged.
    """

    text: str
    index: int = 0
    provider_details: Mapping[str, Any] | None = None


class ReasoningDelta(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag="reasoning_delta", tag_field="type"):
    """
    Add reasoning to content block `index`: text, then its signature, or one redacted block (base64, opaque).
    """

    text: str = ""
    index: int = 0
    signature: str | None = None
    redacted: str | None = None


class ToolUseStart(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag="tool_use_start", tag_field="type"):
    """
    Open a tool call in content block `index`.
    """

    index: int
    tool_use_id: str
    name: str


class ToolUseDelta(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag="tool_use_delta", tag_field="type"):
    """
    Add a fragment to the JSON arguments of the tool call in block `index`; concatenated, they are one document.
    """

    index: int
    input_json: str


class UsageReport(msgspec.Struct, frozen=True, gc=False, tag="usage", tag_field="type"):
    """
    Report token counts. A later report replaces an earlier one.
    """

    usage: Usage


class NativePayload(msgspec.Struct, frozen=True, gc=False, tag="native", tag_field="type"):
    """
    Hold one payload as the model wrote it, where a native body was asked for. The events that it means follow it.
    """

    payload: bytes


class AnswerContinued(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag="continued", tag_field="type"):
    """
    Mark the seam where a second call goes on with the answer of one that was lost.
    """

    reason: str


class MessageStop(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag="message_stop", tag_field="type"):
    """
    End the answer well. Nothing follows.
    """

    stop_reason: StopReason
    stop_sequence: str | None = None
    provider_details: Mapping[str, Any] | None = None


class StreamFailed(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag="failed", tag_field="type"):
    """
    End the answer badly. What came before is a true prefix; nothing follows.

    `code`, `status` and `retryable` are those of the error in `outcrop.errors`; `message` is written for a person.
    """

    code: str
    message: str
    status: int = 502
    retryable: bool = False
    retry_after_seconds: float | None = None
    aws_error: str | None = None
    aws_request_id: str | None = None


ContentEvent = TextDelta | ReasoningDelta | ToolUseStart | ToolUseDelta
TerminalEvent = MessageStop | StreamFailed
StreamEvent = MessageStart | ContentEvent | UsageReport | NativePayload | AnswerContinued | TerminalEvent


class LogEntry(msgspec.Struct, frozen=True, gc=False):
    """
    Place one event in its turn's log. `seq` counts from 1, without gaps; 0 means "before the first event".
    """

    seq: int
    event: StreamEvent
