"""
The emulator's book: what it was asked, what it gave, how each call ended. Other books are held against it.
"""

import hashlib
import itertools
import time
from collections import deque
from typing import Any, Literal

import msgspec

from outcrop.emulator.conversation import Answer

MAX_CALLS = 10_000


class Auth(msgspec.Struct, frozen=True, kw_only=True):
    """
    Say how a call was signed. `verified` is None where nothing was checked.
    """

    kind: Literal["sigv4", "bearer", "none"] = "none"
    access_key_id: str | None = None
    region: str | None = None
    verified: bool | None = None


class Emitted(msgspec.Struct, frozen=True):
    """
    Hold the text that left the emulator: itself, its SHA-256 and its length in characters.
    """

    text: str
    sha256: str
    length: int


class Call(msgspec.Struct, kw_only=True):
    """
    Hold one call. Filled in as the call goes on; `outcome` is None until it has ended.

    Outcomes: `completed`, `client_closed`, `fault:KIND`, `refused:NAME`, `upstream_failed` or `engine_failed` (what is
    recorded, or what answers, broke off), `stopped` (the emulator went down). `fault` is the kind of the fault that
    struck, also where the call completed in spite of it. Times ending in `_at` are Unix times; those ending in
    `_monotonic` are of the monotonic clock that all processes of this machine share.
    """

    call_id: int
    request_id: str
    operation: str
    model: str
    http_version: str
    started_at: float
    started_at_monotonic: float
    base_model: str | None = None
    attempt: str | None = None
    invocation_id: str | None = None
    auth: Auth = Auth()
    tokens_emitted: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    outcome: str | None = None
    fault: str | None = None
    finished_at: float | None = None
    client_closed_at: float | None = None
    client_closed_at_monotonic: float | None = None
    texts: list[str] = msgspec.field(default_factory=list)

    def end(self, outcome: str) -> None:
        """
        Note how the call ended, the first time that this is said.
        """
        if self.outcome is None:
            self.outcome = outcome
            self.finished_at = time.time()
            # One string takes a fraction of the memory of its pieces, and the book is long.
            self.texts = ["".join(self.texts)]

    def note_usage(self, answer: Answer) -> None:
        """
        Note the tokens that the answer will tell of.
        """
        self.input_tokens, self.output_tokens = answer.input_tokens, answer.output_tokens
        self.cache_read_tokens, self.cache_write_tokens = answer.cache_read_tokens, answer.cache_write_tokens

    def note_client_closed(self, at: float | None, at_monotonic: float | None) -> None:
        """
        Note when the client closed its end.
        """
        self.client_closed_at = at
        self.client_closed_at_monotonic = at_monotonic
        self.end("client_closed")

    def report(self) -> dict[str, Any]:
        """
        Return what `GET /_emulator/calls` says of this call.
        """
        closed_ms = None
        if self.client_closed_at_monotonic is not None:
            closed_ms = round((self.client_closed_at_monotonic - self.started_at_monotonic) * 1000, 3)
        members = {name: getattr(self, name) for name in self.__struct_fields__ if name not in _REPORTED_OTHERWISE}
        return members | {
            "text_emitted": _emitted("".join(self.texts)),
            "usage": {
                "input": self.input_tokens,
                "output": self.output_tokens,
                "cache_read": self.cache_read_tokens,
                "cache_write": self.cache_write_tokens,
            },
            "closed_by_client_ms_after_start": closed_ms,
        }


_REPORTED_OTHERWISE = frozenset({"texts", "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens"})


def _emitted(text: str) -> Emitted:
    return Emitted(text, hashlib.sha256(text.encode()).hexdigest(), len(text))


class Book:
    """
    Keep the last calls, oldest first.
    """

    def __init__(self) -> None:
        self._calls: deque[Call] = deque(maxlen=MAX_CALLS)
        self._numbers = itertools.count(1)

    def open_call(self, *, request_id: str, operation: str, model: str, http_version: str) -> Call:
        """
        Begin a call's entry; it is in the book from this moment.
        """
        call = Call(
            call_id=next(self._numbers),
            request_id=request_id,
            operation=operation,
            model=model,
            http_version=http_version,
            started_at=time.time(),
            started_at_monotonic=time.monotonic(),
        )
        self._calls.append(call)
        return call

    def report(self) -> dict[str, Any]:
        """
        Return the whole book.
        """
        return {"calls": [call.report() for call in self._calls]}

    def clear(self) -> None:
        """
        Forget all calls; those under way are forgotten too.
        """
        self._calls.clear()

    def __len__(self) -> int:
        return len(self._calls)
