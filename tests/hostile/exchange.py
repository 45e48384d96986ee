"""
Ask a server many things over a few connections that stay open, and hold its refusals against the SDKs' own readers.
"""

import http.client
import json
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import anthropic
import httpx2
import msgspec
import openai
from botocore.parsers import create_parser

from tests.emulator.referee import operation_model

CONNECTIONS = 4
SECONDS = 30
BROKEN = 0
"""
The status of an answer that did not come.
"""


class Answer(msgspec.Struct, frozen=True):
    """
    Hold what came back. `closes` says that the server ends the connection after it.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    closes: bool


class Asker:
    """
    Post bodies to a server, `CONNECTIONS` at once; each thread keeps its connection.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._host = urlsplit(url).netloc
        self._own = threading.local()
        self._pool = ThreadPoolExecutor(CONNECTIONS)
        self._connections: list[http.client.HTTPConnection] = []

    def ask_all(self, path: str, bodies: Sequence[bytes]) -> list[Answer]:
        """
        Post every body and return the answers in the same order.
        """
        return list(self._pool.map(lambda body: self.ask(path, body), bodies))

    def ask(self, path: str, body: bytes, headers: dict[str, str] | None = None) -> Answer:
        """
        Post one body on this thread's connection.

        A connection that was idle for too long is the server's to close, perhaps while this request is on its way:
        then, as any client does, it asks once more over another one. What a body does to its own connection it does
        there too.
        """
        connection = getattr(self._own, "connection", None)
        if connection is None:
            connection = self._own.connection = http.client.HTTPConnection(self._host, timeout=SECONDS)
            self._connections.append(connection)
        was_open = connection.sock is not None
        given = {"content-type": "application/json", "anthropic-version": "2023-06-01"} if headers is None else headers
        answer = self._exchange(connection, path, body, given)
        return self._exchange(connection, path, body, given) if was_open and answer.status == BROKEN else answer

    @staticmethod
    def _exchange(connection: http.client.HTTPConnection, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        try:
            connection.request("POST", path, body, headers)
            response = connection.getresponse()
            content = response.read()
        except (http.client.HTTPException, ConnectionError) as error:
            connection.close()
            return Answer(BROKEN, {}, repr(error).encode(), closes=True)
        closes = bool(response.will_close)
        if closes:
            connection.close()
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, content, closes)

    def close(self) -> None:
        """
        Let the threads and the connections go.
        """
        self._pool.shutdown()
        for connection in self._connections:
            connection.close()


Reader = Callable[[Answer], tuple[int, str]]
"""
Read a refusal as an SDK does: its status and its message.

Raises:
    AssertionError: the SDK can't read it.
"""


def _response(answer: Answer) -> httpx2.Response:
    request = httpx2.Request("POST", "http://localhost/")
    return httpx2.Response(answer.status, headers=answer.headers, content=answer.body, request=request)


OPENAI = openai.OpenAI(api_key="x", base_url="http://localhost/v1")
ANTHROPIC = anthropic.Anthropic(api_key="x", base_url="http://localhost")


def read_openai(answer: Answer) -> tuple[int, str]:
    """
    Read a refusal as the OpenAI SDK does.
    """
    error = OPENAI._make_status_error_from_response(_response(answer))
    body: Any = error.body
    assert isinstance(body, dict), answer
    assert set(body) == {"message", "type", "param", "code"}, answer
    assert all((error.type, error.code, error.request_id)), answer
    return error.status_code, str(body["message"])


def read_anthropic(answer: Answer) -> tuple[int, str]:
    """
    Read a refusal as the Anthropic SDK does.
    """
    error = ANTHROPIC._make_status_error_from_response(_response(answer))
    body: Any = error.body
    assert isinstance(body, dict), answer
    assert (body["type"], body["request_id"]) == ("error", error.request_id), answer
    assert body["error"]["type"].endswith(("_error", "request_too_large")), answer
    return error.status_code, str(body["error"]["message"])


def read_aws(answer: Answer) -> tuple[int, str]:
    """
    Read a refusal as botocore does.
    """
    raw = {"status_code": answer.status, "headers": answer.headers, "body": answer.body}
    shape: Any = operation_model("Converse").output_shape
    parsed = create_parser("rest-json").parse(raw, shape)
    assert parsed["Error"]["Code"].endswith("Exception"), answer
    return parsed["ResponseMetadata"]["HTTPStatusCode"], parsed["Error"]["Message"]


def read_native(answer: Answer) -> tuple[int, str]:
    """
    Read a refusal of the native dialect: there is no SDK, its fields are the contract.
    """
    error = json.loads(answer.body)["error"]
    assert {"code", "message", "retryable", "retryAfterMs"} == set(error), answer
    return answer.status, error["message"]
