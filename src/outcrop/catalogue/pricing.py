"""
What a call costs at list price.
"""

from outcrop.calls import ResolvedModel
from outcrop.catalogue.models import Catalogue, ModelEntry
from outcrop.types import Usage

TOKENS_PER_PRICE = 1_000_000


def price_call(model: ResolvedModel, usage: Usage, catalogue: Catalogue) -> float | None:
    """
    Return what tokens cost in USD, on demand and in the standard tier; None where the list price is not known.

    Cached tokens cost what input does where the catalogue has no price for them; writes are taken for 5-minute ones,
    for Bedrock's counts do not tell the two apart.
    """
    entry = catalogue.find(model.base_id)
    price = entry.price_through(prefix_of(model)) if isinstance(entry, ModelEntry) else None
    if price is None:
        return None
    cache_read = price.input if price.cache_read is None else price.cache_read
    cache_write = price.input if price.cache_write_5m is None else price.cache_write_5m
    total = (
        usage.input_tokens * price.input
        + usage.output_tokens * price.output
        + usage.cache_read_tokens * cache_read
        + usage.cache_write_tokens * cache_write
    )
    return total / TOKENS_PER_PRICE


def prefix_of(model: ResolvedModel) -> str | None:
    """
    Return the prefix of the profile that a model is called through (`us`, `global`, …); None for the bare base ID.

    A profile's ID is its prefix, a dot and the base ID, also at the end of an ARN.
    """
    return model.model_id.rpartition("/")[2].removesuffix(model.base_id).removesuffix(".") or None
