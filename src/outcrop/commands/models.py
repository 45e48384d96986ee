"""
`outcrop models`: the models by the names that clients may use.
"""

import os
import sys

import msgspec
from rich.console import Console
from rich.table import Table

from outcrop.catalogue.resolve import DEFAULT_SHORT_NAMES, list_models
from outcrop.settings import Settings
from outcrop.upstream.endpoint import find_region


def print_models(settings: Settings, *, as_json: bool) -> None:
    """
    Print the models that can be called from the region, short names first.

    Raises:
        UnknownModel: a short name of the settings stands for nothing.
    """
    region = find_region(settings.region, os.environ)
    listed = list_models(short_names={**DEFAULT_SHORT_NAMES, **settings.models}, region=region)
    if as_json:
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(listed)) + b"\n")
        return
    table = Table()
    table.add_column("name", overflow="fold")
    table.add_column("model")
    table.add_column("Bedrock gets", overflow="fold")
    table.add_column("family")
    for model in listed:
        table.add_row(model.name, model.title, model.model_id, model.family)
    Console().print(table)
