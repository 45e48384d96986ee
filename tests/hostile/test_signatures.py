"""
Signatures that are not quite right, on raw sockets: nothing gets in, nothing is called, and no secret is told.
"""

import http.client
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest

from outcrop.accounts.signing import make_pair
from outcrop.wire.sigv4 import Credentials, hash_payload, sign
from tests.e2e.conftest import Book
from tests.support import gateway_environment, run_outcrop

KEY_ID, SECRET = make_pair()
PATH = "/model/us.anthropic.claude-sonnet-4-6/converse"
BODY = json.dumps({"messages": [{"role": "user", "content": [{"text": "hello"}]}]}).encode()
HEADERS = [("content-type", "application/json"), ("x-amzn-bedrock-trace", "DISABLED")]


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[str, Book]]:
    """
    Run an emulator, and a gateway that issued one access key.
    """
    with run_outcrop("emulate", "--port", "0", "--first-token-ms", "0", "--tokens-per-second", "0") as (_, emulator):
        environ = gateway_environment(emulator) | {"OUTCROP_SIGNING_KEYS": json.dumps({"a": f"{KEY_ID}:{SECRET}"})}
        with run_outcrop("serve", "--port", "0", environ=environ) as (process, url):
            yield url, Book(emulator)
            assert SECRET not in "\n".join(process.lines)


@pytest.fixture
def book(servers: tuple[str, Book]) -> Book:
    """
    Give the emulator's book, empty.
    """
    servers[1].clear()
    return servers[1]


def signed(
    url: str, *, seconds: float = 0, service: str = "bedrock", region: str = "us-east-1", path: str = PATH
) -> dict[str, str]:
    """
    Sign the request, and return all its headers.
    """
    host = urlsplit(url).netloc
    added = sign(
        method="POST",
        path=path,
        host=host,
        headers=HEADERS,
        payload_hash=hash_payload(BODY),
        credentials=Credentials(KEY_ID, SECRET),
        region=region,
        service=service,
        now=datetime.now(UTC) + timedelta(seconds=seconds),
    )
    return {"host": host, **dict(HEADERS), **added}


def send(url: str, headers: Any, *, method: str = "POST", path: str = PATH, body: bytes = BODY) -> tuple[int, str]:
    """
    Send a request as it is; return the status, and the text of the answer.
    """
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    pairs = headers.items() if isinstance(headers, dict) else headers
    for name, value in [*pairs, ("content-length", str(len(body)))]:
        connection.putheader(name, value)
    connection.endheaders(body)
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    assert SECRET not in text
    return response.status, text


def test_the_request_as_it_was_signed_is_served(servers: tuple[str, Book], book: Book) -> None:
    """
    What follows changes one thing of a request that is good.
    """
    assert send(servers[0], signed(servers[0]))[0] == 200
    assert len(book.calls()) == 1


@pytest.mark.parametrize("region", ["eu-west-3", "us-gov-west-1", "x"])
def test_any_region_is_welcome(servers: tuple[str, Book], region: str) -> None:
    """
    A client signs for the region of its own settings, which steers nothing here.
    """
    assert send(servers[0], signed(servers[0], region=region))[0] == 200


@pytest.mark.parametrize("seconds", [-290, 290])
def test_a_clock_may_be_off_by_five_minutes(servers: tuple[str, Book], seconds: float) -> None:
    """
    Within five minutes a signature is fresh.
    """
    assert send(servers[0], signed(servers[0], seconds=seconds))[0] == 200


@pytest.mark.parametrize("seconds", [-320, 320, -86_400])
def test_an_old_signature_is_refused(servers: tuple[str, Book], book: Book, seconds: float) -> None:
    """
    A signature is not fresh for ever.
    """
    assert send(servers[0], signed(servers[0], seconds=seconds))[0] == 403
    assert book.calls() == []


@pytest.mark.parametrize(
    "changed",
    [
        {"path": PATH.replace("4-6", "4-5")},
        {"path": PATH.replace("converse", "converse-stream")},
        {"path": f"{PATH}?x=1"},
        {"path": PATH.replace("us.", "%75s.")},
        {"path": PATH.replace("/model/", "/model//")},
        {"path": PATH.replace("/model/", "/model/./")},
        {"path": PATH.replace("/model/", "/model/other/../")},
        {"path": PATH.replace("/converse", "/x/../converse")},
        {"body": BODY.replace(b"hello", b"hellO")},
        {"body": b""},
        {"body": BODY + b" "},
    ],
    ids=str,
)
def test_a_changed_request_is_refused(servers: tuple[str, Book], book: Book, changed: dict[str, Any]) -> None:
    """
    Path, query and body are part of the signature.
    """
    status, text = send(servers[0], signed(servers[0]), **changed)
    assert (status, "signature" in text.lower()) == (403, True)
    assert book.calls() == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("content-type", "text/plain"),
        ("x-amzn-bedrock-trace", "ENABLED"),
        ("x-amzn-bedrock-guardrailidentifier", "added"),
        ("x-amz-date", "20260101T000000Z"),
        ("x-amz-security-token", "added"),
        ("host", "other.example"),
        ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
        ("x-amz-content-sha256", "0" * 64),
        ("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
        ("idempotency-key", "added"),
    ],
)
def test_a_changed_or_added_header_is_refused(servers: tuple[str, Book], book: Book, name: str, value: str) -> None:
    """
    Every header that means something must be signed as it came.
    """
    status, _ = send(servers[0], signed(servers[0]) | {name: value})
    assert 400 <= status < 500
    assert book.calls() == []


@pytest.mark.parametrize("name", ["host", "content-type", "x-amz-date", "x-amzn-bedrock-trace", "authorization"])
def test_a_header_that_comes_twice_is_refused(servers: tuple[str, Book], book: Book, name: str) -> None:
    """
    A signed header that is there once more, even with the same value, is not what was signed.
    """
    good = signed(servers[0])
    assert 400 <= send(servers[0], [*good.items(), (name, good[name])])[0] < 500
    assert book.calls() == []


def test_another_method_is_refused(servers: tuple[str, Book]) -> None:
    """
    A signature for POST is not one for GET.
    """
    path = "/foundation-models"
    status, text = send(servers[0], signed(servers[0], path=path), path=path, method="GET")
    assert (status, "signature" in text) == (403, True)


@pytest.mark.parametrize("host", ["other.example", None])
def test_an_absolute_target_is_refused(servers: tuple[str, Book], book: Book, host: str | None) -> None:
    """
    A request line with a whole URL, as a proxy takes it, is not what was signed, whichever host it names.
    """
    good = signed(servers[0])
    status, _ = send(servers[0], good, path=f"http://{host or good['host']}{PATH}")
    assert 400 <= status < 500
    assert book.calls() == []


def test_another_service_is_refused(servers: tuple[str, Book], book: Book) -> None:
    """
    A signature made for another service is not one for Bedrock.
    """
    assert send(servers[0], signed(servers[0], service="s3"))[0] == 403
    assert book.calls() == []


def make_malformed(good: str) -> list[str]:
    """
    Break an `Authorization` header in many ways.
    """
    credential, names, signature = good.removeprefix("AWS4-HMAC-SHA256 ").split(", ")
    scheme = "AWS4-HMAC-SHA256 "
    return [
        scheme,
        scheme + credential,
        scheme + f"{credential}, {names}",
        scheme + f"{names}, {signature}",
        scheme + f"{credential}, {names}, {signature}, {signature}",
        scheme + f"{credential}, {names}, {signature}, Extra=1",
        good.replace("aws4_request", "aws3_request"),
        good.replace("/us-east-1/", "//"),
        good.replace(f"{KEY_ID}/", "/"),
        good.replace(KEY_ID, KEY_ID.lower()),
        good.replace(KEY_ID, "A" * 5000),
        good.replace("SignedHeaders=", "SignedHeaders=x-missing;"),
        good.replace("host;", ""),
        good.replace("content-type;host", "host;content-type"),
        good.replace("Signature=", "Signature=G"),
        good[:-1],
        good[:-1] + ("0" if good[-1] != "0" else "1"),
        good.upper(),
        good.replace("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1"),
        good.replace("AWS4-HMAC-SHA256", "Basic"),
        good.replace("Credential=", "Credential='"),
    ]


def test_malformed_headers_are_refused(servers: tuple[str, Book], book: Book) -> None:
    """
    A header that is not well-formed is a refusal that says so, never a failure of the server.
    """
    good = signed(servers[0])
    for broken in make_malformed(good["authorization"]):
        status, text = send(servers[0], good | {"authorization": broken})
        assert status in {400, 401, 403}, (broken, text)
    assert book.calls() == []


def test_two_credentials_are_refused(servers: tuple[str, Book], book: Book) -> None:
    """
    It must be clear who asks.
    """
    good = signed(servers[0])
    twice = [*good.items(), ("authorization", good["authorization"])]
    assert send(servers[0], twice)[0] == 400
    assert send(servers[0], good | {"x-api-key": "outcrop_x"})[0] in {401, 403}
    assert book.calls() == []


def test_a_presigned_url_is_refused(servers: tuple[str, Book], book: Book) -> None:
    """
    No credentials are taken from a query string.
    """
    good = signed(servers[0])
    host = good["host"]
    query = f"?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={KEY_ID}&X-Amz-Signature={'0' * 64}"
    headers = {"host": host, "content-type": "application/json"}
    assert send(servers[0], headers, path=PATH + query)[0] in {401, 403}
    assert book.calls() == []


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/api/models"])
def test_a_signature_is_taken_for_bedrock_alone(servers: tuple[str, Book], path: str) -> None:
    """
    Other dialects have their own carriers; the refusal says which.
    """
    method = "GET" if path == "/api/models" else "POST"
    status, text = send(servers[0], signed(servers[0], path=path), path=path, method=method)
    assert status == 401
    assert "Bearer" in text


@pytest.mark.parametrize("wrong", ["key", "date", "service", "path", "header"])
def test_a_body_is_not_read_before_the_head_is_in_order(servers: tuple[str, Book], wrong: str) -> None:
    """
    An unknown key, an old date, another service, a path with two spellings and an unsigned header need no body.
    """
    good = signed(servers[0], seconds=-400 * (wrong == "date"), service="s3" if wrong == "service" else "bedrock")
    if wrong == "key":
        good["authorization"] = good["authorization"].replace(KEY_ID, "AKIAIOSFODNN7EXAMPLE")
    if wrong == "header":
        good["x-amz-meta-more"] = "1"
    connection = http.client.HTTPConnection(urlsplit(servers[0]).netloc, timeout=10)
    path = PATH.replace("/model/", "/model/./") if wrong == "path" else PATH
    connection.putrequest("POST", path, skip_host=True)
    for name, value in {**good, "content-length": "4000000"}.items():
        connection.putheader(name, value)
    connection.endheaders()
    response = connection.getresponse()
    assert response.status == 403
    connection.close()
