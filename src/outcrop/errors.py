"""
Every error that outcrop raises on purpose.

OutcropError
├── RequestError            the client's fault, or a limit that the client met
│   ├── NotAuthenticated · NotAllowed · UnknownModel · UnknownTurn · RequestTooLarge · TooManyRequests
│   ├── ChatBusy · DuplicateTurn · IdempotencyMismatch
│   └── Draining            this server is stopping; another one will serve
├── UpstreamError           Bedrock, or the way to it, said no
│   ├── UpstreamThrottled · UpstreamUnavailable · UpstreamUnreachable · UpstreamTimeout
│   ├── ModelNotAvailable · UpstreamRejected · UpstreamDenied · CredentialsMissing
│   └── UpstreamBroken · ModelFailed · StreamInterrupted
├── WireError               bad bytes
│   ├── InvalidMessage · ChecksumMismatch · MessageTooLarge · TruncatedStream
│   └── InvalidSignature
├── StoreError              a log or a store said no
│   └── LeaseLost · LogFull · PositionExpired · EpochChanged
└── SettingsError           the configuration is wrong; the server does not start

Each class has a stable `code` (part of the interface), an HTTP `status`, and says whether the same request may succeed
later (`retryable`). Messages are lower case, without a full stop, and say what was expected and what came. Only
`outcrop.dialects` turns errors into a client's bytes.
"""

from typing import ClassVar


class OutcropError(Exception):
    """
    Be the root of all errors; `str(error)` is a sentence for a person.
    """

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after_seconds = retry_after_seconds


class RequestError(OutcropError):
    """
    Refuse a request that can't be served as it stands.
    """

    code = "invalid_request"
    status = 400


class NotAuthenticated(RequestError):
    """
    Refuse a caller who did not say who they are, or not convincingly.
    """

    code = "not_authenticated"
    status = 401


class NotAllowed(RequestError):
    """
    Refuse something that this caller may not do.
    """

    code = "not_allowed"
    status = 403


class UnknownModel(RequestError):
    """
    Refuse a model name that stands for nothing.
    """

    code = "unknown_model"
    status = 404


class UnknownTurn(RequestError):
    """
    Refuse a turn that does not exist, or is another's: the two look the same.
    """

    code = "not_found"
    status = 404


class RequestTooLarge(RequestError):
    """
    Refuse input beyond a bound; the message names the bound.
    """

    code = "too_large"
    status = 413


class TooManyRequests(RequestError):
    """
    Refuse work beyond a limit of ours.
    """

    code = "rate_limited"
    status = 429
    retryable = True


class ChatBusy(RequestError):
    """
    Refuse a second turn in a chat whose turn still runs. `turn_id` names that one.
    """

    code = "already_active"
    status = 409
    retryable = True

    def __init__(self, message: str, *, turn_id: str) -> None:
        super().__init__(message)
        self.turn_id = turn_id


class DuplicateTurn(RequestError):
    """
    Say that an idempotency key has begun a turn before: `turn_id`. The turn service follows that one instead.
    """

    code = "duplicate"
    status = 409

    def __init__(self, message: str, *, turn_id: str) -> None:
        super().__init__(message)
        self.turn_id = turn_id


class IdempotencyMismatch(RequestError):
    """
    Refuse an idempotency key that was used for another request.
    """

    code = "idempotency_mismatch"
    status = 422


class Draining(RequestError):
    """
    Refuse new work because this server is stopping.
    """

    code = "draining"
    status = 503
    retryable = True


class UpstreamError(OutcropError):
    """
    Say that Bedrock failed. `aws_error` is the AWS exception's name, `aws_request_id` what AWS support asks for.

    `operator_detail` is what Bedrock said where that is not for clients (it names the gateway's own AWS identity); it
    goes to the log only.
    """

    code = "upstream_failed"
    status = 502

    def __init__(
        self,
        message: str,
        *,
        retry_after_seconds: float | None = None,
        aws_error: str | None = None,
        aws_request_id: str | None = None,
        operator_detail: str | None = None,
    ) -> None:
        super().__init__(message, retry_after_seconds=retry_after_seconds)
        self.aws_error = aws_error
        self.aws_request_id = aws_request_id
        self.operator_detail = operator_detail


class UpstreamThrottled(UpstreamError):
    """
    Say that the AWS account's quota is used up for the moment.
    """

    code = "throttled"
    status = 429
    retryable = True


class UpstreamUnavailable(UpstreamError):
    """
    Say that Bedrock has no capacity at the moment, or that the model is not loaded yet.
    """

    code = "upstream_unavailable"
    status = 503
    retryable = True


class UpstreamUnreachable(UpstreamError):
    """
    Say that no connection to Bedrock could be made in this region.
    """

    code = "upstream_unreachable"
    status = 503
    retryable = True


class UpstreamTimeout(UpstreamError):
    """
    Say which deadline passed: connect, first byte, silence between events, or the whole turn.
    """

    code = "deadline_exceeded"
    status = 504
    retryable = True


class ModelNotAvailable(UpstreamError):
    """
    Say that the model ID means nothing in this region, or that the account has no access to it.
    """

    code = "model_not_available"
    status = 404


class UpstreamRejected(UpstreamError):
    """
    Say that Bedrock found the request invalid.
    """

    code = "upstream_rejected"
    status = 400


class UpstreamDenied(UpstreamError):
    """
    Say that the gateway's own AWS identity was refused.
    """

    code = "upstream_denied"
    status = 502


class CredentialsMissing(UpstreamError):
    """
    Say that the gateway has no usable AWS credentials.
    """

    code = "credentials_missing"
    status = 503


class UpstreamBroken(UpstreamError):
    """
    Say that Bedrock failed inside; the request itself may be fine.
    """

    code = "upstream_broken"
    status = 502
    retryable = True


class ModelFailed(UpstreamError):
    """
    Say that the model itself broke while it answered.
    """

    code = "model_failed"
    status = 502
    retryable = True


class StreamInterrupted(UpstreamError):
    """
    Say that the answer ended before its terminal event; what came before is a true prefix.
    """

    code = "stream_interrupted"
    status = 502
    retryable = True


class WireError(OutcropError):
    """
    Say that bytes do not follow their format.
    """

    code = "wire_error"
    status = 502


class InvalidMessage(WireError):
    """
    Say that an event-stream message, or what is in it, is malformed.
    """

    code = "invalid_message"


class ChecksumMismatch(WireError):
    """
    Say that a CRC does not fit its bytes.
    """

    code = "checksum_mismatch"


class MessageTooLarge(WireError):
    """
    Say that a message is longer than its bound.
    """

    code = "message_too_large"


class TruncatedStream(WireError):
    """
    Say that the bytes ended inside a message.
    """

    code = "truncated_stream"


class InvalidSignature(WireError):
    """
    Say that a SigV4 signature is missing, malformed, too old or wrong.
    """

    code = "invalid_signature"
    status = 403


class StoreError(OutcropError):
    """
    Say that a store refused or failed.
    """

    code = "storage"
    status = 503
    retryable = True


class LeaseLost(StoreError):
    """
    Say that this writer is no longer the one that may append.
    """

    code = "lease_lost"


class LogFull(StoreError):
    """
    Say that an answer outgrew the bound of its log.
    """

    code = "answer_too_large"
    retryable = False


class PositionExpired(StoreError):
    """
    Say that a reader's position is no longer in the log.
    """

    code = "expired"
    status = 410
    retryable = False


class EpochChanged(StoreError):
    """
    Say that the log has lost entries, so that a reader's position means nothing any more.
    """

    code = "epoch_changed"
    status = 410
    retryable = False


class SettingsError(OutcropError):
    """
    Say which setting is wrong, its value, and what is allowed.
    """

    code = "invalid_settings"
