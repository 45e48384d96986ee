"""
The prompt cache, simulated: a prefix that was seen before is read, another one is written (docs/bedrock_wire.md §5).

Prefixes are known by their digest. The least size that a real model wants before it caches is not simulated, so that
short prompts show it too.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import msgspec

from outcrop.emulator.conversation import Answer, Ask, CacheMark
from outcrop.emulator.speech.tokens import TOKENS_PER_DOCUMENT, TOKENS_PER_IMAGE, count_tokens

MAX_PREFIXES = 10_000
_SECONDS_BY_TTL = {"5m": 300, "1h": 3_600}
_HOUR = 3_600


class PrefixReader:
    """
    Walk through a prompt's parts in order, and note where its cache points are.
    """

    def __init__(self) -> None:
        self._hash = hashlib.blake2b(digest_size=16)
        self._tokens = 0
        self.marks: list[CacheMark] = []

    def add(self, part: Any) -> None:
        """
        Take the next part of the prompt: a block, a tool, a role.
        """
        self._hash.update(msgspec.json.encode(part, order="deterministic") + b"\0")
        self._tokens += _tokens_of(part)

    def mark(self, ttl: str | None) -> None:
        """
        Note a cache point after all that was added.
        """
        seconds = _SECONDS_BY_TTL.get(ttl or "5m", 300)
        self.marks.append(CacheMark(digest=self._hash.digest(), tokens=self._tokens, ttl_seconds=seconds))


def _tokens_of(part: Any) -> int:
    if isinstance(part, str):
        return count_tokens(part)
    if isinstance(part, Mapping):
        text = part.get("text")
        if isinstance(text, str):
            return count_tokens(text)
        kind = part.get("type")
        if part.get("image") is not None or kind == "image":
            return TOKENS_PER_IMAGE
        if part.get("document") is not None or kind == "document":
            return TOKENS_PER_DOCUMENT
    return count_tokens(msgspec.json.encode(part).decode())


class PromptCache:
    """
    Remember prefixes until they expire; the last `MAX_PREFIXES` of them.
    """

    def __init__(self) -> None:
        self._expiries: OrderedDict[tuple[str, bytes], float] = OrderedDict()

    def account(self, ask: Ask, answer: Answer, now: float) -> Answer:
        """
        Return the answer with its input tokens told apart, and remember the ask's prefixes; `now` in seconds.
        """
        if not ask.cache_marks:
            return answer
        read = written = written_for_an_hour = 0
        for mark in ask.cache_marks:
            tokens = min(mark.tokens, ask.input_tokens)
            key = (ask.model, mark.digest)
            if self._expiries.get(key, now) > now:
                read, written, written_for_an_hour = tokens, 0, 0
            else:
                new = tokens - read - written
                written += new
                written_for_an_hour += new if mark.ttl_seconds == _HOUR else 0
            self._expiries[key] = now + mark.ttl_seconds
            self._expiries.move_to_end(key)
        while len(self._expiries) > MAX_PREFIXES:
            self._expiries.popitem(last=False)
        return msgspec.structs.replace(
            answer,
            input_tokens=ask.input_tokens - read - written,
            cache_read_tokens=read,
            cache_write_tokens=written,
            cache_write_1h_tokens=written_for_an_hour,
        )
