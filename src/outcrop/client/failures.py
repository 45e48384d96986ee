"""
The one family of the client's errors.

ChatFailed                the gateway said why, with a code of its own
├── GatewayUnreachable    nobody could be reached in the time for reconnecting
├── GatewayRefused        the gateway does not let this client in
├── AnswerLost            the answer can't be gone on with after a drop
├── ProtocolViolated      what came is not the protocol
└── ClientClosed          the client was closed before the answer's end
"""

from outcrop.errors import OutcropError


class ChatFailed(OutcropError):
    """
    Say why an answer failed. `code` is stable and made for programs, `message` is a sentence for a person.

    `retryable` says whether the same prompt may succeed later, `retry_after_seconds` when, where the gateway said so.
    `text_so_far` is what of the answer had come: a true beginning of it.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        retryable: bool = False,
        retry_after_seconds: float | None = None,
        text_so_far: str = "",
    ) -> None:
        super().__init__(message, retry_after_seconds=retry_after_seconds)
        self.code = code  # type: ignore[misc]  # of this family alone, the code is the server's word
        self.retryable = retryable  # type: ignore[misc]  # as above
        self.text_so_far = text_so_far


class GatewayUnreachable(ChatFailed):
    """
    Say that nobody could be reached. `__cause__` is the last attempt's error.
    """


class GatewayRefused(ChatFailed):
    """
    Say that the gateway does not let this client in: a missing key, a wrong path.

    `status` is the HTTP status or the close code of the refusal, `body` what came with it.
    """

    def __init__(self, code: str, message: str, *, status: int, body: bytes = b"") -> None:
        super().__init__(code, message)
        self.status = status  # type: ignore[misc]  # as above
        self.body = body


class AnswerLost(ChatFailed):
    """
    Say that the gateway can't go on with an answer after a drop: it no longer has it, or has lost some of it.
    """


class ProtocolViolated(ChatFailed):
    """
    Say that what came, more than once, does not follow the protocol.
    """


class ClientClosed(ChatFailed):
    """
    Say that the client was closed before the answer's end.
    """
