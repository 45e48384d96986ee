"""
One `authenticate` for every carrier of a key: bearer, `x-api-key`, and the WebSocket subprotocol for browsers.

Keys are kept as SHA-256 digests and are hashed before any look-up. They are random, 256 bits, so a plain digest is
enough: there is nothing to guess. A key in a query string is never looked at.
"""

import hashlib
import secrets
from collections.abc import Iterable, Mapping

from outcrop.accounts.principal import LOCAL, Principal
from outcrop.accounts.signing import SigningKeys
from outcrop.errors import NotAuthenticated

KEY_PREFIX = "outcrop_"
SUBPROTOCOL = "outcrop"
SUBPROTOCOL_KEY_PREFIX = "outcrop.key."
"""
A browser can't set headers on a WebSocket: it offers the subprotocols `outcrop` and `outcrop.key.KEY`, and the server
chooses `outcrop`, so that the key is not in its answer.
"""

MAX_KEY_CHARACTERS = 512
SIGNATURE_SCHEME = "AWS4-HMAC-SHA256"


def make_key() -> tuple[str, str]:
    """
    Make a new key. Returns the key, to be shown once, and its digest, to be put into the settings.
    """
    key = KEY_PREFIX + secrets.token_urlsafe(32)
    return key, digest_key(key)


def digest_key(key: str) -> str:
    """
    Return the hexadecimal SHA-256 digest of a key.
    """
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


class Authenticator:
    """
    Find the principal of a request.

    Args:
        digests: name → digest of the key.
        signing: access keys for AWS's SDKs. Without keys of either kind everybody who reaches the server is `LOCAL`.
    """

    def __init__(self, digests: Mapping[str, str], signing: SigningKeys | None = None) -> None:
        self._names = {digest: name for name, digest in digests.items()}
        self.signing = signing or SigningKeys({})

    @property
    def required(self) -> bool:
        """
        Tell whether callers need a key.
        """
        return bool(self._names or self.signing)

    def authenticate(self, headers: Iterable[tuple[bytes, bytes]], subprotocols: Iterable[str] = ()) -> Principal:
        """
        Find who sent these headers (lower-case names).

        Raises:
            NotAuthenticated: no key, more than one, or an unknown one.
        """
        if not self.required:
            return LOCAL
        keys = [*_keys_in(headers), *_keys_offered(subprotocols)]
        if not keys:
            raise NotAuthenticated("a key is needed: send `Authorization: Bearer KEY` or `x-api-key: KEY`")
        if len(keys) > 1:
            raise NotAuthenticated(f"{len(keys)} keys were sent, expected one")
        name = self._names.get(digest_key(keys[0])) if len(keys[0]) <= MAX_KEY_CHARACTERS else None
        if name is None:
            raise NotAuthenticated("the key is not known here")
        return Principal(f"key:{name}", name)


def _keys_in(headers: Iterable[tuple[bytes, bytes]]) -> Iterable[str]:
    for name, value in headers:
        if name == b"x-api-key":
            yield value.decode("latin-1").strip()
        elif name == b"authorization":
            scheme, _, key = value.decode("latin-1").partition(" ")
            if scheme == SIGNATURE_SCHEME:
                raise NotAuthenticated("a signature is taken where Bedrock's own API is served; send `Bearer KEY` here")
            if scheme.lower() != "bearer":
                raise NotAuthenticated("the Authorization header is not `Bearer KEY`")
            yield key.strip()


def _keys_offered(subprotocols: Iterable[str]) -> Iterable[str]:
    for subprotocol in subprotocols:
        if subprotocol.startswith(SUBPROTOCOL_KEY_PREFIX):
            yield subprotocol.removeprefix(SUBPROTOCOL_KEY_PREFIX)
