"""
What `outcrop chat` does over its connection: checks the model, asks, reads, stops; failures become sentences.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import quote

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from outcrop.client import Answer, Chat, ChatFailed, Client
from outcrop.commands.chat.gateway import look_at
from outcrop.commands.chat.link import Gateway, LinkFailed, explain_close, explain_failure, explain_refusal

OPEN_TIMEOUT_SECONDS = 10.0
STOP_SECONDS = 5.0
"""
Time that a stopped answer gets to come to its end.
"""


class Talk:
    """
    Hold one conversation with one model at a time, over one client. `close` it once, also where `open` failed.

    A connection that is lost is made again, and the running answer goes on.

    Args:
        parameters: those of `Client.chat`, besides the model.
    """

    def __init__(self, gateway: Gateway, model: str, parameters: Mapping[str, Any]) -> None:
        self.gateway = gateway
        self.model = model
        self._parameters = parameters
        self._client = Client(gateway.url, key=gateway.key)
        self._chat: Chat | None = None
        self._answer: Answer | None = None

    async def open(self) -> None:
        """
        Connect.

        Raises:
            LinkFailed: nobody answers, or the gateway refuses.
        """
        async with self._as_sentences():
            await self._client.__aenter__()
        self.begin(self.model)

    def begin(self, model: str) -> None:
        """
        Begin a new conversation with a model.
        """
        self.model = model
        self._chat = self._client.chat(model=model, **self._parameters)

    async def check(self, model: str) -> None:
        """
        Ask the gateway whether a name stands for a model.

        The raw dialect looks a name up when its socket opens; nothing is asked of the model.

        Raises:
            LinkFailed: it does not, or the gateway can't be asked.
        """
        gateway = self.gateway
        try:
            socket = await connect(
                f"ws{gateway.url.removeprefix('http')}/ws/model?model={quote(model, safe='')}",
                additional_headers={"Authorization": f"Bearer {gateway.key}"} if gateway.key else None,
                compression=None,
                proxy=None if gateway.is_near else True,
                open_timeout=OPEN_TIMEOUT_SECONDS,
            )
        except (OSError, WebSocketException) as error:
            raise LinkFailed(explain_refusal(error, gateway)) from error
        async with socket:
            try:
                # A refusal is a close frame right after the handshake, so it comes before any pong.
                async with asyncio.timeout(OPEN_TIMEOUT_SECONDS):
                    await (await socket.ping())
            except ConnectionClosed as error:
                raise LinkFailed(explain_close(error)) from error
            except TimeoutError as error:
                raise LinkFailed(explain_refusal(error, gateway)) from error

    async def ask(self, prompt: str) -> None:
        """
        Send a prompt.

        Raises:
            LinkFailed: the connection had been lost meanwhile, and nobody answers there now.
        """
        assert self._chat is not None
        if not self._client.is_connected:
            # Who types wants to know at once, and not when the time for reconnecting is over.
            await asyncio.to_thread(look_at, self.gateway)
        async with self._as_sentences():
            self._answer = self._chat.send(prompt)

    async def read(self) -> str | None:
        """
        Wait for the next text of the answer; None is its end.

        Raises:
            LinkFailed: the answer failed; what came before is a true beginning.
        """
        assert self._answer is not None
        async with self._as_sentences():
            async for piece in self._answer:
                if piece.text:
                    return piece.text
        return None

    async def stop(self) -> str:
        """
        Stop the running answer, and return what of it still came. The conversation stays.
        """
        written: list[str] = []
        if self._answer is not None and not self._answer.is_over:
            await self._answer.stop()
            with contextlib.suppress(TimeoutError, LinkFailed):
                async with asyncio.timeout(STOP_SECONDS):
                    while (text := await self.read()) is not None:
                        written.append(text)
        return "".join(written)

    async def close(self) -> None:
        """
        Stop what runs, and close the connection.
        """
        if self._client.is_connected:
            await self.stop()
        await self._client.__aexit__(None, None, None)

    @contextlib.asynccontextmanager
    async def _as_sentences(self) -> AsyncIterator[None]:
        try:
            yield
        except ChatFailed as error:
            raise LinkFailed(explain_failure(error, self.gateway)) from error
