"""
OpenAI's SDK against two replicas of the gateway with one Redis: what one has begun, the other goes on with.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from openai import OpenAI

from tests.redis_server import RedisServer, require_redis
from tests.support import gateway_environment, run_outcrop

pytestmark = pytest.mark.service

MODEL = "gpt-4o"


@pytest.fixture
def clients(tmp_path: Path) -> Iterator[tuple[OpenAI, OpenAI]]:
    """
    Return clients of two replicas.
    """
    require_redis()
    redis = RedisServer(tmp_path)
    redis.start()
    pace = ["--first-token-ms", "10", "--tokens-per-second", "200", "--jitter", "0"]
    names = json.dumps({MODEL: "us.anthropic.claude-sonnet-4-6"})
    try:
        with run_outcrop("emulate", "--port", "0", *pace) as (_, emulator_url):
            environ = gateway_environment(emulator_url, models=names, turn_log=redis.url)
            with (
                run_outcrop("serve", "--port", "0", environ=environ) as (_, one),
                run_outcrop("serve", "--port", "0", environ=environ) as (_, other),
                OpenAI(api_key="any", base_url=f"{one}/v1", max_retries=0) as first,
                OpenAI(api_key="any", base_url=f"{other}/v1", max_retries=0) as second,
            ):
                yield first, second
    finally:
        redis.kill()


def test_another_replica_goes_on(clients: tuple[OpenAI, OpenAI]) -> None:
    """
    A stream is resumed on another replica, gone on from there, and a response is cancelled there.
    """
    one, other = clients
    stream = one.responses.create(model=MODEL, input="emulate 300 tokens", stream=True)
    seen = [event for event, _ in zip(stream, range(12), strict=False)]
    stream.close()
    assert seen[0].type == "response.created"
    response_id = seen[0].response.id
    rest = list(other.responses.retrieve(response_id, stream=True, starting_after=seen[-1].sequence_number))
    assert [event.sequence_number for event in [*seen, *rest]] == list(range(len(seen) + len(rest)))
    assert rest[-1].type == "response.completed"
    assert one.responses.retrieve(response_id) == other.responses.retrieve(response_id) == rest[-1].response
    following = other.responses.create(model=MODEL, input="emulate 5 tokens", previous_response_id=response_id)
    assert following.status == "completed"
    running = one.responses.create(model=MODEL, input="emulate 4000 tokens", background=True)
    assert other.responses.cancel(running.id).status == "cancelled"
