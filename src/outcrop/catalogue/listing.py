"""
What is told of models: a line for menus and tables, with all that is known, and the warning for one that goes away.

Which names there are is decided in `resolve.py`.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

import msgspec

from outcrop.calls import ResolvedModel
from outcrop.catalogue.models import (
    Catalogue,
    Feature,
    LearnedModel,
    Lifecycle,
    Modality,
    ModelEntry,
    Route,
    load_catalogue,
)
from outcrop.catalogue.pricing import prefix_of


class ListedPrice(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold a list price: USD per million tokens on demand, as it was read on a day from a source.

    Cache prices are None where the model has no prompt cache, or where they are not known.
    """

    input: float
    output: float
    cache_read: float | None
    cache_write_5m: float | None
    cache_write_1h: float | None
    priced_on: date
    source: str


class ListedModel(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold one line of a model menu: what to write as `model`, what it stands for, and what is known of that.

    `features` and limits are None where nothing is known.
    """

    name: str
    model_id: str
    base_id: str
    title: str
    family: str
    route: Route
    provider: str | None = None
    short_names: tuple[str, ...] = ()
    input_modalities: tuple[Modality, ...] | None = None
    features: tuple[Feature, ...] | None = None
    refuses: tuple[str, ...] = ()
    context_tokens: int | None = None
    max_output_tokens: int | None = None
    price: ListedPrice | None = None
    lifecycle: Lifecycle | None = None
    legacy_on: date | None = None
    end_of_life_on: date | None = None
    successor: str | None = None
    warning: str | None = None


def describe_model(found: ResolvedModel, catalogue: Catalogue, short_names: Sequence[str] = ()) -> ListedModel:
    """
    Say all that is known of a model under the name by which it was found.
    """
    line = ListedModel(
        name=found.name,
        model_id=found.model_id,
        base_id=found.base_id,
        title=found.base_id,
        family=found.family,
        route=found.route,
        short_names=tuple(short_names),
        refuses=tuple(sorted(found.refuses)),
        context_tokens=found.context_tokens,
        max_output_tokens=found.max_output_tokens,
        warning=warning_for(found, catalogue),
    )
    known = catalogue.find(found.base_id)
    provider = catalogue.providers.get(found.base_id.partition(".")[0])
    return msgspec.structs.replace(
        line,
        **({} if provider is None else {"provider": provider.title}),
        **({} if known is None else _known_fields(known)),
        **(_entry_fields(found, known, catalogue) if isinstance(known, ModelEntry) else {}),
    )


def describe_listing(models: Sequence[ListedModel], catalogue: Catalogue, region: str, now: datetime) -> dict[str, Any]:
    """
    Say which models there are, for JSON: the lines, and how old what is known of the region is.

    `refreshed_at` and `age_seconds` are None where Bedrock was not asked and the packaged table stands alone.
    """
    asked = catalogue.refreshed_at
    return {
        "models": models,
        "region": region,
        "refreshed_at": asked,
        "age_seconds": None if asked is None else max(0, round((now - asked).total_seconds())),
    }


def warning_for(model: ResolvedModel, catalogue: Catalogue | None = None) -> str | None:
    """
    Return a sentence for whoever uses a model that goes away, or None.
    """
    known = (load_catalogue() if catalogue is None else catalogue).find(model.base_id)
    if known is None or known.lifecycle == "active":
        return None
    ended = known.lifecycle == "end_of_life"
    state = "reached its end of life" if ended else "is a legacy model and will end"
    day = "" if known.end_of_life_on is None else f" on {known.end_of_life_on.isoformat()}"
    successor = known.successor if isinstance(known, ModelEntry) else None
    advice = "" if successor is None else f"; its successor is {successor!r}"
    return f"model {known.base_id!r} {state}{day}{', and calls of it fail' if ended else ''}{advice}"


def _known_fields(known: ModelEntry | LearnedModel) -> Mapping[str, Any]:
    return {
        "title": known.title,
        "input_modalities": known.input_modalities,
        "lifecycle": known.lifecycle,
        "legacy_on": known.legacy_on,
        "end_of_life_on": known.end_of_life_on,
    }


def _entry_fields(found: ResolvedModel, entry: ModelEntry, catalogue: Catalogue) -> Mapping[str, Any]:
    price = entry.price_through(prefix_of(found))
    return {
        "features": entry.features,
        "successor": entry.successor,
        "price": None
        if price is None
        else ListedPrice(
            input=price.input,
            output=price.output,
            cache_read=price.cache_read,
            cache_write_5m=price.cache_write_5m,
            cache_write_1h=price.cache_write_1h,
            priced_on=price.priced_on,
            source=price.source or catalogue.price_source,
        ),
    }
