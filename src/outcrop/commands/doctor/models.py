"""
Can the models be called? Each is asked for one token, by the stream that the gateway uses.
"""

import asyncio
from collections.abc import Mapping

from outcrop.adapters.registry import find_adapter
from outcrop.catalogue.resolve import resolve
from outcrop.commands.doctor.findings import Finding
from outcrop.errors import OutcropError, UpstreamDenied, UpstreamThrottled
from outcrop.types import ChatRequest, GenerationParams, Message, TextPart, UpstreamMessage
from outcrop.upstream.client import BedrockClient

ASK_SECONDS = 20.0
MAX_ASKED_AT_ONCE = 4

_QUESTION = (Message("user", (TextPart(text="Hi"),)),)


async def ask_models(client: BedrockClient, short_names: Mapping[str, str], region: str) -> list[Finding]:
    """
    Ask the model behind each short name for one token, a few at a time. The findings are in the order of the names.
    """
    free = asyncio.Semaphore(MAX_ASKED_AT_ONCE)

    async def ask(name: str) -> Finding:
        async with free:
            return await _ask_model(client, name, short_names, region)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(ask(name)) for name in short_names]
    return [task.result() for task in tasks]


async def _ask_model(client: BedrockClient, name: str, short_names: Mapping[str, str], region: str) -> Finding:
    subject = f"model {name}"
    loop = asyncio.get_running_loop()
    begun = loop.time()
    try:
        async with asyncio.timeout(ASK_SECONDS):
            model_id = await _ask(client, name, short_names, region)
    except TimeoutError:
        return Finding("bad", subject, f"no answer within {ASK_SECONDS:g} s", "try again in a minute")
    except UpstreamThrottled as error:
        return Finding("warning", subject, f"it can be called, but {error.message}", "ask AWS for a higher quota")
    except UpstreamDenied as error:
        remedy = "its policy needs bedrock:InvokeModel and bedrock:InvokeModelWithResponseStream for this model"
        return Finding("bad", subject, error.message, remedy)
    except OutcropError as error:
        return Finding("bad", subject, error.message)
    milliseconds = (loop.time() - begun) * 1000
    return Finding("good", subject, f"{model_id}, asked for one token, answered within {milliseconds:.0f} ms")


async def _ask(client: BedrockClient, name: str, short_names: Mapping[str, str], region: str) -> str:
    """
    Ask one model for one token, and return its ID.
    """
    model = resolve(name, short_names=short_names, region=region)
    adapter = find_adapter(model)
    request = ChatRequest(model=name, messages=_QUESTION, params=GenerationParams(max_tokens=1), stream=True)
    decoder = adapter.decoder()

    def take(messages: list[UpstreamMessage]) -> None:
        for event_type, payload in messages:
            decoder.feed(event_type, payload)

    await client.stream(adapter.build_call(request, model), take)
    # Where the answer has not ended as it should, this raises.
    decoder.flush()
    return model.model_id
