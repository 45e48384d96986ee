"""
The lists of Bedrock's control plane: the models and the inference profiles that this server offers.

The model menus of other programs read them. What is offered is what the catalogue knows for the region, and what
Bedrock has said of it; short names of the settings are in `/api/models` and `/v1/models`.
"""

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from outcrop.catalogue.models import LearnedModel, ModelEntry
from outcrop.catalogue.resolve import list_profiles
from outcrop.dialects.bedrock.models import (
    ListedModel,
    ListedProfile,
    encode_model,
    encode_models,
    encode_profile,
    encode_profiles,
)
from outcrop.errors import RequestError, UnknownModel
from outcrop.server.bedrock_endpoint import BedrockCaller, BedrockEndpoint, Serve
from outcrop.server.services import Services

ACCOUNT = "000000000000"
"""
The account in the ARNs of profiles: this server's callers have none.
"""

MAX_PROFILES = 1000
MODEL_FILTERS: Mapping[str, frozenset[str]] = {
    "byProvider": frozenset(),
    "byOutputModality": frozenset({"TEXT", "IMAGE", "EMBEDDING"}),
    "byInferenceType": frozenset({"ON_DEMAND", "PROVISIONED"}),
    "byCustomizationType": frozenset({"FINE_TUNING", "CONTINUED_PRE_TRAINING", "DISTILLATION"}),
}
PROFILE_FILTERS: Mapping[str, frozenset[str]] = {
    "maxResults": frozenset(),
    "nextToken": frozenset(),
    "type": frozenset({"SYSTEM_DEFINED", "APPLICATION"}),
}
"""
What may stand in the queries (botocore's model of `bedrock`); an empty set takes any text.
"""


class BedrockLists:
    """
    Serve ListFoundationModels, GetFoundationModel, ListInferenceProfiles and GetInferenceProfile.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._region = services.models.region

    def routes(self) -> list[BaseRoute]:
        """
        List the routes.
        """
        return [
            self._route("/foundation-models", self.list_models),
            self._route("/foundation-models/{wanted:path}", self.get_model),
            self._route("/inference-profiles", self.list_profiles),
            self._route("/inference-profiles/{wanted:path}", self.get_profile),
        ]

    def _route(self, path: str, serve: Serve) -> Route:
        return Route(path, BedrockEndpoint(self._services, serve, action="list_models"), methods=["GET"])

    async def list_models(self, request: Request, caller: BedrockCaller) -> ASGIApp:
        """
        Answer ListFoundationModels.
        """
        given = _read_query(request, MODEL_FILTERS)
        provider, inference = given.get("byProvider"), given.get("byInferenceType")
        models = [
            model
            for model in self._models()
            if (provider is None or model.provider.lower() == provider.lower())
            and given.get("byOutputModality", "TEXT") == "TEXT"
            and (inference is None or inference in model.inference_types)
            and "byCustomizationType" not in given
        ]
        return Response(encode_models(models, region=self._region), 200, caller.headers())

    async def get_model(self, request: Request, caller: BedrockCaller) -> ASGIApp:
        """
        Answer GetFoundationModel, for an ID or an ARN.
        """
        wanted = _read_wanted(request)
        found = next((model for model in self._models() if model.model_id == wanted), None)
        if found is None:
            raise UnknownModel(f"model {wanted[:100]!r} is not offered here")
        return Response(encode_model(found, region=self._region), 200, caller.headers())

    async def list_profiles(self, request: Request, caller: BedrockCaller) -> ASGIApp:
        """
        Answer ListInferenceProfiles, in pages where the caller wants them.
        """
        given = _read_query(request, PROFILE_FILTERS)
        profiles = [] if given.get("type") == "APPLICATION" else self._profiles()
        size, start = _read_number(given, "maxResults", MAX_PROFILES), _read_number(given, "nextToken", 0)
        if not 1 <= size <= MAX_PROFILES:
            raise RequestError(f"maxResults is {size}, expected 1 to {MAX_PROFILES}")
        token = str(start + size) if start + size < len(profiles) else None
        page = profiles[start : start + size]
        body = encode_profiles(page, region=self._region, account=ACCOUNT, next_token=token)
        return Response(body, 200, caller.headers())

    async def get_profile(self, request: Request, caller: BedrockCaller) -> ASGIApp:
        """
        Answer GetInferenceProfile, for an ID or an ARN.
        """
        wanted = _read_wanted(request)
        found = next((profile for profile in self._profiles() if profile.profile_id == wanted), None)
        if found is None:
            raise UnknownModel(f"inference profile {wanted[:100]!r} is not offered here")
        return Response(encode_profile(found, region=self._region, account=ACCOUNT), 200, caller.headers())

    def _entries(self) -> list[ModelEntry | LearnedModel]:
        catalogue = self._services.models.catalogue
        offered = {model.base_id for model in self._services.models.listed}
        known: list[ModelEntry | LearnedModel] = [*catalogue.models.values(), *catalogue.learned.values()]
        return [entry for entry in known if entry.base_id in offered and entry.lifecycle != "end_of_life"]

    def _models(self) -> list[ListedModel]:
        return [self._describe(entry) for entry in self._entries()]

    def _profiles(self) -> list[ListedProfile]:
        return [
            ListedProfile(
                profile_id=profile_id,
                name=f"{profile_id.partition('.')[0].upper()} {entry.title}",
                model_ids=(entry.base_id,),
            )
            for entry in self._entries()
            for profile_id in list_profiles(entry, self._region)
        ]

    def _describe(self, entry: ModelEntry | LearnedModel) -> ListedModel:
        segment = entry.base_id.partition(".")[0]
        provider = self._services.models.catalogue.providers.get(segment)
        is_on_demand = entry.on_demand or self._region in entry.on_demand_regions
        refuses = entry.refuses if isinstance(entry, ModelEntry) else ()
        return ListedModel(
            model_id=entry.base_id,
            name=entry.title,
            provider=segment if provider is None else provider.title,
            # Documents are Converse's own way of putting text; Bedrock does not list them.
            input_modalities=tuple(kind.upper() for kind in entry.input_modalities if kind != "document"),
            streams="streaming" not in refuses if isinstance(entry, ModelEntry) else entry.streams,
            inference_types=(
                *(("ON_DEMAND",) if is_on_demand else ()),
                *(("INFERENCE_PROFILE",) if entry.profiles else ()),
            ),
            status="LEGACY" if entry.lifecycle == "legacy" else "ACTIVE",
        )


def _read_query(request: Request, known: Mapping[str, frozenset[str]]) -> dict[str, str]:
    given: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name not in known or name in given:
            raise RequestError(f"the query has {name[:40]!r} twice or without need, expected {', '.join(known)}")
        if known[name] and value not in known[name]:
            raise RequestError(f"{name} is {value[:40]!r}, expected one of {', '.join(sorted(known[name]))}")
        given[name] = value
    return given


def _read_number(given: Mapping[str, str], name: str, default: int) -> int:
    text = given.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) <= 6):
        raise RequestError(f"{name} is {text[:40]!r}, expected a number that this server gave, or a count")
    return int(text)


def _read_wanted(request: Request) -> str:
    """
    Take an ID, or the end of an ARN.
    """
    wanted = str(request.path_params["wanted"])
    return wanted.rpartition("/")[2] if wanted.startswith("arn:") else wanted
