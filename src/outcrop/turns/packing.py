"""
A request as bytes: kept beside a turn that may have to be continued, and compared when a key comes again.
"""

import hashlib

import msgspec

from outcrop.types import ChatRequest


def pack_request(request: ChatRequest) -> bytes:
    """
    Encode a request; equal ones become equal bytes.
    """
    try:
        return msgspec.msgpack.encode(request, order="deterministic")
    except OverflowError:
        # A schema or a call's arguments may hold integers of more than 64 bits: JSON has them, msgpack has not.
        return msgspec.json.encode(request, order="deterministic")


def unpack_request(packed: bytes) -> ChatRequest:
    """
    Read what `pack_request` wrote.

    Raises:
        msgspec.MsgspecError: it is something else.
    """
    decode = msgspec.json.decode if packed.startswith(b"{") else msgspec.msgpack.decode
    return decode(packed, type=ChatRequest)


def fingerprint_of(asked: ChatRequest) -> str:
    """
    Return what tells one request from another, where they come with the same idempotency key.
    """
    return hashlib.sha256(pack_request(asked)).hexdigest()
