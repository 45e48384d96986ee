"""
The gate in front of every route: which Host names and web origins are let in, and the headers that every answer gets.

A page on another site can make a visitor's browser call this server: the Origin header tells. A name that resolves to
this address (DNS rebinding) makes any page look like ours: the Host header tells. Both are checked for HTTP and
WebSocket alike, before anything else.
"""

import re
from collections.abc import Iterable

import msgspec
from starlette.datastructures import MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from outcrop.settings import is_loopback

SECURITY_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
        "trusted-types 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}

OPEN_FILES = "/assets/"
"""
Below it are the page's scripts and styles, the same for everyone, and nothing else. Diagrams are drawn in a sandboxed
frame, whose requests for scripts say `Origin: null`; no other path lets that in.
"""

_HOST = re.compile(
    r"(?:(?P<name>[A-Za-z0-9._-]{1,254})|\[(?P<address>[0-9A-Fa-f:.]{2,45})\])(?::(?P<port>[0-9]{1,5}))?"
)
"""
Spelled out, and not left to `urlsplit`, for which `evil.example[::1]` is the host `::1`.
"""


class GuardRules(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold what is let in: Host names in lower case without port, and origins in lower case.
    """

    hosts: frozenset[str]
    origins: frozenset[str] = frozenset()


class Guard:
    """
    Refuse requests with a foreign Host or Origin; add the security headers to every HTTP answer.
    """

    def __init__(self, app: ASGIApp, rules: GuardRules) -> None:
        self._app = app
        self._rules = rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """
        Let the request through, or answer it with the refusal.
        """
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        refusal = find_refusal(scope["headers"], self._rules, is_open=_is_open(scope))
        if refusal is None:
            await self._app(scope, receive, _with_security_headers(send))
            return
        status, message = refusal
        body = {"error": {"code": "not_allowed" if status == 403 else "invalid_request", "message": message}}
        if scope["type"] == "websocket":
            await receive()
        response = JSONResponse(body, status_code=status, headers=SECURITY_HEADERS)
        await response(scope, receive, send)


def find_refusal(
    headers: Iterable[tuple[bytes, bytes]], rules: GuardRules, *, is_open: bool = False
) -> tuple[int, str] | None:
    """
    Say why a request with these headers (lower-case names) is refused: status and sentence. None: it is welcome.

    `is_open`: the request is for a file that a sandboxed frame of the page, which has no origin, may load too.
    """
    pairs = list(headers)
    hosts = [value.decode("latin-1") for name, value in pairs if name in {b"host", b":authority"}]
    origins = [value.decode("latin-1") for name, value in pairs if name == b"origin"]
    if len(hosts) != 1:
        return 400, f"the request has {len(hosts)} Host headers, expected one"
    host_name = _host_name(hosts[0])
    if host_name is None:
        return 400, "the Host header is not a host name with an optional port"
    if not (is_loopback(host_name) or host_name in rules.hosts):
        return 403, f"the host {host_name[:100]!r} is not served here; add it to the setting allowed_hosts"
    if len(origins) > 1:
        return 403, "the request has more than one Origin header"
    from_our_frame = is_open and origins == ["null"]
    if origins and not from_our_frame and not _same_or_allowed(origins[0], hosts[0], rules):
        return 403, f"pages of {origins[0][:100]!r} may not call this server; add it to the setting allowed_origins"
    return None


def _is_open(scope: Scope) -> bool:
    return scope["type"] == "http" and scope["method"] in {"GET", "HEAD"} and scope["path"].startswith(OPEN_FILES)


def _host_name(host: str) -> str | None:
    """
    Return the name in a Host header in lower case; None when the header is anything but `name` or `name:port`.
    """
    match = _HOST.fullmatch(host)
    if match is None or int(match["port"] or 0) > 65_535:
        return None
    return (match["address"] or match["name"].removesuffix(".")).lower() or None


def _same_or_allowed(origin: str, host: str, rules: GuardRules) -> bool:
    lowered = origin.lower()
    scheme, separator, authority = lowered.partition("://")
    same = separator and scheme in {"http", "https"} and authority == host.lower()
    return bool(same) or lowered in rules.origins


def _with_security_headers(send: Send) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in SECURITY_HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return send_with_headers
