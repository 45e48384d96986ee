"""
The models of one running server: what a name stands for, what is told of them, and how that is kept fresh.

With Bedrock, the list starts from what the last run kept and is asked for again in the background; whether that works
changes nothing for a turn. With the emulator nobody is asked.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog

from outcrop.calls import ResolvedModel
from outcrop.catalogue.cache import find_cache_file, read_snapshot, write_snapshot
from outcrop.catalogue.listing import ListedModel, describe_listing, warning_for
from outcrop.catalogue.models import Catalogue, add_file, load_catalogue
from outcrop.catalogue.pricing import price_call
from outcrop.catalogue.resolve import DEFAULT_SHORT_NAMES, check_routes, list_models, resolve
from outcrop.catalogue.snapshot import Snapshot, make_snapshot, merge_snapshot
from outcrop.errors import OutcropError, SettingsError, StoreError, UnknownModel
from outcrop.settings import Settings
from outcrop.types import Usage
from outcrop.upstream.control_plane import CONTROL_ENDPOINT_VARIABLES, find_control_url, list_region

RUNTIME_ENDPOINT_VARIABLE = "AWS_ENDPOINT_URL_BEDROCK_RUNTIME"

logger = structlog.get_logger(__name__)


class ModelDirectory:
    """
    Know the models of one region. Names are resolved with what is known at that moment.
    """

    def __init__(self, settings: Settings, region: str) -> None:
        self.region = region
        self._short_names: Mapping[str, str] = {**DEFAULT_SHORT_NAMES, **settings.models}
        self._routes = settings.routes
        self._packaged = (
            load_catalogue() if settings.catalogue is None else add_file(load_catalogue(), settings.catalogue)
        )
        self._told: set[str] = set()
        check_routes(self._routes, self._packaged)
        self._catalogue = self._packaged
        try:
            self._listed = self._list()
        except UnknownModel as error:
            raise SettingsError(f"setting models: {error.message}") from error

    @property
    def catalogue(self) -> Catalogue:
        """
        The table as it stands.
        """
        return self._catalogue

    @property
    def listed(self) -> tuple[ListedModel, ...]:
        """
        The models of the menu, short names first.
        """
        return self._listed

    def resolve(self, name: str) -> ResolvedModel:
        """
        Return what a name stands for, and log once for each model what its user should know.

        Raises:
            UnknownModel: it stands for nothing.
        """
        model = resolve(
            name,
            short_names=self._short_names,
            region=self.region,
            catalogue=self._catalogue,
            routes=self._routes,
        )
        if model.base_id not in self._told and self._catalogue.find(model.base_id) is not None:
            # Only what the table knows is remembered, so clients can't make this set grow without bound.
            self._told.add(model.base_id)
            self._tell(model)
        return model

    def price(self, model: ResolvedModel, usage: Usage) -> float | None:
        """
        Return what tokens cost at list price, in USD; None where that is not known.
        """
        return price_call(model, usage, self._catalogue)

    def describe(self) -> dict[str, Any]:
        """
        Say which models there are and how old that knowledge is, for JSON.
        """
        return describe_listing(self._listed, self._catalogue, self.region, datetime.now(UTC))

    def take(self, snapshot: Snapshot) -> None:
        """
        Know from now on what a snapshot of this region says.
        """
        self._catalogue = merge_snapshot(self._packaged, snapshot)
        self._listed = self._list()

    def _list(self) -> tuple[ListedModel, ...]:
        return list_models(
            short_names=self._short_names, region=self.region, catalogue=self._catalogue, routes=self._routes
        )

    def _tell(self, model: ResolvedModel) -> None:
        warning = warning_for(model, self._catalogue)
        if warning is not None:
            logger.warning(warning, model_id=model.model_id)
        if model.model_id.partition(".")[2] == model.base_id:
            logger.info("model is called through an inference profile", model=model.base_id, model_id=model.model_id)


@asynccontextmanager
async def keep_fresh(directory: ModelDirectory, environ: Mapping[str, str], *, refresh: bool) -> AsyncIterator[None]:
    """
    Take what the last run kept, and ask Bedrock in the background while the block runs.
    """
    try:
        url = await asyncio.to_thread(find_control_url, directory.region, environ)
    except SettingsError as error:
        logger.warning("the list of models can't be refreshed", reason=error.message)
        yield
        return
    path = find_cache_file(directory.region, environ)
    kept = await asyncio.to_thread(
        read_snapshot, path, region=directory.region, endpoint_url=url, now=datetime.now(UTC)
    )
    if kept is not None:
        directory.take(kept)
    if not refresh or not can_be_asked(environ):
        yield
        return
    task = asyncio.create_task(refresh_models(directory, environ, path), name="refresh of the models")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def refresh_models(directory: ModelDirectory, environ: Mapping[str, str], path: Path) -> None:
    """
    Ask Bedrock for the region's models and keep the answer in a file. A failure is logged, and changes nothing.
    """
    try:
        listing = await list_region(directory.region, environ)
    except OutcropError as error:
        logger.warning("the list of models was not refreshed", reason=error.message)
        return
    snapshot = make_snapshot(
        directory.region, listing.endpoint_url, datetime.now(UTC), listing.models, listing.profiles
    )
    directory.take(snapshot)
    logger.info("the list of models was refreshed", models=len(snapshot.models), listed=len(directory.listed))
    try:
        await asyncio.to_thread(write_snapshot, path, snapshot)
    except StoreError as error:
        logger.warning("the list of models was not kept", reason=error.message)


def can_be_asked(environ: Mapping[str, str]) -> bool:
    """
    Say whether Bedrock's control plane is where the credentials belong.

    Where the environment moves the runtime elsewhere (to a proxy, to an emulator) and does not say where the control
    plane is, nobody is asked: AWS's own endpoint would be a guess.
    """
    return not environ.get(RUNTIME_ENDPOINT_VARIABLE) or any(environ.get(name) for name in CONTROL_ENDPOINT_VARIABLES)
