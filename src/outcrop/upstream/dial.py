"""
How one connection to Bedrock is made: name look-up, TCP, the proxy's tunnel, TLS, socket options.
"""

import asyncio
import contextlib
import socket
import ssl
from typing import cast

import msgspec

from outcrop.errors import UpstreamUnreachable
from outcrop.upstream.connection import Connection
from outcrop.upstream.endpoint import Endpoint
from outcrop.upstream.proxy import Proxy, Tunnel

KEEPALIVE_IDLE_SECONDS = 60
KEEPALIVE_INTERVAL_SECONDS = 15
KEEPALIVE_PROBES = 4
"""
NAT gateways and VPC endpoints drop connections that were silent for 350 s (AWS, scaling best practices); a probe every
minute keeps the way open and finds out when it is gone.
"""


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold all that making a connection needs. `tls` is None exactly for http endpoints.
    """

    endpoint: Endpoint
    region: str
    tls: ssl.SSLContext | None = None
    proxy: Proxy | None = None

    @property
    def place(self) -> str:
        """
        Say in words where it leads.
        """
        return f"Amazon Bedrock in region {self.region!r} ({self.endpoint.host}:{self.endpoint.port})"


class Unreachable(UpstreamUnreachable):
    """
    Say that no connection could be made, and whether another attempt may fare better (`transient`).
    """

    def __init__(self, message: str, *, transient: bool) -> None:
        super().__init__(message)
        self.transient = transient


async def dial(route: Route) -> Connection:
    """
    Make a connection. The caller bounds the time; when it cancels, nothing stays open.

    Raises:
        Unreachable: no connection could be made; the message names the region and says what to check.
    """
    try:
        connection = await (_dial_directly(route) if route.proxy is None else _dial_tunnel(route, route.proxy))
        if not connection.usable:
            raise ConnectionResetError("the connection was closed as soon as it was made")
    except ssl.SSLCertVerificationError as error:
        why = f"its certificate is not trusted: {error.verify_message}"
        hint = "if a proxy inspects TLS here, name its authority with AWS_CA_BUNDLE"
        raise Unreachable(f"{_describe(route)}: {why}; {hint}", transient=False) from error
    except (OSError, UpstreamUnreachable) as error:
        transient = isinstance(error, OSError) and not _is_unknown_name(error)
        raise Unreachable(f"{_describe(route)}: {_explain(error)}; {_HINT}", transient=transient) from error
    return connection


_HINT = (
    "check that Bedrock is offered there (AWS's list of regions), that OUTCROP_REGION or AWS_REGION is right, "
    "and that this machine may connect to it"
)


def _describe(route: Route) -> str:
    where = f"{route.endpoint.host}:{route.endpoint.port}"
    return f"Amazon Bedrock could not be reached in region {route.region!r} ({where})"


def _explain(error: OSError | UpstreamUnreachable) -> str:
    if isinstance(error, UpstreamUnreachable):
        return error.message
    if isinstance(error, socket.gaierror):
        return "the host's name can't be resolved"
    return (error.strerror or str(error) or type(error).__name__).lower()


def _is_unknown_name(error: OSError) -> bool:
    return isinstance(error, socket.gaierror) and error.errno != socket.EAI_AGAIN


async def _dial_directly(route: Route) -> Connection:
    loop = asyncio.get_running_loop()
    endpoint = route.endpoint
    connection = Connection()
    name = endpoint.host if route.tls is not None else None
    with contextlib.ExitStack() as unless_made:
        # Also a cancellation in the very round in which the connection was made must not leave it open.
        unless_made.callback(connection.abort)
        transport, _ = await loop.create_connection(
            lambda: connection, endpoint.host, endpoint.port, ssl=route.tls, server_hostname=name
        )
        unless_made.pop_all()
    _set_socket_options(transport)
    return connection


async def _dial_tunnel(route: Route, proxy: Proxy) -> Connection:
    loop = asyncio.get_running_loop()
    assert route.tls is not None
    tunnel = Tunnel(route.endpoint, proxy)
    connection = Connection()
    with contextlib.ExitStack() as unless_made:
        unless_made.callback(tunnel.abort)
        transport, _ = await loop.create_connection(lambda: tunnel, proxy.host, proxy.port)
        _set_socket_options(transport)
        await tunnel.opened
        secured = await loop.start_tls(transport, connection, route.tls, server_hostname=route.endpoint.host)
        if secured is None:
            raise ConnectionResetError("the connection closed during the tls handshake")
        unless_made.pop_all()
    # start_tls does not announce the transport to a protocol that takes over.
    connection.connection_made(secured)
    return connection


def _set_socket_options(transport: asyncio.BaseTransport) -> None:
    sock = cast("socket.socket | None", transport.get_extra_info("socket"))
    if sock is None:
        return
    options = [
        (socket.IPPROTO_TCP, "TCP_NODELAY", 1),
        (socket.SOL_SOCKET, "SO_KEEPALIVE", 1),
        (socket.IPPROTO_TCP, "TCP_KEEPIDLE", KEEPALIVE_IDLE_SECONDS),
        (socket.IPPROTO_TCP, "TCP_KEEPINTVL", KEEPALIVE_INTERVAL_SECONDS),
        (socket.IPPROTO_TCP, "TCP_KEEPCNT", KEEPALIVE_PROBES),
    ]
    # Not every system has every option, and the peer may be gone already; neither is worth failing for.
    with contextlib.suppress(OSError):
        for level, name, value in options:
            if (option := getattr(socket, name, None)) is not None:
                sock.setsockopt(level, option, value)
