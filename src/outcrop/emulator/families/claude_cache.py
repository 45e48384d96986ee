"""
Claude's own cache points: `cache_control` on tools, system blocks and content blocks (docs/bedrock_wire.md §4.1).
"""

from collections.abc import Iterator, Mapping
from typing import Any

from outcrop.emulator.cache import PrefixReader
from outcrop.emulator.conversation import CacheMark
from outcrop.emulator.rules.models import Called
from outcrop.emulator.rules.refusals import invalid

MAX_CACHE_POINTS = 4
_TTLS = (None, "5m", "1h")


def read_cache_marks(body: Mapping[str, Any], called: Called) -> tuple[CacheMark, ...]:
    """
    Return the cache points of a body whose shape has been checked; none for a model without a cache.

    Raises:
        Refusal: there are too many, or one is of no known kind.
    """
    if not called.has("cache") or not any(_control_of(part) is not None for part in _parts(body)):
        return ()
    reader = PrefixReader()
    for part in _parts(body):
        control = _control_of(part)
        reader.add({k: v for k, v in part.items() if k != "cache_control"} if isinstance(part, dict) else part)
        if control is not None:
            if not isinstance(control, dict) or control.get("type") != "ephemeral" or control.get("ttl") not in _TTLS:
                raise invalid("cache_control: Input should be of type 'ephemeral' with a ttl of '5m' or '1h'")
            reader.mark(control.get("ttl"))
    if len(reader.marks) > MAX_CACHE_POINTS:
        raise invalid(
            f"A maximum of {MAX_CACHE_POINTS} blocks with cache_control may be provided. Found {len(reader.marks)}."
        )
    return tuple(reader.marks)


def _parts(body: Mapping[str, Any]) -> Iterator[Any]:
    yield from body.get("tools") or ()
    yield from _blocks_of(body.get("system"))
    for message in body["messages"]:
        yield message["role"]
        yield from _blocks_of(message["content"])


def _blocks_of(content: Any) -> list[Any]:
    if content is None:
        return []
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)


def _control_of(part: Any) -> Any:
    return part.get("cache_control") if isinstance(part, dict) else None
