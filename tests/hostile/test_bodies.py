"""
Bodies that are wrong as a whole, before any field can be: each route refuses them in its own words, and goes on.
"""

import json
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.hostile.endpoints import ENDPOINTS, Endpoint
from tests.hostile.exchange import Answer
from tests.hostile.house import House, find_errors, open_house

WHOLE = [endpoint for endpoint in ENDPOINTS if "streaming" not in endpoint.name]
JSON_ONLY = [endpoint for endpoint in WHOLE if not endpoint.path.startswith("/model/")]
DEEP = 100_000


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    """
    Run an emulator and a gateway before it.
    """
    with open_house() as opened:
        yield opened


@pytest.fixture
def quiet(house: House) -> Iterator[House]:
    """
    Give the house; afterwards nothing was asked of Bedrock, and nothing was logged as an error.
    """
    house.book.clear()
    said = len(house.gateway.lines)
    yield house
    assert house.book.calls() == []
    assert find_errors(house.gateway.lines[said:]) == []


def seed(endpoint: Endpoint) -> bytes:
    """
    Give a valid body.
    """
    return json.dumps(endpoint.seeds[0]).encode()


def wrong_bodies(valid: bytes) -> dict[str, bytes]:
    """
    Make every body that is no JSON object, or one that means two things.
    """
    text = valid.decode()
    cuts = {f"cut at {n}": valid[:n] for n in range(1, len(valid), max(1, len(valid) // 12))}
    inner = valid[1:-1]
    return cuts | {
        "empty": b"",
        "blank": b" \r\n\t ",
        "NUL": b"\0",
        "invalid UTF-8": valid.replace(b'"hi"', b'"h\xff"').replace(b"messages", b"mess\xffages", 1),
        "overlong UTF-8": b'{"a": "\xc0\xaf",' + inner + b"}",
        "a surrogate in UTF-8": b'{"a": "\xed\xa0\x80",' + inner + b"}",
        "half a pair": b'{"\\ud800": 1,' + inner + b"}",
        "UTF-16": text.encode("utf-16"),
        "UTF-16 without a mark": text.encode("utf-16-le"),
        "UTF-32": text.encode("utf-32"),
        "with a byte order mark": b"\xef\xbb\xbf" + valid,
        "a name twice": b"{" + inner + b"," + inner + b"}",
        "a name twice, once escaped": b'{"a": 1, "\\u0061": 2,' + inner + b"}",
        "200 levels": b'{"a": ' + b"[" * 200 + b"]" * 200 + b"," + inner + b"}",
        "200 objects": b'{"a": ' + b'{"a":' * 200 + b"1" + b"}" * 200 + b"," + inner + b"}",
        "endless levels": b'{"a": ' + b"[" * DEEP + b"]" * DEEP + b"," + inner + b"}",
        "endless levels, open": b"[" * DEEP,
        "NaN": b'{"a": NaN,' + inner + b"}",
        "Infinity": b'{"a": -Infinity,' + inner + b"}",
        "too great": b'{"a": 1e400,' + inner + b"}",
        "5,000 digits": b'{"a": 1' + b"0" * 5_000 + b"," + inner + b"}",
        "leading zero": b'{"a": 01,' + inner + b"}",
        "a raw control character": b'{"a": "\x01",' + inner + b"}",
        "a comment": b"/* hi */" + valid,
        "single quotes": text.replace('"', "'").encode(),
        "a trailing comma": valid[:-1] + b",}",
        "two values": valid + valid,
        "something behind": valid + b" x",
        "a list": b"[" + valid + b"]",
        "a string": json.dumps(text).encode(),
        "a number": b"7",
        "null": b"null",
        "true": b"true",
        "a form": b"messages=hi&model=anthropic",
        "an unknown field": b'{"zz_unknown": 1,' + inner + b"}",
        "an unknown field of 5 MB": b'{"zz_unknown": "' + b"x" * (5 << 20) + b'",' + inner + b"}",
        "an unknown name of 1 MB": b'{"' + b"x" * (1 << 20) + b'": 1,' + inner + b"}",
        "a string of 5 MB": b'"' + b"x" * (5 << 20) + b'"',
    }  # fmt: skip


def is_refused(endpoint: Endpoint, answer: Answer) -> bool:
    """
    Say whether an answer is a refusal in the dialect's own words, and short.
    """
    if answer.status == 200:
        return False
    status, message = endpoint.read(answer)
    return 400 <= status < 500 and 0 < len(message) < 1_000


@pytest.mark.parametrize("endpoint", WHOLE, ids=lambda endpoint: endpoint.name)
def test_a_body_that_is_no_object_is_refused(quiet: House, endpoint: Endpoint) -> None:
    """
    What is no JSON object, or holds a name twice, is refused before any call, and the connection stays.
    """
    wrong = wrong_bodies(seed(endpoint))
    if endpoint.name == "native chat":
        # There the last one counts, over HTTP as in frames.
        del wrong["a name twice"]
    complaints = []
    for name, body in wrong.items():
        answer = quiet.asker.ask(endpoint.path, body)
        # A body that is too long is not read to its end, so what follows it on the connection can't be either.
        if not is_refused(endpoint, answer) or (answer.closes and answer.status != 413):
            complaints.append(f"{name}: {answer.status} {answer.body[:200]!r}")
    assert not complaints, "\n".join(complaints)


@pytest.mark.parametrize("endpoint", JSON_ONLY, ids=lambda endpoint: endpoint.name)
@pytest.mark.parametrize(
    "content_type",
    [None, "", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "json",
     "application/jsonx", "text/plain; application/json", "application/octet-stream", "\xff"],
)  # fmt: skip
def test_a_body_of_another_type_is_refused(quiet: House, endpoint: Endpoint, content_type: str | None) -> None:
    """
    What is not declared as JSON is refused, because a page on another site can send it unasked.
    """
    headers = {} if content_type is None else {"content-type": content_type}
    answer = quiet.asker.ask(endpoint.path, seed(endpoint), headers)
    assert is_refused(endpoint, answer), answer
    assert answer.status in {400, 415}


@pytest.mark.parametrize("endpoint", WHOLE, ids=lambda endpoint: endpoint.name)
@pytest.mark.parametrize("framing", ["content-length: 100000", "transfer-encoding: chunked"])
def test_a_body_that_ends_early_is_no_request(quiet: House, endpoint: Endpoint, framing: str) -> None:
    """
    A client that goes in the middle of its body asks for nothing, even where what came is whole.
    """
    body = seed(endpoint)
    sent = b"%x\r\n%s\r\n" % (len(body), body) if "chunked" in framing else body
    head = f"POST {endpoint.path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n{framing}\r\n\r\n"
    with connect(quiet) as wire:
        wire.sendall(head.encode() + sent)
        wire.shutdown(socket.SHUT_WR)
        assert b" 200 " not in read_all(wire)
    assert is_refused(endpoint, quiet.asker.ask(endpoint.path, b"{"))


@pytest.mark.parametrize("chunk", [b"zz\r\nhi\r\n", b"-1\r\nhi\r\n", b"ffffffffffffffffff\r\nhi\r\n", b"2\r\nhixx\r\n"])
def test_a_chunk_whose_length_lies_ends_the_connection(quiet: House, chunk: bytes) -> None:
    """
    A body in malformed chunks is refused, and its connection is closed.
    """
    head = b"POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    with connect(quiet) as wire:
        wire.sendall(head + b"transfer-encoding: chunked\r\n\r\n" + chunk)
        received = read_all(wire)
    assert received == b"" or received.startswith((b"HTTP/1.1 400", b"HTTP/1.1 413"))


def connect(house: House) -> socket.socket:
    """
    Open a connection of one's own.
    """
    address = urlsplit(house.asker.url)
    return socket.create_connection((address.hostname or "", address.port or 0), timeout=20)


def read_all(wire: socket.socket) -> bytes:
    """
    Read to the end, however it comes.
    """
    found = b""
    try:
        while chunk := wire.recv(65_536):
            found += chunk
    except ConnectionResetError:
        return found
    return found
