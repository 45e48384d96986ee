"""
Bedrock's refusals: their names, their statuses, their words (docs/bedrock_wire.md §3, §3.3, §5.5).

How a refusal becomes an HTTP answer is in `answers`; what is checked is in the families and in `converse`.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

STATUSES: Mapping[str, int] = MappingProxyType(
    {
        "AccessDeniedException": 403,
        "ConflictException": 400,
        "ExpiredTokenException": 403,
        "IncompleteSignature": 400,
        "InternalFailure": 500,
        "InternalServerException": 500,
        "InvalidSignatureException": 403,
        "MissingAuthenticationTokenException": 403,
        "ModelErrorException": 424,
        "ModelNotReadyException": 429,
        "ModelStreamErrorException": 424,
        "ModelTimeoutException": 408,
        "RequestExpired": 400,
        "ResourceNotFoundException": 404,
        "ServiceQuotaExceededException": 400,
        "ServiceUnavailableException": 503,
        "ThrottlingException": 429,
        "UnknownOperationException": 404,
        "UnrecognizedClientException": 403,
        "ValidationException": 400,
        "overloaded_error": 529,
    }
)

MESSAGES: Mapping[str, str] = MappingProxyType(
    {
        "AccessDeniedException": "You don't have access to the model with the specified model ID.",
        "InternalServerException": "The system encountered an unexpected error. Try your request again.",
        "ModelErrorException": "The model failed to process the request.",
        "ModelNotReadyException": "Model is not ready for inference. Please wait and try your request again.",
        "ModelStreamErrorException": "An error occurred while the model streamed its answer.",
        "ModelTimeoutException": "The request took too long to process. Try your request again.",
        "ServiceQuotaExceededException": "Your request exceeds the service quota for your account.",
        "ServiceUnavailableException": "Bedrock is unable to process your request.",
        "ThrottlingException": "Too many tokens, please wait before trying again.",
        "overloaded_error": "Overloaded",
    }
)
EXTRAS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "ModelErrorException": {"originalStatusCode": 500, "resourceName": "emulator"},
        "ModelStreamErrorException": {"originalStatusCode": 500, "originalMessage": "the model's container failed"},
    }
)
"""
Further members of the bodies of some errors.
"""
UNKNOWN_MODEL = "The provided model identifier is invalid."


class Refusal(Exception):
    """
    Refuse a call in Bedrock's way: an AWS error's name, an HTTP status and a sentence.

    `extra` are further members of the JSON body, `retry_after_seconds` becomes headers.
    """

    def __init__(
        self,
        name: str,
        message: str | None = None,
        *,
        status: int | None = None,
        extra: Mapping[str, Any] | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        self.name = name
        self.status = STATUSES.get(name, 500) if status is None else status
        self.message = MESSAGES.get(name, "The request failed.") if message is None else message
        self.extra = EXTRAS.get(name, {}) if extra is None else extra
        self.retry_after_seconds = retry_after_seconds
        super().__init__(f"{self.name} ({self.status}): {self.message}")


def invalid(message: str) -> Refusal:
    """
    Return a ValidationException.
    """
    return Refusal("ValidationException", message)


def malformed(where: str, what: str) -> Refusal:
    """
    Return what Bedrock says of a native body that breaks its model's schema; `where` is a JSON pointer after `#`.
    """
    return invalid(f"Malformed input request: {where}: {what}, please reformat your input and try again.")


def constraint(path: str, what: str) -> Refusal:
    """
    Return what AWS says of a member that breaks a constraint of the service model.
    """
    return invalid(f"1 validation error detected: Value at '{path}' failed to satisfy constraint: {what}")


def needs_profile(model_id: str) -> Refusal:
    """
    Return the refusal of a bare model ID that can only be called through an inference profile.
    """
    return invalid(
        f"Invocation of model ID {model_id} with on-demand throughput isn't supported. Retry your request with the ID "
        "or ARN of an inference profile that contains this model."
    )


def too_many_tokens_requested(limit: int) -> Refusal:
    """
    Return the refusal of a maximum that is beyond the model's own.
    """
    return invalid(
        f"The maximum tokens you requested exceed the model limit of {limit}. Try again with a maximum tokens value "
        f"lower than {limit}."
    )
