"""
Answers of the control plane: the models and the inference profiles that this server offers, as Bedrock lists them.
"""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec


class ListedModel(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold what a list says of one model. `inference_types` are `ON_DEMAND`, `PROVISIONED` and `INFERENCE_PROFILE`.
    """

    model_id: str
    name: str
    provider: str
    input_modalities: tuple[str, ...] = ("TEXT",)
    output_modalities: tuple[str, ...] = ("TEXT",)
    streams: bool = True
    inference_types: tuple[str, ...] = ("ON_DEMAND",)
    status: Literal["ACTIVE", "LEGACY"] = "ACTIVE"


class ListedProfile(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold what a list says of one inference profile of Bedrock's own; `model_ids` are the 1 to 5 models behind it.
    """

    profile_id: str
    name: str
    model_ids: tuple[str, ...]
    description: str | None = None


def encode_models(models: Sequence[ListedModel], *, region: str) -> bytes:
    """
    Encode the answer of ListFoundationModels.
    """
    return msgspec.json.encode({"modelSummaries": [_to_summary(model, region) for model in models]})


def encode_model(model: ListedModel, *, region: str) -> bytes:
    """
    Encode the answer of GetFoundationModel.
    """
    return msgspec.json.encode({"modelDetails": _to_summary(model, region)})


def encode_profiles(
    profiles: Sequence[ListedProfile], *, region: str, account: str, next_token: str | None = None
) -> bytes:
    """
    Encode the answer of ListInferenceProfiles; `account` is the twelve digits that stand in the profiles' ARNs.
    """
    answer: dict[str, Any] = {
        "inferenceProfileSummaries": [_to_profile(profile, region, account) for profile in profiles]
    }
    if next_token is not None:
        answer["nextToken"] = next_token
    return msgspec.json.encode(answer)


def encode_profile(profile: ListedProfile, *, region: str, account: str) -> bytes:
    """
    Encode the answer of GetInferenceProfile.
    """
    return msgspec.json.encode(_to_profile(profile, region, account))


def _to_summary(model: ListedModel, region: str) -> dict[str, Any]:
    return {
        "modelArn": _model_arn(model.model_id, region),
        "modelId": model.model_id,
        "modelName": model.name,
        "providerName": model.provider,
        "inputModalities": model.input_modalities,
        "outputModalities": model.output_modalities,
        "responseStreamingSupported": model.streams,
        "customizationsSupported": [],
        "inferenceTypesSupported": model.inference_types,
        "modelLifecycle": {"status": model.status},
    }


def _to_profile(profile: ListedProfile, region: str, account: str) -> dict[str, Any]:
    description = {} if profile.description is None else {"description": profile.description}
    return {
        "inferenceProfileName": profile.name,
        "inferenceProfileArn": f"arn:aws:bedrock:{region}:{account}:inference-profile/{profile.profile_id}",
        "inferenceProfileId": profile.profile_id,
        "models": [{"modelArn": _model_arn(model_id, region)} for model_id in profile.model_ids],
        "status": "ACTIVE",
        "type": "SYSTEM_DEFINED",
        **description,
    }


def _model_arn(model_id: str, region: str) -> str:
    return f"arn:aws:bedrock:{region}::foundation-model/{model_id}"
