"""
The files of the chat page: what is served where, packed how, kept how long, and what it may do.
"""

import gzip
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.types import Message

from outcrop.server.guard import SECURITY_HEADERS, Guard, GuardRules
from outcrop.server.page import FRAME_POLICY, PAGE_POLICY, build_missing_routes, read_page, takes_gzip

SCRIPT = b"export const words = 'a script that is long enough to be worth packing, packing, packing'"
FILES = {
    "index.html": b"<!doctype html><title>outcrop</title>",
    "mermaid.html": b"<!doctype html><title>diagram</title>",
    "sw.js": b"addEventListener('fetch', () => undefined)",
    "manifest.webmanifest": b"{}",
    "licenses.md": b"# Licenses",
    "icon.svg": b"<svg/>",
    "assets/index-Ab_1.js": SCRIPT,
    "assets/index-Cd-2.css": b"h1 { color: red }",
}
HOST = (b"host", b"localhost:8080")
GZIP = (b"accept-encoding", b"br, gzip;q=0.8")


class Answer:
    """
    Be one answer: status, headers by name, and the body as it went out.
    """

    def __init__(self, sent: list[Message]) -> None:
        self.status: int = sent[0]["status"]
        self.headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        self.body = b"".join(message.get("body", b"") for message in sent[1:])


@pytest.fixture
def app(tmp_path: Path) -> Guard:
    """
    Serve a small built page, behind the guard.
    """
    for name, content in FILES.items():
        path = tmp_path / f"{name}.gz"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(gzip.compress(content, mtime=0))
    (tmp_path / "icon-512.png").write_bytes(b"\x89PNG")
    (tmp_path / "source.sha256").write_text("0123\n")
    page = read_page(tmp_path)
    assert page is not None
    return guarded(Starlette(routes=page.routes()))


def guarded(app: Starlette) -> Guard:
    """
    Put the guard in front of an application.
    """
    return Guard(app, GuardRules(hosts=frozenset()))


async def ask(app: Guard, path: str, *headers: tuple[bytes, bytes], method: str = "GET") -> Answer:
    """
    Send one request.
    """
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    async def send(message: Message) -> None:
        sent.append(message)

    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [HOST, *headers],
        "server": ("127.0.0.1", 8080),
    }
    await app(scope, receive, send)
    return Answer(sent)


@pytest.mark.parametrize("path", ["/", "/c/0198c3", "/c/a name/with slashes", "/c/"])
async def test_the_page_is_served_at_its_addresses(app: Guard, path: str) -> None:
    """
    The start and every chat's address give the page, which the browser asks for again each time.
    """
    answer = await ask(app, path)
    assert (answer.status, answer.body) == (200, FILES["index.html"])
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        ("/sw.js", "text/javascript; charset=utf-8"),
        ("/manifest.webmanifest", "application/manifest+json"),
        ("/icon.svg", "image/svg+xml"),
        ("/icon-512.png", "image/png"),
        ("/mermaid.html", "text/html; charset=utf-8"),
        ("/licenses.md", "text/markdown; charset=utf-8"),
    ],
)
async def test_files_whose_names_stay_are_asked_for_again(app: Guard, path: str, media_type: str) -> None:
    """
    The service worker, the manifest, the icons and the diagrams' page have their media type, and are checked each time.
    """
    answer = await ask(app, path)
    assert answer.status == 200
    assert answer.headers["content-type"] == media_type
    assert answer.headers["cache-control"] == "no-cache"
    assert int(answer.headers["content-length"]) == len(answer.body)


async def test_files_with_a_hash_are_kept_for_good(app: Guard) -> None:
    """
    A file whose name changes with its content is asked for once.
    """
    script, style = await ask(app, "/assets/index-Ab_1.js"), await ask(app, "/assets/index-Cd-2.css")
    assert script.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert script.headers["content-type"] == "text/javascript; charset=utf-8"
    assert style.headers["content-type"] == "text/css; charset=utf-8"


async def test_files_go_out_packed_to_those_who_take_it(app: Guard) -> None:
    """
    The same file goes out packed or plain, under two tags, and a cache in between is told to keep them apart.
    """
    packed, plain = await ask(app, "/assets/index-Ab_1.js", GZIP), await ask(app, "/assets/index-Ab_1.js")
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body == SCRIPT
    assert "content-encoding" not in plain.headers
    assert packed.headers["vary"] == plain.headers["vary"] == "accept-encoding"
    assert packed.headers["etag"] != plain.headers["etag"]
    assert int(packed.headers["content-length"]) == len(packed.body)


async def test_what_is_packed_in_itself_is_left_alone(app: Guard) -> None:
    """
    A picture has one form.
    """
    answer = await ask(app, "/icon-512.png", GZIP)
    assert answer.body == b"\x89PNG"
    assert not {"content-encoding", "vary"} & answer.headers.keys()


@pytest.mark.parametrize(
    ("accepted", "takes"),
    [
        ("gzip", True),
        ("GZIP", True),
        ("deflate, gzip;q=1.0, *;q=0.5", True),
        ("*", True),
        ("gzip; q=0.001", True),
        ("", False),
        ("br", False),
        ("identity", False),
        ("gzip;q=0", False),
        ("gzip; q=0.000, *", False),
        ("*;q=0", False),
        ("x-gzipped", False),
        (";;,,;q", False),
    ],
)
def test_gzip_is_sent_only_where_it_is_taken(accepted: str, takes: bool) -> None:
    """
    The Accept-Encoding header is read with its weights: zero means never.
    """
    assert takes_gzip(accepted) is takes


@pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', "*"])
@pytest.mark.parametrize("headers", [(), (GZIP,)])
async def test_what_a_browser_has_is_not_sent_again(
    app: Guard, form: str, headers: tuple[tuple[bytes, bytes], ...]
) -> None:
    """
    A request that names the tag, weakened by a proxy or among others, gets 304 with the tag and no body.
    """
    tag = (await ask(app, "/", *headers)).headers["etag"]
    answer = await ask(app, "/", *headers, (b"if-none-match", form.format(tag).encode()))
    assert (answer.status, answer.body) == (304, b"")
    assert (answer.headers["etag"], answer.headers["cache-control"]) == (tag, "no-cache")
    assert "content-length" not in answer.headers


@pytest.mark.parametrize("form", ['"other"', "", "{packed}"])
async def test_what_a_browser_has_not_is_sent(app: Guard, form: str) -> None:
    """
    Another tag, and the tag of the other form, get the file.
    """
    packed = (await ask(app, "/", GZIP)).headers["etag"]
    answer = await ask(app, "/", (b"if-none-match", form.format(packed=packed).encode()))
    assert (answer.status, answer.body) == (200, FILES["index.html"])


@pytest.mark.parametrize("headers", [(), (GZIP,)])
async def test_head_says_what_get_would(app: Guard, headers: tuple[tuple[bytes, bytes], ...]) -> None:
    """
    HEAD has the headers of GET and no body.
    """
    for path in ("/", "/c/x", "/assets/index-Ab_1.js", "/icon-512.png"):
        head, get = await ask(app, path, *headers, method="HEAD"), await ask(app, path, *headers)
        assert (head.status, head.body) == (200, b"")
        assert head.headers == get.headers


@pytest.mark.parametrize(
    "path",
    [
        "/assets/",
        "/assets/index-Ab_1.js.gz",
        "/assets/../index.html",
        "/assets/../sw.js",
        "/assets/../../page.py",
        "/assets/..%2fsw.js",
        "/assets//etc/passwd",
        "/assets/index-Ab_1.js\0",
        "/assets/INDEX-Ab_1.js",
        "/assets\\index-Ab_1.js",
        "/index.html",
        "/index.html.gz",
        "/source.sha256",
        "/sw.js.gz",
        "/../page.py",
        "/.",
    ],
)
async def test_paths_that_are_not_in_the_table_are_unknown(app: Guard, path: str) -> None:
    """
    No spelling of a path leads out of the table, and the build's own notes are not in it.
    """
    assert (await ask(app, path)).status == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
async def test_files_are_only_read(app: Guard, method: str) -> None:
    """
    No other method is taken.
    """
    for path in ("/", "/sw.js", "/assets/index-Ab_1.js"):
        assert (await ask(app, path, method=method)).status == 405


async def test_only_the_page_has_the_policy_of_the_page(app: Guard) -> None:
    """
    Each document has its own policy, and everything else the strict one.
    """
    found = {path: (await ask(app, path)).headers["content-security-policy"] for path in ("/", "/c/x", "/mermaid.html")}
    assert found == {"/": PAGE_POLICY, "/c/x": PAGE_POLICY, "/mermaid.html": FRAME_POLICY}
    for path in ("/sw.js", "/assets/index-Ab_1.js", "/icon.svg", "/nowhere"):
        answer = await ask(app, path)
        assert answer.headers["content-security-policy"] == SECURITY_HEADERS["content-security-policy"]


def test_no_policy_lets_text_become_script() -> None:
    """
    Neither page runs inline script or eval, or loads from elsewhere; the diagrams' page has no origin and no network.
    """
    for policy in (PAGE_POLICY, FRAME_POLICY):
        assert "default-src 'none'; script-src 'self'; " in policy
        assert not any(word in policy for word in ("unsafe-eval", "http:", "https:", "*", "strict-dynamic", "wasm"))
    assert "unsafe-inline" not in PAGE_POLICY
    assert "require-trusted-types-for 'script'" in PAGE_POLICY
    assert FRAME_POLICY.endswith("sandbox allow-scripts")
    assert "connect-src" not in FRAME_POLICY


async def test_a_frame_without_origin_may_load_assets_only(app: Guard) -> None:
    """
    The diagrams' frame, whose origin is `null`, gets scripts; with that origin nothing else is served.
    """
    null = (b"origin", b"null")
    answer = await ask(app, "/assets/index-Ab_1.js", null)
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (200, "null")
    for path in ("/", "/sw.js", "/mermaid.html", "/api/models", "/assets"):
        assert (await ask(app, path, null)).status == 403
    assert (await ask(app, "/assets/index-Ab_1.js", null, method="POST")).status == 403
    for foreign in (b"https://evil.example", b"NULL", b"null, null"):
        assert (await ask(app, "/assets/index-Ab_1.js", (b"origin", foreign))).status == 403


def test_without_a_build_there_is_no_page(tmp_path: Path) -> None:
    """
    An empty or missing folder is no page.
    """
    assert read_page(tmp_path) is None
    assert read_page(tmp_path / "built") is None


@pytest.mark.parametrize("path", ["/", "/c/0198c3"])
async def test_a_page_that_is_not_built_says_what_to_do(path: str) -> None:
    """
    Where the page is not built the answer is 503, with the command that builds it.
    """
    answer = await ask(guarded(Starlette(routes=build_missing_routes())), path)
    assert (answer.status, answer.headers["cache-control"]) == (503, "no-store")
    assert b"make run" in answer.body


def test_a_file_of_an_unknown_kind_is_found_at_the_start(tmp_path: Path) -> None:
    """
    A file that has no media type here stops the server's start, and is not sent under a wrong one.
    """
    (tmp_path / "index.html.gz").write_bytes(gzip.compress(b""))
    (tmp_path / "sound.mp3").write_bytes(b"")
    with pytest.raises(KeyError, match="mp3"):
        read_page(tmp_path)
