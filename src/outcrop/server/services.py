"""
What the routes share: the parts of one running server.
"""

import asyncio

import msgspec

from outcrop.accounts.authenticate import Authenticator
from outcrop.server.models import ModelDirectory
from outcrop.server.raw_session import RawLimits, RawSession
from outcrop.settings import Settings
from outcrop.turns.service import TurnService


class UpstreamInfo(msgspec.Struct, frozen=True, kw_only=True):
    """
    Say what answers: `bedrock`, or `emulator` (every answer is simulated).
    """

    kind: str
    region: str
    endpoint_url: str
    credentials: str


class Services:
    """
    Hold the parts that routes use. One per server.
    """

    def __init__(
        self, *, settings: Settings, turns: TurnService, upstream: UpstreamInfo, models: ModelDirectory
    ) -> None:
        self.settings = settings
        self.turns = turns
        self.upstream = upstream
        self.models = models
        self.authenticator = Authenticator(
            {name: digest.get_secret_value() for name, digest in settings.api_keys.items()}
        )
        self.sessions: set[RawSession] = set()
        self.no_sessions = asyncio.Event()
        self.no_sessions.set()
        self.raw_limits = RawLimits(
            max_prompt_bytes=settings.max_prompt_bytes,
            max_conversation_bytes=settings.max_conversation_bytes,
            max_waiting_prompts=settings.max_waiting_prompts,
            slow_reader_timeout_seconds=settings.slow_reader_timeout_seconds,
        )

    def open_session(self, session: RawSession) -> None:
        """
        Count a socket in; `close_session` counts it out.
        """
        self.sessions.add(session)
        self.no_sessions.clear()

    def close_session(self, session: RawSession) -> None:
        """
        Count a socket out.
        """
        self.sessions.discard(session)
        if not self.sessions:
            self.no_sessions.set()
