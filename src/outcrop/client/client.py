"""
The client: one connection to a gateway, and the chats that share it.
"""

import ssl
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from outcrop.client.address import Address, parse_url
from outcrop.client.chat import Chat
from outcrop.client.link import Link, LinkOptions


class Client:
    """
    Connect to a gateway for as long as the `async with` block runs.

    Entering connects, and raises `GatewayUnreachable` or `GatewayRefused` at once. Later drops are bridged: see
    `LinkOptions`. Leaving closes the connection: an answer that still runs ends as `ClientClosed`, and is left to the
    gateway; stop it before, if nobody shall pay for the rest.

    Args:
        url: `http://host:port` or `https://…`, perhaps with a path. Loopback is reached without a proxy.
        key: the gateway's key, where it wants one; sent as a bearer token.
        options: the bounds of the connection.
        tls: how certificates are checked; default: as the system does.

    Raises:
        SettingsError: `url` is no address of a gateway.
    """

    def __init__(
        self,
        url: str,
        *,
        key: str | None = None,
        options: LinkOptions | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._link = Link(Address(url=parse_url(url), key=key, tls=tls), options or LinkOptions())

    async def __aenter__(self) -> Self:
        await self._link.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._link.aclose()

    @property
    def is_connected(self) -> bool:
        """
        Tell whether there is a connection now. Without one, the next prompt makes one.
        """
        return self._link.is_connected

    def chat(
        self,
        *,
        model: str,
        system: str | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
        top_p: float | None = None,
        top_k: int | None = None,
        stop: Sequence[str] | None = None,
        reasoning: Mapping[str, Any] | None = None,
        chat_id: str | None = None,
        messages: Sequence[Mapping[str, Any]] = (),
    ) -> Chat:
        """
        Begin a conversation, or go on with one. Nothing is sent before the first prompt.

        `model` is a short name, a model ID, an inference profile or an ARN. `reasoning` says how much the model may
        reason (`{mode, budgetTokens?, effort?}`). What is None is left to the gateway and the model. To go on with a
        conversation, give its `chat_id`, and its `messages` as `Chat.messages` gave them.
        """
        body = {
            "model": model,
            "system": system,
            "maxTokens": max_tokens,
            "temperature": temperature,
            "topP": top_p,
            "topK": top_k,
            "stop": None if stop is None else list(stop),
            "reasoning": reasoning,
        }
        return Chat(self._link, body=body, chat_id=chat_id, messages=messages)
