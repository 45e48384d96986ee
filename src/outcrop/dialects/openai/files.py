"""
Images and documents inside of a request. Nothing is ever fetched for a client.
"""

import binascii
from base64 import b64decode
from urllib.parse import unquote_to_bytes

from outcrop.errors import RequestError
from outcrop.types import CacheTtl, DocumentPart, ImagePart

MEDIA_TYPES_BY_ENDING = {
    "csv": "text/csv",
    "doc": "application/msword",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "htm": "text/html",
    "html": "text/html",
    "md": "text/markdown",
    "pdf": "application/pdf",
    "txt": "text/plain",
    "xls": "application/vnd.ms-excel",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
"""
What a file without a media type is, by the end of its name: the kinds of document that Bedrock reads.
"""

_SPELLINGS = {"image/jpg": "image/jpeg", "image/pjpeg": "image/jpeg"}


def read_image(url: str, where: str, cache_ttl: CacheTtl | None) -> ImagePart:
    """
    Take an image from its `data:` URL.

    Raises:
        RequestError: it is elsewhere, malformed, or no image.
    """
    if not _is_data_url(url):
        raise RequestError(f"{where} is no data: URL; no URL is fetched, send the image itself")
    media_type, content = _open_data_url(url, where)
    if not media_type.startswith("image/"):
        raise RequestError(f"{where} holds {media_type[:80]!r}, expected image/*")
    return ImagePart(media_type=media_type, data=content, cache_ttl=cache_ttl)


def read_file(file_data: str, filename: str | None, where: str, cache_ttl: CacheTtl | None) -> ImagePart | DocumentPart:
    """
    Take a file: a `data:` URL, or base64 whose kind is told by the end of the file's name.

    Raises:
        RequestError: it is malformed, or of a kind that no model takes.
    """
    if _is_data_url(file_data):
        media_type, content = _open_data_url(file_data, where)
    else:
        ending = (filename or "").rpartition(".")[2].lower()
        media_type, content = MEDIA_TYPES_BY_ENDING.get(ending, "application/pdf"), _decode(file_data, where)
    if media_type.startswith("image/"):
        return ImagePart(media_type=media_type, data=content, cache_ttl=cache_ttl)
    if not media_type.startswith(("application/", "text/")):
        raise RequestError(f"{where} holds {media_type[:80]!r}, expected image/*, application/* or text/*")
    return DocumentPart(media_type=media_type, data=content, name=filename or "document", cache_ttl=cache_ttl)


def _is_data_url(text: str) -> bool:
    return text[:5].lower() == "data:"


def _open_data_url(url: str, where: str) -> tuple[str, bytes]:
    header, comma, content = url[5:].partition(",")
    if not comma:
        raise RequestError(f"{where} is no valid data: URL, expected data:TYPE;base64,CONTENT")
    kind, *options = [piece.strip().lower() for piece in header.split(";")]
    raw = _decode(content, where) if "base64" in options else unquote_to_bytes(content)
    if not raw:
        raise RequestError(f"{where} is empty, expected at least one byte")
    return _SPELLINGS.get(kind, kind), raw


def _decode(content: str, where: str) -> bytes:
    try:
        raw = b64decode(content, validate=True)
    except (binascii.Error, ValueError) as error:
        raise RequestError(f"{where} is not valid base64") from error
    if not raw:
        raise RequestError(f"{where} is empty, expected at least one byte")
    return raw
