"""
One request on its way to a tape.
"""

import msgspec
from starlette.types import Scope

from outcrop.emulator.sending.answers import common_headers
from outcrop.emulator.tape.exchange import Headers, Question, kept_of_request, question_of


class TapeRequest(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold one request as it came: `path` and `query` as on the wire, `headers` only those that may be sent on.
    """

    question: Question
    path: str
    query: str
    headers: Headers
    hosts: tuple[bytes, ...]
    body: bytes
    region: str


def read_tape_request(scope: Scope, body: bytes, region: str) -> TapeRequest:
    """
    Return the request that a scope and its body are.
    """
    headers = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"]]
    return TapeRequest(
        question=question_of(scope["method"], scope["raw_path"], scope["query_string"], body),
        path=scope["raw_path"].decode("latin-1"),
        query=scope["query_string"].decode("latin-1"),
        headers=kept_of_request(headers),
        hosts=tuple(value for name, value in scope["headers"] if name in {b"host", b":authority"}),
        body=body,
        region=region,
    )


def fresh_date() -> list[tuple[str, str]]:
    """
    Return the one header that is never replayed: SDKs set their clocks by it.
    """
    return common_headers("")[:1]
