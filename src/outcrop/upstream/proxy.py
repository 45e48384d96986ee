"""
Which HTTP proxy an https endpoint is reached through, and how a tunnel through it is opened.

Only proxies spoken to in plain HTTP are supported, for https endpoints, by CONNECT. An http endpoint is the emulator or
a sidecar next door and is always reached directly: `HTTP_PROXY` is ignored, so that no signed request ever crosses
somebody else's machine in clear text.
"""

import asyncio
import base64
import re
from collections.abc import Mapping
from typing import cast
from urllib.parse import unquote, urlsplit

import msgspec

from outcrop.errors import SettingsError, UpstreamUnreachable
from outcrop.upstream.endpoint import Endpoint

MAX_TUNNEL_HEAD_BYTES = 16 * 1024

_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([0-9]{3})(?: [^\r\n]*)?\r\n")


class Proxy(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold where a proxy is, and its credentials, which no text shows.
    """

    host: str
    port: int
    authorization: str | None = None

    def __repr__(self) -> str:
        return f"Proxy(host={self.host!r}, port={self.port})"


def find_proxy(endpoint: Endpoint, environ: Mapping[str, str]) -> Proxy | None:
    """
    Return the proxy that the environment names for `endpoint`, or None for a direct connection.

    `HTTPS_PROXY` and `NO_PROXY` count in lower and upper case, lower case first. `NO_PROXY` lists hosts, suffixes
    (`.example.com` and `example.com` alike) and addresses, each with an optional port, or `*`; no address ranges.

    Raises:
        SettingsError: the variable does not hold an http proxy's URL.
    """
    if not endpoint.secure or _is_exempt(endpoint, _read(environ, "no_proxy")):
        return None
    url = _read(environ, "https_proxy")
    if not url:
        return None
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        host, port = parts.hostname, parts.port or 80
    except ValueError:
        # The cause would quote a part of the URL, possibly of its password.
        raise SettingsError("HTTPS_PROXY does not hold a proxy's url") from None
    if parts.scheme != "http" or not host:
        raise SettingsError(f"HTTPS_PROXY must hold an http:// url with a host, got scheme {parts.scheme!r}")
    return Proxy(host=host, port=port, authorization=_authorization(parts.username, parts.password))


class Tunnel(asyncio.Protocol):
    """
    Ask a proxy for a tunnel and wait for its answer in `opened`.

    The transport is then the tunnel; nothing may have come after the proxy's answer, for it is we who speak first.
    """

    def __init__(self, endpoint: Endpoint, proxy: Proxy) -> None:
        self.opened: asyncio.Future[asyncio.Transport] = asyncio.get_running_loop().create_future()
        self._endpoint = endpoint
        self._proxy = proxy
        self._received = bytearray()
        self._transport: asyncio.Transport | None = None

    def abort(self) -> None:
        """
        Close the connection at once; nobody waits for `opened` any more.
        """
        if not self.opened.done():
            self.opened.cancel()
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """
        Send the CONNECT request.
        """
        self._transport = cast("asyncio.Transport", transport)
        host = f"[{self._endpoint.host}]" if ":" in self._endpoint.host else self._endpoint.host
        target = f"{host}:{self._endpoint.port}"
        lines = [f"CONNECT {target} HTTP/1.1", f"host: {target}"]
        if self._proxy.authorization is not None:
            lines.append(f"proxy-authorization: {self._proxy.authorization}")
        self._transport.write("\r\n".join((*lines, "", "")).encode("ascii"))

    def data_received(self, data: bytes) -> None:
        """
        Collect the proxy's answer up to its empty line.
        """
        if self.opened.done():
            return
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        if end < 0 and len(self._received) <= MAX_TUNNEL_HEAD_BYTES:
            return
        status = _STATUS_LINE.match(self._received)
        if end < 0 or status is None:
            self._refuse("did not answer CONNECT in http/1.1")
        elif status[1] == b"407":
            self._refuse("asks for credentials (407): put them into the proxy's url")
        elif not status[1].startswith(b"2"):
            self._refuse(f"refused the tunnel with status {status[1].decode()}")
        elif len(self._received) > end + 4:
            self._refuse("sent bytes through the tunnel before we did")
        elif self._transport is not None:
            self.opened.set_result(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """
        Fail if the proxy went away without an answer.
        """
        if not self.opened.done():
            self._refuse("closed the connection" if exc is None else f"broke the connection ({exc})")

    def _refuse(self, what: str) -> None:
        self.opened.set_exception(UpstreamUnreachable(f"the proxy at {self._proxy.host}:{self._proxy.port} {what}"))


def _read(environ: Mapping[str, str], name: str) -> str:
    return (environ.get(name) or environ.get(name.upper()) or "").strip()


def _is_exempt(endpoint: Endpoint, no_proxy: str) -> bool:
    for entry in no_proxy.split(","):
        host, port = _split_port(entry.strip().lower())
        if port not in {None, str(endpoint.port)}:
            continue
        if host == "*" or _is_within(endpoint.host.lower().rstrip("."), host.lstrip(".")):
            return True
    return False


def _split_port(entry: str) -> tuple[str, str | None]:
    if entry.startswith("["):
        host, _, rest = entry[1:].partition("]")
        return host, rest.removeprefix(":") or None
    if entry.count(":") == 1:
        host, _, port = entry.partition(":")
        return host, port
    return entry, None


def _is_within(host: str, suffix: str) -> bool:
    return bool(suffix) and (host == suffix or host.endswith(f".{suffix}"))


def _authorization(username: str | None, password: str | None) -> str | None:
    if username is None:
        return None
    pair = f"{unquote(username)}:{unquote(password or '')}".encode()
    return f"Basic {base64.b64encode(pair).decode('ascii')}"
