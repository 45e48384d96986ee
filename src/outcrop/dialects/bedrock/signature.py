"""
Check requests that AWS's SDKs signed with keys of ours (SigV4, docs/bedrock_wire.md §7.1), in two steps.

`read_signer` says whose key it was, the caller looks that key up, `check_signature` verifies. Refusals have AWS's
names.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from outcrop.dialects.bedrock.errors import SignatureRefused
from outcrop.errors import InvalidSignature, WireError
from outcrop.wire import sigv4

SERVICE = "bedrock"
SIGNED_PREFIXES = ("x-amz-", "x-amzn-bedrock-")
"""
Headers that mean something to Bedrock: one that is not part of the signature may be somebody else's.
"""

_UNKNOWN_KEY = "The security token included in the request is invalid."


class SignedRequest(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold a request as it came over the wire: `path` and `query` are raw, not decoded, in latin-1 like the headers.
    """

    method: str
    path: str
    query: str
    headers: Sequence[tuple[str, str]]
    body: bytes


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


def check_signature(
    signed_by: sigv4.SignedBy, request: SignedRequest, *, secret_access_key: str | None, now: datetime
) -> None:
    """
    Return if the request was signed with this secret for Bedrock, in any region, within five minutes of `now`.

    Args:
        signed_by: what `read_signer` returned.
        request: the request as it came.
        secret_access_key: the secret of the key that `signed_by` names, None if there is no such key.
        now: the time, with a time zone.

    Raises:
        SignatureRefused: the key is unknown, or something was not signed with it as it came.
    """
    if secret_access_key is None:
        raise SignatureRefused(_UNKNOWN_KEY, aws_error="UnrecognizedClientException")
    if any(name.lower() == "x-amz-security-token" for name, _ in request.headers):
        # Keys of ours have no session token: one that comes along belongs to credentials of AWS's own.
        raise SignatureRefused(_UNKNOWN_KEY, aws_error="UnrecognizedClientException")
    unsigned = {name.lower() for name, _ in request.headers} - set(signed_by.signed_headers)
    for name in sorted(unsigned):
        if name.startswith(SIGNED_PREFIXES) and name != "x-amz-content-sha256":
            raise SignatureRefused(f"header {name[:64]!r} is not signed", aws_error="InvalidSignatureException")
    try:
        sigv4.verify(
            signed_by,
            method=request.method,
            path=request.path,
            query=request.query,
            headers=request.headers,
            payload_hash=sigv4.hash_payload(request.body),
            credentials=sigv4.Credentials(signed_by.access_key_id, secret_access_key),
            service=SERVICE,
            now=now,
        )
    except WireError as error:
        raise SignatureRefused(error.message, aws_error="InvalidSignatureException") from error
