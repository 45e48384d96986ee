"""
The table of models as frozen values, loaded once from the folder `data` beside this file and checked.

Data only: which name stands for which row is `resolve.py`'s business, and what Bedrock's control plane says of a region
`snapshot.py`'s. Imports nothing of ours but errors, because the emulator reads the same table and must not share our
types.
"""

import tomllib
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec

from outcrop.errors import SettingsError

Lifecycle = Literal["active", "legacy", "end_of_life"]
Modality = Literal["text", "image", "document"]
Route = Literal["native", "converse"]
Feature = Literal[
    "system",
    "tools",
    "streaming_tools",
    "tool_choice",
    "reasoning",
    "cache",
    "prefill",
    "guardrails",
    "count_tokens",
    "reasoning_history",
]
MAX_FILE_BYTES = 4 << 20
_OPPOSITES = (("prefill", "prefill"), ("reasoning", "reasoning"), ("tool_choice", "forced_tool_choice"))
_Row = TypeVar("_Row", bound=msgspec.Struct)


class Price(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Hold what a million tokens cost in USD, on demand, in the standard tier, and the day that this was read.

    A cache price is None where the model has no prompt cache. `source` is None for the source of the whole table.
    """

    input: float
    output: float
    priced_on: date
    cache_read: float | None = None
    cache_write_5m: float | None = None
    cache_write_1h: float | None = None
    source: str | None = None


class ModelEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Hold what is known of one model; the head of `data/catalogue.toml` explains each field.

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
    route: Route = "converse"
    features: tuple[Feature, ...] = ()
    profiles: tuple[str, ...] = ()
    on_demand_regions: tuple[str, ...] = ()
    refuses: tuple[str, ...] = ()
    native_refuses: tuple[str, ...] = ()
    successor: str | None = None
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
    Give family and route of base IDs that begin with `starts_with` and have no entry.
    """

    starts_with: str
    family: str
    route: Route = "converse"


class LearnedModel(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold what Bedrock's control plane says of a model that has no entry. Its limits, features and prices stay unknown.
    """

    base_id: str
    title: str
    on_demand: bool
    input_modalities: tuple[Modality, ...]
    profiles: tuple[str, ...] = ()
    on_demand_regions: tuple[str, ...] = ()
    streams: bool = True
    lifecycle: Lifecycle = "active"
    legacy_on: date | None = None
    end_of_life_on: date | None = None


class Catalogue(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold the whole table: entries by base ID in their order, providers by segment, and the fallbacks in order.

    `own` names the entries that a user's own file wrote or changed; `learned` and `refreshed_at` come from Bedrock's
    control plane, where it was asked.
    """

    models: Mapping[str, ModelEntry]
    providers: Mapping[str, Provider]
    fallbacks: tuple[Fallback, ...]
    price_source: str
    own: frozenset[str] = frozenset()
    learned: Mapping[str, LearnedModel] = {}
    refreshed_at: datetime | None = None

    def find(self, base_id: str) -> ModelEntry | LearnedModel | None:
        """
        Return what is known of a model, or None.
        """
        return self.models.get(base_id) or self.learned.get(base_id)

    def fallback_for(self, base_id: str) -> Fallback | None:
        """
        Return family and route of a base ID that has no entry, or None if its provider is unknown.
        """
        return next((row for row in self.fallbacks if base_id.startswith(row.starts_with)), None)

    def route_of_family(self, family: str) -> Route:
        """
        Return how the models of a family are called unless something else is said: natively if any of them is.
        """
        routes = {(row.family, row.route) for row in self.models.values()}
        routes.update((row.family, row.route) for row in self.fallbacks)
        return "native" if (family, "native") in routes else "converse"


@cache
def load_catalogue() -> Catalogue:
    """
    Load the packaged table; later calls return the same value.
    """
    folder = files("outcrop.catalogue") / "data"
    names = sorted(found.name for found in folder.iterdir() if found.name.endswith(".toml"))
    return parse_catalogue(*((folder / name).read_text(encoding="utf-8") for name in names))


def add_file(base: Catalogue, path: Path) -> Catalogue:
    """
    Add the rows of a user's own file, written like the packaged ones, to a table.

    Raises:
        SettingsError: the file can't be read, is too large, or breaks a rule; the message names it and the entry.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise SettingsError(f"the catalogue {str(path)!r} is larger than {MAX_FILE_BYTES >> 20} MiB")
        text = content.decode("utf-8")
    except OSError as error:
        raise SettingsError(f"the catalogue {str(path)!r} can't be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"the catalogue {str(path)!r} is not UTF-8") from error
    return parse_catalogue(text, base=base, origin=f"the catalogue {str(path)!r}")


def parse_catalogue(*texts: str, base: Catalogue | None = None, origin: str = "the catalogue") -> Catalogue:
    """
    Parse a table of models, whole or in parts, and check it.

    Models stand in the order of their providers. With a `base`, rows are added to its rows or replace them; an entry
    for a model that the base knows needs to say only what differs.

    Raises:
        SettingsError: a text is not TOML or breaks a rule; the message names `origin` and the entry.
    """
    document: dict[str, Any] = {}
    for text in texts:
        _add_tables(document, text, origin)
    known = base or _EMPTY
    providers = {**known.providers, **_convert_rows(document, "providers", Provider, {}, origin)}
    fallbacks = _convert_rows(document, "fallbacks", Fallback, {}, origin)
    rows = _convert_rows(document, "models", ModelEntry, known.models, origin)
    if base is not None:
        source = str(document.get("price_source", origin))
        rows = {name: _state_price_source(row, known.models.get(name), source) for name, row in rows.items()}
    models = {**known.models, **rows}
    for raw in document.get("models", ()):
        _check_entry(models[raw["base_id"]], providers, models, origin)
    places = {segment: place for place, segment in enumerate(providers)}
    ordered = sorted(models.values(), key=lambda entry: places[entry.provider_segment])
    return Catalogue(
        models={entry.base_id: entry for entry in ordered},
        providers=providers,
        fallbacks=(*fallbacks.values(), *known.fallbacks),
        price_source=str(document.get("price_source", "")) if base is None else base.price_source,
        own=frozenset() if base is None else known.own | rows.keys(),
    )


_EMPTY = Catalogue(models={}, providers={}, fallbacks=(), price_source="")
_KEYS = {"providers": "segment", "fallbacks": "starts_with", "models": "base_id"}


def _add_tables(document: dict[str, Any], text: str, origin: str) -> None:
    try:
        part = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{origin} is not TOML: {error}") from error
    for table, content in part.items():
        if table == "price_source":
            document[table] = content
        elif table not in _KEYS:
            raise SettingsError(f"{origin} has an unknown table {table!r}")
        elif not isinstance(content, list) or not all(isinstance(raw, dict) for raw in content):
            raise SettingsError(f"{table!r} in {origin} is not a list of tables: begin each with [[{table}]]")
        else:
            document.setdefault(table, []).extend(content)


def _convert_rows(
    document: Mapping[str, Any], table: str, row_type: type[_Row], known: Mapping[str, _Row], origin: str
) -> dict[str, _Row]:
    rows: dict[str, _Row] = {}
    for position, raw in enumerate(document.get(table, ())):
        name = raw.get(_KEYS[table], f"number {position + 1}")
        try:
            before = known.get(name) if isinstance(name, str) else None
            row = msgspec.convert({**_stated(before, raw), **raw}, row_type)
        except msgspec.ValidationError as error:
            raise SettingsError(f"entry {name!r} of {table!r} in {origin}: {error}") from error
        if name in rows:
            raise SettingsError(f"entry {name!r} of {table!r} in {origin} stands there twice")
        rows[name] = row
    return rows


def _stated(before: msgspec.Struct | None, raw: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return what stays of an earlier row. A new price holds for all profiles, unless it is said what some of them cost.
    """
    if before is None:
        return {}
    replaced = {"geographic_price"} if "price" in raw else set()
    return {name: getattr(before, name) for name in before.__struct_fields__ if name not in replaced}


def _state_price_source(entry: ModelEntry, before: ModelEntry | None, source: str) -> ModelEntry:
    """
    Say of prices that an addition brings where they come from.
    """
    changed = {
        name: msgspec.structs.replace(price, source=source)
        for name in ("price", "geographic_price")
        if (price := getattr(entry, name)) is not None
        and price.source is None
        and (before is None or price != getattr(before, name))
    }
    return msgspec.structs.replace(entry, **changed)


def _check_entry(
    entry: ModelEntry, providers: Mapping[str, Provider], models: Mapping[str, ModelEntry], origin: str
) -> None:
    at_odds = next(
        (feature for feature, field in _OPPOSITES if feature in entry.features and field in entry.refuses), None
    )
    rules = (
        (entry.provider_segment in providers, f"its provider {entry.provider_segment!r} is not among the providers"),
        (entry.on_demand or bool(entry.profiles), "it can be called neither on demand nor through a profile"),
        (_all_different(entry.profiles), "a profile stands there twice"),
        (_all_different(entry.features), "a feature stands there twice"),
        (at_odds is None, f"feature {at_odds!r} is among what it refuses"),
        (entry.context_tokens > 0, f"context_tokens is {entry.context_tokens}, expected at least 1"),
        (
            0 < entry.max_output_tokens <= entry.context_tokens,
            f"max_output_tokens is {entry.max_output_tokens}, expected 1 to {entry.context_tokens}",
        ),
        ("text" in entry.input_modalities, "input_modalities lacks 'text'"),
        (
            entry.lifecycle != "end_of_life" or entry.end_of_life_on is not None,
            f"lifecycle is {entry.lifecycle!r} without end_of_life_on",
        ),
        (entry.successor is None or entry.successor in models, f"its successor {entry.successor!r} has no entry"),
        (entry.geographic_price is None or entry.price is not None, "it has a geographic_price without a price"),
    )
    broken = next((complaint for holds, complaint in rules if not holds), None)
    if broken is not None:
        raise SettingsError(f"entry {entry.base_id!r} of 'models' in {origin}: {broken}")


def _all_different(values: Iterable[str]) -> bool:
    seen = list(values)
    return len(set(seen)) == len(seen)
