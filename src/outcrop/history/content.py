"""
What a message says, as bytes: JSON, with the bytes of images and documents taken out into blobs. Pure.
"""

from collections.abc import Mapping
from hashlib import sha256

import msgspec

from outcrop.errors import StoreError
from outcrop.history.records import Content
from outcrop.turns.fold import fold
from outcrop.types import DocumentPart, ImagePart, Part, Role, StreamEvent, TextPart, ToolResultPart, ToolUsePart

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Content)

Blobs = dict[bytes, bytes]
"""
SHA-256 → bytes.
"""


def encode_content(content: Content) -> tuple[bytes, Blobs]:
    """
    Return the JSON, in which a digest stands for each blob, and the blobs.
    """
    blobs: Blobs = {}
    return _encoder.encode([_take_out(each, blobs) for each in content]), blobs


def decode_content(encoded: bytes, blobs: Mapping[bytes, bytes]) -> Content:
    """
    Return what was encoded.

    Raises:
        StoreError: it is not what this program writes, or a blob is missing.
    """
    try:
        content = _decoder.decode(encoded)
    except msgspec.MsgspecError as error:
        raise StoreError("a message in the database can't be read; was it written by a newer version?") from error
    return tuple(_put_back(each, blobs) for each in content)


def find_digests(encoded: bytes) -> set[bytes]:
    """
    Return the digests of the blobs that a message needs.
    """
    if b'"data":' not in encoded:
        return set()
    found: Blobs = {}
    for each in _decoder.decode(encoded):
        _walk(each, found)
    return set(found)


def to_text(content: Content) -> str:
    """
    Return what a person would search for in a message: its text.
    """
    said: list[str] = []
    log: list[StreamEvent] = []
    for each in content:
        if isinstance(each, TextPart):
            said.append(each.text)
        elif not isinstance(each, Part):
            log.append(each)
    return "\n".join([*said, *(part.text for part in fold(log).parts if isinstance(part, TextPart))])


def digest_message(role: Role, content: Content, encoded: bytes) -> bytes:
    """
    Return the digest by which a message is known again, where its client gives it no name.

    Of an answer, what its client has of it counts: its text, and the calls of tools.
    """
    if role == "user":
        return sha256(encoded).digest()
    log = [each for each in content if not isinstance(each, Part)]
    parts = [*(each for each in content if isinstance(each, Part)), *fold(log).parts]
    spoken = "".join(part.text for part in parts if isinstance(part, TextPart)).strip()
    calls = [[part.tool_use_id, part.name, part.input] for part in parts if isinstance(part, ToolUsePart)]
    return sha256(msgspec.json.encode([spoken, calls], order="sorted")).digest()


def _take_out(each: Part | StreamEvent, blobs: Blobs) -> Part | StreamEvent:
    match each:
        case ImagePart() | DocumentPart():
            digest = sha256(each.data).digest()
            blobs[digest] = each.data
            return msgspec.structs.replace(each, data=digest)
        case ToolResultPart():
            return msgspec.structs.replace(each, content=tuple(_take_out(part, blobs) for part in each.content))
        case _:
            return each


def _put_back(each: Part | StreamEvent, blobs: Mapping[bytes, bytes]) -> Part | StreamEvent:
    match each:
        case ImagePart() | DocumentPart():
            if each.data not in blobs:
                raise StoreError("a file of a message is missing in the database; `outcrop db check` tells more")
            return msgspec.structs.replace(each, data=blobs[each.data])
        case ToolResultPart():
            return msgspec.structs.replace(each, content=tuple(_put_back(part, blobs) for part in each.content))
        case _:
            return each


def _walk(each: Part | StreamEvent, found: Blobs) -> None:
    if isinstance(each, ImagePart | DocumentPart):
        found[each.data] = b""
    elif isinstance(each, ToolResultPart):
        for part in each.content:
            _walk(part, found)
