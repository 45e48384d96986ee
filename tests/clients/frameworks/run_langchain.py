"""
Play every scenario with each of LangChain's chat models that can be pointed at the gateway.
"""

import asyncio
import os
from collections.abc import Callable
from typing import Any

from langchain_anthropic import ChatAnthropic
from langchain_aws import ChatBedrock, ChatBedrockConverse
from langchain_aws.chat_models import ChatAnthropicBedrock
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel
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
    open_stage,
    read_pieces,
)


class Place(BaseModel):
    """
    Name a place.
    """

    city: str


@tool
def get_weather(city: str) -> str:
    """
    Tell the weather of a city.
    """
    return f"12 degrees in {city}"


def make_makers(url: str) -> dict[str, Callable[..., BaseChatModel]]:
    """
    Return what makes each kind of model: only the address and the key differ from its use without a gateway.
    """
    keyed: dict[str, Any] = {"api_key": "any", "max_retries": 0}
    signed: dict[str, Any] = {"endpoint_url": url, "region_name": REGION}

    def openai(model: str = GPT_NAME, **more: Any) -> BaseChatModel:
        # Without `stream_usage`, ChatOpenAI asks for the counts of a stream at OpenAI's own address only.
        return ChatOpenAI(model=model, base_url=f"{url}/v1", stream_usage=True, **keyed, **more)

    return {
        "chat completions": openai,
        "responses": lambda model=GPT_NAME: openai(model, use_responses_api=True),
        "messages": lambda model=CLAUDE_NAME: ChatAnthropic(model=model, base_url=url, **keyed),
        "converse": lambda model=CLAUDE: ChatBedrockConverse(model=model, provider="anthropic", **signed),
        "invoke": lambda model=CLAUDE: ChatBedrock(model=model, provider="anthropic", **signed),
        "messages on bedrock": lambda model=CLAUDE: ChatAnthropicBedrock(
            model=model, region_name=REGION, max_retries=0
        ),
    }


def ask(model: BaseChatModel) -> Any:
    """
    Ask once, with a system prompt.
    """
    answer = model.invoke([SystemMessage("be brief"), HumanMessage(HELLO)])
    return {"text": answer.text, "usage": answer.usage_metadata, "details": answer.response_metadata.get("model_name")}


def stream(model: BaseChatModel) -> Any:
    """
    Fold a stream with the framework's own addition of chunks.
    """
    chunks = list(model.stream(HELLO))
    folded = chunks[0]
    for chunk in chunks[1:]:
        folded += chunk
    return {
        "pieces": [chunk.text for chunk in chunks if chunk.text],
        "text": folded.text,
        "usage": folded.usage_metadata,
    }


def use_tool(model: BaseChatModel) -> Any:
    """
    Go a whole round with a tool, its call whole and then in a stream.
    """
    able = model.bind_tools([get_weather])
    whole = able.invoke(WEATHER)
    folded: Any = None
    for chunk in able.stream(WEATHER):
        folded = chunk if folded is None else folded + chunk
    results = [get_weather.invoke(call) for call in folded.tool_calls]
    answer = able.invoke([HumanMessage(WEATHER), folded, *results])
    named = [[(call["name"], call["args"]) for call in message.tool_calls] for message in (whole, folded)]
    return {"whole": named[0], "streamed": named[1], "text": answer.text}


def use_tools_at_once(model: BaseChatModel) -> Any:
    """
    Send two calls of one answer back, with both results.
    """
    calls = [{"name": "get_weather", "args": {"city": city}, "id": f"call_{city}"} for city in ("Oslo", "Rome")]
    results = [ToolMessage(f"fine in {call['args']['city']}", tool_call_id=call["id"]) for call in calls]
    asked = [HumanMessage(WEATHER), AIMessage("", tool_calls=calls), *results]
    return {"text": model.bind_tools([get_weather]).invoke(asked).text}


def see(model: BaseChatModel) -> Any:
    """
    Send an image in LangChain's own form.
    """
    image = {"type": "image", "source_type": "base64", "data": PIXEL, "mime_type": "image/png"}
    answer = model.invoke([HumanMessage([{"type": "text", "text": HELLO}, image])])
    return {"text": answer.text}


def structure(model: BaseChatModel) -> Any:
    """
    Have the answer made into an object by the way that the model class chooses.
    """
    found = model.with_structured_output(Place).invoke(PLACE)
    return {"city": found.city, "class": type(found).__name__}


def leave(model: BaseChatModel) -> Any:
    """
    Close a stream after its first piece.
    """
    more = {"store": False} if getattr(model, "use_responses_api", False) else {}
    pieces: Any = model.stream(LONG, **more)
    first = next(piece.text for piece in pieces if piece.text)
    pieces.close()
    return {"pieces": [first]}


def cancel(stage: Stage, model: BaseChatModel) -> Any:
    """
    Cancel the task that waits for a whole answer.
    """

    async def run() -> str:
        task = asyncio.create_task(model.ainvoke(LONG))
        await asyncio.to_thread(stage.wait_for_call)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            await asyncio.to_thread(stage.wait_for_ends)
            return "cancelled"
        return "answered"

    return asyncio.run(run())


def play(stage: Stage, kind: str, make: Callable[..., BaseChatModel]) -> None:
    """
    Play all scenarios with one kind of model.
    """
    model = make()
    for act in (ask, stream, use_tool, use_tools_at_once, see, structure):
        stage.play(f"{kind}: {act.__name__}", lambda act=act: act(model))
    stage.play(f"{kind}: leave", lambda: leave(model), SLOW)
    stage.play(f"{kind}: unknown model", lambda: ask(make("no-such-model")))
    stage.play(f"{kind}: throttled stream", lambda: stream(model), THROTTLED)
    stage.play(f"{kind}: broken", lambda: read_pieces(piece.text for piece in model.stream(SHORT)), BROKEN)
    if kind in {"chat completions", "responses", "messages", "messages on bedrock"}:
        stage.play(f"{kind}: cancel", lambda: cancel(stage, model), SLOW)


if __name__ == "__main__":
    opened = open_stage()
    # ChatAnthropicBedrock does not hand its `base_url` on, but the SDK below it reads this.
    os.environ["ANTHROPIC_BEDROCK_BASE_URL"] = opened.gateway
    for name, maker in make_makers(opened.gateway).items():
        play(opened, name, maker)
    opened.report()
