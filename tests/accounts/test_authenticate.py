"""
Who is asking: one way for all carriers of a key.
"""

import hashlib
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from outcrop.accounts.authenticate import (
    KEY_PREFIX,
    MAX_KEY_CHARACTERS,
    SUBPROTOCOL,
    Authenticator,
    digest_key,
    make_key,
)
from outcrop.accounts.principal import LOCAL, Principal
from outcrop.errors import NotAuthenticated
from tests.support import gateway_environment, run_outcrop

ALICE_KEY = f"{KEY_PREFIX}{'a1b2c3d4' * 5}Alc"
BOB_KEY = f"{KEY_PREFIX}{'z9y8x7w6' * 5}Bob"
ALICE_DIGEST, BOB_DIGEST = digest_key(ALICE_KEY), digest_key(BOB_KEY)
ALICE, BOB = Principal("key:alice", "alice"), Principal("key:bob", "bob")
AUTHENTICATOR = Authenticator({"alice": ALICE_DIGEST, "bob": BOB_DIGEST})

Header = tuple[str, str]


def ask(*headers: Header, subprotocols: Sequence[str] = ()) -> Principal:
    """
    Authenticate a request with these headers.
    """
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    return AUTHENTICATOR.authenticate(raw, subprotocols)


def refusal(*headers: Header, subprotocols: Sequence[str] = ()) -> str:
    """
    Return the sentence with which a request with these headers is refused.
    """
    with pytest.raises(NotAuthenticated) as caught:
        ask(*headers, subprotocols=subprotocols)
    return caught.value.message


def test_a_made_key_is_long_and_known_by_its_digest() -> None:
    """
    A key holds 256 random bits behind a prefix that secret scanners can find; its digest is its SHA-256.
    """
    assert ALICE_KEY.startswith(KEY_PREFIX)
    assert len(ALICE_KEY) == len(KEY_PREFIX) + 43
    assert hashlib.sha256(ALICE_KEY.encode()).hexdigest() == ALICE_DIGEST
    assert ALICE_KEY != BOB_KEY


@pytest.mark.parametrize(
    ("headers", "subprotocols"),
    [
        ([("authorization", f"Bearer {ALICE_KEY}")], []),
        ([("authorization", f"bearer {ALICE_KEY}")], []),
        ([("authorization", f"BEARER   {ALICE_KEY} ")], []),
        ([("x-api-key", ALICE_KEY)], []),
        ([("x-api-key", f" {ALICE_KEY} ")], []),
        ([], [SUBPROTOCOL, f"outcrop.key.{ALICE_KEY}"]),
        ([], [f"outcrop.key.{ALICE_KEY}"]),
        ([("accept", "*/*"), ("cookie", f"key={BOB_KEY}"), ("x-api-key", ALICE_KEY)], ["chat"]),
    ],
)
def test_every_carrier_gives_the_same_principal(headers: list[Header], subprotocols: list[str]) -> None:
    """
    A key makes the same principal in each of its places; `x-api-key` is no way round a restriction (CVE-2026-45339).
    """
    assert ask(*headers, subprotocols=subprotocols) == ALICE


def test_each_key_is_its_own_principal() -> None:
    """
    Two keys are two principals.
    """
    assert ask(("x-api-key", BOB_KEY)) == BOB


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("cookie", f"key={ALICE_KEY}")],
        [("proxy-authorization", f"Bearer {ALICE_KEY}")],
        [("x-api-key-2", ALICE_KEY)],
        [("referer", f"http://localhost/?key={ALICE_KEY}")],
    ],
)
def test_no_key_is_refused_with_what_to_send(headers: list[Header]) -> None:
    """
    Without a key in one of its places the refusal says where to put it.
    """
    assert refusal(*headers) == "a key is needed: send `Authorization: Bearer KEY` or `x-api-key: KEY`"


@pytest.mark.parametrize(
    ("headers", "subprotocols"),
    [
        ([("authorization", f"Bearer {ALICE_KEY}"), ("x-api-key", BOB_KEY)], []),
        ([("authorization", f"Bearer {ALICE_KEY}"), ("x-api-key", ALICE_KEY)], []),
        ([("authorization", f"Bearer {ALICE_KEY}"), ("authorization", f"Bearer {BOB_KEY}")], []),
        ([("x-api-key", ALICE_KEY), ("x-api-key", "wrong")], []),
        ([("x-api-key", ALICE_KEY), ("x-api-key", "")], []),
        ([("x-api-key", ALICE_KEY)], [f"outcrop.key.{ALICE_KEY}"]),
        ([], [f"outcrop.key.{ALICE_KEY}", f"outcrop.key.{BOB_KEY}"]),
    ],
)
def test_two_keys_are_refused(headers: list[Header], subprotocols: list[str]) -> None:
    """
    More than one key is refused, even equal ones: nobody has to guess which one counts.
    """
    assert refusal(*headers, subprotocols=subprotocols) == "2 keys were sent, expected one"


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Bearer",
        "Basic YWxpY2U6c2VjcmV0",
        f"Basic {ALICE_KEY}",
        f"Token {ALICE_KEY}",
        f"Bearer\t{ALICE_KEY}",
        f"Bearer:{ALICE_KEY}",
        f" Bearer {ALICE_KEY}",
        ALICE_KEY,
        "AWS4-HMAC-SHA256 Credential=a/20261120/us-east-1/bedrock/aws4_request",
    ],
)
def test_a_wrong_scheme_is_refused(value: str) -> None:
    """
    An Authorization of another scheme is refused, also beside a good key.
    """
    assert ask(("x-api-key", ALICE_KEY)) == ALICE
    with pytest.raises(NotAuthenticated):
        ask(("authorization", value))
    with pytest.raises(NotAuthenticated):
        ask(("x-api-key", ALICE_KEY), ("authorization", value))


@pytest.mark.parametrize(
    "key",
    [
        "",
        "'",
        "' OR '1'='1",
        "' OR 1=1 --",
        f"{ALICE_KEY}' --",
        f"{ALICE_KEY}'; DROP TABLE api_keys; --",
        "%",
        "_" * len(ALICE_KEY),
        "{{7*7}}",
        "../../etc/passwd",
        "null",
        "*",
        "é" * 20,
        "\xff\xfe",
        f"{ALICE_KEY}\x00",
        f"\x00{ALICE_KEY}",
        f"{ALICE_KEY},{BOB_KEY}",
        f"{ALICE_KEY} {BOB_KEY}",
        f"Bearer {ALICE_KEY}",
        ALICE_DIGEST,
        "alice",
        "key:alice",
        "local",
    ],
)
def test_what_is_no_key_is_unknown(key: str) -> None:
    """
    SQL, patterns, names, the digest itself and bytes of other scripts are unknown keys like any other (CVE-2026-42208).
    """
    assert refusal(("x-api-key", key)) == "the key is not known here"
    assert refusal(("authorization", f"Bearer {key}")) == "the key is not known here"


@pytest.mark.parametrize("length", [MAX_KEY_CHARACTERS, MAX_KEY_CHARACTERS + 1, 10_000_000])
def test_huge_keys_are_unknown(length: int) -> None:
    """
    A huge key is refused in the same words, and not repeated in them.
    """
    assert refusal(("x-api-key", "k" * length)) == "the key is not known here"


def test_the_whole_key_counts() -> None:
    """
    Keys that differ in one character anywhere, or are longer or shorter, are other keys (CVE-2026-35030).
    """
    assert ask(("x-api-key", ALICE_KEY)) == ALICE
    for at in range(len(ALICE_KEY)):
        other = "A" if ALICE_KEY[at] != "A" else "B"
        assert refusal(("x-api-key", f"{ALICE_KEY[:at]}{other}{ALICE_KEY[at + 1 :]}")) == "the key is not known here"
    for near in (ALICE_KEY[:-1], f"{ALICE_KEY}A", ALICE_KEY.swapcase(), ALICE_KEY.removeprefix(KEY_PREFIX)):
        assert refusal(("x-api-key", near)) == "the key is not known here"


def test_two_keys_with_one_beginning_stay_two() -> None:
    """
    Keys that differ only in their last character are two principals, in either order of asking (CVE-2026-35030).
    """
    first, second = f"{'k' * 60}1", f"{'k' * 60}2"
    twins = Authenticator({"first": digest_key(first), "second": digest_key(second)})
    for key, name in ((first, "first"), (second, "second"), (first, "first")):
        assert twins.authenticate([(b"x-api-key", key.encode())]).display_name == name


@given(st.text(st.characters(max_codepoint=255)))
def test_no_other_text_is_a_key(key: str) -> None:
    """
    Whatever is sent instead of a key is refused in fixed words: nothing of it is repeated, and nothing else is raised.
    """
    assert refusal(("x-api-key", key)) == "the key is not known here"


def test_without_keys_everybody_is_local() -> None:
    """
    A server without keys, which listens on loopback only, takes everybody for the same local principal.
    """
    open_server = Authenticator({})
    assert not open_server.required
    assert open_server.authenticate([]) is LOCAL
    assert (
        open_server.authenticate([(b"authorization", b"Basic x"), (b"x-api-key", b"a"), (b"x-api-key", b"b")]) is LOCAL
    )


def test_no_key_can_be_the_local_principal() -> None:
    """
    A key whose name is "local" is not the principal of a server without keys.
    """
    key, digest = make_key()
    principal = Authenticator({"local": digest}).authenticate([(b"x-api-key", key.encode())])
    assert principal.principal_id != LOCAL.principal_id


@pytest.fixture(scope="module")
def gateway_url() -> Iterator[str]:
    """
    Run a gateway that wants alice's key.
    """
    settings = gateway_environment("http://127.0.0.1:9", api_keys=f'{{"alice": "{ALICE_DIGEST}"}}')
    with run_outcrop("serve", "--port", "0", environ=settings) as (_, url):
        yield url


def get_models(url: str, headers: dict[str, str] | None = None) -> int:
    """
    Ask for the models, and return the answer's status.
    """
    request = urllib.request.Request(url, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def test_a_route_wants_the_key_in_a_header(gateway_url: str) -> None:
    """
    Over HTTP both headers open the same route, and a key in the query string is not looked at.
    """
    models = f"{gateway_url}/api/models"
    assert get_models(models, {"authorization": f"Bearer {ALICE_KEY}"}) == 200
    assert get_models(models, {"x-api-key": ALICE_KEY}) == 200
    for name in ("key", "api_key", "token", "access_token", "x-api-key", "authorization"):
        assert get_models(f"{models}?{name}={ALICE_KEY}") == 401


@pytest.mark.parametrize("query", ["", f"&key={ALICE_KEY}", f"&token={ALICE_KEY}"])
async def test_a_socket_wants_the_key_before_it_looks_at_the_query(gateway_url: str, query: str) -> None:
    """
    A socket without a key is closed with 4401, whatever its query holds.
    """
    url = f"{gateway_url.replace('http', 'ws')}/ws/model?model=llama3{query}"
    async with connect(url, proxy=None) as socket:
        with pytest.raises(ConnectionClosed) as caught:
            await socket.recv()
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 4401


async def test_the_subprotocol_with_the_key_is_not_repeated(gateway_url: str) -> None:
    """
    A browser's socket is let in by its subprotocols, and the one that is chosen holds no key.
    """
    url = f"{gateway_url.replace('http', 'ws')}/ws/model?model=llama3"
    offered = [SUBPROTOCOL, f"outcrop.key.{ALICE_KEY}"]
    async with connect(url, subprotocols=offered, proxy=None) as socket:  # type: ignore[arg-type]  # str is what they are
        await (await socket.ping())
        assert socket.subprotocol == SUBPROTOCOL
