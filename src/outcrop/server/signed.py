"""
Who sent a request to Bedrock's own API: a key in a header, or a signature made with an access key of ours.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
from starlette.requests import Request
from starlette.types import Message, Receive

from outcrop.accounts.authenticate import SIGNATURE_SCHEME, Authenticator
from outcrop.accounts.principal import Principal
from outcrop.dialects.bedrock.errors import SignatureRefused
from outcrop.dialects.bedrock.signature import SignedRequest, check_claims, check_signature, read_signer
from outcrop.errors import NotAuthenticated
from outcrop.server.chat_http import read_body

RawHeaders = Sequence[tuple[bytes, bytes]]
CARRIERS = frozenset({b"authorization", b"x-api-key"})


async def authenticate_signed(
    authenticator: Authenticator, request: Request, *, max_body_bytes: int
) -> tuple[Principal, Request]:
    """
    Return who sent a request, and the request to go on with: its body may have been read, and is there again.

    Raises:
        NotAuthenticated: no key, more than one, or an unknown one.
        SignatureRefused: the signature is not one of ours, or not of this request.
        RequestTooLarge: the body is longer than `max_body_bytes`.
    """
    headers: RawHeaders = request.scope["headers"]
    if authenticator.required and not any(name in CARRIERS for name, _ in headers):
        raise SignatureRefused(
            "a key is needed: sign in the Authorization header, or send `Bearer KEY` in it; the query is not looked at",
            aws_error="MissingAuthenticationTokenException",
        )
    if not authenticator.required or not _is_signed(headers):
        return authenticator.authenticate(headers), request
    if any(name == b"x-api-key" for name, _ in headers):
        raise NotAuthenticated("a key and a signature were sent, expected one of them")
    head = _read_head(request)
    signed_by = read_signer(head.headers)
    key = authenticator.signing.find(signed_by.access_key_id)
    secret = None if key is None else key.secret
    now = datetime.now(UTC)
    # The body of a stranger, or of an old request, is not read.
    check_claims(signed_by, head, secret_access_key=secret, now=now)
    body = await read_body(request, max_body_bytes)
    check_signature(signed_by, msgspec.structs.replace(head, body=body), secret_access_key=secret, now=now)
    assert key is not None
    return key.principal, Request(request.scope, _give_again(body, request.receive))


def _is_signed(headers: RawHeaders) -> bool:
    scheme = SIGNATURE_SCHEME.encode()
    return any(name == b"authorization" and value.split(b" ", 1)[0] == scheme for name, value in headers)


def _read_head(request: Request) -> SignedRequest:
    raw_path: bytes = request.scope["raw_path"]
    headers: RawHeaders = request.scope["headers"]
    return SignedRequest(
        method=request.method,
        path=raw_path.decode("latin-1"),
        query=request.scope["query_string"].decode("latin-1"),
        headers=[(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers],
    )


def _give_again(body: bytes, receive: Receive) -> Receive:
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def give() -> Message:
        return waiting.pop() if waiting else await receive()

    return give
