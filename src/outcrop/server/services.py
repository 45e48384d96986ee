"""
What the routes share: the parts of one running server.
"""

import asyncio
from typing import Protocol

import msgspec

from outcrop.accounts.authenticate import Authenticator
from outcrop.accounts.signing import SigningKeys
from outcrop.history.conversations import Conversations
from outcrop.history.news import News
from outcrop.server.chat_session import ChatLimits
from outcrop.server.counting import TokenCounter
from outcrop.server.keeping import Keeper
from outcrop.server.models import ModelDirectory
from outcrop.server.raw_session import RawLimits
from outcrop.server.titles import TitleMaker
from outcrop.settings import Settings
from outcrop.turns.service import TurnService


class Session(Protocol):
    """
    Be one served socket, of whichever dialect; it is the socket's `Listener`.
    """

    async def run(self) -> tuple[int, str] | None:
        """
        Serve until the end. Returns the close code and reason, or None when the client has left.
        """
        ...

    def drain(self) -> None:
        """
        Close once the running answers are complete; at once when there are none.
        """
        ...

    def on_message(self, message: str | bytes) -> None:
        """
        Take one message. See `Listener`.
        """
        ...

    def on_writable(self) -> None:
        """
        Go on writing. See `Listener`.
        """
        ...

    def on_gone(self) -> None:
        """
        Stop serving: the client has left. See `Listener`.
        """
        ...


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
        self,
        *,
        settings: Settings,
        turns: TurnService,
        upstream: UpstreamInfo,
        models: ModelDirectory,
        counter: TokenCounter,
        conversations: Conversations | None,
        news: News,
    ) -> None:
        self.settings = settings
        self.turns = turns
        self.upstream = upstream
        self.models = models
        self.counter = counter
        self.conversations = conversations
        self.news = news
        self.keeper = Keeper(conversations, turns)
        self.titles = TitleMaker(turns, conversations, settings.title_model)
        self.authenticator = Authenticator(
            {name: digest.get_secret_value() for name, digest in settings.api_keys.items()},
            SigningKeys({name: pair.get_secret_value() for name, pair in settings.signing_keys.items()}),
        )
        self.sessions: set[Session] = set()
        self.no_sessions = asyncio.Event()
        self.no_sessions.set()
        self.raw_limits = RawLimits(
            max_prompt_bytes=settings.max_prompt_bytes,
            max_conversation_bytes=settings.max_conversation_bytes,
            max_waiting_prompts=settings.max_waiting_prompts,
            slow_reader_timeout_seconds=settings.slow_reader_timeout_seconds,
        )
        self.chat_limits = ChatLimits(
            max_frame_bytes=settings.max_request_bytes,
            max_starting_bytes=2 * settings.max_request_bytes,
            slow_reader_timeout_seconds=settings.slow_reader_timeout_seconds,
            grace_seconds=settings.grace_seconds,
        )

    def open_session(self, session: Session) -> None:
        """
        Count a socket in; `close_session` counts it out.
        """
        self.sessions.add(session)
        self.no_sessions.clear()

    def close_session(self, session: Session) -> None:
        """
        Count a socket out.
        """
        self.sessions.discard(session)
        if not self.sessions:
            self.no_sessions.set()
