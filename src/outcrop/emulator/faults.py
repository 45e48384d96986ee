"""
Faults on command: rules that say which calls go wrong, and how (`POST /_emulator/faults`).

Only the rules are here; `delivery` carries them out. A fault "after k tokens" strikes when k tokens have gone out,
before the next message; where an answer is shorter it strikes before the terminal messages, so it never misses.
"""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Annotated, Any, Literal

import msgspec

from outcrop.emulator.rules.refusals import STATUSES

OPERATIONS = (
    "InvokeModel",
    "InvokeModelWithResponseStream",
    "Converse",
    "ConverseStream",
    "CountTokens",
    "ListFoundationModels",
    "GetFoundationModel",
    "ListInferenceProfiles",
    "GetInferenceProfile",
)
STREAMING_OPERATIONS = frozenset({"InvokeModelWithResponseStream", "ConverseStream"})
Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z_]{1,64}$")]
Tokens = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=86_400)]
MAX_RULES = 1_000


class _Fault(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", omit_defaults=True
):
    """
    Be the root of all faults.
    """

    @property
    def kind(self) -> str:
        """
        The fault's name in rules.
        """
        return str(self.__struct_config__.tag)


class HttpError(_Fault, frozen=True, kw_only=True, tag="http_error"):
    """
    Answer with an HTTP error instead. `status` may be left out for the names that AWS has.
    """

    name: Name
    status: Annotated[int, msgspec.Meta(ge=400, le=599)] | None = None
    message: str | None = None
    retry_after: Seconds | None = None


class ExceptionMessage(_Fault, frozen=True, kw_only=True, tag="exception"):
    """
    Send an exception in the midst of the stream, then end it.
    """

    name: Name
    after_tokens: Tokens = 0
    message: str | None = None


class ErrorMessage(_Fault, frozen=True, kw_only=True, tag="error_message"):
    """
    Send an unmodelled error in the midst of the stream, then end it.
    """

    code: str
    message: str
    after_tokens: Tokens = 0


class Corrupt(_Fault, frozen=True, kw_only=True, tag="corrupt"):
    """
    Damage one message (its prelude's CRC, its own CRC, or its length) and go on as if nothing had happened.
    """

    what: Literal["prelude", "message", "length"]
    after_tokens: Tokens = 0


class Cut(_Fault, frozen=True, kw_only=True, tag="cut"):
    """
    Close the connection without HTTP's end, after that many bytes of the body or tokens.
    """

    after_bytes: Tokens | None = None
    after_tokens: Tokens | None = None


class Reset(_Fault, frozen=True, kw_only=True, tag="reset"):
    """
    Reset the connection.
    """

    after_tokens: Tokens = 0


class Silence(_Fault, frozen=True, kw_only=True, tag="silence"):
    """
    Say nothing for a while. `tokens` is for `after_tokens` only.
    """

    where: Literal["before_headers", "before_first_token", "after_tokens"]
    seconds: Seconds
    tokens: Tokens = 0


class EndWithoutTerminal(_Fault, frozen=True, kw_only=True, tag="end_without_terminal"):
    """
    End the body as HTTP says, without the messages that end an answer; None is after all tokens.
    """

    after_tokens: Tokens | None = None


class Slow(_Fault, frozen=True, kw_only=True, tag="slow"):
    """
    Answer at another pace.
    """

    tokens_per_second: Annotated[float, msgspec.Meta(gt=0, le=1_000_000)]


Fault = HttpError | ExceptionMessage | ErrorMessage | Corrupt | Cut | Reset | Silence | EndWithoutTerminal | Slow
_OF_STREAMS = (ExceptionMessage, ErrorMessage, Corrupt, EndWithoutTerminal)
_KINDS: Mapping[str, type[_Fault]] = MappingProxyType(
    {str(kind.__struct_config__.tag): kind for kind in Fault.__args__}
)


class Match(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """
    Say which calls: all, or those of a model (an ID or a glob), of an operation, or only the nth of these (from 1).
    """

    model: str | None = None
    operation: Literal[OPERATIONS] | None = None  # type: ignore[valid-type]  # a tuple of names, spelled once
    nth: Annotated[int, msgspec.Meta(ge=1)] | None = None


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """
    Hold one rule; `times` is how often it strikes, always if it is None.
    """

    fault: Fault
    match: Match = Match()
    times: Annotated[int, msgspec.Meta(ge=1)] | None = None


class InvalidRule(Exception):
    """
    Say what is wrong with a rule, and what is allowed.
    """


def parse_rule(body: bytes) -> Rule:
    """
    Parse a rule.

    Raises:
        InvalidRule: it is none; the message names the member and what it may be.
    """
    try:
        rule = msgspec.json.decode(body, type=Rule)
    except msgspec.DecodeError as error:
        raise InvalidRule(f"{_lower(str(error))}; {_allowed(body)}") from error
    if isinstance(rule.fault, HttpError) and rule.fault.status is None and rule.fault.name not in STATUSES:
        raise InvalidRule(f"http_error {rule.fault.name!r} needs a status; without one: {', '.join(sorted(STATUSES))}")
    if isinstance(rule.fault, Cut) and rule.fault.after_bytes is not None and rule.fault.after_tokens is not None:
        raise InvalidRule("cut has after_bytes and after_tokens, expected one of them")
    return rule


def _lower(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]


def _allowed(body: bytes) -> str:
    """
    Return a sentence that says what could stand where a rule is wrong.
    """
    try:
        fault: Any = msgspec.json.decode(body).get("fault", {})
        kind = _KINDS.get(fault.get("kind"))
    except (msgspec.DecodeError, AttributeError, TypeError):
        kind = None
    if kind is None:
        return f"a rule has fault, match and times; fault.kind is one of {', '.join(_KINDS)}"
    return f"{kind.__struct_config__.tag} takes {_describe(kind)}; match takes {_describe(Match)}"


def _describe(struct: type[msgspec.Struct]) -> str:
    """
    Return a struct's members, with the values of those that have a choice.
    """
    described = msgspec.inspect.type_info(struct)
    assert isinstance(described, msgspec.inspect.StructType)
    return ", ".join(f"{field.encode_name}{_choices(field.type)}" for field in described.fields)


def _choices(kind: msgspec.inspect.Type) -> str:
    alternatives = kind.types if isinstance(kind, msgspec.inspect.UnionType) else (kind,)
    values = [
        str(value) for one in alternatives if isinstance(one, msgspec.inspect.LiteralType) for value in one.values
    ]
    return f" ({', '.join(values)})" if values else ""


class FaultBook:
    """
    Keep the rules, count the calls that they match, and give each call its fault.
    """

    def __init__(self) -> None:
        self._rules: list[_Counted] = []

    def add(self, rule: Rule) -> int:
        """
        Add a rule and return its number; older rules come first.

        Raises:
            InvalidRule: there are too many.
        """
        if len(self._rules) >= MAX_RULES:
            raise InvalidRule(f"there are {MAX_RULES} rules already, clear them first")
        self._rules.append(_Counted(rule))
        return len(self._rules)

    def clear(self) -> None:
        """
        Drop all rules.
        """
        self._rules.clear()

    def report(self) -> dict[str, Any]:
        """
        Return what `GET /_emulator/faults` says.
        """
        return {
            "faults": [
                {**msgspec.to_builtins(counted.rule), "matched": counted.matched, "fired": counted.fired}
                for counted in self._rules
            ]
        }

    def strike(self, operation: str, *models: str) -> Fault | None:
        """
        Count a call of a model, known by any of these IDs, and return the fault that it gets.

        Faults that only a stream can have pass over all other operations.
        """
        struck: Fault | None = None
        for counted in self._rules:
            if isinstance(counted.rule.fault, _OF_STREAMS) and operation not in STREAMING_OPERATIONS:
                continue
            if not counted.counts(operation, models):
                continue
            if struck is None and counted.is_due():
                counted.fired += 1
                struck = counted.rule.fault
        return struck


class _Counted:
    """
    Hold a rule, how many calls it matched, and how often it struck.
    """

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.matched = 0
        self.fired = 0

    def counts(self, operation: str, models: tuple[str, ...]) -> bool:
        match = self.rule.match
        if match.operation not in {None, operation}:
            return False
        if match.model is not None and not any(fnmatchcase(model, match.model) for model in models):
            return False
        self.matched += 1
        return True

    def is_due(self) -> bool:
        if self.rule.match.nth not in {None, self.matched}:
            return False
        return self.rule.times is None or self.fired < self.rule.times
