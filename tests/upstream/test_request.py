"""
The request of a call: path, headers, signature; and what can't get into it.
"""

from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials
from hypothesis import given
from hypothesis import strategies as st

from outcrop.calls import UpstreamCall
from outcrop.errors import RequestError, RequestTooLarge, UpstreamDenied
from outcrop.upstream.credentials import Identity
from outcrop.upstream.endpoint import Endpoint, parse_endpoint
from outcrop.upstream.request import MAX_BODY_BYTES, Attempt, build_head, build_target, check_call, encode_request
from outcrop.wire import sigv4
from tests.upstream.conftest import KEYS, a_call

ARN = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123"
HERE = parse_endpoint("http://127.0.0.1:4566")
SIGNER = Identity(kind="sigv4", method="test", credentials=KEYS)
BEARER = Identity(kind="bearer", method="test", bearer_token="ABSK-a-key-that-nobody-may-see")


def head_of(
    call: UpstreamCall, *, endpoint: Endpoint = HERE, identity: Identity = SIGNER
) -> tuple[str, dict[str, str]]:
    """
    Build a head and read it back.
    """
    raw = build_head(
        call,
        endpoint=endpoint,
        region="us-east-1",
        identity=identity,
        attempt=Attempt(invocation_id="i-1", number=2, limit=3),
        payload_hash=sigv4.hash_payload(call.body),
        now=datetime.now(UTC),
    ).decode("ascii")
    assert raw.endswith("\r\n\r\n")
    first, *lines = raw[:-4].split("\r\n")
    return first, dict(line.split(": ", 1) for line in lines)


@pytest.mark.parametrize(
    ("operation", "model_id", "path"),
    [
        ("invoke", "meta.llama3-70b-instruct-v1:0", "/model/meta.llama3-70b-instruct-v1%3A0/invoke"),
        ("invoke_stream", "a.b-v1:0", "/model/a.b-v1%3A0/invoke-with-response-stream"),
        ("converse", "a b/../c?d#e%2F", "/model/a%20b%2F..%2Fc%3Fd%23e%252F/converse"),
        ("converse_stream", "é", "/model/%C3%A9/converse-stream"),
        ("count_tokens", "a.b-v1:0", "/model/a.b-v1%3A0/count-tokens"),
        (
            "invoke",
            ARN,
            "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aapplication-inference-profile%2Fabc123/invoke",
        ),
    ],
)
def test_the_path_is_the_one_of_boto3(operation: str, model_id: str, path: str) -> None:
    """
    A model ID is one percent-encoded segment of the path, whatever it holds.
    """
    assert build_target(a_call(operation, model_id=model_id), HERE) == path


def test_a_base_path_comes_first() -> None:
    """
    The path of the endpoint's URL stands before Bedrock's.
    """
    endpoint = parse_endpoint("https://proxy.example/bedrock/")
    assert build_target(a_call(model_id="m"), endpoint) == "/bedrock/model/m/invoke-with-response-stream"


@given(st.text(min_size=1, max_size=60, alphabet=st.characters(exclude_categories=["Cs"])))
def test_no_model_id_leaves_its_segment(model_id: str) -> None:
    """
    Whatever the model ID is, the path has four slashes at most and only printable ASCII.
    """
    target = build_target(a_call(model_id=model_id), HERE)
    assert target.count("/") == 3
    assert target.isascii()
    assert target.isprintable()
    assert " " not in target


@pytest.mark.parametrize("model_id", ["", ".", "..", "x" * 2049, "\ud800"])
def test_an_impossible_model_id_is_refused(model_id: str) -> None:
    """
    A model ID that is empty, too long, no text, or a step in a path, is refused.
    """
    call = a_call(model_id=model_id)

    def prepare() -> str:
        check_call(call)
        return build_target(call, HERE)

    with pytest.raises(RequestError, match="model id"):
        prepare()


@pytest.mark.parametrize(
    "name", ["host", "authorization", "x-amz-date", "x-amz-security-token", "content-type", "X-Amzn-Bedrock-Trace", ""]
)
def test_only_bedrocks_own_headers_can_be_added(name: str) -> None:
    """
    A call can't set a header outside `x-amzn-bedrock-*`.
    """
    with pytest.raises(RequestError, match="can't be sent to Bedrock"):
        check_call(a_call(headers=((name, "x"),)))


@pytest.mark.parametrize("value", ["a\r\nhost: evil", "a\nb", "a\x00b", "a\rb", "\x7f", "é", "\u2028"])
def test_a_header_can_not_be_split(value: str) -> None:
    """
    A value with a line break, a control or a non-ASCII character is refused and not shown.
    """
    with pytest.raises(RequestError) as caught:
        head_of(a_call(headers=(("x-amzn-bedrock-trace", value),)))
    assert value not in str(caught.value)


@pytest.mark.parametrize(
    "name", ["x-amzn-bedrock-a\r\nhost", "x-amzn-bedrock-a b", "x-amzn-bedrock-:", "x-amzn-bedrock-é"]
)
def test_a_header_name_can_not_be_split(name: str) -> None:
    """
    A name that is no token is refused, although its beginning is allowed.
    """
    with pytest.raises(RequestError):
        head_of(a_call(headers=((name, "x"),)))


@pytest.mark.parametrize("target", ["/a b", "/a\r\nb", "x", "/é", ""])
def test_a_target_can_not_be_split(target: str) -> None:
    """
    A target that is no path in printable ASCII is refused.
    """
    with pytest.raises(RequestError, match="target"):
        encode_request(target, {})


def test_a_body_beyond_bedrocks_bound_is_refused() -> None:
    """
    A request that Bedrock would not take is not sent; the message names the bound.
    """
    with pytest.raises(RequestTooLarge, match="limit is 25000000 bytes"):
        check_call(a_call(body=b" " * (MAX_BODY_BYTES + 1)))


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ("invoke", {"accept": "application/json"}),
        ("converse", {"accept": "application/json"}),
        ("converse_stream", {"accept": "application/vnd.amazon.eventstream"}),
        ("invoke_stream", {"x-amzn-bedrock-accept": "application/json"}),
    ],
)
def test_the_headers_say_what_is_sent_and_wanted(operation: str, expected: dict[str, str]) -> None:
    """
    Each operation names its content type, what it accepts, its length, and which attempt it is.
    """
    first, headers = head_of(a_call(operation, headers=(("x-amzn-bedrock-trace", "ENABLED"),)))
    assert first.startswith("POST /model/")
    assert first.endswith(" HTTP/1.1")
    expected |= {
        "host": "127.0.0.1:4566",
        "content-type": "application/json",
        "content-length": "15",
        "x-amzn-bedrock-trace": "ENABLED",
        "amz-sdk-invocation-id": "i-1",
        "amz-sdk-request": "attempt=2; max=3",
    }
    assert expected.items() <= headers.items()


@pytest.mark.parametrize("model_id", ["meta.llama3-70b-instruct-v1:0", ARN, "a b"])
@pytest.mark.parametrize("url", ["http://127.0.0.1:4566", "https://bedrock-runtime.us-east-1.amazonaws.com"])
def test_botocore_signs_the_same(model_id: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The signer of botocore, given the request as sent, comes to the same signature.
    """
    call = a_call(model_id=model_id, headers=(("x-amzn-bedrock-trace", "ENABLED"),))
    first, headers = head_of(call, endpoint=parse_endpoint(url))
    signed = headers["authorization"].split("SignedHeaders=")[1].split(",")[0].split(";")
    unchanged = {name: headers[name] for name in signed if name not in {"host", "x-amz-date", "x-amz-security-token"}}
    request = AWSRequest("POST", url + first.split(" ")[1], data=call.body, headers=unchanged)
    signer: Any = SigV4Auth(
        BotocoreCredentials(KEYS.access_key_id, KEYS.secret_access_key, KEYS.session_token), "bedrock", "us-east-1"
    )
    moment = datetime.strptime(headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda **_: moment)
    signer.add_auth(request)
    assert request.headers["Authorization"] == headers["authorization"]


def test_an_api_key_travels_alone() -> None:
    """
    With a Bedrock API key there is no signature.
    """
    _, headers = head_of(a_call(), identity=BEARER)
    assert headers["authorization"] == f"Bearer {BEARER.bearer_token}"
    assert "x-amz-date" not in headers


@pytest.mark.parametrize("url", ["http://10.0.0.1:80", "http://bedrock.internal", "http://127.0.0.1.evil.example"])
def test_an_api_key_never_travels_in_clear_text(url: str) -> None:
    """
    Over plain HTTP an API key goes to this machine only.
    """
    with pytest.raises(UpstreamDenied, match="use https") as caught:
        head_of(a_call(), endpoint=parse_endpoint(url), identity=BEARER)
    assert "ABSK" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["http://localhost:1", "http://127.9.9.9:1", "http://[::1]:1", "https://bedrock.internal"]
)
def test_an_api_key_may_travel_safely(url: str) -> None:
    """
    Loopback and HTTPS may carry an API key.
    """
    _, headers = head_of(a_call(), endpoint=parse_endpoint(url), identity=BEARER)
    assert headers["authorization"].startswith("Bearer ")
