"""
News of conversations between replicas, over Redis: one channel for all of them.

While Redis is down news is lost, and so it is said nowhere: pages read again what they show whenever they connect.
"""

import asyncio
import secrets

import msgspec
import structlog

from outcrop.errors import StoreError
from outcrop.history.news import News
from outcrop.turns.redis.connection import Pause, RedisLink

CHANNEL = "news"
MAX_UNSENT = 1000

logger = structlog.get_logger(__name__)


class _Piece(msgspec.Struct, frozen=True, array_like=True):
    sender: str
    owner: str
    conversation_id: str


class RedisRelay:
    """
    Implement `Relay`. The caller awaits `run` in a task of its own, and cancels it; then it calls `aclose`.

    Args:
        news: who is told of what others send.

    Raises:
        SettingsError: the URL can't be understood.
    """

    def __init__(self, url: str, news: News, *, prefix: str = "outcrop:", timeout_seconds: float = 5) -> None:
        self._link = RedisLink(url, prefix=prefix, timeout_seconds=timeout_seconds)
        self._channel = prefix + CHANNEL
        self._news = news
        self._sender = secrets.token_hex(8)
        self._unsent: asyncio.Queue[_Piece] = asyncio.Queue(MAX_UNSENT)

    def send(self, owner: str, conversation_id: str) -> None:
        """
        Carry one piece. See `Relay.send`.
        """
        if not self._unsent.full():
            self._unsent.put_nowait(_Piece(self._sender, owner, conversation_id))

    async def run(self) -> None:
        """
        Send and receive for ever.
        """
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._send())
            tasks.create_task(self._receive())

    async def aclose(self) -> None:
        """
        Close the connections.
        """
        await self._link.aclose()

    async def _send(self) -> None:
        while True:
            piece = await self._unsent.get()
            try:
                await self._link.execute("PUBLISH", self._channel, msgspec.msgpack.encode(piece))
            except StoreError as error:
                logger.debug("news did not reach the other replicas", reason=error.message)

    async def _receive(self) -> None:
        pause = Pause()
        while True:
            try:
                listener = await self._link.listen()
            except StoreError:
                await pause.wait()
                continue
            try:
                await listener.send("SUBSCRIBE", self._channel)
                pause = Pause()
                while True:
                    self._take(await listener.receive())
            except StoreError:
                await pause.wait()
            finally:
                listener.close()

    def _take(self, message: list[bytes]) -> None:
        if message[0] != b"message":
            return
        try:
            piece = msgspec.msgpack.decode(message[2], type=_Piece)
        except msgspec.MsgspecError:
            # A replica of another version.
            logger.warning("news of another form was passed over")
            return
        if piece.sender != self._sender:
            self._news.tell(piece.owner, piece.conversation_id)
