"""
Signatures made by botocore's own signer with keys of ours, and every way to get them wrong.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from outcrop.dialects.bedrock.errors import SignatureRefused, encode_error
from outcrop.dialects.bedrock.signature import SignedRequest, check_claims, check_signature, read_signer

SECRET = "our-secret"
PATH = "/model/meta.llama3-70b-instruct-v1%3A0/invoke"
BODY = b'{"prompt":"hi"}'


def sign(*, key: str = "OUTCROP1", secret: str = SECRET, token: str | None = None) -> SignedRequest:
    """
    Sign a request as boto3 does.
    """
    request = AWSRequest("POST", f"http://127.0.0.1:8080{PATH}?a=b%20c", data=BODY, headers={"Content-Type": "x"})
    signer: Any = SigV4Auth(Credentials(key, secret, token), "bedrock", "us-east-1")
    signer.add_auth(request)
    headers = [("Host", "127.0.0.1:8080"), *((name, str(value)) for name, value in request.headers.items())]
    return SignedRequest(method="POST", path=PATH, query="a=b%20c", headers=headers, body=BODY)


def check(request: SignedRequest, *, secret: str | None = SECRET, late: float = 0) -> str:
    """
    Check a request, some seconds after it was signed, and return whose it is.
    """
    signed_by = read_signer(request.headers)
    now = datetime.now(UTC) + timedelta(seconds=late)
    check_signature(signed_by, request, secret_access_key=secret, now=now)
    return signed_by.access_key_id


def change(request: SignedRequest, **fields: Any) -> SignedRequest:
    """
    Change a request behind its signer's back.
    """
    values = {name: getattr(request, name) for name in SignedRequest.__struct_fields__}
    return SignedRequest(**{**values, **fields})


def header(request: SignedRequest, name: str, value: str | None) -> SignedRequest:
    """
    Replace a header, or take it out.
    """
    kept = [pair for pair in request.headers if pair[0].lower() != name.lower()]
    return change(request, headers=kept if value is None else [*kept, (name, value)])


def test_what_botocore_signs_is_believed() -> None:
    """
    A request that was signed with a key of ours, minutes ago, is its owner's.
    """
    assert check(sign(), late=290) == "OUTCROP1"


@pytest.mark.parametrize(
    ("spoil", "name"),
    [
        (lambda request: header(request, "Authorization", None), "MissingAuthenticationTokenException"),
        (lambda request: header(request, "Authorization", "Bearer x"), "IncompleteSignature"),
        (lambda request: header(request, "Authorization", "AWS4-HMAC-SHA256 x"), "IncompleteSignature"),
        (lambda request: change(request, headers=[*request.headers, request.headers[-1]]), "IncompleteSignature"),
        (lambda request: change(request, body=b"{}"), "InvalidSignatureException"),
        (lambda request: change(request, method="GET"), "InvalidSignatureException"),
        (lambda request: change(request, path="/model/x/invoke"), "InvalidSignatureException"),
        (lambda request: change(request, query=""), "InvalidSignatureException"),
        (lambda request: change(request, query="a=b+c"), "InvalidSignatureException"),
        (lambda request: change(request, path=PATH.replace("/model/", "//model/")), "InvalidSignatureException"),
        (lambda request: change(request, path=PATH.replace("/model/", "/model/x/../")), "InvalidSignatureException"),
        (lambda request: change(request, path=f"{PATH}/"), "InvalidSignatureException"),
        (lambda request: header(request, "Idempotency-Key", "k"), "InvalidSignatureException"),
        (lambda request: header(request, "X-Outcrop-Conversation", "another"), "InvalidSignatureException"),
        (lambda request: header(request, "X-Amz-Date", "yesterday"), "InvalidSignatureException"),
        (lambda request: header(request, "Host", "evil.example"), "InvalidSignatureException"),
        (lambda request: header(request, "X-Amz-Security-Token", "t"), "UnrecognizedClientException"),
    ],
)
def test_a_request_that_is_not_as_it_was_signed(spoil: Callable[[SignedRequest], SignedRequest], name: str) -> None:
    """
    Whatever was taken out, put in or changed after signing is refused by AWS's name, with its status.
    """
    with pytest.raises(Exception, match=r"\w") as caught:
        check(spoil(sign()))
    failure: Any = caught.value
    status, headers, _ = encode_error(failure, "r")
    assert dict(headers)[b"x-amzn-errortype"].decode() == name
    assert status == (400 if name == "IncompleteSignature" else 403)


def test_the_head_is_in_order_before_the_body_came() -> None:
    """
    What a signature says of itself is looked at without the body, and does not prove anything.
    """
    head = change(sign(secret="another"), body=b"")
    claims = check_claims(read_signer(head.headers), head, secret_access_key=SECRET, now=datetime.now(UTC))
    assert claims.secret_access_key == SECRET
    with pytest.raises(SignatureRefused, match="does not match"):
        check(head)


@pytest.mark.parametrize("late", [301, -301])
def test_an_old_head_is_refused_without_its_body(late: float) -> None:
    """
    A head that is older or newer than five minutes needs no body to be refused.
    """
    head = change(sign(), body=b"")
    now = datetime.now(UTC) + timedelta(seconds=late + (1 if late > 0 else -1))
    with pytest.raises(SignatureRefused, match="tolerance is 300 s"):
        check_claims(read_signer(head.headers), head, secret_access_key=SECRET, now=now)


@pytest.mark.parametrize(
    ("request_", "secret", "late", "name"),
    [
        (sign(), None, 0, "UnrecognizedClientException"),
        (sign(secret="another"), SECRET, 0, "InvalidSignatureException"),
        (sign(token="t"), SECRET, 0, "UnrecognizedClientException"),
        (sign(), SECRET, 100_000, "InvalidSignatureException"),
        (sign(), SECRET, -100_000, "InvalidSignatureException"),
    ],
)
def test_a_key_or_a_time_that_is_wrong(request_: SignedRequest, secret: str | None, late: float, name: str) -> None:
    """
    An unknown key, another secret, credentials of AWS's own and a clock that is far off are refused.
    """
    with pytest.raises(Exception, match=r"\w") as caught:
        check(request_, secret=secret, late=late)
    failure: Any = caught.value
    assert failure.aws_error == name
    assert SECRET not in str(failure)
