"""
Test `outcrop.wire.sigv4` against botocore's signer, and against tampered requests.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypedDict
from unittest.mock import patch
from urllib.parse import quote

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials
from hypothesis import given, settings
from hypothesis import strategies as st

from outcrop.errors import InvalidSignature
from outcrop.wire.sigv4 import (
    Credentials,
    SignedBy,
    hash_payload,
    parse_authorization,
    sign,
    verify,
)

NOW = datetime(2026, 11, 20, 12, 30, 45, tzinfo=UTC)
CREDENTIALS = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
TEMPORARY = Credentials("ASIAEXAMPLE", "secret/of+an/hour", "token//of+an=hour")
HOST = "127.0.0.1:8080"
PATH = "/model/meta.llama3-70b-instruct-v1%3A0/invoke"
BODY = b'{"prompt":"Hi"}'


class Signed(TypedDict):
    """
    Hold a signed request as `verify` takes it.
    """

    method: str
    path: str
    query: str
    headers: list[tuple[str, str]]
    payload_hash: str


class OverHttp2(SigV4Auth):
    """
    Sign as the AWS SDK for JavaScript does over HTTP/2: `:authority` instead of `host`.
    """

    def headers_to_sign(self, request: Any) -> Any:
        """
        Rename the host.
        """
        headers = super().headers_to_sign(request)
        headers[":authority"] = headers["host"]
        del headers["host"]
        return headers


def sign_with_botocore(
    *,
    path: str = PATH,
    query: str = "",
    headers: Mapping[str, str] | None = None,
    body: bytes = BODY,
    credentials: Credentials = CREDENTIALS,
    signer: type[SigV4Auth] = SigV4Auth,
) -> Signed:
    """
    Return a request as botocore signs and sends it, with the headers that a server sees.
    """
    url = f"http://{HOST}{path}" + (f"?{query}" if query else "")
    request = AWSRequest(method="POST", url=url, headers=dict(headers or {}), data=body)
    secrets = (credentials.access_key_id, credentials.secret_access_key, credentials.session_token)
    with patch("botocore.auth.get_current_datetime", return_value=NOW.replace(tzinfo=None)):
        signer(BotocoreCredentials(*secrets), "bedrock", "us-east-1").add_auth(request)
    seen = [("host", HOST), *((name.lower(), str(value)) for name, value in request.headers.items())]
    return Signed(method="POST", path=path, query=query, headers=seen, payload_hash=hash_payload(body))


def authorization_of(request: Signed) -> str:
    """
    Return the request's `Authorization` header.
    """
    return dict(request["headers"])["authorization"]


def check(request: Signed, credentials: Credentials = CREDENTIALS, **options: Any) -> SignedBy:
    """
    Parse and verify a request as a server does.
    """
    signed_by = parse_authorization(authorization_of(request))
    verify(signed_by, **request, credentials=credentials, **{"service": "bedrock", "now": NOW, **options})
    return signed_by


def replace_header(request: Signed, name: str, value: str) -> Signed:
    """
    Return the request with one header changed.
    """
    headers = [(key, value if key == name else old) for key, old in request["headers"]]
    return {**request, "headers": headers}


WIRE_PATHS = st.lists(
    st.text(max_size=12).map(lambda segment: quote(segment, safe=":~!$&'()*+,;=@")), min_size=1, max_size=5
).map(lambda segments: "/" + "/".join(segments))
WIRE_QUERIES = st.lists(
    st.tuples(st.text(min_size=1, max_size=6), st.text(max_size=6)).map(
        lambda pair: f"{quote(pair[0], safe='')}={quote(pair[1], safe='')}"
    ),
    max_size=4,
).map("&".join)
HEADER_VALUES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=20)
EXTRA_HEADERS = st.dictionaries(
    st.sampled_from(["accept", "content-type", "x-amzn-bedrock-trace", "amz-sdk-request", "anthropic-beta"]),
    HEADER_VALUES,
)


@settings(deadline=None, max_examples=150)
@given(WIRE_PATHS, WIRE_QUERIES, EXTRA_HEADERS, st.binary(max_size=50), st.sampled_from([CREDENTIALS, TEMPORARY]))
def test_we_sign_as_botocore_does(
    path: str, query: str, headers: dict[str, str], body: bytes, credentials: Credentials
) -> None:
    """
    For any request, our signature is botocore's.
    """
    theirs = sign_with_botocore(path=path, query=query, headers=headers, body=body, credentials=credentials)
    ours = sign(
        method="post",
        host=HOST,
        path=path,
        query=query,
        headers=headers.items(),
        payload_hash=hash_payload(body),
        credentials=credentials,
        region="us-east-1",
        service="bedrock",
        now=NOW.astimezone(UTC),
    )
    assert ours == {name: value for name, value in theirs["headers"] if name in ours}


@settings(deadline=None, max_examples=150)
@given(WIRE_PATHS, WIRE_QUERIES, EXTRA_HEADERS, st.binary(max_size=50), st.sampled_from([SigV4Auth, OverHttp2]))
def test_we_verify_what_botocore_signs(
    path: str, query: str, headers: dict[str, str], body: bytes, signer: type[SigV4Auth]
) -> None:
    """
    For any request, botocore's signature is accepted, over `host` and over `:authority`.
    """
    signed_by = check(sign_with_botocore(path=path, query=query, headers=headers, body=body, signer=signer))
    assert (signed_by.access_key_id, signed_by.region) == ("AKIDEXAMPLE", "us-east-1")


def test_a_host_signature_is_verified_where_the_server_sees_authority() -> None:
    """
    `host` and `:authority` stand for each other in both directions.
    """
    request = sign_with_botocore()
    headers = [(":authority" if name == "host" else name, value) for name, value in request["headers"]]
    assert check({**request, "headers": headers}).signed_headers == ("host", "x-amz-date")


def test_white_space_in_a_signed_header_is_folded() -> None:
    """
    A proxy may trim and fold a value without breaking the signature.
    """
    request = sign_with_botocore(headers={"content-type": "  application/json;   charset=utf-8 "})
    check(replace_header(request, "content-type", "application/json; charset=utf-8"))


def test_repeated_headers_are_joined_in_their_order() -> None:
    """
    Two header lines are signed like one with a comma, and their order counts.
    """
    request = sign_with_botocore(headers={"anthropic-beta": "one,two"})
    rest = [header for header in request["headers"] if header[0] != "anthropic-beta"]
    check({**request, "headers": [*rest, ("Anthropic-Beta", "one"), ("anthropic-beta", " two ")]})
    with pytest.raises(InvalidSignature, match="signature does not match"):
        check({**request, "headers": [*rest, ("anthropic-beta", "two"), ("anthropic-beta", "one")]})


def test_text_in_other_encodings_is_signed_as_its_bytes() -> None:
    """
    A header value of UTF-8 bytes, seen as latin-1, verifies; a no-break space in it is not white space.
    """
    value = "métadonnées\u00a0".encode().decode("latin-1")
    added = sign(
        method="POST",
        host=HOST,
        path=PATH,
        headers=[("x-note", value)],
        payload_hash=hash_payload(BODY),
        credentials=CREDENTIALS,
        region="us-east-1",
        service="bedrock",
        now=NOW,
    )
    headers = [("host", HOST), ("x-note", value), *added.items()]
    request = Signed(method="POST", path=PATH, query="", headers=headers, payload_hash=hash_payload(BODY))
    check(request)
    with pytest.raises(InvalidSignature, match="signature does not match"):
        check(replace_header(request, "x-note", value[:-1]))


@pytest.mark.parametrize(
    "change",
    [
        {"method": "GET"},
        {"path": PATH.replace("70b", "8b")},
        {"path": PATH.replace("%3A", ":")},
        {"query": "x=1"},
        {"payload_hash": hash_payload(BODY + b" ")},
    ],
)
def test_a_changed_request_does_not_verify(change: dict[str, str]) -> None:
    """
    Method, path, query and body are all covered.
    """
    request: Any = {**sign_with_botocore(), **change}
    with pytest.raises(InvalidSignature, match="signature does not match"):
        check(request)


@pytest.mark.parametrize("name", ["host", "content-type"])
def test_a_changed_signed_header_does_not_verify(name: str) -> None:
    """
    The values of signed headers are covered.
    """
    request = sign_with_botocore(headers={"content-type": "application/json"})
    with pytest.raises(InvalidSignature, match="signature does not match"):
        check(replace_header(request, name, "evil.example"))


def test_an_unsigned_header_may_change() -> None:
    """
    Headers that the client did not sign are the proxies' business.
    """
    request = sign_with_botocore(headers={"user-agent": "Boto3"})
    check(replace_header(request, "user-agent", "proxy"))


def test_another_secret_does_not_verify() -> None:
    """
    Knowing the key's ID is not enough.
    """
    with pytest.raises(InvalidSignature, match="signature does not match"):
        check(sign_with_botocore(), Credentials("AKIDEXAMPLE", "another"))


@pytest.mark.parametrize("skew_seconds", [-300, 0, 300])
def test_a_clock_within_the_tolerance_is_taken(skew_seconds: int) -> None:
    """
    Five minutes either way are fine.
    """
    check(sign_with_botocore(), now=NOW + timedelta(seconds=skew_seconds))


@pytest.mark.parametrize(("skew_seconds", "words"), [(301, "301 s ago"), (-301, "301 s in the future")])
def test_a_clock_beyond_the_tolerance_is_refused(skew_seconds: int, words: str) -> None:
    """
    An old signature can't be replayed, nor a future one kept.
    """
    with pytest.raises(InvalidSignature, match=f"request was signed {words}, tolerance is 300 s"):
        check(sign_with_botocore(), now=NOW + timedelta(seconds=skew_seconds))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"service": "s3"}, "credential scope is for service 'bedrock', expected 's3'"),
        ({"region": "eu-west-1"}, "credential scope is for region 'us-east-1', expected 'eu-west-1'"),
        ({"credentials": TEMPORARY}, "request was signed with another key than 'ASIAEXAMPLE'"),
    ],
)
def test_another_scope_is_refused(options: dict[str, Any], words: str) -> None:
    """
    A signature for another service, region or key is no signature for us.
    """
    with pytest.raises(InvalidSignature, match=words):
        check(sign_with_botocore(), **options)


def test_the_expected_region_is_taken() -> None:
    """
    A server may insist on its own region.
    """
    check(sign_with_botocore(), region="us-east-1")


def test_a_scope_of_another_day_is_refused() -> None:
    """
    The scope's date has to be the request's.
    """
    request = sign_with_botocore()
    moved = replace_header(request, "authorization", authorization_of(request).replace("20261120", "20261119"))
    with pytest.raises(InvalidSignature, match="credential scope is of '20261119', x-amz-date of '20261120'"):
        check(moved)


@pytest.mark.parametrize("date", ["2026-11-20T12:30:45Z", "20261120", "x" * 100])
def test_a_malformed_date_is_refused(date: str) -> None:
    """
    Only the basic ISO 8601 form is a date here.
    """
    with pytest.raises(InvalidSignature, match="expected YYYYMMDDTHHMMSSZ"):
        check(replace_header(sign_with_botocore(), "x-amz-date", date))


def test_a_missing_date_is_refused() -> None:
    """
    Without a date there is no telling a replay.
    """
    request = sign_with_botocore()
    headers = [header for header in request["headers"] if header[0] != "x-amz-date"]
    with pytest.raises(InvalidSignature, match="header 'x-amz-date' is missing"):
        check({**request, "headers": headers})


def test_temporary_credentials_verify_with_their_token_only() -> None:
    """
    A changed or missing session token is refused, and never shown.
    """
    request = sign_with_botocore(credentials=TEMPORARY)
    check(request, TEMPORARY)
    with pytest.raises(InvalidSignature, match="x-amz-security-token is not the one of this key"):
        check(replace_header(request, "x-amz-security-token", "another"), TEMPORARY)
    with pytest.raises(InvalidSignature, match="x-amz-security-token is not the one of this key"):
        check(replace_header(sign_with_botocore(), "authorization", authorization_of(request)), TEMPORARY)


def test_a_missing_signed_header_is_named() -> None:
    """
    A header that was signed and did not come is said by name.
    """
    request = sign_with_botocore(headers={"content-type": "application/json"})
    headers = [header for header in request["headers"] if header[0] != "content-type"]
    with pytest.raises(InvalidSignature, match="signed header 'content-type' is not in the request"):
        check({**request, "headers": headers})


def test_an_unsigned_host_is_refused() -> None:
    """
    A signature that does not cover the host could be sent anywhere.
    """
    request = sign_with_botocore()
    with pytest.raises(InvalidSignature, match="signed headers lack 'host'"):
        check(replace_header(request, "authorization", authorization_of(request).replace("host;", "")))


def test_a_stated_body_hash_is_held_against_the_body() -> None:
    """
    `x-amz-content-sha256` is taken when true and refused when not.
    """
    request = sign_with_botocore(headers={"x-amz-content-sha256": hash_payload(BODY)})
    check(request)
    with pytest.raises(InvalidSignature, match="x-amz-content-sha256 is not the hash of the body"):
        check({**request, "payload_hash": hash_payload(b"another")})


def test_an_unsigned_payload_is_taken_only_where_allowed() -> None:
    """
    `UNSIGNED-PAYLOAD` is the server's choice, not the client's.
    """
    request = sign_with_botocore(headers={"x-amz-content-sha256": "UNSIGNED-PAYLOAD"})
    check(request, allow_unsigned_payload=True)
    with pytest.raises(InvalidSignature, match="x-amz-content-sha256 is 'UNSIGNED-PAYLOAD'"):
        check(request)
