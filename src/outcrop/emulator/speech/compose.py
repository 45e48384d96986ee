"""
Make the answer to an ask: its blocks, cut where stop sequences and the maximum of tokens say.
"""

import base64
import re

import msgspec

from outcrop.emulator.conversation import Answer, Ask, Block, StopReason, Tool
from outcrop.emulator.speech.dice import Dice
from outcrop.emulator.speech.sample import Sampler
from outcrop.emulator.speech.text import write_text, write_thought
from outcrop.emulator.speech.tokens import tokenize

_SEARCHED_CHARACTERS = 2_000
_PLACE = re.compile(r"\b(?:in|for|of|about) ([^\W\d_][\w .'-]{0,60}?)\s*(?:[?.!,;\n]|$)")


def compose(ask: Ask, seed: int) -> Answer:
    """
    Return the answer; equal asks and seeds give equal answers.
    """
    digest = ask.digest(seed)
    dice = Dice(digest)
    blocks = [_thinking(dice, digest if ask.signs else b"")] if ask.thinks else []
    tool = _chosen_tool(ask)
    stop_reason: StopReason = "end_turn"
    stop_sequence = None
    if tool is None or ask.tool_choice == "auto":
        text = write_text(ask, dice) if tool is None else f"I'll use {tool.name} for that."
        text, stop_sequence = _stopped(text, ask.stop_sequences)
        stop_reason = "end_turn" if stop_sequence is None else "stop_sequence"
        blocks.append(Block(kind="text", pieces=tuple(tokenize(text))))
    if tool is not None and stop_sequence is None:
        blocks.append(_tool_use(tool, ask, dice, digest))
        stop_reason = "tool_use"
    kept, is_whole = _limited(blocks, ask.max_tokens)
    return Answer(
        blocks=kept,
        stop_reason=stop_reason if is_whole else "max_tokens",
        stop_sequence=stop_sequence if is_whole else None,
        input_tokens=ask.input_tokens,
        output_tokens=sum(len(block.pieces) for block in kept),
        digest=digest,
        tells_stop_sequence=ask.tells_stop_sequence,
        latency=ask.latency,
        tier=ask.tier,
    )


def _thinking(dice: Dice, digest: bytes) -> Block:
    signature = base64.b64encode(b"outcrop-emulator:" + digest).decode() if digest else ""
    return Block(kind="thinking", pieces=tuple(tokenize(write_thought(dice))), signature=signature)


def _chosen_tool(ask: Ask) -> Tool | None:
    """
    Return the tool to call: the one that must be called, or the one that the prompt speaks of.
    """
    if not ask.tools or ask.tool_choice == "none":
        return None
    if ask.tool_choice.startswith("tool:"):
        return next((tool for tool in ask.tools if tool.name == ask.tool_choice[5:]), None)
    if ask.tool_choice == "any":
        return ask.tools[0]
    if ask.last.tool_results:
        return None
    prompt = ask.last.text[:_SEARCHED_CHARACTERS].lower()
    for tool in ask.tools:
        words = [word for word in re.split(r"[^a-z0-9]+", tool.name.lower()) if len(word) > 3]
        if tool.name.lower() in prompt or any(word in prompt for word in words):
            return tool
    return ask.tools[0] if re.search(r"\b(?:use|call) (?:the|a|your) tools?\b", prompt) else None


def _tool_use(tool: Tool, ask: Ask, dice: Dice, digest: bytes) -> Block:
    prompt = ask.last.text[:_SEARCHED_CHARACTERS].strip()
    place = _PLACE.search(prompt)
    hint = place[1] if place else " ".join(prompt.split()[:8])
    arguments = Sampler(tool.schema, dice, hint or "example").arguments()
    return Block(
        kind="tool_use",
        pieces=tuple(tokenize(msgspec.json.encode(arguments).decode())),
        name=tool.name,
        call_id=base64.b32encode(digest[:15]).decode().lower(),
    )


def _stopped(text: str, stop_sequences: tuple[str, ...]) -> tuple[str, str | None]:
    """
    Cut the text before the stop sequence that comes first in it.
    """
    found = [(place, stop) for stop in stop_sequences if (place := text.find(stop)) >= 0]
    if not found:
        return text, None
    place, stop = min(found)
    return text[:place], stop


def _limited(blocks: list[Block], max_tokens: int) -> tuple[tuple[Block, ...], bool]:
    """
    Keep as many pieces as allowed, and say whether these are all.
    """
    kept: list[Block] = []
    left = max_tokens
    for block in blocks:
        if len(block.pieces) > left:
            if left:
                kept.append(msgspec.structs.replace(block, pieces=block.pieces[:left]))
            return tuple(kept), False
        kept.append(block)
        left -= len(block.pieces)
    return tuple(kept), True
