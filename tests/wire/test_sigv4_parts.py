"""
Test the pieces of `outcrop.wire.sigv4`: published vectors, canonical forms, parsing, keys.
"""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outcrop.errors import InvalidMessage, InvalidSignature
from outcrop.wire.sigv4 import (
    Credentials,
    SignedBy,
    canonical_path,
    canonical_query,
    derive_signing_key,
    hash_payload,
    parse_authorization,
    sign,
)

CREDENTIALS = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
TEMPORARY = Credentials("ASIAEXAMPLE", "secret/of+an/hour", "token//of+an=hour")
PATH = "/model/meta.llama3-70b-instruct-v1%3A0/invoke"
GOOD = (
    f"AWS4-HMAC-SHA256 Credential=AK/20261120/us-east-1/bedrock/aws4_request, SignedHeaders=host, Signature={'0' * 64}"
)


@pytest.mark.parametrize(
    ("query", "signature"),
    [
        ("", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("Param2=value2&Param1=value1", "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"),
    ],
)
def test_the_published_vectors_are_signed_as_published(query: str, signature: str) -> None:
    """
    AWS's `get-vanilla` and `get-vanilla-query-order-key-case` come out to the digit.
    """
    added = sign(
        method="GET",
        host="example.amazonaws.com",
        path="/",
        query=query,
        payload_hash=hash_payload(b""),
        credentials=CREDENTIALS,
        region="us-east-1",
        service="service",
        now=datetime(2015, 8, 30, 12, 36, tzinfo=UTC),
    )
    assert added == {
        "x-amz-date": "20150830T123600Z",
        "authorization": "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        f"SignedHeaders=host;x-amz-date, Signature={signature}",
    }


@pytest.mark.parametrize(
    ("path", "canonical"),
    [
        (PATH, "/model/meta.llama3-70b-instruct-v1%253A0/invoke"),
        ("/model/anthropic.claude-3-haiku-v1:0/invoke", "/model/anthropic.claude-3-haiku-v1%3A0/invoke"),
        ("/model/arn%3Aaws%3Abedrock%2Fx/converse", "/model/arn%253Aaws%253Abedrock%252Fx/converse"),
        ("", "/"),
        ("/", "/"),
        ("//a/./b/../c//", "/a/c/"),
        ("/../..", "/"),
        ("/a b~-_.\xe9", "/a%20b~-_.%E9"),
    ],
)
def test_the_raw_path_is_encoded_once_more(path: str, canonical: str) -> None:
    """
    What is encoded on the wire is encoded again, and dot and empty segments go.
    """
    assert canonical_path(path) == canonical


@pytest.mark.parametrize(
    ("query", "canonical"),
    [
        ("", ""),
        ("b=2&a=1", "a=1&b=2"),
        ("a=2&a=1&A=3", "A=3&a=1&a=2"),
        ("flag", "flag="),
        ("a=%3a&b=x:y", "a=%3A&b=x%3Ay"),
        ("a=1=2", "a=1%3D2"),
        ("&a=1&&", "a=1"),
        ("a=~-_.", "a=~-_."),
    ],
)
def test_a_query_has_one_canonical_spelling(query: str, canonical: str) -> None:
    """
    Parameters are sorted by name and value and encoded in capitals, whatever the client wrote.
    """
    assert canonical_query(query) == canonical


@pytest.mark.parametrize("value", [GOOD, GOOD.replace(", ", ","), f" {GOOD.replace(', ', ' ,  ')} "])
def test_an_authorization_is_parsed_into_its_parts(value: str) -> None:
    """
    White space around the commas does not matter.
    """
    assert parse_authorization(value) == SignedBy("AK", "20261120", "us-east-1", "bedrock", ("host",), "0" * 64)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("", "authorization scheme is '', expected 'AWS4-HMAC-SHA256'"),
        ("Bearer abc", "authorization scheme is 'Bearer'"),
        (GOOD.replace("HMAC", "ECDSA-P256"), "authorization scheme is"),
        ("AWS4-HMAC-SHA256", "needs exactly Credential, SignedHeaders and Signature"),
        (GOOD + ", Extra=1", "needs exactly"),
        (GOOD + ",", "needs exactly"),
        (GOOD + ", Signature=1", "authorization has 'Signature' twice"),
        (GOOD.replace("/bedrock", ""), "credential scope is malformed"),
        (GOOD.replace("AK/", "/"), "credential scope is malformed"),
        (GOOD.replace("aws4_request", "aws5_request"), "credential scope is malformed"),
        (GOOD.replace("=host", "="), "signed headers are malformed"),
        (GOOD.replace("=host", "=Host"), "signed headers are malformed"),
        (GOOD.replace("=host", "=host;host"), "signed headers are malformed"),
        (GOOD.replace("=host", "=host;accept"), "signed headers are malformed"),
        (GOOD.replace("000,", "").replace("Signature=0", "Signature="), "signature is malformed"),
        (GOOD.replace("Signature=0", "Signature=G"), "signature is malformed"),
        (GOOD.replace("Signature=0", "Signature=\u0660"), "signature is malformed"),
    ],
)
def test_a_malformed_authorization_is_refused(value: str, words: str) -> None:
    """
    Every defect of the header is named.
    """
    with pytest.raises(InvalidSignature, match=words):
        parse_authorization(value)


@given(st.text(max_size=200))
def test_any_authorization_is_parsed_or_refused(text: str) -> None:
    """
    Garbage behind the scheme raises nothing but `InvalidSignature`.
    """
    with pytest.raises(InvalidSignature):
        parse_authorization(f"AWS4-HMAC-SHA256 {text}")


def test_secrets_are_not_printed() -> None:
    """
    Neither credentials nor signatures show what must stay hidden.
    """
    assert repr(TEMPORARY) == "Credentials(access_key_id='ASIAEXAMPLE')"
    assert "0000" not in repr(parse_authorization(GOOD))


def test_a_time_without_a_zone_is_not_signed() -> None:
    """
    A naive time would be shifted by the machine's zone.
    """
    with pytest.raises(ValueError, match="expected a time with a time zone"):
        sign(
            method="POST",
            host="127.0.0.1:8080",
            path=PATH,
            payload_hash="",
            credentials=CREDENTIALS,
            region="us-east-1",
            service="bedrock",
            now=datetime(2026, 11, 20, 12, 30, 45),  # noqa: DTZ001  the mistake under test
        )


def test_text_that_the_wire_can_not_carry_is_not_signed() -> None:
    """
    A character beyond latin-1 has no bytes in an HTTP head.
    """
    with pytest.raises(InvalidMessage, match="character '€' can't stand in an HTTP head"):
        canonical_path("/€")


def test_derived_keys_are_remembered_in_bounds() -> None:
    """
    Keys are cached, and not for ever.
    """
    for number in range(100):
        derive_signing_key("secret", str(number), "us-east-1", "bedrock")
    assert derive_signing_key.cache_info().currsize == 64
    assert derive_signing_key.cache_info().maxsize == 64
