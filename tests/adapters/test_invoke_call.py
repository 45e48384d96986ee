"""
A request's own wishes become headers, or are refused; nothing can break out of a header.
"""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outcrop.adapters.invoke_call import LATENCIES, SERVICE_TIERS, make_call, to_headers
from outcrop.calls import ResolvedModel
from outcrop.errors import RequestError
from outcrop.types import ChatRequest, Guardrail
from tests.adapters.forms import ask

MODEL = ResolvedModel(name="m", model_id="maker.m", base_id="maker.m", family="llama3")
ARN = "arn:aws-us-gov:bedrock:us-gov-west-1:123456789012:guardrail/abc123"
header_text = st.one_of(st.text(max_size=8), st.sampled_from(["a\r\nx: y", "\n", "\r", "é", "\x00", "ok", "\u2028"]))


def guarded(identifier: str = "abc", version: str = "1", trace: object = None) -> ChatRequest:
    """
    Build a request with a guardrail.
    """
    return ask(guardrail=Guardrail(identifier=identifier, version=version, trace=trace))  # type: ignore[arg-type]  # as decoded JSON might


def test_a_request_without_wishes_has_no_headers() -> None:
    """
    Nothing is sent that was not asked for.
    """
    assert to_headers(ask()) == ()


@pytest.mark.parametrize("identifier", ["abc123", "0", ARN])
@pytest.mark.parametrize("version", ["DRAFT", "1", "99999999"])
def test_a_guardrail_has_two_headers(identifier: str, version: str) -> None:
    """
    Identifier and version go together; without a trace none is asked for.
    """
    assert to_headers(guarded(identifier, version)) == (
        ("x-amzn-bedrock-guardrailidentifier", identifier),
        ("x-amzn-bedrock-guardrailversion", version),
    )


@pytest.mark.parametrize("trace", ["enabled", "disabled", "enabled_full"])
def test_a_guardrails_trace_is_written_large(trace: str) -> None:
    """
    The header has the words of Converse in capitals.
    """
    assert to_headers(guarded(trace=trace))[-1] == ("x-amzn-bedrock-trace", trace.upper())


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (guarded(""), "guardrail identifier is '', expected an ID or an ARN"),
        (guarded("ABC"), "guardrail identifier is 'ABC'"),
        (guarded("abc\n"), r"guardrail identifier is 'abc\\n'"),
        (guarded("a" * 2049), "guardrail identifier is 'a"),
        (guarded(ARN.replace("guardrail/", "model/")), "guardrail identifier is 'arn"),
        (guarded(version=""), "guardrail version is '', expected 'DRAFT' or a number of 1 to 8 digits"),
        (guarded(version="0"), "guardrail version is '0'"),
        (guarded(version="123456789"), "guardrail version is '123456789'"),
        (guarded(version="1\n"), r"guardrail version is '1\\n'"),
        (guarded(version="draft"), "guardrail version is 'draft'"),
        (guarded(trace="all\r\nx: y"), r"guardrail trace is 'all\\r\\nx: y', expected one of 'disabled', 'enabled', "),
        (ask(latency="fast\r\n"), r"latency is 'fast\\r\\n', expected one of 'optimized', 'standard'"),
        (ask(service_tier="gold"), "service_tier is 'gold', expected one of 'default', 'flex', 'priority', 'reserved'"),
        (ask(request_metadata={str(at): "" for at in range(17)}), "request_metadata has 17 pairs, expected at most 16"),
        (ask(request_metadata={"": "x"}), "request_metadata key has 0 characters, expected 1 to 256"),
        (ask(request_metadata={"k" * 257: "x"}), "request_metadata key has 257 characters"),
        (ask(request_metadata={"k": "v" * 257}), "request_metadata value of 'k' has 257 characters, expected 0 to 256"),
        (ask(request_metadata={"k!": "x"}), "request_metadata key is 'k!', expected letters, digits, white space and"),
        (ask(request_metadata={"k": 'a"b'}), "request_metadata value of 'k' is 'a\"b'"),
        (ask(request_metadata={"k": "ü"}), "request_metadata value of 'k' is 'ü'"),
        (
            ask(request_metadata={f"{at:02}" + "k" * 254: "\n" * 256 for at in range(16)}),
            "request_metadata is 12385 characters of JSON, expected at most 8500",
        ),
    ],
)
def test_a_value_that_bedrock_does_not_take_is_refused(request_: ChatRequest, words: str) -> None:
    """
    What is outside of the service model's patterns and bounds is refused before the call.
    """
    with pytest.raises(RequestError, match=words):
        to_headers(request_)


@pytest.mark.parametrize("latency", sorted(LATENCIES))
@pytest.mark.parametrize("tier", sorted(SERVICE_TIERS))
def test_latency_and_tier_are_sent_as_they_are(latency: str, tier: str) -> None:
    """
    All of Bedrock's words are taken.
    """
    assert dict(to_headers(ask(latency=latency, service_tier=tier))) == {
        "x-amzn-bedrock-performanceconfig-latency": latency,
        "x-amzn-bedrock-service-tier": tier,
    }


def test_metadata_is_one_line_of_json() -> None:
    """
    White space is allowed in metadata; a line break is escaped in the header.
    """
    ((name, value),) = to_headers(ask(request_metadata={"a b": "c\r\nd", "e": ""}))
    assert name == "x-amzn-bedrock-request-metadata"
    assert value == r'{"a b":"c\r\nd","e":""}'


@given(header_text, header_text, header_text, header_text, st.dictionaries(header_text, header_text, max_size=3))
@settings(deadline=None, max_examples=200)
def test_no_value_breaks_out_of_its_header(
    identifier: str, version: str, latency: str, tier: str, metadata: dict[str, str]
) -> None:
    """
    Whatever a client writes, a header is printable ASCII in one line, or the request is refused.
    """
    request = ask(
        guardrail=Guardrail(identifier=identifier, version=version),
        latency=latency,
        service_tier=tier,
        request_metadata=metadata,
    )
    try:
        headers = to_headers(request)
    except RequestError:
        return
    assert all(value.isascii() and value.isprintable() for _, value in headers)


@given(st.dictionaries(st.from_regex(r"[\w\s:=]{1,9}", fullmatch=True), header_text, max_size=3))
@settings(deadline=None, max_examples=150)
def test_metadata_comes_through_unchanged(metadata: dict[str, str]) -> None:
    """
    What is taken is sent in full, in one line.
    """
    try:
        headers = to_headers(ask(request_metadata=metadata))
    except RequestError:
        return
    assert [json.loads(value) for _, value in headers] == ([metadata] if metadata else [])
    assert all(value.isascii() and value.isprintable() for _, value in headers)


def test_a_call_carries_body_and_headers() -> None:
    """
    The call is made of the model's ID, the operation, the body and the headers.
    """
    made = make_call(ask(stream=False, latency="optimized"), MODEL, {"prompt": "x"})
    assert (made.operation, made.model_id, made.body) == ("invoke", "maker.m", b'{"prompt":"x"}')
    assert made.headers == (("x-amzn-bedrock-performanceconfig-latency", "optimized"),)
