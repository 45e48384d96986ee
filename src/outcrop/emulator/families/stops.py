"""
Stop sequences as most native bodies have them: an array of strings.
"""

from typing import Any

from outcrop.emulator.rules.schema import Field, check_value

_STOP = Field(kind="String", minimum=1)


def read_stops(value: Any, where: str) -> tuple[str, ...]:
    """
    Return stop sequences; `value` is an array or None.

    Raises:
        Refusal: one is no string, or empty.
    """
    for place, stop in enumerate(value or ()):
        check_value(stop, _STOP, f"{where}/{place}")
    return tuple(value or ())
