"""
How a turn can end: an error becomes a terminal event, a terminal event an outcome in the ledger.
"""

import structlog

from outcrop.errors import OutcropError, UpstreamError
from outcrop.turns.records import state_after
from outcrop.types import StreamFailed, TerminalEvent, Usage

logger = structlog.get_logger(__name__)


def to_failure(error: BaseException) -> StreamFailed:
    """
    Turn an error into the terminal event that tells of it; what is not ours is called internal and not shown.
    """
    if not isinstance(error, OutcropError):
        return StreamFailed(code="internal", message="internal error; the server's log has the details", status=500)
    upstream = error if isinstance(error, UpstreamError) else None
    return StreamFailed(
        code=error.code,
        message=error.message,
        status=error.status,
        retryable=error.retryable,
        retry_after_seconds=error.retry_after_seconds,
        aws_error=upstream.aws_error if upstream else None,
        aws_request_id=upstream.aws_request_id if upstream else None,
    )


def to_interruption(message: str) -> StreamFailed:
    """
    Make the terminal event of a turn that the server ended, not the client and not Bedrock.
    """
    return StreamFailed(code="interrupted", message=message, status=503, retryable=True)


def log_end(turn_id: str, model_id: str, terminal: TerminalEvent | None, usage: Usage) -> None:
    """
    Write to the log that a turn ended, how, and what it used.
    """
    logger.info(
        "turn ended",
        turn_id=turn_id,
        model_id=model_id,
        outcome=state_after(terminal) if terminal else "unknown",
        code=getattr(terminal, "code", None),
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        estimated=usage.estimated,
    )


def log_failure(turn_id: str, error: BaseException) -> None:
    """
    Write to the log what the operator should know of a failed call and the client should not.
    """
    if not isinstance(error, OutcropError):
        logger.error("turn failed on an internal error", turn_id=turn_id, exc_info=error)
    elif isinstance(error, UpstreamError) and error.operator_detail:
        logger.error(
            "Bedrock refused the gateway",
            turn_id=turn_id,
            aws_error=error.aws_error,
            aws_request_id=error.aws_request_id,
            detail=error.operator_detail,
        )
