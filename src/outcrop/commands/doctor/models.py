"""
Can the models be called? Each is asked for one token, by the stream that the gateway uses.
"""

import asyncio
from collections.abc import Callable, Iterable

from outcrop.adapters.registry import find_adapter
from outcrop.calls import ResolvedModel, UpstreamMessage
from outcrop.commands.doctor.findings import Finding
from outcrop.errors import OutcropError, UpstreamDenied, UpstreamThrottled
from outcrop.types import ChatRequest, GenerationParams, Message, TextPart
from outcrop.upstream.client import BedrockClient

Resolver = Callable[[str], ResolvedModel]

ASK_SECONDS = 20.0
MAX_ASKED_AT_ONCE = 4

_QUESTION = (Message("user", (TextPart(text="Hi"),)),)


async def ask_models(client: BedrockClient, names: Iterable[str], resolve_name: Resolver) -> list[Finding]:
    """
    Ask the model behind each name for one token, a few at a time. The findings are in the order of the names.
    """
    free = asyncio.Semaphore(MAX_ASKED_AT_ONCE)

    async def ask(name: str) -> Finding:
        async with free:
            return await _ask_model(client, name, resolve_name)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(ask(name)) for name in names]
    return [task.result() for task in tasks]


async def _ask_model(client: BedrockClient, name: str, resolve_name: Resolver) -> Finding:
    subject = f"model {name}"
    loop = asyncio.get_running_loop()
    begun = loop.time()
    try:
        async with asyncio.timeout(ASK_SECONDS):
            model_id = await _ask(client, name, resolve_name)
    except TimeoutError:
        return Finding("bad", subject, f"no answer within {ASK_SECONDS:g} s", "try again in a minute")
    except UpstreamThrottled as error:
        return Finding("warning", subject, f"it can be called, but {error.message}", "ask AWS for a higher quota")
    except UpstreamDenied as error:
        remedy = "its policy needs bedrock:InvokeModel and bedrock:InvokeModelWithResponseStream for this model"
        # Whoever runs the doctor is the operator: Bedrock's own words are for them.
        said = f"{error.message}: {error.operator_detail}" if error.operator_detail else error.message
        return Finding("bad", subject, said, remedy)
    except OutcropError as error:
        return Finding("bad", subject, error.message)
    milliseconds = (loop.time() - begun) * 1000
    return Finding("good", subject, f"{model_id}, asked for one token, answered within {milliseconds:.0f} ms")


async def _ask(client: BedrockClient, name: str, resolve_name: Resolver) -> str:
    """
    Ask one model for one token, and return its ID.
    """
    model = resolve_name(name)
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
