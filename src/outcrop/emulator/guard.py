"""
Keep web pages out: the emulator is a tool for tests on this machine, and a browser must not be turned against it.

A page that reaches it by DNS rebinding shows itself by its Host, any other page by its Origin.
"""

import ipaddress
from urllib.parse import urlsplit

from outcrop.emulator.settings import LOOPBACK_NAMES

_WILDCARDS = frozenset({"0.0.0.0", "::"})  # noqa: S104  compared with, not bound


def is_allowed_origin(origin: bytes) -> bool:
    """
    Say whether a page of this origin may call: those of loopback names may.
    """
    parts = _split(origin.decode("latin-1"))
    return parts is not None and parts in LOOPBACK_NAMES


def is_allowed_host(host: bytes, bound_host: str) -> bool:
    """
    Say whether a Host header names this machine as it was bound: a loopback name or the bound host.

    Where all addresses were bound, any literal address is taken: rebinding needs a name.
    """
    name = _split(f"http://{host.decode('latin-1')}")
    if name is None:
        return False
    if name in LOOPBACK_NAMES or name == bound_host.lower():
        return True
    return bound_host in _WILDCARDS and _is_address(name)


def _split(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        port_is_fine = parts.port is None or parts.port > 0
    except ValueError:
        return None
    has_more = parts.path or parts.query or parts.fragment or "@" in parts.netloc
    if parts.scheme not in {"http", "https"} or has_more or not port_is_fine:
        return None
    return parts.hostname


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
