"""
What stands in for the simulated models when there is a tape: a recorder or a replayer.
"""

from typing import Protocol

from outcrop.emulator.book import Call
from outcrop.emulator.sending.line import Line
from outcrop.emulator.settings import LOOPBACK_NAMES, EmulatorConfig
from outcrop.emulator.tape.recorder import Recorder
from outcrop.emulator.tape.replayer import Replayer
from outcrop.emulator.tape.request import TapeRequest
from outcrop.errors import SettingsError


class Deck(Protocol):
    """
    Answer requests from elsewhere.
    """

    async def answer(self, request: TapeRequest, line: Line, call: Call) -> None:
        """
        Answer one request; the call's entry says how it went.

        Raises:
            Refusal: there is no answer.
            ClientGone: the client went before the end.
        """
        ...


def open_deck(config: EmulatorConfig) -> Deck | None:
    """
    Return what an emulator's settings want, None without a tape.

    Raises:
        SettingsError: the folder can't be used, or strangers could spend the caller's credentials.
    """
    tape = config.tape
    if tape is None:
        return None
    if tape.replay is not None:
        return Replayer(tape.replay, is_paced=tape.replay_pace == "recorded")
    assert tape.record is not None
    if config.host not in LOOPBACK_NAMES and not (config.keys and config.strict_auth):
        raise SettingsError(
            f"a recorder on {config.host!r} signs requests for anyone: give it keys and require authentication"
        )
    return Recorder(tape.record, upstream=tape.upstream, bound_host=config.host)
