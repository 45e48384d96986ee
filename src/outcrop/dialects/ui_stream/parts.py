"""
The parts of the UI message stream that this server sends, as the npm package `ai` (version 7) reads them.

Each is one JSON object with a `type`. A fact that is not known is left out. What the standard leaves open (metadata,
`data-*` parts, `providerMetadata` under `bedrock`) is ours; docs/protocol.md says what it means.
"""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

FinishReason = Literal["stop", "length", "content-filter", "tool-calls", "error", "other"]


class _Camel(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """
    Be an object with names in camel case, without what is not known.
    """


class _Part(_Camel, frozen=True, kw_only=True, tag_field="type"):
    """
    Be an object that names its type.
    """


class BedrockMetadata(_Camel, frozen=True, kw_only=True):
    """
    Say what Bedrock says of a part: a reasoning's `signature` or its encrypted text, or a citation as it came.
    """

    signature: str | None = None
    redacted_data: str | None = None
    citation: Any = None


class ProviderMetadata(_Camel, frozen=True, kw_only=True):
    """
    Keep `providerMetadata` under the provider's name.
    """

    bedrock: BedrockMetadata


class UsageCounts(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """
    Count tokens. `inputTokens` excludes the prompt cache; `estimated` marks counts that Bedrock did not report.
    """

    input_tokens: int
    output_tokens: int
    reasoning_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    estimated: bool


class MessageMetadata(_Camel, frozen=True, kw_only=True):
    """
    Say what is known of an answer: `turnId`, `model` (as the client wrote it) and `region` from its start.

    `replicaOnly` says that only this server knows the turn, because the store of the turn log is down.

    `bedrock` holds, opaque, what the model's family says that has no field here.
    """

    turn_id: str | None = None
    model: str | None = None
    region: str | None = None
    replica_only: bool | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    usage: UsageCounts | None = None
    ttft_ms: int | None = None
    duration_ms: int | None = None
    cost_usd: float | None = None
    bedrock: Mapping[str, Any] | None = None


class Start(_Part, frozen=True, kw_only=True, tag="start"):
    """
    Open the message. It is sent at once, before Bedrock has said anything.
    """

    message_id: str
    message_metadata: MessageMetadata


class StartStep(_Part, frozen=True, kw_only=True, tag="start-step"):
    """
    Say that the model answers now.
    """


class FinishStep(_Part, frozen=True, kw_only=True, tag="finish-step"):
    """
    Say that the model has answered.
    """


class TextStart(_Part, frozen=True, kw_only=True, tag="text-start"):
    """
    Open a text.
    """

    id: str


class TextPiece(_Part, frozen=True, kw_only=True, tag="text-delta"):
    """
    Add to a text.
    """

    id: str
    delta: str


class TextEnd(_Part, frozen=True, kw_only=True, tag="text-end"):
    """
    Close a text.
    """

    id: str


class ReasoningStart(_Part, frozen=True, kw_only=True, tag="reasoning-start"):
    """
    Open a piece of reasoning.
    """

    id: str


class ReasoningPiece(_Part, frozen=True, kw_only=True, tag="reasoning-delta"):
    """
    Add to a piece of reasoning.
    """

    id: str
    delta: str


class ReasoningEnd(_Part, frozen=True, kw_only=True, tag="reasoning-end"):
    """
    Close a piece of reasoning, with what must go back to the model unmodified.
    """

    id: str
    provider_metadata: ProviderMetadata | None = None


class ToolInputStart(_Part, frozen=True, kw_only=True, tag="tool-input-start"):
    """
    Open a call of a tool.
    """

    tool_call_id: str
    tool_name: str


class ToolInputPiece(_Part, frozen=True, kw_only=True, tag="tool-input-delta"):
    """
    Add to the JSON text of a call's arguments.
    """

    tool_call_id: str
    input_text_delta: str


class ToolInputAvailable(_Part, frozen=True, kw_only=True, tag="tool-input-available"):
    """
    Close a call with its complete arguments.
    """

    tool_call_id: str
    tool_name: str
    input: Mapping[str, Any]


class ToolInputError(_Part, frozen=True, kw_only=True, tag="tool-input-error"):
    """
    Close a call whose arguments are not one JSON object; `input` is their text as it came.
    """

    tool_call_id: str
    tool_name: str
    input: str
    error_text: str


class SourceUrl(_Part, frozen=True, kw_only=True, tag="source-url"):
    """
    Name a web page that the answer cites.
    """

    source_id: str
    url: str
    title: str | None = None
    provider_metadata: ProviderMetadata | None = None


class SourceDocument(_Part, frozen=True, kw_only=True, tag="source-document"):
    """
    Name a document of the prompt that the answer cites.
    """

    source_id: str
    media_type: str
    title: str
    provider_metadata: ProviderMetadata | None = None


class Citation(_Camel, frozen=True, kw_only=True):
    """
    Hold a citation that is neither of a web page nor of a document, as it came.
    """

    index: int
    citation: Any


class DataCitation(_Part, frozen=True, kw_only=True, tag="data-citation"):
    """
    Carry a citation that has no part of its own.
    """

    data: Citation


class BedrockDetails(_Camel, frozen=True, kw_only=True):
    """
    Hold what a model said in content block `index` that has no part of its own, as it came.
    """

    index: int
    details: Mapping[str, Any]


class DataBedrock(_Part, frozen=True, kw_only=True, tag="data-bedrock"):
    """
    Carry content that has no part of its own: tools that Bedrock runs itself, images, blocks of new kinds.
    """

    data: BedrockDetails


class Seam(_Camel, frozen=True, kw_only=True):
    """
    Say why another server continues the answer.
    """

    reason: str


class DataSeam(_Part, frozen=True, kw_only=True, tag="data-seam"):
    """
    Mark the place where another server continued the answer: the model was asked again with what it had said so far.
    """

    data: Seam


class ErrorDetails(_Camel, frozen=True, kw_only=True):
    """
    Say what went wrong, for a program. `retryable`: the same request may succeed later.
    """

    code: str
    message: str
    retryable: bool = msgspec.field()
    retry_after_ms: int | None = None
    aws_error: str | None = None
    aws_request_id: str | None = None


class DataError(_Part, frozen=True, kw_only=True, tag="data-error"):
    """
    Come just before the standard `error` part. It is transient: it does not become a part of the message.
    """

    data: ErrorDetails
    transient: bool = msgspec.field()


class ErrorPart(_Part, frozen=True, kw_only=True, tag="error"):
    """
    End the stream badly. Nothing follows.
    """

    error_text: str


class Abort(_Part, frozen=True, kw_only=True, tag="abort"):
    """
    End the stream because a client asked us to stop. Nothing follows.
    """

    reason: str


class MetadataPart(_Part, frozen=True, kw_only=True, tag="message-metadata"):
    """
    Add to the message's metadata: what Bedrock says at the start, and the bill of an answer that ends without `finish`.
    """

    message_metadata: MessageMetadata


class Finish(_Part, frozen=True, kw_only=True, tag="finish"):
    """
    End the stream well. Nothing follows.
    """

    finish_reason: FinishReason
    message_metadata: MessageMetadata


UiPart = (
    Start
    | StartStep
    | FinishStep
    | TextStart
    | TextPiece
    | TextEnd
    | ReasoningStart
    | ReasoningPiece
    | ReasoningEnd
    | ToolInputStart
    | ToolInputPiece
    | ToolInputAvailable
    | ToolInputError
    | SourceUrl
    | SourceDocument
    | DataCitation
    | DataBedrock
    | DataSeam
    | DataError
    | ErrorPart
    | Abort
    | MetadataPart
    | Finish
)
"""
Every part that this server sends.
"""
