"""
Tests of `outcrop.emulator.tape`: one emulator records another, and a third replays it.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EventStreamError

from outcrop.emulator.tape.settings import TapeConfig

CLAUDE = "us.anthropic.claude-sonnet-4-6"
LLAMA = "meta.llama3-70b-instruct-v1:0"
KEYS = {"AKIDRECORDER": "the-recorder's-secret"}
CONVERSE = {"messages": [{"role": "user", "content": [{"text": "emulate 12 tokens"}]}]}
TO_CLAUDE = {
    "anthropic_version": "bedrock-2023-05-31",
    "max_tokens": 50,
    "messages": [{"role": "user", "content": "emulate 12 tokens"}],
}

StartTape = Callable[..., Awaitable[Any]]


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Put the recorder's own credentials into the environment.
    """
    monkeypatch.delenv("AWS_BEARER_TOKEN_BEDROCK", raising=False)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDRECORDER")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEYS["AKIDRECORDER"])
    monkeypatch.setenv("AWS_SESSION_TOKEN", "the-recorder's-token")


@pytest.fixture
async def origin(start_emulator: Any) -> Any:
    """
    Return an emulator to record, which takes the recorder's signatures only.
    """
    return await start_emulator(keys=KEYS, strict_auth=True)


@pytest.fixture
def record(start_emulator: Any, tmp_path: Path) -> StartTape:
    """
    Return a function that starts a recorder of another emulator.
    """

    async def start(upstream: Any, **settings: Any) -> Any:
        tape = TapeConfig(record=str(tmp_path), upstream=f"http://127.0.0.1:{upstream.server.port}")
        return await start_emulator(tape=tape, **settings)

    return start


@pytest.fixture
def replay(start_emulator: Any, tmp_path: Path) -> StartTape:
    """
    Return a function that starts an emulator that replays what was recorded.
    """

    async def start(**settings: str) -> Any:
        return await start_emulator(tape=TapeConfig(replay=str(tmp_path), **settings))

    return start


def compared(reply: Any) -> tuple[Any, ...]:
    """
    Return all of a reply that must be equal: everything but the server's date.
    """
    headers = {name: value for name, value in reply.headers.items() if name != "date"}
    return reply.status, headers, reply.body, reply.chunks, reply.ending


async def all_ended(wire: Any) -> None:
    """
    Wait until every call in an emulator's book has ended.
    """
    async with asyncio.timeout(5):
        while not all(call["outcome"] for call in await wire.calls()):
            await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("operation", "model", "body"),
    [
        ("invoke-with-response-stream", CLAUDE, TO_CLAUDE),
        ("converse-stream", CLAUDE, CONVERSE),
        ("invoke-with-response-stream", LLAMA, {"prompt": "emulate 12 tokens"}),
        ("invoke", CLAUDE, TO_CLAUDE),
        ("converse", LLAMA, CONVERSE),
        ("converse", CLAUDE, {"messages": "not a list"}),
        ("invoke", "no.such-model", {}),
    ],
)
async def test_a_replay_is_equal_to_what_was_recorded(
    origin: Any, record: StartTape, replay: StartTape, operation: str, model: str, body: Any
) -> None:
    """
    Streams, whole answers and errors come again with their status, headers, bytes and chunks.
    """
    recorded = await (await record(origin)).call(operation, model, body)
    replayed = await (await replay()).call(operation, model, body)
    assert compared(replayed) == compared(recorded)
    assert recorded.ending == "clean"
    assert [call["auth"]["verified"] for call in await origin.calls()] == [True]


async def test_an_exception_in_mid_stream_is_replayed(origin: Any, record: StartTape, replay: StartTape) -> None:
    """
    A stream that ends in an exception is whole, and ends so again.
    """
    await origin.add_fault(kind="exception", name="throttlingException", after_tokens=3)
    recorded = await (await record(origin)).call("converse-stream", CLAUDE, CONVERSE)
    replayed = await (await replay()).call("converse-stream", CLAUDE, CONVERSE)
    assert compared(replayed) == compared(recorded)
    assert replayed.messages()[-1][0][":exception-type"] == "throttlingException"


async def test_a_refusal_keeps_its_retry_after(origin: Any, record: StartTape, replay: StartTape) -> None:
    """
    What a client acts upon in a refusal's headers is recorded.
    """
    await origin.add_fault(kind="http_error", name="ThrottlingException", retry_after=7)
    await (await record(origin)).call("converse", CLAUDE, CONVERSE)
    replayed = await (await replay()).call("converse", CLAUDE, CONVERSE)
    assert (replayed.status, replayed.error, replayed.headers["retry-after"]) == (429, "throttlingexception", "7")


async def test_repeated_requests_get_their_answers_in_order(origin: Any, record: StartTape, replay: StartTape) -> None:
    """
    Several answers to one request are replayed in order, and then the last one again.
    """
    await origin.add_fault(kind="http_error", name="ThrottlingException", times=1)
    recorder = await record(origin)
    recorded = [await recorder.call("converse", CLAUDE, CONVERSE) for _ in range(3)]
    player = await replay()
    replayed = [await player.call("converse", CLAUDE, CONVERSE) for _ in range(4)]
    assert [reply.status for reply in recorded] == [429, 200, 200]
    assert [compared(reply) for reply in replayed] == [compared(recorded[place]) for place in (0, 1, 2, 2)]


async def test_another_spelling_is_the_same_request(origin: Any, record: StartTape, replay: StartTape) -> None:
    """
    The order of JSON keys and the escapes in the path don't matter.
    """
    recorded = await (await record(origin)).request(
        "POST", "/model/meta.llama3-70b-instruct-v1%3A0/invoke", b'{"prompt": "hi", "temperature": 0.5}'
    )
    replayed = await (await replay()).request(
        "POST", "/model/meta.llama3-70b-instruct-v1:0/invoke", b'{"temperature":0.5,"prompt":"hi"}'
    )
    assert compared(replayed) == compared(recorded)


async def test_the_control_plane_is_recorded_too(origin: Any, record: StartTape, replay: StartTape) -> None:
    """
    Requests without a body are told apart by their path and query.
    """
    recorder = await record(origin)
    recorded = [await recorder.request("GET", f"/foundation-models{query}") for query in ("", "?byProvider=meta")]
    player = await replay()
    replayed = [await player.request("GET", f"/foundation-models{query}") for query in ("", "?byProvider=meta")]
    assert [compared(reply) for reply in replayed] == [compared(reply) for reply in recorded]
    assert len(recorded[0].body) > len(recorded[1].body)


async def test_an_unknown_request_names_the_nearest(origin: Any, record: StartTape, replay: StartTape) -> None:
    """
    What was never recorded is refused, with the place where it parts from the nearest recording.
    """
    await (await record(origin)).call("invoke", LLAMA, {"prompt": "What is granite?"})
    player = await replay()
    other_body = await player.call("invoke", LLAMA, {"prompt": "What is basalt?"})
    other_model = await player.call("invoke", "meta.llama3-8b-instruct-v1:0", {"prompt": "What is granite?"})
    assert (other_body.status, other_body.error) == (404, "resourcenotfoundexception")
    assert "granite" in other_body.json()["message"]
    assert "basalt" in other_body.json()["message"]
    assert other_model.json()["message"].endswith(f"the nearest recorded request is POST /model/{LLAMA}/invoke")


async def test_a_client_that_leaves_is_not_recorded(start_emulator: Any, record: StartTape, tmp_path: Path) -> None:
    """
    When a client goes in mid-stream, upstream is let go at once and nothing is kept.
    """
    origin = await start_emulator(tokens_per_second=5, jitter=0)
    recorder = await record(origin)
    _reader, writer = await recorder.open("POST", f"/model/{LLAMA}/converse-stream", json.dumps(CONVERSE).encode())
    await _reader.readuntil(b"messageStart")
    writer.close()
    await all_ended(origin)
    await all_ended(recorder)
    assert [call["outcome"] for call in await origin.calls()] == ["client_closed"]
    assert [call["outcome"] for call in await recorder.calls()] == ["client_closed"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["cut", "reset"])
async def test_what_upstream_breaks_off_is_cut_and_not_recorded(
    origin: Any, record: StartTape, tmp_path: Path, kind: str
) -> None:
    """
    A broken answer is broken for the client too, and no file says that it was whole.
    """
    await origin.add_fault(kind=kind, after_tokens=3)
    recorder = await record(origin)
    reply = await recorder.call("converse-stream", CLAUDE, CONVERSE)
    assert reply.ending == "cut"
    assert [call["outcome"] for call in await recorder.calls()] == ["upstream_failed"]
    assert list(tmp_path.iterdir()) == []


async def test_no_secret_is_kept(origin: Any, record: StartTape, tmp_path: Path) -> None:
    """
    A recording has no credentials, neither the client's nor the recorder's, and only its owner can read it.
    """
    headers = {"authorization": "Bearer the-client's-token", "cookie": "a-cookie", "content-type": "application/json"}
    await (await record(origin)).call("converse", CLAUDE, CONVERSE, headers)
    (file,) = tmp_path.iterdir()
    content = file.read_text().lower()
    assert file.stat().st_mode & 0o777 == 0o600
    assert '["content-type","application/json"]' in content
    for secret in ("token", "cookie", "akid", "secret", "authorization", "signature"):
        assert secret not in content.replace('tokens"', "").replace("emulate 12 tokens", "")


async def test_a_bearer_token_is_preferred(
    origin: Any, record: StartTape, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """
    With a Bedrock API key in the environment requests carry it, as SDKs do.
    """
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", KEYS["AKIDRECORDER"])
    reply = await (await record(origin)).call("converse", CLAUDE, CONVERSE)
    assert reply.status == 200
    assert [call["auth"]["kind"] for call in await origin.calls()] == ["bearer"]
    assert KEYS["AKIDRECORDER"] not in next(tmp_path.iterdir()).read_text()


async def test_without_credentials_nothing_is_sent(
    origin: Any, record: StartTape, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """
    A recorder that finds no credentials refuses, and says why.
    """
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    reply = await (await record(origin)).call("converse", CLAUDE, CONVERSE)
    assert reply.error == "unrecognizedclientexception"
    assert await origin.calls() == []


async def test_a_region_can_not_become_another_host(start_emulator: Any, tmp_path: Path) -> None:
    """
    A region that is none is refused: signed requests go to AWS only.
    """
    recorder = await start_emulator(tape=TapeConfig(record=str(tmp_path)))
    scope = "AKIDCLIENT/20261121/evil.example#/bedrock/aws4_request"
    authorization = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature={'0' * 64}"
    reply = await recorder.call("converse", CLAUDE, CONVERSE, {"authorization": authorization})
    assert reply.error == "validationexception"
    assert "evil.example" in reply.json()["message"]


async def test_a_page_can_not_use_the_recorder(origin: Any, record: StartTape) -> None:
    """
    A request under another host's name, as a rebound page sends it, is not signed.
    """
    reply = await (await record(origin)).call("converse", CLAUDE, CONVERSE, {"host": "evil.example"})
    assert reply.status == 403
    assert await origin.calls() == []


async def test_chunks_come_when_they_came(origin: Any, record: StartTape, replay: StartTape) -> None:
    """
    With the recorded pace the pauses of the recording are kept; fast, there are none.
    """
    await origin.add_fault(kind="silence", where="after_tokens", tokens=3, seconds=0.4)
    recorded = await (await record(origin)).call("converse-stream", LLAMA, CONVERSE)
    seconds = []
    for pace in ("recorded", "fast"):
        player = await replay(replay_pace=pace)
        started = asyncio.get_running_loop().time()
        assert compared(await player.call("converse-stream", LLAMA, CONVERSE)) == compared(recorded)
        seconds.append(asyncio.get_running_loop().time() - started)
    assert seconds[0] >= 0.4 > seconds[1]


async def test_who_has_the_answer_has_the_recording(origin: Any, record: StartTape, tmp_path: Path) -> None:
    """
    The file is there before the last byte of a whole answer leaves, so that a recorder may be stopped right after it.
    """
    recorder = await record(origin)
    reader, writer = await recorder.open("POST", f"/model/{LLAMA}/converse", json.dumps(CONVERSE).encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    await reader.readexactly(int(head.partition("content-length: ")[2].partition("\r\n")[0]))
    assert len(list(tmp_path.glob("*.jsonl"))) == 1
    writer.close()


async def test_equal_requests_at_once_are_all_kept(origin: Any, record: StartTape, tmp_path: Path) -> None:
    """
    Concurrent answers to one request get a file each.
    """
    recorder = await record(origin)
    await asyncio.gather(*(recorder.call("converse", CLAUDE, CONVERSE) for _ in range(5)))
    assert sorted(path.name[-10:] for path in tmp_path.iterdir()) == [f"{n:04}.jsonl" for n in range(1, 6)]


def _by_boto3(port: int) -> list[Any]:
    """
    Return what boto3 makes of a whole answer, a stream, an error and an exception in mid-stream.
    """
    client: Any = boto3.client(
        "bedrock-runtime",
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name="us-east-1",
        aws_access_key_id="client",
        aws_secret_access_key="client",
        config=Config(retries={"total_max_attempts": 1}),
    )
    whole = client.converse(modelId=CLAUDE, **CONVERSE)
    events = list(client.converse_stream(modelId=CLAUDE, **CONVERSE)["stream"])
    native = client.invoke_model_with_response_stream(modelId=CLAUDE, body=json.dumps(TO_CLAUDE))
    chunks = [event["chunk"]["bytes"] for event in native["body"]]
    with pytest.raises(ClientError) as refusal:
        client.converse(modelId="no.such-model", **CONVERSE)
    broken = client.converse_stream(modelId=LLAMA, **CONVERSE)["stream"]
    with closing(broken), pytest.raises(EventStreamError) as failure:
        list(broken)
    client.close()
    return [whole["output"], whole["usage"], events, chunks, refusal.value.response["Error"], str(failure.value)]


async def test_boto3_sees_no_difference(origin: Any, record: StartTape, replay: StartTape) -> None:
    """
    boto3 gets from a replay what it got from the recorder: answers, streams and exceptions.
    """
    await origin.add_fault(kind="exception", name="modelStreamErrorException", after_tokens=2, match={"model": LLAMA})
    recorder = await record(origin)
    recorded = await asyncio.to_thread(_by_boto3, recorder.server.port)
    # botocore closes at the exception, ahead of HTTP's end: the recording is whole a moment later.
    await all_ended(recorder)
    replayed = await asyncio.to_thread(_by_boto3, (await replay()).server.port)
    assert replayed == recorded
    assert len(recorded[2]) > 12
