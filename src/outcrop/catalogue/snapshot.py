"""
What Bedrock's control plane says of one region, as a value, and how it changes the table of models.

Pure: who asks and when is not decided here. Nothing that the control plane says is trusted to be complete: rows that
make no sense are left out, and what the table knows beyond it (limits, features, prices) stays.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any

import msgspec

from outcrop.catalogue.models import Catalogue, LearnedModel, Lifecycle, ModelEntry, Provider

MAX_ROWS = 5_000
_BASE_ID = re.compile(r"[a-z0-9-]{1,63}\.[a-z0-9-]{1,63}(?:[.:][a-z0-9-]{1,63}){0,3}")
_PREFIX = re.compile(r"[a-z0-9-]{1,63}")
_LIFECYCLES: Mapping[str, Lifecycle] = {"ACTIVE": "active", "LEGACY": "legacy"}


class SeenModel(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold one text model of ListFoundationModels.
    """

    base_id: str
    title: str
    provider: str
    on_demand: bool
    takes_images: bool
    streams: bool
    lifecycle: Lifecycle
    legacy_on: date | None = None
    end_of_life_on: date | None = None


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold what one region offered at one time.

    `endpoint_url` says who answered. `profiles` maps base IDs to the prefixes of their system-defined profiles; it is
    None where the profiles could not be listed.
    """

    region: str
    endpoint_url: str
    fetched_at: datetime
    models: tuple[SeenModel, ...]
    profiles: Mapping[str, tuple[str, ...]] | None = None


def make_snapshot(
    region: str,
    endpoint_url: str,
    fetched_at: datetime,
    models: Iterable[Mapping[str, Any]],
    profiles: Iterable[Mapping[str, Any]] | None,
) -> Snapshot:
    """
    Make a snapshot of the summaries that ListFoundationModels and ListInferenceProfiles gave.
    """
    seen = [model for summary in models if (model := _read_model(summary)) is not None]
    return Snapshot(
        region=region,
        endpoint_url=endpoint_url,
        fetched_at=fetched_at,
        models=tuple(seen[:MAX_ROWS]),
        profiles=None if profiles is None else _read_profiles(profiles),
    )


def merge_snapshot(catalogue: Catalogue, snapshot: Snapshot) -> Catalogue:
    """
    Return the table as it stands for the snapshot's region.

    Known models take their lifecycle and the ways in which they can be called from the snapshot; one that the region
    does not have keeps its entry, and can be called in no way. Unknown models are added as learned ones. What a user's
    own file says is not touched.
    """
    seen = {model.base_id: model for model in snapshot.models}
    models = {
        base_id: entry if base_id in catalogue.own else _update(entry, seen.get(base_id), snapshot)
        for base_id, entry in catalogue.models.items()
    }
    learned = {base_id: _learn(model, snapshot) for base_id, model in seen.items() if base_id not in catalogue.models}
    providers = dict(catalogue.providers)
    for base_id in learned:
        segment = base_id.partition(".")[0]
        providers.setdefault(segment, Provider(segment=segment, title=seen[base_id].provider))
    return msgspec.structs.replace(
        catalogue, models=models, learned=learned, providers=providers, refreshed_at=snapshot.fetched_at
    )


def _update(entry: ModelEntry, seen: SeenModel | None, snapshot: Snapshot) -> ModelEntry:
    profiles = entry.profiles if snapshot.profiles is None else snapshot.profiles.get(entry.base_id, ())
    if seen is None:
        return msgspec.structs.replace(entry, on_demand=False, on_demand_regions=(), profiles=profiles)
    modalities = entry.input_modalities
    if seen.takes_images and "image" not in modalities:
        modalities = (*modalities, "image")
    return msgspec.structs.replace(
        entry,
        on_demand=seen.on_demand,
        on_demand_regions=(),
        profiles=profiles,
        input_modalities=modalities,
        lifecycle=seen.lifecycle,
        legacy_on=seen.legacy_on or entry.legacy_on,
        end_of_life_on=seen.end_of_life_on or entry.end_of_life_on,
    )


def _learn(seen: SeenModel, snapshot: Snapshot) -> LearnedModel:
    return LearnedModel(
        base_id=seen.base_id,
        title=seen.title,
        on_demand=seen.on_demand,
        profiles=(snapshot.profiles or {}).get(seen.base_id, ()),
        input_modalities=("text", "image") if seen.takes_images else ("text",),
        streams=seen.streams,
        lifecycle=seen.lifecycle,
        legacy_on=seen.legacy_on,
        end_of_life_on=seen.end_of_life_on,
    )


def _read_model(summary: Mapping[str, Any]) -> SeenModel | None:
    """
    Return the model of a summary; None if it is no text model, can't be called, or has an ID of another shape.
    """
    base_id = str(summary.get("modelId", ""))
    ways = _strings(summary.get("inferenceTypesSupported"))
    reads, writes = (_strings(summary.get(name)) for name in ("inputModalities", "outputModalities"))
    if _BASE_ID.fullmatch(base_id) is None or "TEXT" not in reads or "TEXT" not in writes:
        return None
    if not ways & {"ON_DEMAND", "INFERENCE_PROFILE"}:
        return None
    stated = summary.get("modelLifecycle")
    lifecycle = stated if isinstance(stated, Mapping) else {}
    return SeenModel(
        base_id=base_id,
        title=_title(summary.get("modelName"), base_id),
        provider=_title(summary.get("providerName"), base_id.partition(".")[0]),
        on_demand="ON_DEMAND" in ways,
        takes_images="IMAGE" in reads,
        streams=summary.get("responseStreamingSupported") is not False,
        lifecycle=_LIFECYCLES.get(str(lifecycle.get("status", "")), "active"),
        legacy_on=_read_day(lifecycle.get("legacyTime")),
        end_of_life_on=_read_day(lifecycle.get("endOfLifeTime")),
    )


def _read_profiles(profiles: Iterable[Mapping[str, Any]]) -> dict[str, tuple[str, ...]]:
    """
    Return the prefixes of system-defined profiles by base ID.
    """
    found: dict[str, list[str]] = {}
    for profile in profiles:
        prefix, _, base_id = str(profile.get("inferenceProfileId", "")).partition(".")
        is_usable = profile.get("type") == "SYSTEM_DEFINED" and profile.get("status", "ACTIVE") == "ACTIVE"
        if is_usable and _PREFIX.fullmatch(prefix) and _BASE_ID.fullmatch(base_id) and len(found) < MAX_ROWS:
            prefixes = found.setdefault(base_id, [])
            if prefix not in prefixes:
                prefixes.append(prefix)
    return {base_id: tuple(prefixes) for base_id, prefixes in found.items()}


def _strings(value: object) -> frozenset[str]:
    return frozenset(map(str, value)) if isinstance(value, list | tuple) else frozenset()


def _title(value: object, otherwise: str) -> str:
    text = "".join(sign for sign in str(value or "")[:100] if sign.isprintable()).strip()
    return text or otherwise


def _read_day(value: object) -> date | None:
    if isinstance(value, datetime):
        return value.date()
    try:
        return date.fromisoformat(str(value)[:10])
    except ValueError:
        return None
