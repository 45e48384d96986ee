"""
Converse's cache points: where they may stand, and which prefix each of them ends (docs/bedrock_wire.md §5.5).
"""

from collections.abc import Iterator, Mapping
from typing import Any

from outcrop.emulator.cache import PrefixReader
from outcrop.emulator.conversation import CacheMark
from outcrop.emulator.rules.models import Called
from outcrop.emulator.rules.refusals import Refusal, invalid

MAX_CACHE_POINTS = 4


def read_cache_points(body: Mapping[str, Any], called: Called) -> tuple[CacheMark, ...]:
    """
    Return the cache points of a request: in its tools, its system text and its messages, in this order.

    Raises:
        Refusal: the model has no cache, or a cache point stands where it can't.
    """
    if not any(_is_point(block) for _, _, blocks in _lists(body) for block in blocks):
        return ()
    if not called.has("cache"):
        raise Refusal(
            "AccessDeniedException",
            "You invoked an unsupported model or your request did not allow prompt caching. See the documentation for "
            "more information.",
        )
    reader = PrefixReader()
    for label, where, blocks in _lists(body):
        reader.add(label)
        _read_list(where, blocks, reader)
    if len(reader.marks) > MAX_CACHE_POINTS:
        raise invalid(
            f"The request contains {len(reader.marks)} cachePoint blocks, the maximum allowed is {MAX_CACHE_POINTS}."
        )
    return tuple(reader.marks)


def _read_list(where: str, blocks: list[Any], reader: PrefixReader) -> None:
    for place, block in enumerate(blocks):
        if not _is_point(block):
            reader.add(block)
        elif place == 0 or _is_point(blocks[place - 1]):
            raise invalid(f"The cachePoint at {where}.{place} must come after a block that can be cached.")
        else:
            reader.mark(block["cachePoint"].get("ttl"))


def _lists(body: Mapping[str, Any]) -> Iterator[tuple[str, str, list[Any]]]:
    yield "tools", "toolConfig.tools", (body.get("toolConfig") or {}).get("tools") or []
    yield "system", "system", body.get("system") or []
    for place, message in enumerate(body.get("messages") or []):
        yield message["role"], f"messages.{place}.content", message["content"]


def _is_point(block: Mapping[str, Any]) -> bool:
    return block.get("cachePoint") is not None
