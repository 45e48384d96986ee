"""
Account quotas: requests and tokens per minute, tokens per day, per model and region (docs/bedrock_wire.md §9).

A call reserves its input and the most that it may answer, and gets back what it did not use. Buckets are filled evenly
over their minute or day. Nothing here reads a clock of its own. What the service counts for refused calls is not known;
here they cost nothing.
"""

from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Annotated, Any

import msgspec

from outcrop.emulator.book import Call
from outcrop.emulator.rules.refusals import Refusal

TOO_MANY_REQUESTS = "Too many requests, please wait before trying again."
TOO_MANY_TOKENS = "Too many tokens, please wait before trying again."
TOO_MANY_TOKENS_TODAY = "Too many tokens per day, please wait before trying again."
MAX_QUOTAS = 1_000
MAX_BUCKETS = 10_000
_MINUTE_SECONDS = 60.0
_DAY_SECONDS = 86_400.0
_MAXIMA = ("max_tokens", "max_completion_tokens", "max_gen_len", "maxTokens", "maxTokenCount")
_NESTED = ("inferenceConfig", "textGenerationConfig")

Amount = Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000_000)]


class InvalidQuota(Exception):
    """
    Say what is wrong with a quota, and what is allowed.
    """


class Quota(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Hold what a model (an ID or a glob) may use; what is None is unlimited.

    Args:
        output_burn: how many tokens of the quota one token of an answer costs; 5 for recent Claude models.
    """

    model: Annotated[str, msgspec.Meta(min_length=1, max_length=2048)] = "*"
    requests_per_minute: Amount | None = None
    tokens_per_minute: Amount | None = None
    tokens_per_day: Amount | None = None
    output_burn: Annotated[float, msgspec.Meta(gt=0, le=1_000)] = 1.0

    def applies_to(self, *names: str) -> bool:
        """
        Say whether the quota is one of a model, known by any of these IDs.
        """
        return any(fnmatchcase(name, self.model) for name in names)


class _Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    Hold what `PUT /_emulator/quotas` takes.
    """

    quotas: list[Quota]


def parse_quotas(body: bytes) -> list[Quota]:
    """
    Parse the body of `PUT /_emulator/quotas`.

    Raises:
        InvalidQuota: it is none; the message says what it may be.
    """
    try:
        return msgspec.json.decode(body, type=_Document).quotas
    except msgspec.DecodeError as error:
        reason = str(error)
        raise InvalidQuota(
            f"{reason[:1].lower()}{reason[1:]}; expected quotas, a list of objects with {', '.join(_MEMBERS)}"
        ) from error


_MEMBERS = Quota.__struct_fields__


def parse_quota_option(text: str) -> Quota:
    """
    Parse `MODEL=RPM,TPM`; either number may be left out.

    Raises:
        InvalidQuota: it is not of that form.
    """
    model, separator, limits = text.rpartition("=")
    parts = limits.split(",")
    numbers = [part.strip() for part in parts]
    is_wrong = any(part and not (part.isascii() and part.isdecimal()) for part in numbers)
    if not separator or not model or len(parts) > 2 or is_wrong or not any(numbers):
        raise InvalidQuota(f"quota is {text!r}, expected MODEL=REQUESTS_PER_MINUTE,TOKENS_PER_MINUTE")
    requests, tokens = (int(part) if part else None for part in (*numbers, "")[:2])
    quota = Quota(model=model, requests_per_minute=requests, tokens_per_minute=tokens)
    try:
        return msgspec.convert(msgspec.to_builtins(quota), Quota)
    except msgspec.ValidationError as error:
        raise InvalidQuota(f"quota {text!r}: {str(error).lower()}") from error


def require_distinct(quotas: list[Quota]) -> tuple[Quota, ...]:
    """
    Return the quotas as they are.

    Raises:
        InvalidQuota: there are too many, or two for the same model.
    """
    if len(quotas) > MAX_QUOTAS:
        raise InvalidQuota(f"there are {len(quotas)} quotas, limit is {MAX_QUOTAS}")
    models = [quota.model for quota in quotas]
    twice = next((model for model in models if models.count(model) > 1), None)
    if twice is not None:
        raise InvalidQuota(f"there are several quotas for {twice!r}, expected one")
    return tuple(quotas)


def states_max_tokens(body: Mapping[str, Any]) -> bool:
    """
    Say whether a request's body, of any operation and family, names the longest answer that it wants.
    """
    places = [body, *(body[name] for name in _NESTED if isinstance(body.get(name), dict))]
    return any(place.get(name) is not None for place in places for name in _MAXIMA)


class Bucket:
    """
    Hold an amount that comes back evenly, up to its capacity. Settling may take it below nothing.
    """

    __slots__ = ("_capacity", "_filled_at", "_level", "_per_second")

    def __init__(self, capacity: float, period_seconds: float, now: float) -> None:
        self._capacity = capacity
        self._per_second = capacity / period_seconds
        self._level = capacity
        self._filled_at = now

    def level(self, now: float) -> float:
        """
        Return what is there.
        """
        passed = max(0.0, now - self._filled_at)
        self._level = min(self._capacity, self._level + passed * self._per_second)
        self._filled_at = max(now, self._filled_at)
        return self._level

    def take(self, amount: float, now: float) -> None:
        """
        Take an amount, whether or not it is there; a negative one is given back.
        """
        self._level = min(self._capacity, self.level(now) - amount)


class _Account(msgspec.Struct, frozen=True):
    """
    Hold the buckets of one quota for one model in one region.
    """

    quota: Quota
    requests: Bucket | None
    tokens: Bucket | None
    daily: Bucket | None

    @classmethod
    def open(cls, quota: Quota, now: float) -> "_Account":
        """
        Return full buckets for what is limited.
        """

        def bucket(amount: int | None, period: float) -> Bucket | None:
            return None if amount is None else Bucket(amount, period, now)

        return cls(
            quota,
            bucket(quota.requests_per_minute, _MINUTE_SECONDS),
            bucket(quota.tokens_per_minute, _MINUTE_SECONDS),
            bucket(quota.tokens_per_day, _DAY_SECONDS),
        )

    def report(self, now: float) -> dict[str, int]:
        """
        Return what is left of each limit.
        """
        left = (("requests", self.requests), ("tokens", self.tokens), ("tokens_today", self.daily))
        return {name: int(bucket.level(now)) for name, bucket in left if bucket is not None}


class Reservation:
    """
    Hold what a call has reserved. `settle` must be called once, when it has ended.
    """

    def __init__(self, account: _Account, reserved: int, clock: Callable[[], float]) -> None:
        self._account = account
        self._reserved = reserved
        self._clock = clock

    def settle(self, call: Call) -> None:
        """
        Give back what a call did not use, and take what it used beyond that.

        Reads from the cache are given back. Of an answer that broke off, what went out counts.
        """
        output = call.output_tokens if call.outcome == "completed" else call.tokens_emitted
        used = call.input_tokens + call.cache_write_tokens + output * self._account.quota.output_burn
        now = self._clock()
        for bucket in (self._account.tokens, self._account.daily):
            if bucket is not None:
                bucket.take(used - self._reserved, now)


class QuotaBook:
    """
    Keep the quotas and what is left of them. There are none at first.

    Args:
        clock: returns seconds, never less than before.
    """

    def __init__(self, clock: Callable[[], float], quotas: tuple[Quota, ...] = ()) -> None:
        self._clock = clock
        self._quotas = list(quotas)
        self._accounts: dict[tuple[str, str], _Account] = {}

    @property
    def is_on(self) -> bool:
        """
        Whether there is any quota.
        """
        return bool(self._quotas)

    def replace(self, quotas: list[Quota]) -> None:
        """
        Let these quotas hold and no others; all buckets are full again.

        Raises:
            InvalidQuota: there are too many, or two for the same model.
        """
        require_distinct(quotas)
        self._quotas = list(quotas)
        self._accounts.clear()

    def clear(self) -> None:
        """
        Drop all quotas.
        """
        self.replace([])

    def report(self) -> dict[str, Any]:
        """
        Return what `GET /_emulator/quotas` says.
        """
        now = self._clock()
        return {
            "quotas": msgspec.to_builtins(self._quotas),
            "left": [
                {"region": region, "model": model} | account.report(now)
                for (region, model), account in self._accounts.items()
            ],
        }

    def admit(self, region: str, model: str, base_id: str, tokens: int) -> Reservation | None:
        """
        Reserve one request and that many tokens; None where no quota applies.

        A model through a profile (`model` as it was called) has other buckets than by its base ID.

        Raises:
            Refusal: a quota does not allow it; nothing was taken.
        """
        account = self._account(region, model, base_id)
        if account is None:
            return None
        now = self._clock()
        for bucket, wanted, words in (
            (account.requests, 1, TOO_MANY_REQUESTS),
            (account.tokens, tokens, TOO_MANY_TOKENS),
            (account.daily, tokens, TOO_MANY_TOKENS_TODAY),
        ):
            if bucket is not None and bucket.level(now) < wanted:
                raise Refusal("ThrottlingException", words)
        for bucket, wanted in ((account.requests, 1), (account.tokens, tokens), (account.daily, tokens)):
            if bucket is not None:
                bucket.take(wanted, now)
        return Reservation(account, tokens, self._clock)

    def _account(self, region: str, model: str, base_id: str) -> _Account | None:
        name = model.rpartition("/")[2]
        # An application profile's opaque ID says nothing of its model.
        name = name if name.endswith(base_id) else base_id
        account = self._accounts.get((region, name))
        if account is not None:
            return account
        found = [quota for quota in self._quotas if quota.applies_to(name, base_id)]
        if not found:
            return None
        exact = [quota for quota in found if quota.model in {name, base_id}]
        # A whole ID says more than a glob, and anything more than `*`.
        quota = next(iter(exact or [quota for quota in found if quota.model != "*"] or found))
        if len(self._accounts) >= MAX_BUCKETS:
            self._accounts.pop(next(iter(self._accounts)))
        account = self._accounts[region, name] = _Account.open(quota, self._clock())
        return account
