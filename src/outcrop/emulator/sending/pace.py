"""
When the tokens of an answer are due: a first one after a while, then a pace that is uneven but repeats itself.
"""


class Pace:
    """
    Say when each token is due, in seconds after the call began.

    With jitter j a token comes up to j token intervals late, never before the one before it; the average pace stays
    what was asked for. The lateness is a hash of the seed and the token's number, so it costs nothing to draw.

    Args:
        first_seconds: when the first token is due.
        tokens_per_second: the pace after it; 0 is all at once.
    """

    __slots__ = ("_first", "_interval", "_jitter", "_seed")

    def __init__(self, first_seconds: float, tokens_per_second: float, jitter: float, seed: bytes) -> None:
        self._first = first_seconds
        self._interval = 1 / tokens_per_second if tokens_per_second else 0.0
        self._jitter = jitter * self._interval
        self._seed = int.from_bytes(seed[:2], "big")

    def due(self, token: int) -> float:
        """
        Return when a token is due; they count from 0.
        """
        if not token or not self._interval:
            return self._first
        late = ((self._seed + token * 2_654_435_761) & 0xFFFF) / 0x10000
        return self._first + token * self._interval + late * self._jitter
