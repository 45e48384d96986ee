"""
How deep the JSON of a model may nest: what one place reads, each other place must be able to write.

Python's own bound, of about 1,000 levels, depends on who calls.
"""

from typing import Any

import msgspec

MAX_ARGUMENT_DEPTH = 250
"""
A call of a tool whose arguments have more levels counts as one that is not whole.
"""

_decoder = msgspec.json.Decoder(dict[str, Any])


def is_deeper(value: Any, levels: int) -> bool:
    """
    Say whether a JSON value has more levels than these; a value that holds nothing is one level.
    """
    level = [value]
    for _ in range(levels):
        inner = (one.values() if isinstance(one, dict) else one for one in level if isinstance(one, dict | list))
        level = [member for members in inner for member in members]
        if not level:
            return False
    return True


def parse_object(text: str) -> dict[str, Any] | None:
    """
    Return a tool's arguments, None while they are not one JSON object of at most `MAX_ARGUMENT_DEPTH` levels.
    """
    try:
        value = _decoder.decode(text)
    except (msgspec.MsgspecError, RecursionError, UnicodeEncodeError):
        return None
    may_be_deep = text.count("{") + text.count("[") >= MAX_ARGUMENT_DEPTH
    return None if may_be_deep and is_deeper(value, MAX_ARGUMENT_DEPTH) else value
