"""
Which model an ID in a request stands for, as Bedrock sees it from one region, and what that model can do.

The facts are the catalogue's data. What is known of whole families stands with them, in `families`.
"""

import re
from collections.abc import Iterable

import msgspec

from outcrop.catalogue.models import Catalogue, Feature, ModelEntry
from outcrop.emulator.rules.refusals import UNKNOWN_MODEL, Refusal, invalid, needs_profile

ACCOUNT = "123456789012"
APPLICATION_PROFILES = {
    "emulatedllam": "meta.llama3-70b-instruct-v1:0",
    "emulatedclau": "anthropic.claude-sonnet-4-6",
}
"""
Application inference profiles that the emulator's account has: opaque ID → base ID. With them resolving can be tried.
"""

_REGIONS_BY_PROFILE = {
    "us": ("us-east-", "us-west-"),
    "us-gov": ("us-gov-",),
    "eu": ("eu-",),
    "apac": ("ap-",),
    "jp": ("ap-northeast-",),
    "au": ("ap-southeast-",),
    "in": ("ap-south-",),
    "global": ("us-east-", "us-west-", "eu-", "ap-", "ca-", "sa-", "me-", "af-", "il-", "mx-"),
}
_ARN = re.compile(
    r"arn:aws[a-z-]*:bedrock:(?P<region>[a-z0-9-]+):(?P<account>[0-9]{0,12}):(?P<kind>[a-z-]+)/(?P<name>.+)"
)


class Called(msgspec.Struct, frozen=True):
    """
    Hold a model as it was called: the ID in the request (decoded), and its row in the catalogue.
    """

    model_id: str
    entry: ModelEntry

    @property
    def takes_images(self) -> bool:
        """
        Whether a prompt may hold images.
        """
        return "image" in self.entry.input_modalities

    @property
    def takes_documents(self) -> bool:
        """
        Whether a prompt on Converse may hold documents.
        """
        return "document" in self.entry.input_modalities

    @property
    def can_count_tokens(self) -> bool:
        """
        Whether CountTokens serves the model as it was called: by its base ID.
        """
        return self.has("count_tokens") and self.model_id.rpartition("/")[2] == self.entry.base_id

    def has(self, feature: Feature) -> bool:
        """
        Say whether the model can do what the catalogue calls by this name.
        """
        return feature in self.entry.features

    def refuses(self, *fields: str) -> bool:
        """
        Say whether the model refuses all these fields together.
        """
        return "+".join(fields) in self.entry.refuses


class ModelTable:
    """
    Find models by the IDs that requests carry.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self.entries = catalogue.models
        self.providers = {segment: provider.title for segment, provider in catalogue.providers.items()}

    def find(self, model_id: str, region: str, *, for_counting: bool = False) -> Called:
        """
        Return what a model ID, profile ID or ARN stands for in a region.

        Tokens of a profile-only model can be counted by its base ID.

        Raises:
            Refusal: it stands for nothing here, needs a profile, or has reached its end of life.
        """
        name, kind = _strip_arn(model_id, region)
        entry = self._application_profile(name) if kind == "application-inference-profile" else None
        is_profile = entry is not None
        if entry is None:
            entry, is_profile = self._by_name(name, region)
        if entry.lifecycle == "end_of_life":
            raise Refusal(
                "ResourceNotFoundException",
                "This model version has reached the end of its life. Please refer to the AWS documentation for more "
                "details.",
            )
        if not is_profile and not for_counting and not is_on_demand(entry, region):
            raise needs_profile(name)
        return Called(model_id, entry)

    def _application_profile(self, name: str) -> ModelEntry:
        base_id = APPLICATION_PROFILES.get(name)
        if base_id is None:
            raise Refusal("ResourceNotFoundException", "The specified inference profile could not be found.")
        return self.entries[base_id]

    def _by_name(self, name: str, region: str) -> tuple[ModelEntry, bool]:
        entry = self.entries.get(name)
        if entry is not None:
            return entry, False
        prefix, _, base_id = name.partition(".")
        entry = self.entries.get(base_id)
        if entry is None or prefix not in entry.profiles or not is_profile_of(prefix, region):
            raise invalid(UNKNOWN_MODEL)
        return entry, True

    def base_ids_of(self, model_id: str) -> tuple[str, ...]:
        """
        Return the base ID behind a model ID, whether or not it can be called; nothing for an unknown one.
        """
        name = model_id.rpartition("/")[2]
        for candidate in (name, name.partition(".")[2], APPLICATION_PROFILES.get(name, "")):
            if candidate in self.entries:
                return (candidate,)
        return ()

    def profiles_in(self, region: str) -> Iterable[tuple[str, ModelEntry]]:
        """
        Yield the system-defined profiles that can be called from a region: profile ID and the model behind it.
        """
        for entry in self.entries.values():
            if entry.lifecycle != "end_of_life":
                for prefix in entry.profiles:
                    if is_profile_of(prefix, region):
                        yield f"{prefix}.{entry.base_id}", entry


def is_on_demand(entry: ModelEntry, region: str) -> bool:
    """
    Say whether the bare ID of a model can be called in a region.
    """
    return entry.on_demand or region in entry.on_demand_regions


def is_profile_of(prefix: str, region: str) -> bool:
    """
    Say whether profiles with this prefix can be called from a region.
    """
    return region.startswith(_REGIONS_BY_PROFILE.get(prefix, (f"{prefix}-",)))


def _strip_arn(model_id: str, region: str) -> tuple[str, str]:
    """
    Return the name inside an ARN and the kind of ARN; the ID itself and "" if it is none.
    """
    if not model_id.startswith("arn:"):
        return model_id, ""
    match = _ARN.fullmatch(model_id)
    if match is None or match["region"] != region:
        raise invalid(UNKNOWN_MODEL)
    kind = match["kind"]
    if kind not in {"foundation-model", "inference-profile", "application-inference-profile"}:
        raise Refusal("ResourceNotFoundException", "The specified resource could not be found.")
    if kind != "foundation-model" and not match["account"]:
        raise invalid(UNKNOWN_MODEL)
    return match["name"], kind
