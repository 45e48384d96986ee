"""
HTTP answers that do not stream: their headers and bodies (docs/bedrock_wire.md §1.4, §3.1).
"""

import time
from collections.abc import Mapping
from email.utils import formatdate
from functools import lru_cache
from typing import Any

import msgspec

from outcrop.emulator.conversation import Answer, Metrics
from outcrop.emulator.rules.refusals import Refusal

_NAMESPACE = ":http://internal.amazon.com/coral/com.amazon.bedrock/"
"""
The service puts this after an error's name; clients must cut it off.
"""
LATENCY_HEADER = b"x-amzn-bedrock-performanceconfig-latency"
TIER_HEADER = b"x-amzn-bedrock-service-tier"
Headers = list[tuple[str, str]]


class HttpAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold a complete answer. `content-length` and the headers of every answer are added when it is sent.
    """

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


@lru_cache(maxsize=1)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)


def common_headers(request_id: str) -> Headers:
    """
    Return the headers that every answer has.
    """
    return [("date", _date(int(time.time()))), ("x-amzn-requestid", request_id)]


def _applied(answer: Answer) -> Headers:
    given = ((LATENCY_HEADER, answer.latency), (TIER_HEADER, answer.tier))
    return [(name.decode(), value) for name, value in given if value is not None]


def stream_headers(request_id: str, answer: Answer, *, is_native: bool) -> Headers:
    """
    Return the headers of an event stream. The native ones say which latency and tier were applied.
    """
    headers = [*common_headers(request_id), ("content-type", "application/vnd.amazon.eventstream")]
    if is_native:
        headers += [("x-amzn-bedrock-content-type", "application/json"), *_applied(answer)]
    return headers


def json_answer(content: Any, *, status: int = 200) -> HttpAnswer:
    """
    Return an answer of JSON.
    """
    return HttpAnswer(status=status, headers=(("content-type", "application/json"),), body=msgspec.json.encode(content))


def native_answer(body: bytes, answer: Answer, metrics: Metrics) -> HttpAnswer:
    """
    Return the answer of InvokeModel, which counts tokens in its headers.
    """
    headers = [
        ("content-type", "application/json"),
        ("x-amzn-bedrock-input-token-count", str(answer.input_tokens)),
        ("x-amzn-bedrock-output-token-count", str(answer.output_tokens)),
        ("x-amzn-bedrock-invocation-latency", str(metrics.invocation_latency_ms)),
        *_applied(answer),
    ]
    if answer.cache_read_tokens or answer.cache_write_tokens:
        headers.append(("x-amzn-bedrock-cache-read-input-token-count", str(answer.cache_read_tokens)))
        headers.append(("x-amzn-bedrock-cache-write-input-token-count", str(answer.cache_write_tokens)))
    return HttpAnswer(headers=tuple(headers), body=body)


def refusal_answer(refusal: Refusal) -> HttpAnswer:
    """
    Return a refusal as AWS sends it.
    """
    headers = [("content-type", "application/json"), ("x-amzn-errortype", f"{refusal.name}{_NAMESPACE}")]
    if refusal.retry_after_seconds is not None:
        headers.append(("retry-after", f"{refusal.retry_after_seconds:g}"))
        headers.append(("x-amz-retry-after", f"{refusal.retry_after_seconds * 1000:.0f}"))
    body: Mapping[str, Any] = {"message": refusal.message, **refusal.extra}
    return HttpAnswer(status=refusal.status, headers=tuple(headers), body=msgspec.json.encode(body))
