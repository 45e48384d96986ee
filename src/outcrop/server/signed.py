"""
Who sent a request to Bedrock's own API: a key in a header, or a signature made with an access key of ours.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.types import Message, Receive

from outcrop.accounts.authenticate import SIGNATURE_SCHEME, Authenticator
from outcrop.accounts.principal import Principal
from outcrop.dialects.bedrock.signature import SignedRequest, check_signature, read_signer
from outcrop.errors import NotAuthenticated
from outcrop.server.chat_http import read_body

RawHeaders = Sequence[tuple[bytes, bytes]]


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
    if not authenticator.required or not _is_signed(headers):
        return authenticator.authenticate(headers), request
    if any(name == b"x-api-key" for name, _ in headers):
        raise NotAuthenticated("a key and a signature were sent, expected one of them")
    texts = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]
    signed_by = read_signer(texts)
    key = authenticator.signing.find(signed_by.access_key_id)
    # The body of a stranger is not read.
    body = b"" if key is None else await read_body(request, max_body_bytes)
    check_signature(
        signed_by,
        SignedRequest(
            method=request.method,
            path=_raw_path(request),
            query=request.scope["query_string"].decode("latin-1"),
            headers=texts,
            body=body,
        ),
        secret_access_key=None if key is None else key.secret,
        now=datetime.now(UTC),
    )
    assert key is not None
    return key.principal, Request(request.scope, _give_again(body, request.receive))


def _is_signed(headers: RawHeaders) -> bool:
    scheme = SIGNATURE_SCHEME.encode()
    return any(name == b"authorization" and value.split(b" ", 1)[0] == scheme for name, value in headers)


def _raw_path(request: Request) -> str:
    path: bytes = request.scope["raw_path"]
    return path.partition(b"?")[0].decode("latin-1")


def _give_again(body: bytes, receive: Receive) -> Receive:
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def give() -> Message:
        return waiting.pop() if waiting else await receive()

    return give
