"""
What an engine can be told.
"""

import os

import msgspec

from outcrop.emulator.peer import parse_peer
from outcrop.errors import SettingsError

KINDS = ("openai",)


class EngineConfig(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold where the engine is.

    Args:
        url: its base, as in `http://127.0.0.1:11434/v1`.
        model: which of its models answers; without it, the first that it lists.
        key: its API key, if it wants one.

    Raises:
        SettingsError: the URL is none of http or https.
    """

    url: str
    model: str | None = None
    key: str | None = None

    def __post_init__(self) -> None:
        parse_peer(self.url, "engine's URL")

    def __repr__(self) -> str:
        return f"EngineConfig(url={self.url!r}, model={self.model!r}, has_key={self.key is not None})"


def parse_engine(
    kind: str | None, *, url: str | None, model: str | None, key_variable: str | None
) -> EngineConfig | None:
    """
    Return the engine that options name, None where they name none; the key is read from an environment variable.

    Raises:
        SettingsError: they are not enough, or contradict one another.
    """
    if kind is None:
        if any((url, model, key_variable)):
            raise SettingsError("an engine's URL, model or key is given without the engine")
        return None
    if kind not in KINDS:
        raise SettingsError(f"engine is {kind!r}, expected one of {', '.join(KINDS)}")
    if url is None:
        raise SettingsError("an engine needs its URL, as in http://127.0.0.1:11434/v1")
    key = None
    if key_variable is not None:
        key = os.environ.get(key_variable)
        if not key:
            raise SettingsError(f"the environment variable {key_variable!r}, for the engine's key, is not set")
    return EngineConfig(url=url, model=model, key=key)
