"""
The table of models as frozen values, loaded once from `models.toml` beside this file and checked.

Data only: which name stands for which row is `resolve.py`'s business. Imports nothing of ours but errors, because the
emulator reads the same table and must not share our types.
"""

import tomllib
from collections.abc import Iterable, Mapping
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any, Literal, TypeVar

import msgspec

from outcrop.errors import SettingsError

Lifecycle = Literal["active", "legacy", "end_of_life"]
Modality = Literal["text", "image", "document"]
_Row = TypeVar("_Row", bound=msgspec.Struct)


class Price(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Hold what a million tokens cost in USD, on demand, in the standard tier, and the day that this was read.

    A cache price is None where the model has no prompt cache.
    """

    input: float
    output: float
    priced_on: date
    cache_read: float | None = None
    cache_write_5m: float | None = None
    cache_write_1h: float | None = None


class ModelEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Hold what is known of one model; the head of `models.toml` explains each field.

    `geographic_price` is the price through `us.`, `eu.`, … where that differs from `price`.
    """

    base_id: str
    title: str
    family: str
    on_demand: bool
    lifecycle: Lifecycle
    context_tokens: int
    max_output_tokens: int
    input_modalities: tuple[Modality, ...]
    profiles: tuple[str, ...] = ()
    on_demand_regions: tuple[str, ...] = ()
    refuses: tuple[str, ...] = ()
    legacy_on: date | None = None
    end_of_life_on: date | None = None
    price: Price | None = None
    geographic_price: Price | None = None

    @property
    def provider_segment(self) -> str:
        """
        Return the first segment of the base ID, for example `anthropic`.
        """
        return self.base_id.partition(".")[0]

    def price_through(self, profile: str | None) -> Price | None:
        """
        Return the price of a call through the profile with this prefix; None is a call of the bare base ID.
        """
        if profile == "global" or self.geographic_price is None:
            return self.price
        return self.geographic_price


class Provider(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Name the maker of models whose IDs begin with `segment` and a dot.
    """

    segment: str
    title: str


class Fallback(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Give the family of base IDs that begin with `starts_with` and have no entry.
    """

    starts_with: str
    family: str


class Catalogue(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold the whole table: entries by base ID in the file's order, providers by segment, and the fallbacks in order.
    """

    models: Mapping[str, ModelEntry]
    providers: Mapping[str, Provider]
    fallbacks: tuple[Fallback, ...]
    price_source: str

    def fallback_family(self, base_id: str) -> str | None:
        """
        Return the family of a base ID that has no entry, or None if its provider is unknown.
        """
        return next((row.family for row in self.fallbacks if base_id.startswith(row.starts_with)), None)


@cache
def load_catalogue() -> Catalogue:
    """
    Load the packaged table; later calls return the same value.
    """
    return parse_catalogue(files("outcrop.catalogue").joinpath("models.toml").read_text(encoding="utf-8"))


def parse_catalogue(text: str) -> Catalogue:
    """
    Parse a table of models and check it.

    Raises:
        SettingsError: the text is not TOML or breaks a rule; the message names the entry.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"the catalogue is not TOML: {error}") from error
    unknown = sorted(document.keys() - {"price_source", "providers", "fallbacks", "models"})
    if unknown:
        raise SettingsError(f"the catalogue has an unknown table {unknown[0]!r}")
    providers = _convert_rows(document, "providers", "segment", Provider)
    models = _convert_rows(document, "models", "base_id", ModelEntry)
    fallbacks = _convert_rows(document, "fallbacks", "starts_with", Fallback)
    for entry in models.values():
        _check_entry(entry, providers)
    return Catalogue(
        models=models,
        providers=providers,
        fallbacks=tuple(fallbacks.values()),
        price_source=str(document.get("price_source", "")),
    )


def _convert_rows(document: Mapping[str, Any], table: str, key: str, row_type: type[_Row]) -> dict[str, _Row]:
    rows: dict[str, _Row] = {}
    for position, raw in enumerate(document.get(table, ())):
        name = raw.get(key, f"number {position + 1}")
        try:
            row = msgspec.convert(raw, row_type)
        except msgspec.ValidationError as error:
            raise SettingsError(f"entry {name!r} of {table!r} in the catalogue: {error}") from error
        if name in rows:
            raise SettingsError(f"entry {name!r} of {table!r} in the catalogue stands there twice")
        rows[name] = row
    return rows


def _check_entry(entry: ModelEntry, providers: Mapping[str, Provider]) -> None:
    rules = (
        (entry.provider_segment in providers, f"its provider {entry.provider_segment!r} is not among the providers"),
        (entry.on_demand or bool(entry.profiles), "it can be called neither on demand nor through a profile"),
        (_all_different(entry.profiles), "a profile stands there twice"),
        (entry.context_tokens > 0, f"context_tokens is {entry.context_tokens}, expected at least 1"),
        (
            0 < entry.max_output_tokens <= entry.context_tokens,
            f"max_output_tokens is {entry.max_output_tokens}, expected 1 to {entry.context_tokens}",
        ),
        ("text" in entry.input_modalities, "input_modalities lacks 'text'"),
        (
            entry.lifecycle == "active" or entry.end_of_life_on is not None,
            f"lifecycle is {entry.lifecycle!r} without end_of_life_on",
        ),
        (entry.geographic_price is None or entry.price is not None, "it has a geographic_price without a price"),
    )
    broken = next((complaint for holds, complaint in rules if not holds), None)
    if broken is not None:
        raise SettingsError(f"entry {entry.base_id!r} of 'models' in the catalogue: {broken}")


def _all_different(values: Iterable[str]) -> bool:
    seen = list(values)
    return len(set(seen)) == len(seen)
