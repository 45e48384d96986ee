"""
Converse, what comes in: the request read into an `Ask` (`bedrock_wire` §5.1, §5.4, §5.5).

Shapes are checked against AWS's own model; here are the rules beyond it. What goes out is in `converse_answers`.
"""

import re
from base64 import b64decode
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import msgspec

from outcrop.emulator.conversation import Ask, Speaker, Tool, ToolCall, ToolResult, Turn
from outcrop.emulator.families import claude_rules
from outcrop.emulator.families.anthropic import MAX_IMAGE_BYTES, merge_turns
from outcrop.emulator.rules.models import Called
from outcrop.emulator.rules.refusals import Refusal, invalid, too_many_tokens_requested
from outcrop.emulator.rules.shapes import check_input
from outcrop.emulator.speech.tokens import count_input

MAX_IMAGES = 20
MAX_DOCUMENTS = 5
MAX_DOCUMENT_BYTES = 4_500_000
_MODEL_ERRORS = "The model returned the following errors: "
_STOP_SEQUENCE = "/stop_sequence"
_JSON_POINTER = re.compile(r"(?:/(?:[^~/]|~[01])*)+")
_DOCUMENT_NAME = re.compile(r"[A-Za-z0-9\-()\[\]]+(?: [A-Za-z0-9\-()\[\]]+)*")
_CLAUDE_FIELDS = frozenset({"top_k", "thinking", "output_config", "anthropic_beta", "reasoning_config"})


def read(body: Mapping[str, Any], called: Called, *, streaming: bool) -> Ask:
    """
    Read a request into an ask.

    Raises:
        Refusal: the request breaks AWS's model or a rule of the service, or asks for what the model can't do.
    """
    check_input("ConverseStream" if streaming else "Converse", body)
    turns = _read_messages(body.get("messages") or [], called)
    tools = _read_tools(body, called, streaming=streaming)
    _check_tool_pairs(turns)
    inference = body.get("inferenceConfig") or {}
    extra = _read_extra(body.get("additionalModelRequestFields"), called)
    thinking = claude_rules.parse_thinking(extra.get("thinking"))
    system = "\n".join(_read_system(body.get("system") or []))
    turns = merge_turns(turns)
    ask = Ask(
        model=called.entry.base_id,
        title=called.entry.title,
        system=system,
        turns=turns,
        max_tokens=inference.get("maxTokens") or called.entry.max_output_tokens,
        input_tokens=count_input(system, turns, tools),
        temperature=inference.get("temperature"),
        top_p=inference.get("topP"),
        top_k=extra.get("top_k"),
        stop_sequences=tuple(inference.get("stopSequences") or ()),
        tools=tools,
        tool_choice=_read_tool_choice(body, tools, called),
        thinks=called.is_claude and claude_rules.thinks(called, thinking),
        tells_stop_sequence=called.is_claude and _STOP_SEQUENCE in _read_paths(body),
    )
    _check_limits(ask, called)
    if called.is_claude:
        _check_claude(ask, called, thinking, body, extra)
    return ask


def read_count_tokens(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """
    Return the `input` of CountTokens: `converse` or `invokeModel`.

    Raises:
        Refusal: the request breaks AWS's model.
    """
    check_input("CountTokens", body)
    counted: Mapping[str, Any] = body["input"]
    return {name: value for name, value in counted.items() if value is not None}


def _check_claude(
    ask: Ask, called: Called, thinking: claude_rules.Thinking | None, body: Mapping[str, Any], extra: Mapping[str, Any]
) -> None:
    effort = (body.get("outputConfig") or {}).get("effort") or (extra.get("output_config") or {}).get("effort")
    try:
        claude_rules.check(ask, called, thinking, effort)
    except Refusal as refusal:
        raise invalid(f"{_MODEL_ERRORS}{refusal.message}") from refusal


def _check_limits(ask: Ask, called: Called) -> None:
    if ask.max_tokens > called.entry.max_output_tokens:
        raise too_many_tokens_requested(called.entry.max_output_tokens)
    if ask.input_tokens > called.entry.context_tokens:
        raise invalid("Input is too long for requested model.")


def _check_order(messages: list[Mapping[str, Any]], called: Called) -> None:
    """
    Check who speaks when. Claude takes a leading assistant turn and merges neighbours, others don't.
    """
    if not messages:
        raise invalid(
            "A conversation must start with a user message. Try again with a conversation that starts with a "
            "user message."
        )
    roles = [message["role"] for message in messages]
    if called.is_claude:
        return
    if roles[0] != "user":
        raise invalid(
            "A conversation must start with a user message. Try again with a conversation that starts with a "
            "user message."
        )
    if any(role == before for before, role in pairwise(roles)):
        raise invalid(
            "A conversation must alternate between user and assistant roles. Make sure the conversation "
            "alternates between user and assistant roles and try again."
        )
    if roles[-1] != "user":
        raise invalid(
            "A conversation must end with a user message. Try again with a conversation that ends with a user message."
        )


def _read_messages(messages: list[Mapping[str, Any]], called: Called) -> tuple[Turn, ...]:
    turns = tuple(_read_message(message, f"messages.{place}", called) for place, message in enumerate(messages))
    _check_order(messages, called)
    _check_totals(turns)
    return turns


def _read_message(message: Mapping[str, Any], where: str, called: Called) -> Turn:
    role: Speaker = message["role"]
    content = message["content"]
    if message["role"] == "system":
        raise invalid(f"{where}: this model doesn't support the role system in messages.")
    if not content:
        raise invalid(
            f"The content field in the Message object at {where} is empty. Add a ContentBlock object to the content "
            "field and try again."
        )
    _check_mixture(content, where, called)
    texts, calls, results = [], [], []
    for place, block in enumerate(content):
        at = f"{where}.content.{place}"
        _check_block(block, at, called)
        if block.get("text") is not None:
            texts.append(block["text"])
        elif block.get("toolUse"):
            calls.append(ToolCall(block["toolUse"]["toolUseId"], block["toolUse"]["name"]))
        elif block.get("toolResult"):
            results.append(_read_tool_result(block["toolResult"], at))
    return Turn(
        speaker=role,
        text="\n".join(texts),
        images=sum(block.get("image") is not None for block in content),
        documents=sum(block.get("document") is not None for block in content),
        tool_calls=tuple(calls),
        tool_results=tuple(results),
    )


def _check_mixture(content: list[Mapping[str, Any]], where: str, called: Called) -> None:
    kinds = {name for block in content for name, item in block.items() if item is not None}
    if "document" in kinds and "text" not in kinds:
        raise invalid(f"A text block must be included in the content of {where} when a document is included.")
    if "toolResult" in kinds and kinds - {"toolResult", "cachePoint"}:
        beside = kinds & {"document", "video"} if called.is_claude else kinds - {"toolResult"}
        if beside:
            raise invalid("Conversation blocks and tool result blocks cannot be provided in the same turn.")


def _check_block(block: Mapping[str, Any], where: str, called: Called) -> None:
    kind = next(name for name, item in block.items() if item is not None)
    if kind == "text" and not block["text"].strip():
        raise invalid(
            f"The text field in the ContentBlock object at {where} is blank. Add text to the text field, and try again."
        )
    if kind == "image":
        if not called.takes_images:
            raise invalid(
                "This model doesn't support the image content block that you provided. Specify a different "
                "model that supports the image content block and try again."
            )
        _check_size(block["image"]["source"], MAX_IMAGE_BYTES, f"{where}.image.source.bytes")
    if kind == "document":
        _check_document(block["document"], where)
    if kind in {"video", "audio", "toolAddition", "toolRemoval"} or (
        kind == "reasoningContent" and not called.is_claude
    ):
        shown = "reasoning content" if kind == "reasoningContent" else f"the {kind} content block"
        raise invalid(f"This model doesn't support {shown} that you provided.")


def _check_size(source: Mapping[str, Any], limit: int, where: str) -> None:
    encoded = source.get("bytes")
    if encoded is not None and len(b64decode(encoded)) > limit:
        raise invalid(
            f"The value at {where} is too large: {len(b64decode(encoded))} bytes, the limit is {limit} bytes."
        )


def _check_document(document: Mapping[str, Any], where: str) -> None:
    if not _DOCUMENT_NAME.fullmatch(document["name"]):
        raise invalid(
            f"The document file name at {where} can only contain alphanumeric characters, whitespace characters, "
            "hyphens, parentheses, and square brackets. The name can't contain more than one consecutive whitespace "
            "character."
        )
    _check_size(document.get("source") or {}, MAX_DOCUMENT_BYTES, f"{where}.document.source.bytes")


def _check_totals(turns: tuple[Turn, ...]) -> None:
    for what, number, limit in (
        ("images", sum(turn.images for turn in turns), MAX_IMAGES),
        ("documents", sum(turn.documents for turn in turns), MAX_DOCUMENTS),
    ):
        if number > limit:
            raise invalid(f"The request contains {number} {what}, the limit is {limit}.")


def _check_tool_pairs(turns: tuple[Turn, ...]) -> None:
    """
    Check that every tool call has its result in the next message, and every result its call before it.
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


def _read_tool_result(result: Mapping[str, Any], where: str) -> ToolResult:
    if not result["content"]:
        raise invalid(f"The content field in the ToolResultBlock at {where} is empty.")
    texts = []
    for part in result["content"]:
        if part.get("text") is not None:
            texts.append(part["text"])
        elif part.get("json") is not None:
            texts.append(msgspec.json.encode(part["json"]).decode())
    return ToolResult(result["toolUseId"], "\n".join(texts))


def _read_system(blocks: list[Mapping[str, Any]]) -> list[str]:
    texts = [block["text"] for block in blocks if block.get("text") is not None]
    for place, text in enumerate(texts):
        if not text.strip():
            raise invalid(
                f"The text field in the SystemContentBlock object at system.{place} is blank. Add text to the text "
                "field, and try again."
            )
    return texts


def _read_tools(body: Mapping[str, Any], called: Called, *, streaming: bool) -> tuple[Tool, ...]:
    config = body.get("toolConfig")
    if config is None:
        blocks = [block for message in body.get("messages") or [] for block in message["content"]]
        if any(block.get("toolUse") or block.get("toolResult") for block in blocks):
            raise invalid("The toolConfig field must be defined when using toolUse and toolResult content blocks.")
        return ()
    if not called.takes_tools:
        raise invalid("This model doesn't support tool use.")
    if streaming and not called.streams_tools:
        raise invalid("This model doesn't support tool use in streaming mode.")
    specs = [tool["toolSpec"] for tool in config["tools"] if tool.get("toolSpec")]
    return tuple(
        Tool(name=spec["name"], schema=spec["inputSchema"]["json"], description=spec.get("description") or "")
        for spec in specs
    )


def _read_tool_choice(body: Mapping[str, Any], tools: tuple[Tool, ...], called: Called) -> str:
    choice = (body.get("toolConfig") or {}).get("toolChoice")
    if not choice:
        return "auto"
    mode = next(name for name, item in choice.items() if item is not None)
    if mode != "auto" and not called.is_claude:
        raise invalid(
            f"This model doesn't support the toolConfig.toolChoice.{mode} field. Remove toolConfig.toolChoice."
            f"{mode} and try again."
        )
    name = (choice.get("tool") or {}).get("name")
    return claude_rules.tool_choice_of(mode, name, {tool.name: tool for tool in tools})


def _read_paths(body: Mapping[str, Any]) -> list[str]:
    paths: list[str] = body.get("additionalModelResponseFieldPaths") or []
    for place, path in enumerate(paths):
        if not _JSON_POINTER.fullmatch(path):
            raise invalid(f"The value at additionalModelResponseFieldPaths.{place} is not a valid JSON pointer.")
    return paths


def _read_extra(extra: Any, called: Called) -> Mapping[str, Any]:
    """
    Return the model's own fields of a request.
    """
    if extra is None:
        return {}
    if not isinstance(extra, dict):
        raise invalid("The value at additionalModelRequestFields must be an object.")
    known = _CLAUDE_FIELDS if called.is_claude else frozenset[str]()
    unknown = next((name for name in extra if name not in known), None)
    if unknown is not None:
        raise invalid(
            f"{_MODEL_ERRORS}Malformed input request: #: extraneous key [{unknown}] is not permitted, please "
            "reformat your input and try again."
        )
    if extra.get("top_k") is not None and (isinstance(extra["top_k"], bool) or not isinstance(extra["top_k"], int)):
        raise invalid(f"{_MODEL_ERRORS}top_k: Input should be a valid integer")
    return {**extra, "thinking": extra.get("thinking", extra.get("reasoning_config"))}
