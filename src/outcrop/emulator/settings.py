"""
What an emulator can be told when it starts.
"""

from collections.abc import Mapping

import msgspec

from outcrop.emulator.engine.settings import EngineConfig
from outcrop.emulator.quota import Quota
from outcrop.emulator.tape.settings import TapeConfig
from outcrop.errors import SettingsError

LOOPBACK_NAMES = frozenset({"127.0.0.1", "::1", "localhost"})


class EmulatorConfig(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold an emulator's settings.

    Args:
        port: 0 lets the system choose.
        first_token_ms: how long a model "thinks" before its first token; 0 is as fast as it can.
        tokens_per_second: the pace after that; 0 is as fast as it can.
        jitter: how uneven the pace is, from 0 (a metronome) to 1. It repeats itself for equal requests.
        seed: another seed, other answers.
        keys: access key ID → secret. With keys every signature is verified; without, any is taken.
        strict_auth: refuse requests that carry no Authorization.
        region: the region of requests that name none in their signature.
        tape: record another endpoint, or replay what was recorded, in place of the simulated models.
        engine: a server with a real model that answers in their place.
        quotas: what the account may use; nothing is limited without.

    Raises:
        SettingsError: a value is out of its range.
    """

    host: str = "127.0.0.1"
    port: int = 0
    first_token_ms: float = 250.0
    tokens_per_second: float = 60.0
    jitter: float = 0.2
    seed: int = 0
    keys: Mapping[str, str] | None = None
    strict_auth: bool = False
    region: str = "us-east-1"
    tape: TapeConfig | None = None
    engine: EngineConfig | None = None
    quotas: tuple[Quota, ...] = ()

    def __post_init__(self) -> None:
        bounds: tuple[tuple[str, float, float, float], ...] = (
            ("port", self.port, 0, 65_535),
            ("first_token_ms", self.first_token_ms, 0, 3_600_000),
            ("tokens_per_second", self.tokens_per_second, 0, 1_000_000),
            ("jitter", self.jitter, 0, 1),
        )
        for name, value, low, high in bounds:
            if not low <= value <= high:
                raise SettingsError(f"emulator's {name} is {value}, expected {low} to {high}")
        if self.tape is not None and self.engine is not None:
            raise SettingsError("a tape and an engine can't both answer")
        if not self.host or not self.region:
            raise SettingsError("emulator's host and region can't be empty")

    def __repr__(self) -> str:
        keys = None if self.keys is None else sorted(self.keys)
        return f"EmulatorConfig(host={self.host!r}, port={self.port}, region={self.region!r}, key_ids={keys!r})"
