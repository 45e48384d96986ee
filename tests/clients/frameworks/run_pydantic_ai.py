"""
Play every scenario with each of Pydantic AI's model classes that can be pointed at the gateway.
"""

import asyncio
import base64
from collections.abc import AsyncIterable, Awaitable, Callable
from typing import Any

from anthropic import AsyncAnthropic
from openai import AsyncOpenAI
from pydantic import BaseModel
from pydantic_ai import Agent, BinaryContent, NativeOutput
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models import Model
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.bedrock import BedrockConverseModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.bedrock import BedrockProvider
from pydantic_ai.providers.openai import OpenAIProvider
from stage import (
    BROKEN,
    CLAUDE,
    CLAUDE_NAME,
    GPT_NAME,
    HELLO,
    LONG,
    PIXEL,
    PLACE,
    REGION,
    SHORT,
    SLOW,
    THROTTLED,
    WEATHER,
    Stage,
    describe,
    open_stage,
)

Make = Callable[..., Model]
Act = Callable[[Model], Awaitable[Any]]


class Place(BaseModel):
    """
    Name a place.
    """

    city: str


def get_weather(city: str) -> str:
    """
    Tell the weather of a city.
    """
    return f"12 degrees in {city}"


def make_makers(url: str) -> dict[str, Make]:
    """
    Return what makes each kind of model: only the address and the key differ from its use without a gateway.
    """
    openai = OpenAIProvider(openai_client=AsyncOpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0))
    anthropic = AnthropicProvider(anthropic_client=AsyncAnthropic(base_url=url, api_key="any", max_retries=0))
    bedrock = BedrockProvider(base_url=url, region_name=REGION)
    return {
        "chat completions": lambda model=GPT_NAME: OpenAIChatModel(model, provider=openai),
        "responses": lambda model=GPT_NAME: OpenAIResponsesModel(model, provider=openai),
        "messages": lambda model=CLAUDE_NAME: AnthropicModel(model, provider=anthropic),
        "converse": lambda model=CLAUDE: BedrockConverseModel(model, provider=bedrock),
    }


def count_usage(run: Any) -> dict[str, int]:
    """
    Give the tokens of a run.
    """
    return {"input_tokens": run.usage.input_tokens, "output_tokens": run.usage.output_tokens}


async def ask(model: Model) -> Any:
    """
    Ask once, with instructions.
    """
    run = await Agent(model, instructions="be brief").run(HELLO)
    return {"text": run.output, "usage": count_usage(run), "model": run.response.model_name}


async def stream(model: Model) -> Any:
    """
    Read a stream of text.
    """
    async with Agent(model).run_stream(HELLO) as run:
        pieces = [piece async for piece in run.stream_text(delta=True, debounce_by=None)]
        text = await run.get_output()
    return {"pieces": pieces, "text": text, "usage": count_usage(run)}


async def use_tool(model: Model) -> Any:
    """
    Let an agent go a whole round with a tool, whole and then in streams.
    """
    agent = Agent(model, tools=[get_weather])
    whole = await agent.run(WEATHER)
    # With a handler of events, the agent asks for streams.
    streamed = await agent.run(WEATHER, event_stream_handler=read_events)
    return {"whole": name_calls(whole), "streamed": name_calls(streamed), "text": streamed.output}


async def read_events(_: Any, events: AsyncIterable[Any]) -> None:
    """
    Read a stream to its end.
    """
    async for _event in events:
        pass


def name_calls(run: Any) -> list[Any]:
    """
    Give the names and arguments of the calls of tools.
    """
    parts = [part for message in run.all_messages() for part in message.parts]
    return [(part.tool_name, part.args_as_dict()) for part in parts if isinstance(part, ToolCallPart)]


async def use_tools_at_once(model: Model) -> Any:
    """
    Send two calls of one answer back, with both results.
    """
    cities = ("Oslo", "Rome")
    calls = [ToolCallPart("get_weather", {"city": city}, tool_call_id=f"call_{city}") for city in cities]
    results = [ToolReturnPart("get_weather", f"fine in {city}", tool_call_id=f"call_{city}") for city in cities]
    history: list[ModelMessage] = [
        ModelRequest([UserPromptPart(WEATHER)]),
        ModelResponse(calls),
        ModelRequest(results),
    ]
    return {"text": (await Agent(model, tools=[get_weather]).run(message_history=history)).output}


async def see(model: Model) -> Any:
    """
    Send an image.
    """
    image = BinaryContent(base64.b64decode(PIXEL), media_type="image/png")
    return {"text": (await Agent(model).run([HELLO, image])).output}


async def structure(model: Model) -> Any:
    """
    Have the answer made into an object by a tool, as is the framework's habit.
    """
    found = (await Agent(model, output_type=Place).run(PLACE)).output
    return {"city": found.city, "class": type(found).__name__}


async def structure_natively(model: Model) -> Any:
    """
    Have the answer follow a schema that goes along.
    """
    found = (await Agent(model, output_type=NativeOutput(Place)).run(PLACE)).output
    return {"city": found.city, "class": type(found).__name__}


async def leave(model: Model) -> Any:
    """
    Cancel a stream after its first piece.
    """
    pieces: list[str] = []
    settings: Any = {"openai_store": False}
    async with Agent(model).run_stream(LONG, model_settings=settings) as run:
        async for piece in run.stream_text(delta=True, debounce_by=None):
            pieces.append(piece)
            break
        await run.cancel()
    return {"pieces": pieces}


async def break_off(model: Model) -> Any:
    """
    Read a stream to its exception.
    """
    pieces: list[str] = []
    try:
        async with Agent(model).run_stream(SHORT) as run:
            async for piece in run.stream_text(delta=True, debounce_by=None):
                pieces.append(piece)  # noqa: PERF401 - the pieces before the exception are wanted
    except Exception as error:
        return {"pieces": pieces, **describe(error)}
    return {"pieces": pieces, "raised": [], "words": ""}


async def cancel(stage: Stage, model: Model) -> Any:
    """
    Cancel the task that waits for a whole answer.
    """
    task = asyncio.create_task(Agent(model).run(LONG))
    await asyncio.to_thread(stage.wait_for_call)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        await asyncio.to_thread(stage.wait_for_ends)
        return "cancelled"
    return "answered"


def play(stage: Stage, runner: asyncio.Runner, kind: str, make: Make) -> None:
    """
    Play all scenarios with one kind of model, on one event loop.
    """
    model = make()
    acts: tuple[Act, ...] = (ask, stream, use_tool, use_tools_at_once, see, structure, structure_natively)
    for act in acts:
        stage.play(f"{kind}: {act.__name__}", lambda act=act: runner.run(act(model)))
    stage.play(f"{kind}: leave", lambda: runner.run(leave(model)), SLOW)
    stage.play(f"{kind}: unknown model", lambda: runner.run(ask(make("no-such-model"))))
    stage.play(f"{kind}: throttled stream", lambda: runner.run(stream(model)), THROTTLED)
    stage.play(f"{kind}: broken", lambda: runner.run(break_off(model)), BROKEN)
    if kind != "converse":
        stage.play(f"{kind}: cancel", lambda: runner.run(cancel(stage, model)), SLOW)


if __name__ == "__main__":
    opened = open_stage()
    with asyncio.Runner() as loop:
        for name, maker in make_makers(opened.gateway).items():
            play(opened, loop, name, maker)
    opened.report()
