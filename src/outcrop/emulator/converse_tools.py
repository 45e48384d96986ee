"""
Converse's tools: what is offered, what must be called, and how calls and results belong together.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from outcrop.emulator.conversation import Tool, ToolResult, Turn
from outcrop.emulator.families.family import ConverseRules
from outcrop.emulator.rules.models import Called
from outcrop.emulator.rules.refusals import Refusal, invalid


def read_tools(body: Mapping[str, Any], called: Called, *, streaming: bool) -> tuple[Tool, ...]:
    """
    Return the tools that a request offers.

    Raises:
        Refusal: the model can't take them, or they are missing though the conversation speaks of some.
    """
    config = body.get("toolConfig")
    if config is None:
        blocks = [block for message in body.get("messages") or [] for block in message["content"]]
        if any(block.get("toolUse") or block.get("toolResult") for block in blocks):
            raise invalid("The toolConfig field must be defined when using toolUse and toolResult content blocks.")
        return ()
    if not called.has("tools"):
        raise invalid("This model doesn't support tool use.")
    if streaming and not called.has("streaming_tools"):
        raise invalid("This model doesn't support tool use in streaming mode.")
    specs = [tool["toolSpec"] for tool in config["tools"] if tool.get("toolSpec")]
    return tuple(
        Tool(name=spec["name"], schema=spec["inputSchema"].get("json") or {}, description=spec.get("description") or "")
        for spec in specs
    )


def read_tool_choice(body: Mapping[str, Any], tools: tuple[Tool, ...], called: Called) -> str:
    """
    Return an ask's tool choice.

    Raises:
        Refusal: the model can't be forced, or the tool that must be called isn't there.
    """
    choice = (body.get("toolConfig") or {}).get("toolChoice")
    if not choice:
        return "auto"
    mode = next(name for name, item in choice.items() if item is not None)
    if mode != "auto" and not called.has("tool_choice"):
        raise invalid(
            f"This model doesn't support the toolConfig.toolChoice.{mode} field. Remove toolConfig.toolChoice."
            f"{mode} and try again."
        )
    return tool_choice_of(mode, (choice.get("tool") or {}).get("name"), tools)


def tool_choice_of(mode: str, name: str | None, tools: tuple[Tool, ...]) -> str:
    """
    Return an ask's tool choice.

    Raises:
        Refusal: a tool must be called that isn't there.
    """
    if mode != "tool":
        return mode
    if all(tool.name != name for tool in tools):
        raise invalid(f"Tool '{name}' not found in provided tools")
    return f"tool:{name}"


def read_tool_result(result: Mapping[str, Any], where: str, called: Called, rules: ConverseRules) -> ToolResult:
    """
    Return a tool's result as text.

    Raises:
        Refusal: it is empty, or holds what the model doesn't take.
    """
    if not result["content"]:
        raise invalid(f"The content field in the ToolResultBlock at {where} is empty.")
    if result.get("status") is not None and not rules.takes_tool_status:
        raise invalid("This model doesn't support the status field. Remove status and try again.")
    texts = []
    for part in result["content"]:
        if part.get("text") is not None:
            texts.append(part["text"])
        elif "json" in part:
            texts.append(msgspec.json.encode(part["json"]).decode())
        elif part.get("image") is not None and not called.takes_images:
            raise unsupported_block("image")
    return ToolResult(result["toolUseId"], "\n".join(texts))


def unsupported_block(kind: str) -> Refusal:
    """
    Return the refusal of a kind of content that a model doesn't take.
    """
    return invalid(
        f"This model doesn't support the {kind} content block that you provided. Specify a different model that "
        f"supports the {kind} content block and try again."
    )


def check_tool_pairs(turns: tuple[Turn, ...]) -> None:
    """
    Check that every tool call has its result in the next message, and every result its call before it.

    Raises:
        Refusal: one is alone.
    """
    for place in range(len(turns) + 1):
        before = turns[place - 1].tool_calls if place else ()
        answered = {result.call_id for result in turns[place].tool_results} if place < len(turns) else set()
        missing = [call.call_id for call in before if call.call_id not in answered]
        if missing:
            raise invalid(
                f"Expected toolResult blocks at messages.{place}.content for the following Ids: {', '.join(missing)}"
            )
        if answered - {call.call_id for call in before}:
            raise invalid(
                f"The number of toolResult blocks at messages.{place}.content exceeds the number of toolUse blocks of "
                "previous turn."
            )
