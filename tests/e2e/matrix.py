"""
The matrix: each family × {native, Converse} × {whole, streaming} × what a request can hold, on the emulator.

`python -m tests.e2e.matrix` prints it as docs/models.md.
"""

import asyncio
import struct
import sys
import zlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Literal

import msgspec

from outcrop.catalogue.models import load_catalogue
from outcrop.catalogue.resolve import resolve
from outcrop.emulator.server import EmulatorServer
from outcrop.emulator.settings import EmulatorConfig
from outcrop.errors import RequestError
from outcrop.server.app import build_services
from outcrop.server.logs import configure_logs
from outcrop.server.services import Services, UpstreamInfo
from outcrop.settings import load_settings
from outcrop.turns.fold import Answer, fold
from outcrop.types import (
    ChatRequest,
    GenerationParams,
    ImagePart,
    Message,
    MessageStop,
    Reasoning,
    ReasoningPart,
    StreamEvent,
    TextPart,
    ToolChoice,
    ToolSpec,
    ToolUsePart,
)
from outcrop.upstream.client import BedrockClient
from outcrop.upstream.credentials import StaticCredentials
from outcrop.wire.sigv4 import Credentials

Route = Literal["native", "converse"]
ROUTES: tuple[Route, ...] = ("native", "converse")
REGION = "us-east-1"


def _one_pixel() -> bytes:
    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0\0\0\0")) + chunk(b"IEND", b"")
    )


def _say(text: str, role: Literal["user", "assistant"] = "user") -> Message:
    return Message(role, (TextPart(text=text),))


WEATHER = ToolSpec(
    name="weather",
    description="Tell the weather of a place.",
    input_schema={"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]},
)
LONG = GenerationParams(max_tokens=400)


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold one column: what is asked, and what a good answer is like.
    """

    messages: tuple[Message, ...]
    check: Callable[[Answer, str], bool]
    system: tuple[TextPart, ...] = ()
    params: GenerationParams = LONG
    tools: tuple[ToolSpec, ...] = ()
    tool_choice: ToolChoice | None = None


CASES: Mapping[str, Case] = {
    "text": Case(
        messages=(_say("repeat after me: basalt 山 🏔️"),),
        check=lambda answer, stop: "basalt 山 🏔️" in answer.text and stop == "end_turn",
    ),
    "system": Case(
        messages=(_say("repeat after me: gneiss"),),
        system=(TextPart(text="You are brief."),),
        check=lambda answer, stop: "gneiss" in answer.text and stop == "end_turn",
    ),
    "turns": Case(
        messages=(_say("repeat after me: schist"), _say("schist", "assistant"), _say("repeat after me: marble")),
        check=lambda answer, stop: "marble" in answer.text and stop == "end_turn",
    ),
    "stop": Case(
        messages=(_say("repeat after me: one two HALT three"),),
        params=msgspec.structs.replace(LONG, stop_sequences=("HALT",)),
        check=lambda answer, stop: "two" in answer.text and "three" not in answer.text and stop != "max_tokens",
    ),
    "max": Case(
        messages=(_say("emulate 60 tokens"),),
        params=GenerationParams(max_tokens=7),
        check=lambda answer, stop: (
            stop == "max_tokens" and answer.usage is not None and answer.usage.output_tokens == 7
        ),
    ),
    "tools": Case(
        messages=(_say("What is the weather in Oslo? Use the tool weather."),),
        tools=(WEATHER,),
        tool_choice=ToolChoice(mode="auto"),
        check=lambda answer, stop: (
            stop == "tool_use"
            and any(isinstance(part, ToolUsePart) and part.name == "weather" for part in answer.parts)
        ),
    ),
    "images": Case(
        messages=(
            Message(
                "user", (ImagePart(media_type="image/png", data=_one_pixel()), TextPart(text="repeat after me: opal"))
            ),
        ),
        check=lambda answer, stop: "opal" in answer.text and stop == "end_turn",
    ),
    "reasoning": Case(
        messages=(_say("Why is granite hard?"),),
        params=GenerationParams(max_tokens=3000, reasoning=Reasoning(mode="enabled", budget_tokens=1024)),
        check=lambda answer, stop: (
            stop == "end_turn" and any(isinstance(part, ReasoningPart) for part in answer.parts) and bool(answer.text)
        ),
    ),
    "effort": Case(
        messages=(_say("Why is granite hard?"),),
        params=GenerationParams(max_tokens=3000, reasoning=Reasoning(mode="adaptive", effort="high")),
        check=lambda answer, stop: stop == "end_turn" and bool(answer.text),
    ),
}


def representatives() -> dict[str, str]:
    """
    Choose for each family the model that takes most, among those that can be called.
    """
    chosen: dict[str, tuple[int, str]] = {}
    for entry in load_catalogue().models.values():
        if entry.lifecycle == "end_of_life":
            continue
        weight = len(entry.features) + len(entry.input_modalities) - len(entry.refuses)
        if weight > chosen.get(entry.family, (-100, ""))[0]:
            chosen[entry.family] = (weight, entry.base_id)
    return {family: base_id for family, (_, base_id) in sorted(chosen.items())}


@asynccontextmanager
async def run_gateways() -> AsyncIterator[dict[Route, Services]]:
    """
    Run an emulator, and the parts of one gateway per route.
    """
    async with AsyncExitStack() as cleanup:
        emulator = EmulatorServer(EmulatorConfig(first_token_ms=0, tokens_per_second=0, region=REGION))
        await emulator.start()
        cleanup.push_async_callback(emulator.stop)
        source = StaticCredentials(credentials=Credentials("AKIDEXAMPLE", "secret"))
        client = BedrockClient(endpoint_url=emulator.url, region=REGION, credentials=source)
        cleanup.push_async_callback(client.aclose)
        info = UpstreamInfo(kind="emulator", region=REGION, endpoint_url=emulator.url, credentials="static")
        families = representatives()
        yield {
            route: await build_services(
                load_settings({"routes": dict.fromkeys(families, route), "database_url": "none"}), client, info, cleanup
            )
            for route in ROUTES
        }


async def ask(services: Services, base_id: str, case: Case, *, stream: bool) -> Answer:
    """
    Run one turn to its end and fold it.

    Raises:
        RequestError: the gateway refuses the request before any call.
    """
    request = ChatRequest(
        model=base_id,
        messages=case.messages,
        system=case.system,
        params=case.params,
        tools=case.tools,
        tool_choice=case.tool_choice,
        stream=stream,
    )
    started = await services.turns.start(request, owner="matrix", grace_seconds=0)
    more = asyncio.Event()
    reader = await services.turns.subscribe(started.turn_id, owner="matrix", wake=more.set)
    events: list[StreamEvent] = []
    async with asyncio.timeout(20):
        while not reader.ended:
            more.clear()
            events += [entry.event for entry in reader.take()]
            if not reader.ended:
                await more.wait()
    reader.close()
    return fold(events)


async def fill_cell(services: Services, base_id: str, case: Case) -> str:
    """
    Ask whole and streaming, and hold the two against each other: `✓`, `whole` (it can't stream this), or `–` (refused).

    Raises:
        AssertionError: an answer is not what it should be.
    """
    try:
        whole = await ask(services, base_id, case, stream=False)
    except RequestError:
        whole = None
    try:
        streamed = await ask(services, base_id, case, stream=True)
    except RequestError:
        streamed = None
    if whole is None:
        assert streamed is None, "what can't be answered whole can't be streamed"
        return "–"
    for answer in (whole, streamed):
        if answer is not None:
            assert isinstance(answer.terminal, MessageStop), answer.terminal
            assert case.check(answer, answer.terminal.stop_reason), answer
    if streamed is None:
        return "whole"
    assert streamed.text == whole.text
    assert _shapes(streamed) == _shapes(whole)
    assert streamed.usage == whole.usage
    assert isinstance(streamed.terminal, MessageStop)
    assert isinstance(whole.terminal, MessageStop)
    assert streamed.terminal.stop_reason == whole.terminal.stop_reason
    return "✓"


def _shapes(answer: Answer) -> list[tuple[str, str, object]]:
    """
    Return what of the parts must be equal: not the IDs of tool calls, nor signatures.
    """
    return [
        (type(part).__name__, part.name, part.input)
        if isinstance(part, ToolUsePart)
        else (type(part).__name__, part.text, None)
        for part in answer.parts
    ]


HEAD = """# Models and what they take

Each family's model that takes most, asked through the gateway on the emulator, by its native body and by Converse,
whole and streaming. ✓: the streamed answer equals the whole one, and usage and stop reason are equal and right.
whole: it is answered whole and refused streaming. –: refused before any call, by name. The route that is taken where
no setting says otherwise is in bold.

This page is printed by `python -m tests.e2e.matrix`, which checks every cell; the tests hold it fresh.
`outcrop models` lists all models, with limits and prices.

Documents are PDF, text, Word and Excel by Converse, for the models that take them; Claude's native body has PDF and
text (Markdown, CSV and HTML go out as plain text). Text that is marked for a guardrail, and fields of the model's own
answer other than its stop sequence, are there by Converse alone.

"""


async def print_page() -> None:
    """
    Print docs/models.md.
    """
    sys.stdout.write(HEAD)
    sys.stdout.write(f"| family | model | route | {' | '.join(CASES)} |\n|{'---|' * (len(CASES) + 3)}\n")
    async with run_gateways() as gateways:
        for family, base_id in representatives().items():
            usual = resolve(base_id, region=REGION).route
            for route in ROUTES:
                cells = [await fill_cell(gateways[route], base_id, case) for case in CASES.values()]
                shown = f"**{route}**" if route == usual else route
                sys.stdout.write(f"| {family} | `{base_id}` | {shown} | {' | '.join(cells)} |\n")


if __name__ == "__main__":
    configure_logs("error", "console")
    asyncio.run(print_page())
