"""
A kept conversation goes on after an answer that was stopped: against a real gateway, over HTTP and on a socket.
"""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.e2e.chat_client import HttpAnswer, request
from tests.e2e.conftest import Book
from tests.support import Process, gateway_environment, run_outcrop

WAIT_SECONDS = 30
MODEL = "anthropic.claude-fable-5"
TOOL = {"type": "function", "name": "get_weather", "parameters": {"type": "object"}}
ENDS = {"response.completed", "response.incomplete", "response.failed", "response.cancelled", "error"}


@pytest.fixture(scope="module")
def url(emulator_process: tuple[Process, str]) -> Iterator[str]:
    """
    Run a gateway that gives models time to think.
    """
    with run_outcrop("serve", "--port", "0", environ=gateway_environment(emulator_process[1])) as (_, it):
        yield it


async def send(url: str, path: str, body: Any = None) -> HttpAnswer:
    """
    Make one request.
    """
    return await asyncio.to_thread(request, url, "POST", path, body, {"content-type": "application/json"})


async def ask(socket: ClientConnection, **fields: Any) -> None:
    """
    Ask on a socket.
    """
    await socket.send(json.dumps({"type": "response.create", "model": MODEL, **fields}))


async def read_until(socket: ClientConnection, kinds: set[str]) -> dict[str, Any]:
    """
    Read events until one of these kinds comes, and return it.
    """
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            event: dict[str, Any] = json.loads(await socket.recv())
            if event["type"] in kinds:
                return event


@pytest.mark.parametrize(
    ("asked", "begun", "kept"),
    [
        ({"input": "hi", "reasoning": {"effort": "high"}}, "response.reasoning_text.delta", "reasoning"),
        (
            {"input": "hi", "tools": [TOOL], "tool_choice": "required", "reasoning": {"effort": "none"}},
            "response.function_call_arguments.delta",
            "function_call",
        ),
    ],
    ids=["thinking", "calling"],
)
async def test_it_goes_on_from_an_answer_that_was_stopped(
    url: str, book: Book, asked: dict[str, Any], begun: str, kept: str
) -> None:
    """
    What a stopped answer had begun, a thought without its signature or a call, does not stand in the way of the next.
    """
    book.inject({"kind": "silence", "where": "after_tokens", "tokens": 2, "seconds": 30}, times=1)
    async with connect(url.replace("http://", "ws://") + "/v1/responses", compression=None) as socket:
        await ask(socket, **asked)
        response_id = (await read_until(socket, {"response.created"}))["response"]["id"]
        await read_until(socket, {begun})
        stopped = await send(url, f"/v1/responses/{response_id}/cancel")
        assert stopped.json["status"] == "cancelled"
        assert [item["type"] for item in stopped.json["output"]] == [kept]
        await read_until(socket, ENDS)
        followed = {"input": "emulate 3 tokens", "previous_response_id": response_id}
        await ask(socket, **followed)
        assert (await read_until(socket, ENDS))["type"] == "response.completed"
    answer = await send(url, "/v1/responses", {"model": MODEL, **followed})
    assert answer.status == 200, answer
    assert answer.json["status"] == "completed"
