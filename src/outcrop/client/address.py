"""
Where a gateway is, and how it is connected to.
"""

import asyncio
import ipaddress
import ssl
from typing import Any
from urllib.parse import urlsplit

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from outcrop import __version__
from outcrop.client.failures import GatewayRefused, GatewayUnreachable
from outcrop.errors import SettingsError

PATH = "/api/chat"
CLOSE_TIMEOUT_SECONDS = 1.0
PASSING_STATUSES = frozenset({408, 425, 429})
"""
Besides 5xx, the HTTP statuses after which the same request may succeed.
"""

REFUSALS = {
    4400: "invalid_request",
    4401: "not_authenticated",
    4403: "not_allowed",
    4404: "not_found",
    4413: "too_large",
}
"""
Close codes after which the same client would be refused again. After any other one it connects again.
"""

CODES_BY_STATUS = {401: "not_authenticated", 403: "not_allowed", 404: "not_found"}


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold a gateway's base URL without a slash at its end, and the key for it.
    """

    url: str
    key: str | None = None
    tls: ssl.SSLContext | None = None

    @property
    def is_near(self) -> bool:
        """
        Tell whether it is on this machine, where no proxy leads.
        """
        host = urlsplit(self.url).hostname or ""
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"

    def __repr__(self) -> str:
        return f"Address(url={self.url!r})"


def parse_url(url: str) -> str:
    """
    Return a gateway's base URL without a slash at its end.

    Raises:
        SettingsError: it is not `http://host:port` or `https://…`, with at most a path.
    """
    parts = urlsplit(url)
    try:
        usable = parts.scheme in {"http", "https"} and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable or "@" in parts.netloc or parts.query or parts.fragment:
        # What was given is not quoted: it may hold a password.
        raise SettingsError("the URL is not the address of a gateway, expected http://host:port")
    return url.rstrip("/")


class _Connect(connect):
    """
    Follow no redirect: the key is for this gateway only.
    """

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


async def connect_to(address: Address, *, open_timeout_seconds: float, max_frame_bytes: int) -> ClientConnection:
    """
    Open a socket, and wait until the gateway has let it in. The caller closes it.

    Raises:
        GatewayUnreachable: nobody answers, or not now; trying again may help.
        GatewayRefused: trying again does not help.
    """
    tls: dict[str, Any] = {"ssl": address.tls} if address.tls is not None and address.url.startswith("https") else {}
    try:
        socket = await _Connect(
            "ws" + address.url.removeprefix("http") + PATH,
            additional_headers={"Authorization": f"Bearer {address.key}"} if address.key else None,
            user_agent_header=f"outcrop-client/{__version__}",
            compression=None,
            proxy=None if address.is_near else True,
            open_timeout=open_timeout_seconds,
            close_timeout=CLOSE_TIMEOUT_SECONDS,
            # The gateway's own pings, which every client sees, tell whether the connection lives.
            ping_interval=None,
            max_size=max_frame_bytes,
            **tls,
        )
    except (OSError, WebSocketException) as error:
        raise _judge(error) from error
    try:
        # A refusal is a close frame right after the handshake, so it comes before any pong.
        async with asyncio.timeout(open_timeout_seconds):
            await (await socket.ping())
    except (ConnectionClosed, TimeoutError) as error:
        await socket.close()
        raise judge_close(error) or GatewayUnreachable(
            "unreachable", "the connection was lost", retryable=True
        ) from error
    return socket


def judge_close(error: Exception) -> GatewayRefused | None:
    """
    Tell a refusal from a connection that ended otherwise, which gives None.
    """
    frame = error.rcvd if isinstance(error, ConnectionClosed) else None
    if frame is None or frame.code not in REFUSALS:
        return None
    code = REFUSALS[frame.code]
    return GatewayRefused(code, frame.reason or f"the gateway refuses: {code}", status=frame.code)


def _judge(error: Exception) -> GatewayRefused | GatewayUnreachable:
    if isinstance(error, InvalidStatus):
        response = error.response
        if response.status_code < 500 and response.status_code not in PASSING_STATUSES:
            code = CODES_BY_STATUS.get(response.status_code, "refused")
            message = f"the gateway answers with HTTP status {response.status_code}"
            return GatewayRefused(code, message, status=response.status_code, body=bytes(response.body or b""))
    return GatewayUnreachable("unreachable", f"the gateway can't be reached: {error}", retryable=True)
