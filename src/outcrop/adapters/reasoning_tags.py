"""
Tell reasoning from the answer where a model writes both into one text, with a tag around the reasoning.

gpt-oss and Kimi write `<reasoning>…</reasoning>` before the answer (docs/bedrock_wire.md §4.5, §4.10), DeepSeek R1 goes
on after the `<think>` that ends its prompt (§4.4). Reasoning stands at the very start or not at all: a tag that comes
later is text, because answers about such models have the tags in them. White space before the opening tag is text too,
so that nothing the model said is lost.
"""

from collections.abc import Iterable

TAGS = ("reasoning", "think")
"""
The names of the tags that are known.
"""

Piece = tuple[bool, str]
"""
A run of text, and whether it is reasoning.
"""


_START, _INSIDE, _AFTER = range(3)


class TagSplitter:
    """
    Split a text that comes in deltas into reasoning and answer. Pure; one splitter per answer.

    However the text is cut, the pieces join to the same runs. What may be the beginning of a tag is held back: always
    fewer characters than that tag has.

    Args:
        names: the tags that may open reasoning; the same name closes it.
        opened: the tag that the prompt has opened already; the text begins with reasoning then.
    """

    __slots__ = ("_close", "_held", "_opens", "_place")

    def __init__(self, names: Iterable[str] = TAGS, *, opened: str | None = None) -> None:
        self._opens = tuple(f"<{name}>" for name in names)
        self._close = "" if opened is None else f"</{opened}>"
        self._place = _START if opened is None else _INSIDE
        self._held = ""

    @property
    def held_characters(self) -> int:
        """
        Say how many characters are held back.
        """
        return len(self._held)

    @property
    def is_done(self) -> bool:
        """
        Say whether all that can still come is text.
        """
        return self._place == _AFTER

    def feed(self, text: str) -> list[Piece]:
        """
        Take some text and return the pieces that are certain; no piece is empty.
        """
        if self._place == _AFTER:
            return [(False, text)] if text else []
        if self._place == _INSIDE and not self._held and "<" not in text:
            return [(True, text)] if text else []
        text = self._held + text
        self._held = ""
        pieces: list[Piece] = []
        if self._place == _START:
            text = self._feed_start(text, pieces)
        if self._place == _INSIDE:
            text = self._feed_inside(text, pieces)
        if self._place == _AFTER and text:
            pieces.append((False, text))
        return pieces

    def flush(self) -> list[Piece]:
        """
        Take the end of the text and return what was held back: it was no tag.
        """
        held, self._held = self._held, ""
        return [(self._place == _INSIDE, held)] if held else []

    def _feed_start(self, text: str, pieces: list[Piece]) -> str:
        """
        Take text before any visible character has come, and return what the next place takes.
        """
        visible = text.lstrip()
        if blank := text[: len(text) - len(visible)]:
            pieces.append((False, blank))
        for tag in self._opens:
            if visible.startswith(tag):
                self._place, self._close = _INSIDE, f"</{tag[1:]}"
                return visible[len(tag) :]
        if any(tag.startswith(visible) for tag in self._opens):
            self._held = visible
            return ""
        self._place = _AFTER
        return visible

    def _feed_inside(self, text: str, pieces: list[Piece]) -> str:
        reasoning, closing, rest = text.partition(self._close)
        if closing:
            self._place = _AFTER
        else:
            self._held = _find_begun(text, self._close)
            reasoning, rest = text[: len(text) - len(self._held)], ""
        if reasoning:
            pieces.append((True, reasoning))
        return rest


def _find_begun(text: str, tag: str) -> str:
    """
    Return the longest end of a text that is a beginning of the tag.
    """
    start = text.rfind("<", max(0, len(text) - len(tag) + 1))
    return text[start:] if start >= 0 and tag.startswith(text[start:]) else ""
