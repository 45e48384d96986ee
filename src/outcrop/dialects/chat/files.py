"""
Files inside of messages: `data:` URLs as images and documents. Nothing is ever fetched for a client.
"""

import binascii
from typing import Any
from urllib.parse import unquote_to_bytes

from outcrop.dialects.chat.fields import Fields
from outcrop.errors import RequestError
from outcrop.types import DocumentPart, ImagePart

SPELLINGS = {"image/jpg": "image/jpeg", "image/pjpeg": "image/jpeg"}


class FilePart(Fields, frozen=True, kw_only=True):
    """
    Hold a file: a `data:` URL; what it is, where the URL does not say so; what it is called.
    """

    url: str = ""
    media_type: str = ""
    filename: str | None = None
    provider_reference: Any = None


def to_file(part: FilePart, place: str) -> ImagePart | DocumentPart:
    """
    Take a file from its URL: `image/*` as an image, `application/*` and `text/*` as a document.

    Raises:
        RequestError: it is elsewhere, malformed, or of a kind that no model takes.
    """
    if part.provider_reference is not None:
        raise RequestError(f"{place}.providerReference is not supported, expected the file in a data: URL")
    scheme, _, rest = part.url.partition(":")
    if scheme.lower() != "data":
        raise RequestError(f"{place}.url is no data: URL; no URL is fetched, send the file inside of the message")
    header, comma, content = rest.partition(",")
    if not comma:
        raise RequestError(f"{place}.url is no valid data: URL, expected data:TYPE;base64,CONTENT")
    kind, *options = [piece.strip().lower() for piece in header.split(";")]
    data = _decode(content, place, is_base64="base64" in options)
    given = part.media_type.partition(";")[0].strip().lower()
    media_type = given if "/" in given and not given.endswith("/*") else kind
    media_type = SPELLINGS.get(media_type, media_type)
    if media_type.startswith("image/"):
        return ImagePart(media_type=media_type, data=data)
    if media_type.startswith(("application/", "text/")):
        return DocumentPart(media_type=media_type, data=data, name=part.filename or "document")
    raise RequestError(f"{place}.mediaType is {media_type[:80]!r}, expected image/*, application/* or text/*")


def _decode(content: str, place: str, *, is_base64: bool) -> bytes:
    raw = unquote_to_bytes(content)
    if not is_base64:
        return raw
    try:
        return binascii.a2b_base64(raw, strict_mode=True)
    except binascii.Error as error:
        raise RequestError(f"{place}.url is not valid base64") from error
