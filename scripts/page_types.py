"""
Print the JSON Schema of what the page reads from the API; its output is ui/src/api/schema.json.
"""

import sys
from typing import Any

import msgspec

from outcrop.catalogue.listing import ListedModel
from outcrop.server.conversation_types import BranchJson, ConversationJson, FoundPageJson, PageJson

ROOTS: dict[str, Any] = {
    "branch": BranchJson,
    "conversation": ConversationJson,
    "page": PageJson,
    "foundPage": FoundPageJson,
    "model": ListedModel,
}


def build() -> dict[str, Any]:
    """
    Build the schema: each kind of answer under its name in `properties`, what they are made of in `$defs`.
    """
    schemas, components = msgspec.json.schema_components(ROOTS.values(), ref_template="#/$defs/{name}")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "answers of outcrop's API that its page reads",
        "properties": dict(zip(ROOTS, schemas, strict=True)),
        "$defs": dict(sorted(components.items())),
    }


if __name__ == "__main__":
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(build(), order="deterministic"), indent=2).decode() + "\n")
