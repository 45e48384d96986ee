"""
Check requests that AWS's SDKs signed with keys of ours (SigV4, docs/bedrock_wire.md §7.1), in three steps.

`read_signer` says whose key it was, and the caller looks that key up; `check_claims` refuses by the head alone, before
the body is read; `check_signature` verifies. Refusals have AWS's names.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

import msgspec

from outcrop.dialects.bedrock.errors import SignatureRefused
from outcrop.errors import InvalidSignature, WireError
from outcrop.wire import sigv4

SERVICE = "bedrock"
SIGNED_PREFIXES = ("x-amz-", "x-amzn-bedrock-", "x-outcrop-", "idempotency-key")
"""
Headers that mean something here: one that is not part of the signature may be somebody else's.
"""

_UNKNOWN_KEY = "The security token included in the request is invalid."


class SignedRequest(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold a request as it came over the wire: `path` and `query` are raw, not decoded, in latin-1 like the headers.

    `body` is empty until it has been read.
    """

    method: str
    path: str
    query: str
    headers: Sequence[tuple[str, str]]
    body: bytes = b""


def read_signer(headers: Iterable[tuple[str, str]]) -> sigv4.SignedBy:
    """
    Return what the `Authorization` header says, not verified: look up the secret of its key ID next.

    Raises:
        SignatureRefused: the header is missing, there twice, or malformed.
    """
    values = [value for name, value in headers if name.lower() == "authorization"]
    if not values:
        raise SignatureRefused("Missing Authentication Token", aws_error="MissingAuthenticationTokenException")
    if len(values) > 1:
        raise SignatureRefused("the Authorization header came twice", aws_error="IncompleteSignature")
    try:
        return sigv4.parse_authorization(values[0])
    except InvalidSignature as error:
        raise SignatureRefused(error.message, aws_error="IncompleteSignature") from error


def check_claims(
    signed_by: sigv4.SignedBy, request: SignedRequest, *, secret_access_key: str | None, now: datetime
) -> sigv4.Credentials:
    """
    Return the key to verify with, if all that stands in a request's head is in order. Its body is not looked at.

    Args:
        signed_by: what `read_signer` returned.
        request: the request as it came.
        secret_access_key: the secret of the key that `signed_by` names, None if there is no such key.
        now: the time, with a time zone.

    Raises:
        SignatureRefused: the key is unknown, the request is not of these five minutes or not for Bedrock, something
            that counts is not signed, or the path or the query have a second spelling under one signature.
    """
    if secret_access_key is None or any(name.lower() == "x-amz-security-token" for name, _ in request.headers):
        # Keys of ours have no session token: one that comes along belongs to credentials of AWS's own.
        raise SignatureRefused(_UNKNOWN_KEY, aws_error="UnrecognizedClientException")
    unsigned = {name.lower() for name, _ in request.headers} - set(signed_by.signed_headers)
    for name in sorted(unsigned):
        if name.startswith(SIGNED_PREFIXES) and name != "x-amz-content-sha256":
            raise SignatureRefused(f"header {name[:64]!r} is not signed", aws_error="InvalidSignatureException")
    credentials = sigv4.Credentials(signed_by.access_key_id, secret_access_key)
    with _refusals_by_name():
        _check_spelling(request)
        sigv4.check_claims(signed_by, headers=request.headers, credentials=credentials, service=SERVICE, now=now)
    return credentials


def check_signature(
    signed_by: sigv4.SignedBy, request: SignedRequest, *, secret_access_key: str | None, now: datetime
) -> None:
    """
    Return if the request was signed with this secret for Bedrock, in any region, within five minutes of `now`.

    Does all that `check_claims` does, and takes the same; `request` has its body now, and `now` is still the time at
    which its head came, however long the body took.

    Raises:
        SignatureRefused: the key is unknown, or something was not signed with it as it came.
    """
    credentials = check_claims(signed_by, request, secret_access_key=secret_access_key, now=now)
    with _refusals_by_name():
        sigv4.verify(
            signed_by,
            method=request.method,
            path=request.path,
            query=request.query,
            headers=request.headers,
            payload_hash=sigv4.hash_payload(request.body),
            credentials=credentials,
            service=SERVICE,
            now=now,
        )


def _check_spelling(request: SignedRequest) -> None:
    """
    Refuse what SigV4 signs like something else: it leaves out empty and dot segments, and takes a plus for itself.
    """
    segments = request.path.split("/")
    if segments[0] or not {"", ".", ".."}.isdisjoint(segments[1:]):
        raise InvalidSignature("the path has an empty or a dot segment, which a signature does not cover")
    if "+" in request.query:
        raise InvalidSignature("the query has a plain '+', expected %20 or %2B")


@contextmanager
def _refusals_by_name() -> Iterator[None]:
    try:
        yield
    except WireError as error:
        raise SignatureRefused(error.message, aws_error="InvalidSignatureException") from error
