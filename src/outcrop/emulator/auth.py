"""
Who signed a call: noted always, verified where keys are known (docs/bedrock_wire.md §7.4). Nothing secret is kept.
"""

import hmac
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from outcrop.emulator.book import Auth
from outcrop.emulator.rules.refusals import Refusal
from outcrop.emulator.settings import EmulatorConfig
from outcrop.errors import InvalidSignature, WireError
from outcrop.wire import sigv4

SERVICE = "bedrock"
RawHeaders = Sequence[tuple[bytes, bytes]]


def identify(
    config: EmulatorConfig, *, method: str, raw_path: bytes, query: bytes, headers: RawHeaders, body: bytes
) -> Auth:
    """
    Return who signed a request.

    Raises:
        Refusal: its Authorization is malformed or wrong, or, in strict mode, missing.
    """
    texts = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]
    authorization = next((value for name, value in texts if name == "authorization"), None)
    if authorization is None:
        if config.strict_auth:
            raise Refusal("MissingAuthenticationTokenException", "Missing Authentication Token")
        return Auth()
    if authorization.startswith("Bearer "):
        return _check_bearer(authorization[7:].strip(), config.keys)
    try:
        signed_by = sigv4.parse_authorization(authorization)
    except InvalidSignature as error:
        raise Refusal("IncompleteSignature", f"Authorization header is malformed: {error}") from error
    if config.keys is not None:
        request = (method, raw_path.decode("latin-1"), query.decode("latin-1"), texts, body)
        _verify(signed_by, config.keys, request)
    return Auth(
        kind="sigv4",
        access_key_id=signed_by.access_key_id,
        region=signed_by.region,
        verified=None if config.keys is None else True,
    )


def _verify(
    signed_by: sigv4.SignedBy, keys: Mapping[str, str], request: tuple[str, str, str, list[tuple[str, str]], bytes]
) -> None:
    secret = keys.get(signed_by.access_key_id)
    if secret is None:
        raise Refusal("UnrecognizedClientException", "The security token included in the request is invalid.")
    method, path, query, headers, body = request
    try:
        sigv4.verify(
            signed_by,
            method=method,
            path=path,
            query=query,
            headers=headers,
            payload_hash=sigv4.hash_payload(body),
            credentials=sigv4.Credentials(signed_by.access_key_id, secret),
            service=SERVICE,
            now=datetime.now(UTC),
        )
    except WireError as error:
        raise Refusal("InvalidSignatureException", _words(str(error))) from error


def _check_bearer(token: str, keys: Mapping[str, str] | None) -> Auth:
    if not token:
        raise Refusal("IncompleteSignature", "Authorization header is malformed: the bearer token is empty")
    if keys is None:
        return Auth(kind="bearer")
    for key_id, secret in keys.items():
        if hmac.compare_digest(token.encode("latin-1"), secret.encode()):
            return Auth(kind="bearer", access_key_id=key_id, verified=True)
    raise Refusal("AccessDeniedException", "Authentication failed: Please make sure your API Key is valid.", status=403)


def _words(reason: str) -> str:
    if reason.startswith("request was signed "):
        return f"Signature expired: {reason}"
    return (
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access "
        f"Key and signing method. ({reason})"
    )
