"""
The control plane: which models and inference profiles there are (docs/bedrock_wire.md §1.7).
"""

from base64 import b64decode, b64encode
from datetime import date
from typing import Any
from urllib.parse import parse_qs

from outcrop.catalogue.models import ModelEntry
from outcrop.emulator.requests import Request
from outcrop.emulator.rules.models import ACCOUNT, APPLICATION_PROFILES, ModelTable, is_on_demand
from outcrop.emulator.rules.refusals import Refusal, constraint, invalid
from outcrop.emulator.sending.answers import HttpAnswer, json_answer

_DEFAULT_PAGE = 100
_MAX_PAGE = 1_000
_CREATED_AT = "2026-01-01T00:00:00Z"
_FILTERS = {
    "byOutputModality": ("TEXT", "IMAGE", "EMBEDDING"),
    "byInferenceType": ("ON_DEMAND", "PROVISIONED"),
    "byCustomizationType": ("FINE_TUNING", "CONTINUED_PRE_TRAINING", "DISTILLATION"),
    "type": ("SYSTEM_DEFINED", "APPLICATION"),
}


def answer_control(models: ModelTable, request: Request, query: bytes) -> HttpAnswer:
    """
    Answer one operation of the control plane.

    Raises:
        Refusal: it can't be served.
    """
    given = {name: values[-1] for name, values in parse_qs(query.decode("latin-1")).items()}
    for name, allowed in _FILTERS.items():
        if name in given and given[name] not in allowed:
            raise constraint(name, f"Member must satisfy enum value set: [{', '.join(allowed)}]")
    if request.operation == "ListFoundationModels":
        return json_answer({"modelSummaries": _list_models(models, request.region, given)})
    if request.operation == "GetFoundationModel":
        return json_answer({"modelDetails": _get_model(models, request)})
    profiles = _profiles(models, request.region)
    if request.operation == "GetInferenceProfile":
        wanted = request.target.rpartition("/")[2]
        found = next((profile for profile in profiles if profile["inferenceProfileId"] == wanted), None)
        if found is None:
            raise Refusal("ResourceNotFoundException", "The specified inference profile could not be found.")
        return json_answer(found)
    return json_answer(_page([one for one in profiles if given.get("type", one["type"]) == one["type"]], given))


def _list_models(models: ModelTable, region: str, given: dict[str, str]) -> list[dict[str, Any]]:
    summaries = [_summary(models, entry, region) for entry in models.entries.values() if _is_served(entry)]
    provider = given.get("byProvider")
    output = given.get("byOutputModality", "TEXT")
    inference = given.get("byInferenceType")
    return [
        summary
        for summary in summaries
        if (provider is None or summary["providerName"].lower() == provider.lower())
        and output in summary["outputModalities"]
        and (inference is None or inference in summary["inferenceTypesSupported"])
        and "byCustomizationType" not in given
    ]


def _get_model(models: ModelTable, request: Request) -> dict[str, Any]:
    entry = models.entries.get(request.target.rpartition("/")[2])
    if entry is None or not _is_served(entry):
        raise Refusal("ResourceNotFoundException", "The specified model could not be found.")
    return _summary(models, entry, request.region)


def _is_served(entry: ModelEntry) -> bool:
    return entry.lifecycle != "end_of_life"


def _summary(models: ModelTable, entry: ModelEntry, region: str) -> dict[str, Any]:
    lifecycle: dict[str, Any] = {"status": entry.lifecycle.upper()}
    for name, day in (("legacyTime", entry.legacy_on), ("endOfLifeTime", entry.end_of_life_on)):
        if day is not None:
            lifecycle[name] = _midnight(day)
    types = ["ON_DEMAND"] if is_on_demand(entry, region) else []
    return {
        "modelArn": _model_arn(entry, region),
        "modelId": entry.base_id,
        "modelName": entry.title,
        "providerName": models.providers[entry.provider_segment],
        "inputModalities": [modality.upper() for modality in entry.input_modalities if modality != "document"],
        "outputModalities": ["TEXT"],
        "responseStreamingSupported": True,
        "customizationsSupported": [],
        "inferenceTypesSupported": [*types, *(["INFERENCE_PROFILE"] if entry.profiles else [])],
        "modelLifecycle": lifecycle,
    }


def _midnight(day: date) -> str:
    return f"{day.isoformat()}T00:00:00Z"


def _model_arn(entry: ModelEntry, region: str) -> str:
    return f"arn:aws:bedrock:{region}::foundation-model/{entry.base_id}"


def _profiles(models: ModelTable, region: str) -> list[dict[str, Any]]:
    profiles = [
        _profile(profile_id, f"inference-profile/{profile_id}", entry, region, "SYSTEM_DEFINED")
        for profile_id, entry in models.profiles_in(region)
    ]
    for profile_id, base_id in APPLICATION_PROFILES.items():
        resource = f"application-inference-profile/{profile_id}"
        profiles.append(_profile(profile_id, resource, models.entries[base_id], region, "APPLICATION"))
    return profiles


def _profile(profile_id: str, resource: str, entry: ModelEntry, region: str, kind: str) -> dict[str, Any]:
    is_system = kind == "SYSTEM_DEFINED"
    name = f"{profile_id.partition('.')[0].upper()} {entry.title}" if is_system else f"emulated {entry.title}"
    return {
        "inferenceProfileName": name,
        "inferenceProfileArn": f"arn:aws:bedrock:{region}:{ACCOUNT}:{resource}",
        "inferenceProfileId": profile_id,
        "models": [{"modelArn": _model_arn(entry, region)}],
        "description": f"Routes requests to {entry.title}.",
        "status": "ACTIVE",
        "type": kind,
        "createdAt": _CREATED_AT,
        "updatedAt": _CREATED_AT,
    }


def _page(profiles: list[dict[str, Any]], given: dict[str, str]) -> dict[str, Any]:
    size = given.get("maxResults", str(_DEFAULT_PAGE))
    if not size.isdecimal() or not 1 <= int(size) <= _MAX_PAGE:
        raise constraint("maxResults", f"Member must have value less than or equal to {_MAX_PAGE}")
    start = _place(given["nextToken"]) if "nextToken" in given else 0
    end = start + int(size)
    answer: dict[str, Any] = {"inferenceProfileSummaries": profiles[start:end]}
    if end < len(profiles):
        answer["nextToken"] = b64encode(f"place:{end}".encode()).decode()
    return answer


def _place(token: str) -> int:
    try:
        label, _, number = b64decode(token, validate=True).decode().partition(":")
        place = int(number)
    except ValueError as error:
        raise invalid("The provided nextToken is invalid.") from error
    if label != "place" or place < 0:
        raise invalid("The provided nextToken is invalid.")
    return place
