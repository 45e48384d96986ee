"""
Converse's messages read into turns: who speaks when, what a message may hold (docs/bedrock_wire.md §5.4, §5.5).
"""

import re
from base64 import b64decode
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from outcrop.emulator.conversation import ToolCall, ToolResult, Turn
from outcrop.emulator.converse_tools import read_tool_result, unsupported_block
from outcrop.emulator.families.family import ConverseRules
from outcrop.emulator.rules.models import Called
from outcrop.emulator.rules.refusals import invalid

MAX_IMAGES = 20
MAX_IMAGE_BYTES = 3_750_000
MAX_DOCUMENTS = 5
MAX_DOCUMENT_BYTES = 4_500_000
_DOCUMENT_NAME = re.compile(r"[A-Za-z0-9\-()\[\]]+(?: [A-Za-z0-9\-()\[\]]+)*")
_NOBODY_TAKES = frozenset({"video", "audio", "toolAddition", "toolRemoval"})
_MUST_START_WITH_USER = (
    "A conversation must start with a user message. Try again with a conversation that starts with a user message."
)


def read_messages(messages: list[Mapping[str, Any]], called: Called, rules: ConverseRules) -> tuple[Turn, ...]:
    """
    Return a turn for every message.

    Raises:
        Refusal: the order is wrong, or a message holds what it can't.
    """
    turns = tuple(_read_message(message, f"messages.{place}", called, rules) for place, message in enumerate(messages))
    _check_order([message["role"] for message in messages], called, rules)
    _check_totals(turns)
    return turns


def _check_order(roles: list[str], called: Called, rules: ConverseRules) -> None:
    if not roles or (roles[0] != "user" and not rules.may_open_with_assistant(called)):
        raise invalid(_MUST_START_WITH_USER)
    if not rules.merges_neighbours and any(role == before for before, role in pairwise(roles)):
        raise invalid(
            "A conversation must alternate between user and assistant roles. Make sure the conversation "
            "alternates between user and assistant roles and try again."
        )
    # Claude refuses it in its own words, see `claude_rules`.
    if roles[-1] != "user" and not called.has("prefill") and not rules.merges_neighbours:
        raise invalid(
            "A conversation must end with a user message. Try again with a conversation that ends with a user message."
        )


def _read_message(message: Mapping[str, Any], where: str, called: Called, rules: ConverseRules) -> Turn:
    content = message["content"]
    if message["role"] == "system":
        raise invalid(f"{where}: this model doesn't support the role system in messages.")
    if not content:
        raise invalid(
            f"The content field in the Message object at {where} is empty. Add a ContentBlock object to the content "
            "field and try again."
        )
    _check_mixture(content, where, rules)
    texts, calls, results = [], [], list[ToolResult]()
    for place, block in enumerate(content):
        at = f"{where}.content.{place}"
        _check_block(block, at, called)
        if block.get("text") is not None:
            texts.append(block["text"])
        elif block.get("toolUse"):
            calls.append(ToolCall(block["toolUse"]["toolUseId"], block["toolUse"]["name"]))
        elif block.get("toolResult"):
            results.append(read_tool_result(block["toolResult"], at, called, rules))
    return Turn(
        speaker=message["role"],
        text="\n".join(texts),
        images=sum(block.get("image") is not None for block in content),
        documents=sum(block.get("document") is not None for block in content),
        tool_calls=tuple(calls),
        tool_results=tuple(results),
    )


def _check_mixture(content: list[Mapping[str, Any]], where: str, rules: ConverseRules) -> None:
    kinds = {name for block in content for name, item in block.items() if item is not None}
    if "document" in kinds and "text" not in kinds:
        raise invalid(f"A text block must be included in the content of {where} when a document is included.")
    if "toolResult" in kinds and kinds & rules.refused_beside_tool_result:
        raise invalid("Conversation blocks and tool result blocks cannot be provided in the same turn.")


def _check_block(block: Mapping[str, Any], where: str, called: Called) -> None:
    kind = next(name for name, item in block.items() if item is not None)
    if kind == "text" and not block["text"].strip():
        raise invalid(
            f"The text field in the ContentBlock object at {where} is blank. Add text to the text field, and try again."
        )
    if kind == "image":
        if not called.takes_images:
            raise unsupported_block("image")
        _check_size(block["image"]["source"], MAX_IMAGE_BYTES, f"{where}.image.source.bytes")
    if kind == "document":
        if not called.takes_documents:
            raise unsupported_block("document")
        _check_document(block["document"], where)
    if kind == "reasoningContent" and not called.has("reasoning_history"):
        raise invalid(
            "User messages cannot contain reasoning content. Please remove the reasoning content and try again."
        )
    if kind in _NOBODY_TAKES:
        raise unsupported_block(kind)


def _check_size(source: Mapping[str, Any], limit: int, where: str) -> None:
    encoded = source.get("bytes")
    if encoded is not None and len(b64decode(encoded)) > limit:
        raise invalid(
            f"The value at {where} is too large: {len(b64decode(encoded))} bytes, the limit is {limit} bytes."
        )


def _check_document(document: Mapping[str, Any], where: str) -> None:
    if not _DOCUMENT_NAME.fullmatch(document["name"]):
        raise invalid(
            f"The document file name at {where} can only contain alphanumeric characters, whitespace characters, "
            "hyphens, parentheses, and square brackets. The name can't contain more than one consecutive whitespace "
            "character."
        )
    _check_size(document.get("source") or {}, MAX_DOCUMENT_BYTES, f"{where}.document.source.bytes")


def _check_totals(turns: tuple[Turn, ...]) -> None:
    for what, number, limit in (
        ("images", sum(turn.images for turn in turns), MAX_IMAGES),
        ("documents", sum(turn.documents for turn in turns), MAX_DOCUMENTS),
    ):
        if number > limit:
            raise invalid(f"The request contains {number} {what}, the limit is {limit}.")


def read_system(blocks: list[Mapping[str, Any]], called: Called) -> str:
    """
    Return the system text.

    Raises:
        Refusal: the model takes none, or a block is blank.
    """
    if blocks and not called.has("system"):
        raise invalid(
            "This model doesn't support system messages. Try again without a system message or use a model that "
            "supports system messages."
        )
    texts = [block["text"] for block in blocks if block.get("text") is not None]
    for place, text in enumerate(texts):
        if not text.strip():
            raise invalid(
                f"The text field in the SystemContentBlock object at system.{place} is blank. Add text to the text "
                "field, and try again."
            )
    return "\n".join(texts)
