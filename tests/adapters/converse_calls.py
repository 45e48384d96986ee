"""
An emulator and a client for tests that make real calls by Converse.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from outcrop.adapters.converse import ConverseAdapter
from outcrop.calls import ResolvedModel, UpstreamMessage
from outcrop.catalogue.models import load_catalogue
from outcrop.catalogue.refusals import find_refusals
from outcrop.emulator.server import EmulatorServer
from outcrop.emulator.settings import EmulatorConfig
from outcrop.turns.fold import Answer, fold
from outcrop.types import ChatRequest, Message, StreamEvent, TextPart
from outcrop.upstream.client import BedrockClient
from outcrop.upstream.credentials import StaticCredentials
from outcrop.wire.sigv4 import Credentials

QUESTION = Message("user", (TextPart(text="what is the weather in Bern?"),))
KEYS = Credentials(access_key_id="AKIDEXAMPLE", secret_access_key="secret")


@asynccontextmanager
async def connected() -> AsyncIterator[BedrockClient]:
    """
    Give a client of an emulator that answers as fast as it can.
    """
    server = EmulatorServer(EmulatorConfig(first_token_ms=0, tokens_per_second=0))
    await server.start()
    client = BedrockClient(
        endpoint_url=server.url, region="us-east-1", credentials=StaticCredentials(credentials=KEYS), environ={}
    )
    try:
        yield client
    finally:
        await client.aclose()
        await server.stop()


def by_converse(base_id: str) -> ResolvedModel:
    """
    Make the catalogue's model that is called by Converse, through a profile where it has one.
    """
    entry = load_catalogue().models[base_id]
    return ResolvedModel(
        name=base_id,
        model_id=f"us.{base_id}" if "us" in entry.profiles else base_id,
        base_id=base_id,
        family=entry.family,
        route="converse",
        max_output_tokens=entry.max_output_tokens,
        refuses=find_refusals(entry, "converse"),
    )


async def ask(client: BedrockClient, base_id: str, *messages: Message, stream: bool, **fields: Any) -> Answer:
    """
    Ask and fold the answer.
    """
    adapter = ConverseAdapter()
    request = ChatRequest(model=base_id, messages=messages or (QUESTION,), stream=stream, **fields)
    call = adapter.build_call(request, by_converse(base_id))
    if not stream:
        whole = await client.fetch(call)
        return fold(adapter.parse_answer(whole.body, whole.headers))
    decoder = adapter.decoder()
    events: list[StreamEvent] = []

    def take(messages: list[UpstreamMessage]) -> None:
        for kind, payload in messages:
            events.extend(decoder.feed(kind, payload))

    await client.stream(call, take)
    return fold(events + decoder.flush())
