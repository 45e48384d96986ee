"""
The chat page: the files that its build made, read once, and served from a table that nothing can be added to.

The build is `scripts/page.py`. It packs what compresses well with gzip and leaves those files packed, as `NAME.gz`. So
they go out; for clients that take no gzip they are unpacked here.
"""

import gzip
import hashlib
from collections.abc import Iterator, Mapping
from importlib.resources.abc import Traversable
from pathlib import PurePosixPath

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

ASSETS = "/assets/"
INDEX = "/index.html"
FRAME = "/mermaid.html"
STAMP = "/source.sha256"

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data: blob:; "
    "manifest-src 'self'; worker-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types outcrop-shell"
)
"""
What the page may do. Its one Trusted Types policy lets the address of its service worker pass, and no other text.
"""

FRAME_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'self'; sandbox allow-scripts"
)
"""
What the page of a diagram may do: it draws with the styles that come out of a model's text, so it has no origin, no
network, and no way to the chat but messages.
"""

MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".md": "text/markdown; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}

NOT_BUILT = (
    "The page is not built here. `make run` builds it and serves it; an installed wheel always has it.\n"
    "Everything else works: see /api/docs.\n"
)


class PageFile(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold one file: its bytes, packed too where that is worth it, and the headers that never change.
    """

    plain: bytes
    packed: bytes | None
    tag: str
    headers: Mapping[str, str]


class Page:
    """
    Serve the files of a built page. Paths are looked up as they came: none is ever joined to a folder.
    """

    def __init__(self, files: Mapping[str, PageFile]) -> None:
        self._files = files

    def routes(self) -> list[BaseRoute]:
        """
        Build the routes: one for each file at the top, one for all assets, and the addresses of chats.
        """
        lone = [path for path in self._files if path != INDEX and not path.startswith(ASSETS)]
        return [
            Route("/", self._serve_index, methods=["GET"]),
            Route("/c/{chat_id:path}", self._serve_index, methods=["GET"]),
            *(Route(path, self._serve, methods=["GET"]) for path in lone),
            Route(ASSETS + "{name:path}", self._serve, methods=["GET"]),
        ]

    async def _serve_index(self, request: Request) -> Response:
        return answer(self._files[INDEX], request)

    async def _serve(self, request: Request) -> Response:
        file = self._files.get(request.scope["path"])
        if file is None:
            raise HTTPException(404)
        return answer(file, request)


def read_page(folder: Traversable) -> Page | None:
    """
    Read a built page into memory; None where there is none.

    Raises:
        KeyError: the build made a file of a kind that is not in `MEDIA_TYPES`.
    """
    if not folder.joinpath(f"{INDEX.removeprefix('/')}.gz").is_file():
        return None
    return Page({path: _make_file(path, *content) for path, content in _read(folder, "/") if path != STAMP})


def build_missing_routes() -> list[BaseRoute]:
    """
    Build the routes that stand in for a page that was not built: they say what to do.
    """

    async def endpoint(_request: Request) -> Response:
        return PlainTextResponse(NOT_BUILT, 503, {"cache-control": "no-store"})

    return [Route(path, endpoint, methods=["GET"]) for path in ("/", "/c/{chat_id:path}")]


def answer(file: PageFile, request: Request) -> Response:
    """
    Answer a request for a file: packed or plain, whole, without its body (HEAD), or only that it has not changed.
    """
    is_packed = file.packed is not None and takes_gzip(request.headers.get("accept-encoding", ""))
    content = file.packed if is_packed and file.packed is not None else file.plain
    tag = f'"{file.tag}-gzip"' if is_packed else f'"{file.tag}"'
    headers = {**file.headers, "etag": tag}
    if file.packed is not None:
        headers["vary"] = "accept-encoding"
    if _matches(request.headers.get("if-none-match", ""), tag):
        return Response(None, 304, headers)
    if is_packed:
        headers["content-encoding"] = "gzip"
    headers["content-length"] = str(len(content))
    return Response(content if request.method == "GET" else b"", 200, headers)


def takes_gzip(accepted: str) -> bool:
    """
    Say whether an Accept-Encoding header lets an answer be packed with gzip (RFC 9110, section 12.5.3).
    """
    weights: dict[str, bool] = {}
    for item in accepted.lower().split(","):
        coding, *parameters = (part.strip() for part in item.split(";"))
        weights[coding] = not any(parameter.replace(" ", "").rstrip("0.") == "q=" for parameter in parameters)
    return weights.get("gzip", weights.get("*", False))


def _matches(wanted: str, tag: str) -> bool:
    """
    Say whether one of the tags in an If-None-Match header is this one. Proxies mark tags as weak: that changes nothing.
    """
    return wanted.strip() == "*" or tag in {item.strip().removeprefix("W/") for item in wanted.split(",")}


def _read(folder: Traversable, at: str) -> Iterator[tuple[str, tuple[bytes, bytes | None]]]:
    """
    Read a folder and all below it: each file's path as it is asked for, its bytes, and the packed ones.
    """
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _read(entry, f"{at}{entry.name}/")
        elif entry.name.endswith(".gz"):
            packed = entry.read_bytes()
            yield f"{at}{entry.name.removesuffix('.gz')}", (gzip.decompress(packed), packed)
        else:
            yield f"{at}{entry.name}", (entry.read_bytes(), None)


def _make_file(path: str, plain: bytes, packed: bytes | None) -> PageFile:
    tag = hashlib.sha256(plain).hexdigest()[:32]
    headers = {"content-type": MEDIA_TYPES[PurePosixPath(path).suffix], **_headers_of(path)}
    return PageFile(plain=plain, packed=packed, tag=tag, headers=headers)


def _headers_of(path: str) -> dict[str, str]:
    """
    Return the headers that depend on the path. What has no policy here gets the strict one, from the guard.
    """
    if path.startswith(ASSETS):
        # A diagram's frame has no origin (`null`), and modules are asked for with one: see the guard.
        return {"cache-control": "public, max-age=31536000, immutable", "access-control-allow-origin": "null"}
    policies = {INDEX: PAGE_POLICY, FRAME: FRAME_POLICY}
    policy = {"content-security-policy": policies[path]} if path in policies else {}
    return {"cache-control": "no-cache", **policy}
