"""
AWS Signature Version 4 (`AWS4-HMAC-SHA256`) in headers: sign a request, and verify one.

Text stands for the wire's bytes, decoded as latin-1: what is signed is what is sent. The clock and the keys are
arguments. Deliberately not here: signatures in query strings, chunked (`STREAMING-…`) payloads, and a `Date` header in
place of `x-amz-date`, because no client of Bedrock uses them.
"""

import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from urllib.parse import quote_from_bytes, unquote_to_bytes

from outcrop.errors import InvalidMessage, InvalidSignature

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
DEFAULT_TOLERANCE_SECONDS = 300

_SCOPE_END = "aws4_request"
_TIMESTAMP_FORMAT = "%Y%m%dT%H%M%SZ"
_HEX_DIGITS = frozenset("0123456789abcdef")
# The AWS SDK for JavaScript signs `:authority` over HTTP/2; servers hand it on as `host`, and the other way round.
_SAME_HEADER = {":authority": "host", "host": ":authority"}

Headers = Iterable[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Credentials:
    """
    Hold an access key. The secrets are left out when it is printed.
    """

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class SignedBy:
    """
    Hold what an `Authorization` header says, not yet verified: whose key, for what, over which headers.

    `date` is `YYYYMMDD`; `signed_headers` are lower-case names in ascending order.
    """

    access_key_id: str
    date: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    signature: str = field(repr=False)


def hash_payload(body: bytes) -> str:
    """
    Return a body's SHA-256 as the 64 lower-case hexadecimal digits that signatures cover.
    """
    return sha256(body).hexdigest()


def sign(
    *,
    method: str,
    host: str,
    path: str,
    query: str = "",
    headers: Headers = (),
    payload_hash: str,
    credentials: Credentials,
    region: str,
    service: str,
    now: datetime,
) -> dict[str, str]:
    """
    Return the headers to add to a request: `x-amz-date`, `authorization` and, with a token, `x-amz-security-token`.

    The caller sends exactly this host, path, query and body, and all of `headers`; others may be added unsigned.

    Args:
        method: the HTTP method.
        host: the `Host` header as it goes over the wire, with its port unless that is the scheme's own.
        path: the path as it goes over the wire, percent-encoded, without the query.
        query: what stands after `?` on the wire, or nothing.
        headers: what to sign besides `host` and the headers returned.
        payload_hash: `hash_payload` of the body.
        credentials: the key to sign with.
        region: the region of the endpoint.
        service: the signing name, `bedrock` for both of Bedrock's hosts.
        now: the time, with a time zone.

    Raises:
        InvalidMessage: some text can't stand in an HTTP head.
        ValueError: `now` has no time zone.
    """
    if now.tzinfo is None:
        raise ValueError(f"expected a time with a time zone, got {now.isoformat()}")
    timestamp = now.astimezone(UTC).strftime(_TIMESTAMP_FORMAT)
    added = {"x-amz-date": timestamp}
    if credentials.session_token is not None:
        added["x-amz-security-token"] = credentials.session_token
    values = _collect_values((("host", host), *headers, *added.items()))
    names = tuple(sorted(values))
    canonical = _canonical_request(method, path, query, [(name, values[name]) for name in names], payload_hash)
    date = timestamp[:8]
    key = derive_signing_key(credentials.secret_access_key, date, region, service)
    signature = _sign_canonical(canonical, key, timestamp, f"{date}/{region}/{service}/{_SCOPE_END}")
    added["authorization"] = (
        f"{ALGORITHM} Credential={credentials.access_key_id}/{date}/{region}/{service}/{_SCOPE_END}, "
        f"SignedHeaders={';'.join(names)}, Signature={signature}"
    )
    return added


def parse_authorization(value: str) -> SignedBy:
    """
    Parse an `Authorization` header of this algorithm. Look up the key by its ID next, then `verify`.

    Raises:
        InvalidSignature: it is another scheme, or malformed.
    """
    scheme, _, rest = value.strip().partition(" ")
    if scheme != ALGORITHM:
        raise InvalidSignature(f"authorization scheme is {scheme[:32]!r}, expected {ALGORITHM!r}")
    fields: dict[str, str] = {}
    for item in rest.split(","):
        name, _, content = item.strip().partition("=")
        if name in fields:
            raise InvalidSignature(f"authorization has {name[:32]!r} twice")
        fields[name] = content
    if fields.keys() != {"Credential", "SignedHeaders", "Signature"}:
        raise InvalidSignature("authorization needs exactly Credential, SignedHeaders and Signature")
    scope = fields["Credential"].split("/")
    if len(scope) != 5 or not all(scope) or scope[4] != _SCOPE_END:
        raise InvalidSignature(f"credential scope is malformed, expected KEY/DATE/REGION/SERVICE/{_SCOPE_END}")
    names = tuple(fields["SignedHeaders"].split(";"))
    if not all(names) or list(names) != sorted({name.lower() for name in names}):
        raise InvalidSignature("signed headers are malformed, expected lower-case names in ascending order")
    if len(fields["Signature"]) != 64 or not _HEX_DIGITS.issuperset(fields["Signature"]):
        raise InvalidSignature("signature is malformed, expected 64 lower-case hexadecimal digits")
    return SignedBy(scope[0], scope[1], scope[2], scope[3], names, fields["Signature"])


def check_claims(
    signed_by: SignedBy,
    *,
    headers: Headers,
    credentials: Credentials,
    service: str,
    region: str | None = None,
    now: datetime,
    tolerance_seconds: float = DEFAULT_TOLERANCE_SECONDS,
) -> None:
    """
    Return if what a request says of its signature can be true: its time, scope and token, and which headers it covers.

    Needs no body, so a server can ask this before it reads one. Nothing is verified: `verify` comes next.

    Args:
        signed_by: the parsed `Authorization` header.
        headers: all of the request's headers.
        credentials: the key that `signed_by` names, as we know it.
        service: the signing name to insist on.
        region: the region to insist on; None takes any.
        now: the time, with a time zone.
        tolerance_seconds: how far the client's clock may be off, in either direction.

    Raises:
        InvalidSignature: the message says which check failed; it never holds a secret.
        InvalidMessage: some text is not latin-1, so it did not come from the wire.
    """
    values = _collect_values(headers)
    _check_date(signed_by, values.get("x-amz-date", ""), now, tolerance_seconds)
    _check_scope(signed_by, credentials, service, region)
    _check_token(credentials, values.get("x-amz-security-token", ""))
    _select_signed(signed_by.signed_headers, values)


def verify(
    signed_by: SignedBy,
    *,
    method: str,
    path: str,
    query: str = "",
    headers: Headers,
    payload_hash: str,
    credentials: Credentials,
    service: str,
    region: str | None = None,
    now: datetime,
    tolerance_seconds: float = DEFAULT_TOLERANCE_SECONDS,
    allow_unsigned_payload: bool = False,
) -> None:
    """
    Return if the request was signed with these credentials, for this service, about now; raise otherwise.

    Args:
        signed_by: the parsed `Authorization` header.
        method: the HTTP method.
        path: the raw path as it came over the wire, not decoded.
        query: the raw query string.
        headers: all of the request's headers; repeated ones in their order.
        payload_hash: `hash_payload` of the body that really came.
        credentials: the key that `signed_by` names, as we know it.
        service: the signing name to insist on.
        region: the region to insist on; None takes any, for a server that stands for all of them.
        now: the time, with a time zone.
        tolerance_seconds: how far the client's clock may be off, in either direction.
        allow_unsigned_payload: take `x-amz-content-sha256: UNSIGNED-PAYLOAD`.

    Raises:
        InvalidSignature: the message says which check failed; it never holds a secret or the expected signature.
        InvalidMessage: some text is not latin-1, so it did not come from the wire.
    """
    values = _collect_values(headers)
    timestamp = _check_date(signed_by, values.get("x-amz-date", ""), now, tolerance_seconds)
    _check_scope(signed_by, credentials, service, region)
    _check_token(credentials, values.get("x-amz-security-token", ""))
    covered = _select_signed(signed_by.signed_headers, values)
    covered_hash = _check_payload_hash(values.get("x-amz-content-sha256"), payload_hash, allow_unsigned_payload)
    canonical = _canonical_request(method, path, query, covered, covered_hash)
    scope = f"{signed_by.date}/{signed_by.region}/{signed_by.service}/{_SCOPE_END}"
    key = derive_signing_key(credentials.secret_access_key, signed_by.date, signed_by.region, signed_by.service)
    if not hmac.compare_digest(_sign_canonical(canonical, key, timestamp, scope), signed_by.signature):
        raise InvalidSignature("signature does not match the request; check the secret key, the path and the headers")


@lru_cache(maxsize=64)
def derive_signing_key(secret_access_key: str, date: str, region: str, service: str) -> bytes:
    """
    Return the key that signs for one day, region and service. The last 64 are remembered.
    """
    key = f"AWS4{secret_access_key}".encode()
    for part in (date, region, service, _SCOPE_END):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def _sign_canonical(canonical_request: bytes, key: bytes, timestamp: str, scope: str) -> str:
    """
    Return the signature of a canonical request.
    """
    string_to_sign = f"{ALGORITHM}\n{timestamp}\n{scope}\n{sha256(canonical_request).hexdigest()}"
    return hmac.digest(key, string_to_sign.encode(), "sha256").hex()


def _canonical_request(
    method: str, path: str, query: str, headers: Sequence[tuple[str, str]], payload_hash: str
) -> bytes:
    """
    Return what is hashed: one spelling for all spellings of a request.
    """
    lines = [method.upper(), canonical_path(path), canonical_query(query)]
    lines += [f"{name}:{value}" for name, value in headers]
    lines += ["", ";".join(name for name, _ in headers), payload_hash]
    return _wire_bytes("\n".join(lines))


def canonical_path(path: str) -> str:
    """
    Return the raw path without empty and dot segments, percent-encoded once more.

    Every service but S3 encodes the encoded path again: `%3A` on the wire is signed as `%253A`, `:` as `%3A`.
    """
    segments: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del segments[-1:]
        elif segment not in {"", "."}:
            segments.append(segment)
    slash = "/" if path.endswith("/") and segments else ""
    return quote_from_bytes(_wire_bytes("/" + "/".join(segments) + slash), safe="/~")


def canonical_query(query: str) -> str:
    """
    Return the query's parameters in canonical encoding, sorted by name and then by value.
    """
    pairs = []
    for parameter in filter(None, query.split("&")):
        name, _, value = parameter.partition("=")
        pairs.append((_encode_again(name), _encode_again(value)))
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


def _encode_again(text: str) -> str:
    """
    Return percent-encoded text in the one encoding that AWS signs, whatever the client left unencoded.
    """
    return quote_from_bytes(unquote_to_bytes(_wire_bytes(text)), safe="~")


def _collect_values(headers: Headers) -> dict[str, str]:
    """
    Return headers by lower-case name: repeated ones joined by a comma, white space folded.
    """
    values: dict[str, str] = {}
    for name, value in headers:
        lower = name.lower()
        # Folded as bytes: `str.split` would also take U+00A0 and U+0085, which are parts of UTF-8 text here.
        folded = b" ".join(_wire_bytes(value).split()).decode("latin-1")
        values[lower] = f"{values[lower]},{folded}" if lower in values else folded
    return values


def _wire_bytes(text: str) -> bytes:
    """
    Return the bytes that the text stands for.
    """
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError as error:
        raise InvalidMessage(f"character {text[error.start]!r} can't stand in an HTTP head") from error


def _check_date(signed_by: SignedBy, timestamp: str, now: datetime, tolerance_seconds: float) -> str:
    """
    Return the request's timestamp if it is about now and of the scope's day.
    """
    if not timestamp:
        raise InvalidSignature("header 'x-amz-date' is missing")
    try:
        signed_at = datetime.strptime(timestamp, _TIMESTAMP_FORMAT).replace(tzinfo=UTC)
    except ValueError as error:
        raise InvalidSignature(f"x-amz-date is {timestamp[:32]!r}, expected YYYYMMDDTHHMMSSZ") from error
    skew_seconds = (now - signed_at).total_seconds()
    if abs(skew_seconds) > tolerance_seconds:
        direction = "ago" if skew_seconds > 0 else "in the future"
        raise InvalidSignature(
            f"request was signed {abs(skew_seconds):.0f} s {direction}, tolerance is {tolerance_seconds:.0f} s"
        )
    if timestamp[:8] != signed_by.date:
        raise InvalidSignature(f"credential scope is of {signed_by.date[:32]!r}, x-amz-date of {timestamp[:8]!r}")
    return timestamp


def _check_scope(signed_by: SignedBy, credentials: Credentials, service: str, region: str | None) -> None:
    """
    Raise unless the credential scope names this key, service and region.
    """
    if signed_by.access_key_id != credentials.access_key_id:
        raise InvalidSignature(f"request was signed with another key than {credentials.access_key_id!r}")
    if signed_by.service != service:
        raise InvalidSignature(f"credential scope is for service {signed_by.service[:64]!r}, expected {service!r}")
    if region is not None and signed_by.region != region:
        raise InvalidSignature(f"credential scope is for region {signed_by.region[:64]!r}, expected {region!r}")


def _check_token(credentials: Credentials, token: str) -> None:
    """
    Raise unless temporary credentials come with their token.
    """
    expected = credentials.session_token
    if expected is not None and not hmac.compare_digest(_wire_bytes(expected), _wire_bytes(token)):
        raise InvalidSignature("x-amz-security-token is not the one of this key")


def _select_signed(names: tuple[str, ...], values: dict[str, str]) -> list[tuple[str, str]]:
    """
    Return the headers that the signature covers, the host among them.
    """
    if "host" not in names and ":authority" not in names:
        raise InvalidSignature("signed headers lack 'host'")
    covered = []
    for name in names:
        value = values.get(name)
        if value is None:
            value = values.get(_SAME_HEADER.get(name, ""))
        if value is None:
            raise InvalidSignature(f"signed header {name[:64]!r} is not in the request")
        covered.append((name, value))
    return covered


def _check_payload_hash(stated: str | None, payload_hash: str, allow_unsigned_payload: bool) -> str:
    """
    Return the payload hash that the signature covers.
    """
    if stated is None or stated == payload_hash:
        return payload_hash
    if stated != UNSIGNED_PAYLOAD:
        raise InvalidSignature("x-amz-content-sha256 is not the hash of the body")
    if not allow_unsigned_payload:
        raise InvalidSignature("x-amz-content-sha256 is 'UNSIGNED-PAYLOAD', expected the hash of the body")
    return stated
