"""
What is kept of a response beside its events: as long as its turn's log, and with it.
"""

from typing import Any

import msgspec

from outcrop.dialects.openai.conversation import Conversation


class ResponseNote(msgspec.Struct, frozen=True, kw_only=True, tag="openai.response.1", tag_field="kind"):
    """
    Hold what a response repeats of its request, and the conversation that led to it.

    `conversation` is None for a response that its client did not want to be stored.
    """

    echo: dict[str, Any]
    conversation: Conversation | None = None


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(ResponseNote)
_json_decoder = msgspec.json.Decoder(ResponseNote)


def encode_note(note: ResponseNote) -> bytes:
    """
    Encode a note.
    """
    try:
        return _encoder.encode(note)
    except OverflowError:
        # A schema or a call's arguments may hold integers of more than 64 bits: JSON has them, msgpack has not.
        return msgspec.json.encode(note)


def parse_note(encoded: bytes | None) -> ResponseNote | None:
    """
    Read what `encode_note` wrote; None where a turn has no note, or one of another dialect.
    """
    if encoded is None:
        return None
    try:
        return _json_decoder.decode(encoded) if encoded.startswith(b"{") else _decoder.decode(encoded)
    except msgspec.DecodeError:
        return None
