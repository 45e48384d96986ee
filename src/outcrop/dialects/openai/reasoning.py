"""
Give a model's reasoning to a client in a form that comes back unharmed.

A model takes its reasoning back only unmodified and with its signature, and only the model that it came from does. So a
block of reasoning travels as one opaque text, which holds all of it: Responses calls it `encrypted_content`, Chat
Completions has it in `reasoning_details`. It is not secret: a client could have read the reasoning anyhow.
"""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode

import msgspec

from outcrop.errors import RequestError
from outcrop.types import ReasoningPart

_PREFIX = "outcrop-reasoning-1."


class _Sealed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """
    Hold a block of reasoning, and the model it is of (as the client wrote it).
    """

    model: str
    text: str = ""
    signature: str | None = None
    redacted: str | None = None


_decoder = msgspec.json.Decoder(_Sealed)


def seal_reasoning(part: ReasoningPart, model: str) -> str | None:
    """
    Write a block of reasoning as one opaque text; None for a block that no model would take back.
    """
    if part.signature is None and part.redacted is None:
        return None
    sealed = _Sealed(model=model, text=part.text, signature=part.signature, redacted=part.redacted)
    return _PREFIX + urlsafe_b64encode(msgspec.json.encode(sealed)).decode()


def open_reasoning(text: str, model: str, where: str) -> ReasoningPart | None:
    """
    Read what `seal_reasoning` wrote; None if it is of another model than `model`, which would not take it.

    Raises:
        RequestError: it is something else.
    """
    if not text.startswith(_PREFIX):
        raise RequestError(f"{where} is no reasoning of this server")
    try:
        sealed = _decoder.decode(urlsafe_b64decode(text[len(_PREFIX) :].encode()))
    except (binascii.Error, ValueError, msgspec.DecodeError) as error:
        raise RequestError(f"{where} is no reasoning of this server") from error
    if sealed.model != model:
        return None
    return ReasoningPart(text=sealed.text, signature=sealed.signature, redacted=sealed.redacted)
