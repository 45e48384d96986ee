"""
The gate in front of every route: foreign Host and Origin headers stay outside.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from outcrop.server.guard import SECURITY_HEADERS, Guard, GuardRules, find_refusal

RULES = GuardRules(hosts=frozenset({"127.0.0.1", "chat.example.org"}), origins=frozenset({"https://app.example.org"}))

Headers = Sequence[tuple[bytes, bytes]]


def refused(*headers: tuple[str, str]) -> int | None:
    """
    Return the status with which these headers are refused; None where they are welcome.
    """
    refusal = find_refusal([(name.encode(), value.encode("latin-1")) for name, value in headers], RULES)
    return None if refusal is None else refusal[0]


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.1:8080",
        "127.0.0.53:1",
        "localhost",
        "LOCALHOST:8080",
        "localhost.:8080",
        "[::1]",
        "[::1]:8080",
        "chat.example.org",
        "Chat.Example.ORG:443",
        "chat.example.org.",
    ],
)
def test_our_own_hosts_are_welcome(host: str) -> None:
    """
    Loopback names and allowed names are let in, in any case, with a port and with the root's dot.
    """
    assert refused(("host", host)) is None


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.com",
        "127.0.0.1.evil.com",
        "127.0.0.1.nip.io:8080",
        "chat.example.org.evil.com",
        "evilchat.example.org",
        "sub.chat.example.org",
        "localhost..",
        ".localhost",
        "xn--lcalhost-c4a",
        "2130706433",
        "0x7f.0.0.1",
        "[::ffff:127.0.0.1]",
        "[::2]:8080",
        "169.254.169.254",
        "0.0.0.0:8080",
    ],
)
def test_foreign_hosts_are_refused(host: str) -> None:
    """
    A name that only resembles ours, as an attacker rebinds to this address, is refused with 403.
    """
    assert refused(("host", host)) == 403


MALFORMED_HOSTS = [
    "",
    " ",
    "x/#@y",
    "localhost/#@evil.com",
    "localhost@evil",
    "evil@localhost",
    "user:password@localhost",
    "http://localhost",
    "//localhost",
    "localhost/",
    "localhost?x",
    "localhost#x",
    "localhost\\evil",
    "localhost:8080:8080",
    "localhost:",
    "localhost:-1",
    "localhost:65536",
    "localhost:80a",
    "localhost: 80",
    "localhost,evil.com",
    "localhost evil.com",
    "localhost\tevil.com",
    "localhost\x00.evil.com",
    "localhost;evil.com",
    "%6cocalhost",
    "localhost%2eevil.com",
    "localhost%00",
    "lócalhost",
    "::1",
    "[::1",
    "::1]",
    "[::1]evil.com",
    "[::1].evil.com:8080",
    "evil.com[::1]",
    "[localhost]",
    "[[::1]]",
    "[::1%25eth0]",
    ".",
    "a" * 300,
]


@pytest.mark.parametrize("host", MALFORMED_HOSTS)
def test_hosts_that_are_none_are_refused(host: str) -> None:
    """
    A Host header that is anything but a name with an optional port is refused with 400.
    """
    assert refused(("host", host)) == 400


def test_a_host_is_needed_exactly_once() -> None:
    """
    No Host, two of them, and two that are equal are refused, so that nobody behind can take another one than the guard.
    """
    assert refused() == 400
    assert refused(("host", "localhost"), ("host", "evil.com")) == 400
    assert refused(("host", "localhost"), ("host", "localhost")) == 400
    assert refused((":authority", "localhost"), ("host", "evil.com")) == 400


@given(st.text(st.characters(max_codepoint=255), max_size=60))
@example("evil.com[::1]")
def test_only_known_names_ever_pass(host: str) -> None:
    """
    Whatever a Host header holds, it passes only where its name, without the port, is one of ours.
    """
    if refused(("host", host)) is None:
        name = host.lower().rpartition(":")[0] if host.count(":") == 1 else host.lower()
        bare = name.removesuffix(".")
        assert bare in {"localhost", "chat.example.org"} or bare.startswith(("127.", "[::1]"))


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("localhost:8080", "http://localhost:8080"),
        ("localhost:8080", "HTTP://LOCALHOST:8080"),
        ("[::1]:8080", "http://[::1]:8080"),
        ("chat.example.org", "https://chat.example.org"),
        ("localhost:8080", "https://app.example.org"),
        ("localhost:8080", "https://APP.example.org"),
    ],
)
def test_our_own_and_allowed_origins_are_welcome(host: str, origin: str) -> None:
    """
    Pages of the same host and port are let in, and so are the origins that the settings allow.
    """
    assert refused(("host", host), ("origin", origin)) is None


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "null",
        "NULL",
        "http://evil.example",
        "http://localhost",
        "http://localhost:80",
        "http://localhost:8081",
        "http://localhost:8080.evil.com",
        "http://localhost.evil.com:8080",
        "http://evil.com:8080",
        "http://localhost:8080@evil.com",
        "http://evil.com@localhost:8080",
        "http://localhost:8080/",
        "http://localhost:8080/evil",
        "http://localhost:8080?evil",
        "http://localhost:8080#evil",
        "http://localhost:8080 http://evil.com",
        "http://localhost:8080, http://evil.com",
        " http://localhost:8080",
        "http:/localhost:8080",
        "//localhost:8080",
        "localhost:8080",
        "http://127.0.0.1:8080",
        "file://localhost:8080",
        "ws://localhost:8080",
        "chrome-extension://localhost:8080",
        "javascript://localhost:8080",
        "http://app.example.org",
        "https://app.example.org:444",
        "https://app.example.org.evil.com",
        "https://sub.app.example.org",
        "https://evilapp.example.org",
        "https://app.example.org/",
        "https://app.example.örg",
    ],
)
def test_foreign_origins_are_refused(origin: str) -> None:
    """
    A page of another origin is refused: by suffix, port, scheme, user, list, and where the origin is opaque or empty.
    """
    assert refused(("host", "localhost:8080"), ("origin", origin)) == 403


def test_an_origin_may_come_once_only() -> None:
    """
    Two Origin headers are refused, whichever of them is ours.
    """
    ours, evil = ("origin", "http://localhost:8080"), ("origin", "http://evil.com")
    for pair in ((ours, evil), (evil, ours), (ours, ours)):
        assert refused(("host", "localhost:8080"), *pair) == 403


def test_an_allowed_origin_does_not_open_a_foreign_host() -> None:
    """
    The Host is looked at first: an allowed page that calls a rebound name is refused.
    """
    assert refused(("host", "evil.com"), ("origin", "https://app.example.org")) == 403
    assert refused(("host", "evil.com"), ("origin", "http://evil.com")) == 403


def test_no_origin_is_no_page() -> None:
    """
    Programs send no Origin, and are let in.
    """
    assert refused(("host", "localhost:8080")) is None


async def call(headers: Headers, *, kind: str = "http", path: str = "/secret") -> tuple[list[Message], list[str]]:
    """
    Send a request through the guard. Returns what was sent back, and the paths that reached the application.
    """
    reached: list[str] = []

    async def endpoint(request: Request) -> PlainTextResponse:
        reached.append(request.url.path)
        return PlainTextResponse("inside")

    async def inside(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await Starlette(routes=[Route("/{rest:path}", endpoint)])(scope, receive, send)
        else:
            reached.append(scope["path"])

    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b""} if kind == "http" else {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope: dict[str, Any] = {
        "type": kind,
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http" if kind == "http" else "ws",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": list(headers),
        "server": ("127.0.0.1", 8080),
        "extensions": {"websocket.http.response": {}},
    }
    await Guard(inside, RULES)(scope, receive, send)
    return sent, reached


@pytest.mark.parametrize("host", ["x/#@y", "localhost/public?", "localhost:80/healthz#", "localhost\\..", "evil.com"])
async def test_the_path_never_comes_from_the_host_header(host: str) -> None:
    """
    A Host header that would put its own path into the request's URL reaches no route (CVE-2026-48710, CVE-2026-49468).
    """
    sent, reached = await call([(b"host", host.encode())])
    assert reached == []
    assert sent[0]["status"] in {400, 403}


async def test_the_path_of_a_welcome_request_is_the_one_on_the_wire() -> None:
    """
    Behind the guard the URL's path and the routed path are the same (CVE-2026-48710).
    """
    _, reached = await call([(b"host", b"localhost:8080")], path="/secret")
    assert reached == ["/secret"]


@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_sockets_are_guarded_as_requests_are(kind: str) -> None:
    """
    A cross-site WebSocket handshake is answered with the same refusal as a request, and opens nothing.
    """
    sent, reached = await call([(b"host", b"localhost:8080"), (b"origin", b"http://evil.com")], kind=kind)
    start = "http.response.start" if kind == "http" else "websocket.http.response.start"
    assert (sent[0]["type"], sent[0]["status"]) == (start, 403)
    error = msgspec.json.decode(sent[1]["body"])["error"]
    assert error["code"] == "not_allowed"
    assert "http://evil.com" in error["message"]
    assert reached == []


@pytest.mark.parametrize("host", [b"localhost:8080", b"evil.com", b"x/#@y"])
async def test_every_http_answer_has_the_security_headers(host: bytes) -> None:
    """
    Answers and refusals alike carry the security headers.
    """
    sent, _ = await call([(b"host", host)])
    names = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    assert {name: names.get(name) for name in SECURITY_HEADERS} == SECURITY_HEADERS


async def test_a_refusal_quotes_a_bounded_part() -> None:
    """
    A huge Origin is quoted by its beginning only.
    """
    sent, _ = await call([(b"host", b"localhost"), (b"origin", b"http://" + b"e" * 100_000)])
    assert len(sent[1]["body"]) < 400
