"""
The `Idempotency-Key` header, as every way to start a turn takes it.
"""

from collections.abc import Iterable

from outcrop.errors import RequestError

HEADER = b"idempotency-key"
MAX_KEY_CHARACTERS = 256


def find_idempotency_key(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """
    Return the request's idempotency key, or None where it has none. Header names are in lower case.

    Raises:
        RequestError: there is more than one, or it is empty or too long.
    """
    keys = [value.decode("latin-1").strip() for name, value in headers if name == HEADER]
    if len(keys) > 1:
        raise RequestError(f"{len(keys)} Idempotency-Key headers were sent, expected one")
    return check_idempotency_key(keys[0]) if keys else None


def check_idempotency_key(key: str) -> str:
    """
    Return the key, if it can be one.

    Raises:
        RequestError: it is empty or too long.
    """
    if not 0 < len(key) <= MAX_KEY_CHARACTERS:
        raise RequestError(f"the idempotency key has {len(key)} characters, expected 1 to {MAX_KEY_CHARACTERS}")
    return key
