"""
AWS access keys that this server issues: a key ID and a secret, for clients that can only sign.

A signature is checked with the very secret that made it, so these secrets stand in the settings as they are; that is
why they are a setting of their own, and bearer keys stay digests.
"""

import secrets
from collections.abc import Mapping

import msgspec

from outcrop.accounts.principal import Principal

KEY_ID_PREFIX = "OUTCROP"
KEY_ID_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


class SigningKey(msgspec.Struct, frozen=True):
    """
    Hold an access key: whose it is, and the secret that signs.
    """

    principal: Principal
    secret: str


class SigningKeys:
    """
    Find access keys by their IDs.

    Args:
        pairs: name → `KEY_ID:SECRET`.
    """

    def __init__(self, pairs: Mapping[str, str]) -> None:
        self._keys: dict[str, SigningKey] = {}
        for name, pair in pairs.items():
            key_id, _, secret = pair.partition(":")
            self._keys[key_id] = SigningKey(Principal(f"key:{name}", name), secret)

    def __bool__(self) -> bool:
        return bool(self._keys)

    def find(self, key_id: str) -> SigningKey | None:
        """
        Return the key of this ID, None where there is none. An ID is no secret, so the look-up takes no care of time.
        """
        return self._keys.get(key_id)


def make_pair() -> tuple[str, str]:
    """
    Make a new access key: its ID and its secret, with 240 random bits.
    """
    key_id = KEY_ID_PREFIX + "".join(secrets.choice(KEY_ID_CHARACTERS) for _ in range(16))
    return key_id, secrets.token_urlsafe(30)
