"""
`outcrop models`: the models by the names that clients may use, and what is known of each.
"""

import asyncio
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from outcrop.catalogue.cache import find_cache_file, read_snapshot, write_snapshot
from outcrop.catalogue.listing import ListedModel, describe_listing
from outcrop.catalogue.models import Catalogue, add_file, load_catalogue
from outcrop.catalogue.resolve import DEFAULT_SHORT_NAMES, check_routes, list_models
from outcrop.catalogue.snapshot import Snapshot, make_snapshot, merge_snapshot
from outcrop.errors import SettingsError
from outcrop.settings import Settings
from outcrop.upstream.control_plane import find_control_url, list_region
from outcrop.upstream.endpoint import find_region

DEFAULT_REGION = "us-east-1"
ONE_LINE_WIDTH = 116


def print_models(settings: Settings, *, as_json: bool, refresh: bool = False, everything: bool = False) -> None:
    """
    Print the models that can be called from the region, short names first; with `everything` also the others.

    `refresh` asks Bedrock for the region's models first, and keeps the answer for later runs.

    Raises:
        SettingsError: a setting or the user's own catalogue is wrong.
        UnknownModel: a short name of the settings stands for nothing.
        UpstreamError: Bedrock was to be asked, and that failed.
        StoreError: Bedrock's answer can't be kept.
    """
    region = find_region(settings.region, os.environ) or DEFAULT_REGION
    catalogue = load_catalogue() if settings.catalogue is None else add_file(load_catalogue(), settings.catalogue)
    check_routes(settings.routes, catalogue)
    snapshot = _find_snapshot(settings, region, refresh=refresh)
    if snapshot is not None:
        catalogue = merge_snapshot(catalogue, snapshot)
    models = list_models(
        short_names={**DEFAULT_SHORT_NAMES, **settings.models},
        region=region,
        catalogue=catalogue,
        routes=settings.routes,
        everything=everything,
    )
    now = datetime.now(UTC)
    if as_json:
        listing = msgspec.json.encode(describe_listing(models, catalogue, region, now))
        sys.stdout.buffer.write(msgspec.json.format(listing) + b"\n")
        return
    console = Console(highlight=False)
    console.print(_make_table(models, console.width))
    for line in _notes(models, catalogue, region, now):
        console.print(line)


def _find_snapshot(settings: Settings, region: str, *, refresh: bool) -> Snapshot | None:
    """
    Return what Bedrock says of the region, from the cache or, to `refresh`, from itself. The emulator is never asked.
    """
    if settings.emulate == "true":
        if refresh:
            raise SettingsError("setting emulate is 'true': there is no Bedrock to refresh the list of models from")
        return None
    path = find_cache_file(region, os.environ)
    if not refresh:
        url = find_control_url(region, os.environ)
        return read_snapshot(path, region=region, endpoint_url=url, now=datetime.now(UTC))
    listing = asyncio.run(list_region(region, os.environ))
    snapshot = make_snapshot(region, listing.endpoint_url, datetime.now(UTC), listing.models, listing.profiles)
    write_snapshot(path, snapshot)
    return snapshot


def _make_table(models: Sequence[ListedModel], width: int) -> Table:
    # Where there is no room for one line a model, what belongs together stands in two: nothing is ever cut.
    comma, slash, most, gap = (", ", "/", 20, 1) if width >= ONE_LINE_WIDTH else ("\n", "\n", 12, 0)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, gap, 0, 0))
    table.add_column("name", overflow="fold")
    table.add_column("Bedrock gets", overflow="fold", max_width=most)
    table.add_column(f"family{comma}route", overflow="fold", min_width=12)
    table.add_column(f"context{slash}out", justify="right", overflow="fold", min_width=7)
    table.add_column(f"$ in{slash}out", justify="right", overflow="fold", min_width=6)
    table.add_column("state", overflow="fold", min_width=7)
    for model in models:
        price = model.price
        table.add_row(
            model.name,
            _say_called(model),
            f"{model.family}{comma}{model.route}",
            f"{_in_thousands(model.context_tokens)}{slash}{_in_thousands(model.max_output_tokens)}",
            "-" if price is None else f"{price.input:g}{slash}{price.output:g}",
            _say_state(model),
        )
    return table


def _say_called(model: ListedModel) -> str:
    """
    Say under which ID Bedrock is called, shortly where it is the name itself, or a profile's prefix and the name.
    """
    if model.model_id == model.name:
        return "the same"
    prefix = model.model_id.removesuffix(model.name)
    return f"{prefix}…" if prefix != model.model_id else model.model_id


def _say_state(model: ListedModel) -> Text:
    if model.lifecycle is None:
        return Text("unknown", style="dim")
    if model.lifecycle == "active":
        return Text("active")
    return Text(model.lifecycle.replace("_", " "), style="yellow" if model.lifecycle == "legacy" else "red")


def _notes(models: Sequence[ListedModel], catalogue: Catalogue, region: str, now: datetime) -> list[Text]:
    warnings = dict.fromkeys(model.warning for model in models if model.warning is not None)
    notes = [Text(f"! {warning}", style="yellow") for warning in warnings]
    age = "never refreshed from Bedrock"
    if catalogue.refreshed_at is not None:
        age = f"refreshed from Bedrock {_say_age((now - catalogue.refreshed_at).total_seconds())} ago"
    days = sorted({model.price.priced_on.isoformat() for model in models if model.price is not None})
    prices = f"; list prices in USD per million tokens, read {' and '.join(days)}" if days else ""
    return [*notes, Text(f"{region}: {age}{prices}", style="dim")]


def _say_age(seconds: float) -> str:
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0, seconds):.0f} s"


def _in_thousands(tokens: int | None) -> str:
    if tokens is None:
        return "?"
    for size, unit in ((1_000_000, "M"), (1_000, "K")):
        if tokens >= size:
            return f"{tokens // size}{unit}"
    return str(tokens)
