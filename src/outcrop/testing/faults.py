"""
Fault rules as typed calls: each method adds one rule of `outcrop.emulator.faults`.
"""

from collections.abc import Callable
from typing import Any, Literal, TypedDict, Unpack

import msgspec

from outcrop.emulator.faults import (
    Corrupt,
    Cut,
    EndWithoutTerminal,
    ErrorMessage,
    ExceptionMessage,
    Fault,
    FaultBook,
    HttpError,
    Reset,
    Silence,
    Slow,
    parse_rule,
)


class Which(TypedDict, total=False):
    """
    Say which calls a fault strikes, and how often.

    Calls of a model (an ID or a glob), of an operation, the nth of these (from 1); without `times` always.
    """

    model: str
    operation: str
    nth: int
    times: int


class Faults:
    """
    Add fault rules to an emulator. Every method raises `InvalidRule` for a value that is out of its range.
    """

    def __init__(self, book: FaultBook, run_on_loop: Callable[[Callable[[], Any]], Any]) -> None:
        self._book = book
        self._run_on_loop = run_on_loop

    def add(self, fault: Fault, **which: Unpack[Which]) -> None:
        """
        Add a rule for any kind of fault.
        """
        match = {name: value for name, value in which.items() if name != "times"}
        # Encoded and parsed, because structs check their members' ranges only then.
        rule = parse_rule(msgspec.json.encode({"fault": fault, "match": match, "times": which.get("times")}))
        self._run_on_loop(lambda: self._book.add(rule))

    def throttle(self, *, retry_after: float | None = None, **which: Unpack[Which]) -> None:
        """
        Refuse calls with 429 ThrottlingException.
        """
        self.http_error("ThrottlingException", retry_after=retry_after, **which)

    def http_error(
        self,
        name: str,
        *,
        status: int | None = None,
        message: str | None = None,
        retry_after: float | None = None,
        **which: Unpack[Which],
    ) -> None:
        """
        Refuse calls with an exception. `status` may be left out for the names that AWS has.
        """
        self.add(HttpError(name=name, status=status, message=message, retry_after=retry_after), **which)

    def exception(
        self, name: str, *, after_tokens: int = 0, message: str | None = None, **which: Unpack[Which]
    ) -> None:
        """
        Send a modelled exception (`throttlingException`, …) inside the stream.
        """
        self.add(ExceptionMessage(name=name, after_tokens=after_tokens, message=message), **which)

    def error_message(self, code: str, message: str, *, after_tokens: int = 0, **which: Unpack[Which]) -> None:
        """
        Send an unmodelled error inside the stream.
        """
        self.add(ErrorMessage(code=code, message=message, after_tokens=after_tokens), **which)

    def corrupt(
        self, what: Literal["prelude", "message", "length"], *, after_tokens: int = 0, **which: Unpack[Which]
    ) -> None:
        """
        Damage one message of a stream.
        """
        self.add(Corrupt(what=what, after_tokens=after_tokens), **which)

    def cut(self, *, after_tokens: int | None = None, after_bytes: int | None = None, **which: Unpack[Which]) -> None:
        """
        Close the connection without the end that HTTP wants.
        """
        self.add(Cut(after_tokens=after_tokens, after_bytes=after_bytes), **which)

    def reset(self, *, after_tokens: int = 0, **which: Unpack[Which]) -> None:
        """
        Reset the connection.
        """
        self.add(Reset(after_tokens=after_tokens), **which)

    def silence(
        self,
        where: Literal["before_headers", "before_first_token", "after_tokens"],
        seconds: float,
        *,
        tokens: int = 0,
        **which: Unpack[Which],
    ) -> None:
        """
        Say nothing for a while.
        """
        self.add(Silence(where=where, seconds=seconds, tokens=tokens), **which)

    def end_without_terminal(self, *, after_tokens: int | None = None, **which: Unpack[Which]) -> None:
        """
        End the body well, without the messages that end an answer.
        """
        self.add(EndWithoutTerminal(after_tokens=after_tokens), **which)

    def slow(self, tokens_per_second: float, **which: Unpack[Which]) -> None:
        """
        Answer at another pace.
        """
        self.add(Slow(tokens_per_second=tokens_per_second), **which)

    def clear(self) -> None:
        """
        Drop all rules.
        """
        self._run_on_loop(self._book.clear)
