"""
Tests of `outcrop.emulator.app` over the wire: routes, headers, refusals, and who may come in.
"""

import json
from base64 import b64encode
from typing import Any

import pytest

CLAUDE = "us.anthropic.claude-sonnet-4-6"
LLAMA = "meta.llama3-70b-instruct-v1:0"
CLAUDE_BODY = {
    "anthropic_version": "bedrock-2023-05-31",
    "max_tokens": 50,
    "messages": [{"role": "user", "content": "hello"}],
}
CONVERSE_BODY = {"messages": [{"role": "user", "content": [{"text": "hello"}]}]}


async def test_invoke_counts_tokens_in_headers(wire: Any) -> None:
    """
    InvokeModel's answer carries its counts and latency as headers, as decimal integers.
    """
    reply = await wire.call("invoke", CLAUDE, CLAUDE_BODY)
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    usage = reply.json()["usage"]
    assert reply.headers["x-amzn-bedrock-input-token-count"] == str(usage["input_tokens"])
    assert reply.headers["x-amzn-bedrock-output-token-count"] == str(usage["output_tokens"])
    assert reply.headers["x-amzn-bedrock-invocation-latency"].isdecimal()
    assert len(reply.headers["x-amzn-requestid"]) == 36


async def test_a_claude_stream_has_its_events_in_order(wire: Any) -> None:
    """
    A stream of Claude opens, pings, says its text, and ends with the metrics in its last chunk.
    """
    reply = await wire.call("invoke-with-response-stream", CLAUDE, CLAUDE_BODY)
    payloads = reply.payloads()
    kinds = list(dict.fromkeys(payload["type"] for payload in payloads))
    assert kinds == [
        "message_start", "content_block_start", "ping", "content_block_delta", "content_block_stop", "message_delta",
        "message_stop",
    ]  # fmt: skip
    assert (
        payloads[-1]["amazon-bedrock-invocationMetrics"]["outputTokenCount"] == payloads[-2]["usage"]["output_tokens"]
    )
    assert reply.headers["content-type"] == "application/vnd.amazon.eventstream"
    assert reply.headers["x-amzn-bedrock-content-type"] == "application/json"


async def test_a_llama_stream_counts_up(wire: Any) -> None:
    """
    The first chunk has the prompt's count, the last one the reason and the metrics.
    """
    reply = await wire.call("invoke-with-response-stream", LLAMA, {"prompt": "emulate 5 tokens"})
    payloads = reply.payloads()
    assert [payload["generation_token_count"] for payload in payloads] == [1, 2, 3, 4, 5, 5]
    assert [payload["prompt_token_count"] for payload in payloads] == [4, None, None, None, None, None]
    assert [payload["stop_reason"] for payload in payloads] == [None] * 5 + ["stop"]
    assert payloads[-1]["amazon-bedrock-invocationMetrics"]["inputTokenCount"] == 4


async def test_every_message_is_a_chunk_of_its_own(wire: Any) -> None:
    """
    Each message is flushed alone, so that clients see it when it is made.
    """
    reply = await wire.call("invoke-with-response-stream", LLAMA, {"prompt": "emulate 20 tokens"})
    assert len(reply.chunks) == len(reply.messages()) == 21


async def test_chunks_are_padded(wire: Any) -> None:
    """
    Chunks carry padding of differing lengths, against guessing tokens from sizes.
    """
    reply = await wire.call("invoke-with-response-stream", LLAMA, {"prompt": "emulate 20 tokens"})
    lengths = {len(json.loads(payload)["p"]) for _, payload in reply.messages()}
    assert len(lengths) > 5


async def test_converse_events_are_flat(wire: Any) -> None:
    """
    A Converse event's payload is the member itself, not nested under its name.
    """
    reply = await wire.call("converse-stream", LLAMA, CONVERSE_BODY)
    headers, payload = reply.messages()[0]
    assert (headers[":event-type"], json.loads(payload)["role"]) == ("messageStart", "assistant")
    assert [headers[":event-type"] for headers, _ in reply.messages()[-2:]] == ["messageStop", "metadata"]


@pytest.mark.parametrize("operation", ["invoke", "converse"])
async def test_whole_and_streamed_answers_are_the_same_text(operation: str, wire: Any) -> None:
    """
    Streaming changes how an answer comes, not what it says.
    """
    body = CLAUDE_BODY if operation == "invoke" else CONVERSE_BODY
    await wire.call(operation, CLAUDE, body)
    await wire.call("invoke-with-response-stream" if operation == "invoke" else "converse-stream", CLAUDE, body)
    first, second = (call["text_emitted"]["sha256"] for call in await wire.calls())
    assert first == second


@pytest.mark.parametrize(
    "path",
    [
        "meta.llama3-70b-instruct-v1%3A0",
        "meta.llama3-70b-instruct-v1:0",
        "arn%3Aaws%3Abedrock%3Aus-east-1%3A%3Afoundation-model%2Fmeta.llama3-70b-instruct-v1%3A0",
        "arn:aws:bedrock:us-east-1::foundation-model%2Fmeta.llama3-70b-instruct-v1:0",
    ],
)
async def test_model_ids_are_decoded_once(path: str, wire: Any) -> None:
    """
    Encoded or literal, colon and slash stand for themselves.
    """
    reply = await wire.request("POST", f"/model/{path}/invoke", b'{"prompt":"hello"}')
    assert reply.status == 200


async def test_a_doubly_encoded_id_is_another_id(wire: Any) -> None:
    """
    What is encoded twice is decoded once, and then names no model.
    """
    reply = await wire.request("POST", "/model/meta.llama3-70b-instruct-v1%253A0/invoke", b'{"prompt":"hello"}')
    assert reply.json() == {"message": "The provided model identifier is invalid."}


@pytest.mark.parametrize("content_type", [None, "application/octet-stream", "text/plain"])
async def test_the_body_is_json_whatever_its_type_says(content_type: str | None, wire: Any) -> None:
    """
    A missing or wrong Content-Type is no reason to refuse.
    """
    headers = {} if content_type is None else {"content-type": content_type}
    reply = await wire.call("invoke", LLAMA, {"prompt": "hello"}, headers)
    assert reply.status == 200


@pytest.mark.parametrize(
    ("model", "name", "text"),
    [
        ("nobody.knows-v1:0", "ValidationException", "The provided model identifier is invalid."),
        ("eu.anthropic.claude-sonnet-4-6", "ValidationException", "The provided model identifier is invalid."),
        ("anthropic.claude-sonnet-4-6", "ValidationException", "with on-demand throughput isn't supported. Retry"),
        ("us.anthropic.claude-3-haiku-20240307-v1:0", "ResourceNotFoundException", "reached the end of its life"),
        (
            "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/nobody",
            "ResourceNotFoundException",
            "could not be found",
        ),
        ("arn:aws:bedrock:us-east-1:123456789012:prompt/ABCDEFGHIJ", "ResourceNotFoundException", "could not be found"),
        ("arn:aws:bedrock:eu-west-1::foundation-model/x", "ValidationException", "identifier is invalid"),
    ],
)
async def test_models_that_cannot_be_called(model: str, name: str, text: str, wire: Any) -> None:
    """
    An ID that means nothing, needs a profile, or is past its life gets Bedrock's own words.
    """
    reply = await wire.call("invoke", model, CLAUDE_BODY)
    assert reply.error == name.lower()
    assert text in reply.json()["message"]
    assert (await wire.calls())[-1]["outcome"] == f"refused:{name}"


async def test_an_application_profile_stands_for_its_model(wire: Any) -> None:
    """
    An opaque profile ID is resolved to the model behind it.
    """
    arn = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/emulatedllam"
    assert (await wire.call("invoke", arn, {"prompt": "hello"})).status == 200


async def test_a_signature_names_the_region(wire: Any) -> None:
    """
    The region of a request is that of its signature: a European profile is called from Europe.
    """
    authorization = (
        "AWS4-HMAC-SHA256 Credential=AKID/20261120/eu-west-1/bedrock/aws4_request, SignedHeaders=host, "
        f"Signature={'0' * 64}"
    )
    reply = await wire.call("invoke", "eu.anthropic.claude-sonnet-4-6", CLAUDE_BODY, {"authorization": authorization})
    assert reply.status == 200


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'"\\ud800"', b"[" * 100_000])
async def test_bodies_that_are_no_json_are_refused(body: bytes, wire: Any) -> None:
    """
    A body that can't be parsed is a ValidationException, never a crash.
    """
    reply = await wire.request("POST", f"/model/{LLAMA}/invoke", body)
    assert (reply.status, reply.ending) == (400, "clean")
    assert "not valid JSON" in reply.json()["message"]


async def test_a_body_beyond_its_bound_is_refused(wire: Any) -> None:
    """
    InvokeModel takes 25 MB and not a byte more.
    """
    reply = await wire.request("POST", f"/model/{LLAMA}/invoke", b'{"prompt":"' + b"x" * 25_000_000 + b'"}')
    assert reply.status == 400
    assert "less than or equal to 25000000" in reply.json()["message"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", f"/model/{LLAMA}/invoke"),
        ("POST", "/model/a/b/invoke"),
        ("POST", f"/model/{LLAMA}/frobnicate"),
    ],
)
async def test_unknown_operations_are_refused(method: str, path: str, wire: Any) -> None:
    """
    What Bedrock doesn't have, the emulator doesn't have.
    """
    reply = await wire.request(method, path)
    assert (reply.status, reply.error) == (404, "unknownoperationexception")


async def test_count_tokens_counts_both_shapes_alike(wire: Any) -> None:
    """
    A conversation has as many tokens in Converse's shape as in the model's own.
    """
    native = {name: value for name, value in CLAUDE_BODY.items() if name != "max_tokens"}
    inputs = [
        {"converse": CONVERSE_BODY},
        {"invokeModel": {"body": b64encode(json.dumps(native).encode()).decode()}},
    ]
    replies = [await wire.call("count-tokens", "anthropic.claude-sonnet-4-6", {"input": one}) for one in inputs]
    assert [reply.status for reply in replies] == [200, 200]
    assert replies[0].json() == replies[1].json() != {"inputTokens": 0}


@pytest.mark.parametrize("model", [CLAUDE, LLAMA])
async def test_count_tokens_serves_claudes_base_models_only(model: str, wire: Any) -> None:
    """
    Profiles and other families can't be counted.
    """
    reply = await wire.call("count-tokens", model, {"input": {"converse": CONVERSE_BODY}})
    assert (reply.status, "doesn't support counting tokens" in reply.json()["message"]) == (400, True)


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://localhost.evil.example", "http://127.0.0.1@evil"]
)
async def test_pages_from_elsewhere_are_refused(origin: str, wire: Any) -> None:
    """
    A web page can't use the emulator through a browser.
    """
    reply = await wire.request("GET", "/foundation-models", headers={"origin": origin})
    assert reply.status == 403


async def test_pages_of_this_machine_are_let_in(wire: Any) -> None:
    """
    A page served from a loopback name may call.
    """
    reply = await wire.request("GET", "/foundation-models", headers={"origin": "http://localhost:5173"})
    assert reply.status == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost@evil", "", "[::1", "10.0.0.1"])
async def test_its_own_routes_need_a_host_of_this_machine(host: str, wire: Any) -> None:
    """
    A page that rebinds its name to this machine can't read the book or plant faults.
    """
    reply = await wire.request("GET", "/_emulator/calls", headers={"host": host})
    assert reply.status in {400, 403}


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:1234", "[::1]:80"])
async def test_loopback_names_may_read_the_book(host: str, wire: Any) -> None:
    """
    Any spelling of this machine will do.
    """
    assert (await wire.request("GET", "/_emulator/health", headers={"host": host})).json()["status"] == "ok"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/_emulator/nowhere", 404),
        ("PUT", "/_emulator/faults", 405),
        ("DELETE", "/_emulator/faults", 204),
        ("DELETE", "/_emulator/calls", 204),
        ("POST", "/_emulator/faults", 400),
    ],
)
async def test_its_own_routes_say_what_they_are(method: str, path: str, status: int, wire: Any) -> None:
    """
    Wrong methods and paths get an answer that says so.
    """
    assert (await wire.request(method, path)).status == status
