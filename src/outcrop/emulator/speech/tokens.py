"""
Cut text into pieces like a model's tokens, and count them.

The pieces joined are the text, always. A cut never falls inside a code point; it may fall inside a grapheme (an emoji
of several code points, a letter and its mark), as it does with real tokenisers.
"""

import re
from collections.abc import Iterable

import msgspec

from outcrop.emulator.conversation import Tool, Turn

_TOKEN = re.compile(
    r"""
    <\|[a-z_]{1,32}\|>                                   # a control token of a template counts as one
    | [ ]?[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]{1,2} # CJK
    | [ ]?[^\W\d_]{1,8}                                  # letters, with the space before them
    | \d{1,3}
    | \n+
    | [ \t]?[^\w\s]{1,2}                                 # signs, marks, emoji
    | .
    """,
    re.VERBOSE | re.DOTALL,
)
_MAX_COUNTED_CHARACTERS = 200_000
TOKENS_PER_IMAGE = 256
TOKENS_PER_DOCUMENT = 512
TOKENS_PER_MESSAGE = 3


def tokenize(text: str) -> list[str]:
    """
    Return the pieces of a text. A prefix that ends between two pieces has the same pieces.
    """
    return _TOKEN.findall(text)


def count_tokens(text: str) -> int:
    """
    Return how many pieces a text has; that of a very long one is estimated from its length.
    """
    if len(text) > _MAX_COUNTED_CHARACTERS:
        return len(text) // 4
    return len(tokenize(text))


def count_input(system: str, turns: Iterable[Turn], tools: Iterable[Tool]) -> int:
    """
    Return how many tokens a conversation has as a model's input.
    """
    total = count_tokens(system)
    for turn in turns:
        total += TOKENS_PER_MESSAGE + count_tokens(turn.text)
        total += turn.images * TOKENS_PER_IMAGE + turn.documents * TOKENS_PER_DOCUMENT
        total += sum(count_tokens(call.name) for call in turn.tool_calls)
        total += sum(count_tokens(result.text) for result in turn.tool_results)
    return total + sum(count_tokens(msgspec.json.encode(tool).decode()) for tool in tools)
