"""
How far the endpoint is: name, TCP, the proxy's tunnel and TLS, each with its time, and the Date of an answer.
"""

import asyncio
import re
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import msgspec

from outcrop.commands.doctor.findings import Finding
from outcrop.errors import UpstreamUnreachable
from outcrop.upstream.endpoint import Endpoint
from outcrop.upstream.proxy import Proxy, Tunnel

STEP_SECONDS = 5.0
CHECK_THE_NETWORK = "check that this machine, its firewall and its proxy (HTTPS_PROXY) let it connect there"

_DATE = re.compile(rb"\r\ndate:[ \t]*([^\r\n]{1,100})\r\n", re.IGNORECASE)


class Reached(msgspec.Struct, frozen=True):
    """
    Hold how the endpoint was reached: seconds by step, in order, and the Date that it answered with at `at`.
    """

    seconds: dict[str, float]
    date: str | None
    at: datetime


class StepFailed(Exception):
    """
    Say which step of the way failed; its cause says why.
    """

    def __init__(self, step: str) -> None:
        super().__init__(step)
        self.step = step


async def reach(endpoint: Endpoint, proxy: Proxy | None, tls: ssl.SSLContext | None) -> Reached:
    """
    Go the way to the endpoint step by step, at most `STEP_SECONDS` for each.

    Raises:
        StepFailed: a step failed; its `__cause__` tells why.
    """
    loop = asyncio.get_running_loop()
    seconds: dict[str, float] = {}
    host, port = (endpoint.host, endpoint.port) if proxy is None else (proxy.host, proxy.port)
    async with _step("DNS", seconds):
        await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    reader = asyncio.StreamReader()
    stream = asyncio.StreamReaderProtocol(reader)
    tunnel = None if proxy is None else Tunnel(endpoint, proxy)
    # A stream takes one transport only: with TLS it gets the secured one.
    first = tunnel or (stream if tls is None else asyncio.Protocol())
    async with _step("TCP", seconds):
        transport, _ = await loop.create_connection(lambda: first, host, port)
    try:
        if tunnel is not None:
            async with _step("tunnel", seconds):
                await tunnel.opened
        secured: asyncio.Transport | None = transport
        if tls is not None:
            async with _step("TLS", seconds):
                secured = await loop.start_tls(transport, stream, tls, server_hostname=endpoint.host)
            # start_tls does not announce the transport to a protocol that takes over.
            if secured is not None:
                stream.connection_made(secured)
        date = None if secured is None else await _ask_date(secured, reader, endpoint)
        return Reached(seconds, date, datetime.now(UTC))
    finally:
        transport.abort()


def describe_reach(endpoint: Endpoint, proxy: Proxy | None, reached: Reached) -> Finding:
    """
    Say how long each step took.
    """
    times = ", ".join(f"{step} {seconds * 1000:.0f} ms" for step, seconds in reached.seconds.items())
    way = "" if proxy is None else f" through the proxy {proxy.host}:{proxy.port}"
    return Finding("good", "network", f"{endpoint.host}:{endpoint.port} reached{way}: {times}")


def explain_step(endpoint: Endpoint, proxy: Proxy | None, failure: StepFailed) -> Finding:
    """
    Say at which step the way ended, and what to do.
    """
    why = failure.__cause__
    host = endpoint.host if proxy is None else proxy.host
    where = f"{endpoint.host}:{endpoint.port}" if proxy is None else f"the proxy {proxy.host}:{proxy.port}"
    remedy = CHECK_THE_NETWORK
    if isinstance(why, TimeoutError):
        text = f"{failure.step} to {where} took longer than {STEP_SECONDS:g} s"
    elif isinstance(why, socket.gaierror):
        text = f"the host name {host!r} can't be resolved"
        remedy = "check that the region has Bedrock, that OUTCROP_REGION is right, and this machine's DNS"
    elif isinstance(why, ssl.SSLCertVerificationError):
        text = f"the certificate of {endpoint.host} is not trusted: {why.verify_message}"
        remedy = "if a proxy inspects TLS here, name its authority's file with AWS_CA_BUNDLE"
    elif isinstance(why, UpstreamUnreachable):
        text = why.message
    else:
        said = why.strerror if isinstance(why, OSError) else None
        text = f"{failure.step} to {where} failed: {(said or str(why) or type(why).__name__).lower()}"
    return Finding("bad", "network", text, remedy)


@asynccontextmanager
async def _step(name: str, seconds: dict[str, float]) -> AsyncIterator[None]:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    try:
        async with asyncio.timeout(STEP_SECONDS):
            yield
    except (OSError, UpstreamUnreachable) as error:
        raise StepFailed(name) from error
    seconds[name] = loop.time() - begun


async def _ask_date(transport: asyncio.Transport, reader: asyncio.StreamReader, endpoint: Endpoint) -> str | None:
    request = f"GET / HTTP/1.1\r\nhost: {endpoint.authority}\r\nuser-agent: outcrop-doctor\r\nconnection: close\r\n\r\n"
    transport.write(request.encode("ascii"))
    try:
        async with asyncio.timeout(STEP_SECONDS):
            head = await reader.readuntil(b"\r\n\r\n")
    except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        return None
    date = _DATE.search(head)
    return None if date is None else date[1].decode("latin-1").strip()
