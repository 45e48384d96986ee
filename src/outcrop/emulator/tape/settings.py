"""
What record and replay can be told.
"""

import msgspec

from outcrop.emulator.peer import parse_peer
from outcrop.errors import SettingsError

PACES = ("fast", "recorded")


class TapeConfig(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold what is recorded or replayed: exactly one of the two.

    Args:
        record: the folder that exchanges are written to.
        upstream: the endpoint that is recorded; without it, Bedrock's own of each request's region.
        replay: the folder that recorded exchanges are served from.
        replay_pace: `fast`, or `recorded`: every chunk when it came.

    Raises:
        SettingsError: they contradict one another.
    """

    record: str | None = None
    upstream: str | None = None
    replay: str | None = None
    replay_pace: str = "fast"

    def __post_init__(self) -> None:
        if (self.record is None) == (self.replay is None):
            raise SettingsError("expected a folder to record to or one to replay from, and not both")
        if self.upstream is not None:
            if self.record is None:
                raise SettingsError("an upstream is for recording only")
            parse_peer(self.upstream, "upstream")
        if self.replay_pace not in PACES:
            raise SettingsError(f"replay pace is {self.replay_pace!r}, expected one of {', '.join(PACES)}")
