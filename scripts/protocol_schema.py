"""
Print the JSON Schema of the native protocol; its output is docs/protocol.schema.json.
"""

import sys
from typing import Any

import msgspec

from outcrop.dialects.chat.body import ChatBody
from outcrop.dialects.chat.files import FilePart
from outcrop.dialects.chat.frames import ResumeFields
from outcrop.dialects.chat.messages import ReasoningUiPart, TextUiPart, ToolUiPart, UiMessage
from outcrop.dialects.chat.replies import ServerFrame
from outcrop.dialects.chat.turn import SendFields
from outcrop.dialects.ui_stream.parts import UiPart

ROOTS: dict[str, Any] = {
    "part": UiPart,
    "serverFrame": ServerFrame,
    "sendFields": SendFields,
    "sendBody": ChatBody,
    "resumeFields": ResumeFields,
    "message": UiMessage,
    "textPart": TextUiPart,
    "reasoningPart": ReasoningUiPart,
    "filePart": FilePart,
    "toolPart": ToolUiPart,
}


def build() -> dict[str, Any]:
    """
    Build the schema: each kind of object under its name in `properties`, what they are made of in `$defs`.
    """
    schemas, components = msgspec.json.schema_components(ROOTS.values(), ref_template="#/$defs/{name}")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "outcrop native chat protocol, version 1",
        "description": "See protocol.md. Validate one kind of object with the reference under its name.",
        "properties": dict(zip(ROOTS, schemas, strict=True)),
        "$defs": dict(sorted(components.items())),
    }


if __name__ == "__main__":
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(build(), order="deterministic"), indent=2).decode() + "\n")
