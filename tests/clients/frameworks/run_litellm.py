"""
Play every scenario with LiteLLM's library, by each of its ways to what the gateway speaks.
"""

import asyncio
import json
from typing import Any

import litellm
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

litellm.telemetry = False
litellm.suppress_debug_info = True
Way = dict[str, Any]
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


class Place(BaseModel):
    """
    Name a place.
    """

    city: str


def make_ways(url: str) -> dict[str, Way]:
    """
    Return how to reach the gateway: only the address and the key differ from the use without one.
    """
    signed = {"aws_bedrock_runtime_endpoint": url, "aws_region_name": REGION}
    return {
        "chat completions": {"model": f"openai/{GPT_NAME}", "api_base": f"{url}/v1", "api_key": "any"},
        "responses": {"model": f"openai/responses/{GPT_NAME}", "api_base": f"{url}/v1", "api_key": "any"},
        "messages": {"model": f"anthropic/{CLAUDE_NAME}", "api_base": url, "api_key": "any"},
        "converse": {"model": f"bedrock/converse/{CLAUDE}", **signed},
        "invoke": {"model": f"bedrock/invoke/{CLAUDE}", **signed},
    }


def complete(way: Way, messages: Any, **more: Any) -> Any:
    """
    Ask once, without LiteLLM's own tries.
    """
    asked = [{"role": "user", "content": messages}] if isinstance(messages, str) else messages
    return litellm.completion(messages=asked, max_retries=0, **way, **more)


def ask(way: Way) -> Any:
    """
    Ask once, with a system prompt.
    """
    answer = complete(way, [{"role": "system", "content": "be brief"}, {"role": "user", "content": HELLO}])
    return {
        "text": answer.choices[0].message.content,
        "usage": {"input_tokens": answer.usage.prompt_tokens, "output_tokens": answer.usage.completion_tokens},
    }


def stream(way: Way) -> Any:
    """
    Fold a stream with the library's own function.
    """
    chunks = list(complete(way, HELLO, stream=True, stream_options={"include_usage": True}))
    folded: Any = litellm.stream_chunk_builder(chunks)
    return {
        "pieces": [text for chunk in chunks if chunk.choices and (text := chunk.choices[0].delta.content)],
        "text": folded.choices[0].message.content,
        "usage": {"input_tokens": folded.usage.prompt_tokens, "output_tokens": folded.usage.completion_tokens},
    }


def use_tool(way: Way) -> Any:
    """
    Go a whole round with a tool, its call whole and then in a stream.
    """
    whole = complete(way, WEATHER, tools=[TOOL]).choices[0].message
    folded: Any = litellm.stream_chunk_builder(list(complete(way, WEATHER, tools=[TOOL], stream=True)))
    message = folded.choices[0].message
    results = [
        {
            "role": "tool",
            "tool_call_id": call.id,
            "content": f"12 degrees in {json.loads(call.function.arguments)['city']}",
        }
        for call in message.tool_calls
    ]
    answer = complete(way, [{"role": "user", "content": WEATHER}, message.model_dump(), *results], tools=[TOOL])
    named = [
        [(call.function.name, json.loads(call.function.arguments)) for call in found.tool_calls]
        for found in (whole, message)
    ]
    return {"whole": named[0], "streamed": named[1], "text": answer.choices[0].message.content}


def use_tools_at_once(way: Way) -> Any:
    """
    Send two calls of one answer back, with both results.
    """
    cities = ("Oslo", "Rome")
    calls = [
        {
            "id": f"call_{city}",
            "type": "function",
            "function": {"name": "get_weather", "arguments": json.dumps({"city": city})},
        }
        for city in cities
    ]
    results = [{"role": "tool", "tool_call_id": f"call_{city}", "content": f"fine in {city}"} for city in cities]
    asked = [
        {"role": "user", "content": WEATHER},
        {"role": "assistant", "content": None, "tool_calls": calls},
        *results,
    ]
    return {"text": complete(way, asked, tools=[TOOL]).choices[0].message.content}


def see(way: Way) -> Any:
    """
    Send an image.
    """
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
    answer = complete(way, [{"role": "user", "content": [{"type": "text", "text": HELLO}, image]}])
    return {"text": answer.choices[0].message.content}


def structure(way: Way) -> Any:
    """
    Have the answer made into an object by the way that the library chooses.
    """
    answer = complete(way, PLACE, response_format=Place)
    found = Place.model_validate_json(answer.choices[0].message.content)
    return {"city": found.city, "class": type(found).__name__}


def leave(way: Way) -> Any:
    """
    Close a stream after its first piece. Only the asynchronous one can be closed.
    """
    more = {"store": False} if "responses" in way["model"] else {}

    async def run() -> list[str]:
        asked = [{"role": "user", "content": LONG}]
        pieces: Any = await litellm.acompletion(messages=asked, max_retries=0, stream=True, **way, **more)
        async for chunk in pieces:
            if text := chunk.choices[0].delta.content:
                await pieces.aclose()
                return [text]
        return []

    return {"pieces": asyncio.run(run())}


def cancel(stage: Stage, way: Way) -> Any:
    """
    Cancel the task that waits for a whole answer.
    """

    async def run() -> str:
        asked = [{"role": "user", "content": LONG}]
        task = asyncio.create_task(litellm.acompletion(messages=asked, max_retries=0, **way))
        await asyncio.to_thread(stage.wait_for_call)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            await asyncio.to_thread(stage.wait_for_ends)
            return "cancelled"
        return "answered"

    return asyncio.run(run())


def read_broken(way: Way) -> Any:
    """
    Read a stream to its exception.
    """
    chunks = complete(way, SHORT, stream=True)
    return read_pieces(chunk.choices[0].delta.content for chunk in chunks)


def play(stage: Stage, kind: str, way: Way) -> None:
    """
    Play all scenarios by one way.
    """
    # By `invoke`, the library itself must know the maker.
    lost = way | {
        "model": way["model"].rpartition("/")[0] + ("/anthropic." if kind == "invoke" else "/") + "no-such-model"
    }
    for act in (ask, stream, use_tool, use_tools_at_once, see, structure):
        stage.play(f"{kind}: {act.__name__}", lambda act=act: act(way))
    stage.play(f"{kind}: leave", lambda: leave(way), SLOW)
    stage.play(f"{kind}: unknown model", lambda: ask(lost))
    stage.play(f"{kind}: throttled stream", lambda: stream(way), THROTTLED)
    stage.play(f"{kind}: broken", lambda: read_broken(way), BROKEN)
    stage.play(f"{kind}: cancel", lambda: cancel(stage, way), SLOW)


if __name__ == "__main__":
    opened = open_stage()
    for name, found in make_ways(opened.gateway).items():
        play(opened, name, found)
    opened.report()
