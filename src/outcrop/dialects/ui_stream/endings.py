"""
The last parts of a UI message stream: `finish`, `abort`, or `error` with what a program needs to know of it.
"""

from collections.abc import Mapping

import msgspec

from outcrop.dialects.ui_stream.parts import (
    Abort,
    DataError,
    ErrorDetails,
    ErrorPart,
    Finish,
    FinishReason,
    FinishStep,
    MessageMetadata,
    MetadataPart,
    UiPart,
    UsageCounts,
)
from outcrop.types import MessageStop, StopReason, StreamFailed, TerminalEvent, Usage

FINISH_REASONS: Mapping[StopReason, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "context_window_exceeded": "length",
    "tool_use": "tool-calls",
    "refusal": "content-filter",
    "content_filtered": "content-filter",
    "guardrail_intervened": "content-filter",
    "malformed_output": "error",
    "pause_turn": "other",
    "other": "other",
}
"""
How the standard calls our reasons; `stopped` is an `abort` there. The exact one is in the metadata.
"""

STOPPED = "stopped by the client"


class UiStreamClosing(msgspec.Struct, frozen=True, kw_only=True):
    """
    Say what a finished turn took; None is "not known".
    """

    usage: Usage | None = None
    duration_ms: int | None = None
    ttft_ms: int | None = None
    cost_usd: float | None = None


def render_ending(
    terminal: TerminalEvent, metadata: MessageMetadata, closing: UiStreamClosing, *, has_step: bool
) -> list[UiPart]:
    """
    List the parts that end a stream whose blocks are closed. `metadata` names the turn; the bill is added to it.
    """
    billed = msgspec.structs.replace(
        metadata,
        usage=_to_counts(closing.usage) if closing.usage else None,
        ttft_ms=closing.ttft_ms,
        duration_ms=closing.duration_ms,
        cost_usd=closing.cost_usd,
    )
    if isinstance(terminal, StreamFailed):
        return [MetadataPart(message_metadata=billed), *fail(terminal)]
    return _stop(terminal, billed, has_step=has_step)


def _stop(terminal: MessageStop, billed: MessageMetadata, *, has_step: bool) -> list[UiPart]:
    stopped = msgspec.structs.replace(
        billed,
        stop_reason=terminal.stop_reason,
        stop_sequence=terminal.stop_sequence,
        bedrock=terminal.provider_details,
    )
    step: list[UiPart] = [FinishStep()] if has_step else []
    if terminal.stop_reason == "stopped":
        return [*step, MetadataPart(message_metadata=stopped), Abort(reason=STOPPED)]
    return [*step, Finish(finish_reason=FINISH_REASONS[terminal.stop_reason], message_metadata=stopped)]


def fail(failure: StreamFailed) -> list[UiPart]:
    """
    List the parts that tell of a failure: one for a program, one for a person.
    """
    return [DataError(data=to_error_details(failure), transient=True), ErrorPart(error_text=failure.message)]


def to_error_details(failure: StreamFailed) -> ErrorDetails:
    """
    Say what went wrong, for a program.
    """
    seconds = failure.retry_after_seconds
    return ErrorDetails(
        code=failure.code,
        message=failure.message,
        retryable=failure.retryable,
        retry_after_ms=None if seconds is None else round(seconds * 1000),
        aws_error=failure.aws_error,
        aws_request_id=failure.aws_request_id,
    )


def _to_counts(usage: Usage) -> UsageCounts:
    return UsageCounts(**msgspec.structs.asdict(usage))
