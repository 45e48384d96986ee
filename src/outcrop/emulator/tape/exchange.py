"""
A recorded exchange: which request it answers, and its file (JSON lines).

| line | has |
|---|---|
| first | `tape` (the format), `number`, the request, and the answer's `status` and `headers` |
| one for each chunk of the answer | `at_ms` since the request was sent, `bytes` in Base64 |
| last | `end_ms`, `chunks`: how many there are |

A file without its last line is no exchange. What is secret is not kept: of the request only the headers that say what
is wanted, of the answer only those that a client acts upon.
"""

import hashlib
import re
from collections.abc import Iterable
from urllib.parse import quote_from_bytes, unquote_to_bytes

import msgspec

from outcrop.errors import SettingsError

FORMAT = 1
_REQUEST_HEADERS = frozenset({"accept", "content-type"})
_ANSWER_HEADERS = frozenset(
    {"content-length", "content-type", "retry-after", "x-amz-retry-after", "x-amzn-errortype", "x-amzn-requestid"}
)
_BEDROCK = "x-amzn-bedrock-"
_NOT_IN_FILE_NAMES = re.compile(r"[^A-Za-z0-9.-]+")
_SLUG_CHARACTERS = 80
Headers = tuple[tuple[str, str], ...]


def kept_of_request(headers: Iterable[tuple[str, str]]) -> Headers:
    """
    Return those of a request's headers (lower-case names) that are sent on and recorded.
    """
    return tuple(pair for pair in headers if pair[0] in _REQUEST_HEADERS or pair[0].startswith(_BEDROCK))


def kept_of_answer(headers: Iterable[tuple[str, str]]) -> Headers:
    """
    Return those of an answer's headers (lower-case names) that are handed on and recorded.
    """
    return tuple(pair for pair in headers if pair[0] in _ANSWER_HEADERS or pair[0].startswith(_BEDROCK))


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold a request as recordings know it: the path in one spelling of its escapes, the body canonical where it is JSON.
    """

    method: str
    path: str
    query: str
    body: bytes

    @property
    def digest(self) -> str:
        """
        32 hexadecimal digits, equal for equal questions.
        """
        parts = (self.method.encode(), self.path.encode(), self.query.encode(), self.body)
        return hashlib.blake2b(b"\n".join(parts), digest_size=16).hexdigest()

    @property
    def file_name_start(self) -> str:
        """
        How the names of its files start, readable and without anything that a file system minds.
        """
        slug = _NOT_IN_FILE_NAMES.sub("-", unquote_to_bytes(self.path).decode("latin-1")).strip("-.")
        return f"{slug[-_SLUG_CHARACTERS:].strip('-.')}-{self.digest}-"


def question_of(method: str, raw_path: bytes, query: bytes, body: bytes) -> Question:
    """
    Return the question that a request asks: SDKs escape colons or don't, and order keys as they like.
    """
    segments = (quote_from_bytes(unquote_to_bytes(segment), safe="~:") for segment in raw_path.split(b"/"))
    try:
        canonical = msgspec.json.encode(msgspec.json.decode(body), order="sorted") if body else b""
    except (msgspec.DecodeError, UnicodeDecodeError):
        canonical = body
    # The parameters of a signed URL are secret for as long as it is valid.
    kept = [pair for pair in query.decode("latin-1").split("&") if not pair.lower().startswith("x-amz-")]
    return Question(method=method, path="/".join(segments), query="&".join(kept), body=canonical)


class Piece(msgspec.Struct, frozen=True):
    """
    Hold one chunk of an answer's body and when it came, in milliseconds after the request was sent.
    """

    at_ms: float
    bytes: bytes


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold a whole exchange. `number` counts the answers to one question, from 1.
    """

    question: Question
    request_headers: Headers
    status: int
    headers: Headers
    pieces: tuple[Piece, ...]
    end_ms: float
    number: int = 1


class _BodyInFile(msgspec.Struct, omit_defaults=True):
    """
    Hold a request's body: as JSON, so that it can be read, or any bytes.
    """

    json: msgspec.Raw = msgspec.Raw()
    base64: bytes = b""

    @property
    def content(self) -> bytes:
        return bytes(self.json) or self.base64


class _Head(msgspec.Struct, kw_only=True):
    tape: int
    number: int
    method: str
    path: str
    query: str
    request_headers: Headers
    request_body: _BodyInFile
    status: int
    headers: Headers


class _End(msgspec.Struct):
    end_ms: float
    chunks: int


def encode_recorded(recorded: Recorded) -> bytes:
    """
    Return the file of an exchange.
    """
    question = recorded.question
    head = _Head(
        tape=FORMAT,
        number=recorded.number,
        method=question.method,
        path=question.path,
        query=question.query,
        request_headers=recorded.request_headers,
        request_body=_body_in_file(question.body),
        status=recorded.status,
        headers=recorded.headers,
    )
    end = _End(recorded.end_ms, len(recorded.pieces))
    return msgspec.json.Encoder().encode_lines([head, *recorded.pieces, end])


def _body_in_file(body: bytes) -> _BodyInFile:
    try:
        msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _BodyInFile(base64=body)
    return _BodyInFile(json=msgspec.Raw(body))


def parse_recorded(content: bytes, name: str) -> Recorded:
    """
    Return the exchange that a file holds; `name` is the file's, for the error.

    Raises:
        SettingsError: it is no recording, not a whole one, or of another format.
    """
    lines = content.splitlines()
    try:
        head = msgspec.json.decode(lines[0], type=_Head)
        body = head.request_body.content
        pieces = tuple(msgspec.json.decode(line, type=Piece) for line in lines[1:-1])
        end = msgspec.json.decode(lines[-1], type=_End)
    except (msgspec.MsgspecError, UnicodeDecodeError, IndexError) as error:
        raise SettingsError(f"{name!r} is not a whole recording: {error}") from error
    if head.tape != FORMAT or end.chunks != len(pieces):
        raise SettingsError(
            f"{name!r} is format {head.tape} with {len(pieces)} chunks, expected {FORMAT}, {end.chunks}"
        )
    return Recorded(
        question=Question(method=head.method, path=head.path, query=head.query, body=body),
        request_headers=head.request_headers,
        status=head.status,
        headers=head.headers,
        pieces=pieces,
        end_ms=end.end_ms,
        number=head.number,
    )
