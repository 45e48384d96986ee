"""
Native bodies as people write them by hand, and what is read from the answers: one dialect for each family.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Said = Sequence[tuple[str, str]]
"""
The turns of a conversation: who speaks ("user" or "assistant"), and what.
"""


@dataclass(frozen=True)
class Dialect:
    """
    Hold how one family is spoken to: `write(turns, max_tokens)`, the text of a whole answer, the text of a chunk.
    """

    write: Callable[[Said, int], dict[str, Any]]
    text: Callable[[Any], str]
    delta: Callable[[Any], str]


def _anthropic(turns: Said, max_tokens: int) -> dict[str, Any]:
    messages = [{"role": role, "content": text} for role, text in turns]
    return {"anthropic_version": "bedrock-2023-05-31", "max_tokens": max_tokens, "messages": messages}


def _llama(turns: Said, max_tokens: int) -> dict[str, Any]:
    said = "".join(f"<|start_header_id|>{role}<|end_header_id|>\n\n{text}<|eot_id|>" for role, text in turns)
    prompt = f"<|begin_of_text|>{said}<|start_header_id|>assistant<|end_header_id|>\n\n"
    return {"prompt": prompt, "max_gen_len": max_tokens}


def _mistral(turns: Said, max_tokens: int) -> dict[str, Any]:
    said = "".join(f"[INST] {text} [/INST]" if role == "user" else f" {text}</s>" for role, text in turns)
    return {"prompt": f"<s>{said}", "max_tokens": max_tokens}


def _deepseek(turns: Said, max_tokens: int) -> dict[str, Any]:
    marks = {"user": "<｜User｜>{}", "assistant": "<｜Assistant｜>{}<｜end▁of▁sentence｜>"}
    said = "".join(marks[role].format(text) for role, text in turns)
    return {"prompt": f"<｜begin▁of▁sentence｜>{said}<｜Assistant｜><think>\n", "max_tokens": max_tokens}


def _titan(turns: Said, max_tokens: int) -> dict[str, Any]:
    names = {"user": "User", "assistant": "Bot"}
    said = "".join(f"{names[role]}: {text}\n" for role, text in turns)
    return {"inputText": f"{said}Bot:", "textGenerationConfig": {"maxTokenCount": max_tokens}}


def _nova(turns: Said, max_tokens: int) -> dict[str, Any]:
    messages = [{"role": role, "content": [{"text": text}]} for role, text in turns]
    return {"schemaVersion": "messages-v1", "messages": messages, "inferenceConfig": {"max_new_tokens": max_tokens}}


def _cohere(turns: Said, max_tokens: int) -> dict[str, Any]:
    roles = {"user": "USER", "assistant": "CHATBOT"}
    history = [{"role": roles[role], "message": text} for role, text in turns[:-1]]
    return {"message": turns[-1][1], "chat_history": history, "max_tokens": max_tokens}


def _chat(turns: Said, max_tokens: int) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": text} for role, text in turns], "max_tokens": max_tokens}


def _after(text: str, mark: str) -> str:
    return text.rpartition(mark)[2]


def _of_claude(chunk: Any) -> str:
    return chunk["delta"].get("text", "") if chunk["type"] == "content_block_delta" else ""


def _of_nova(reply: Any) -> str:
    return "".join(block.get("text", "") for block in reply["output"]["message"]["content"])


def _of_nova_chunk(chunk: Any) -> str:
    text: str = chunk.get("contentBlockDelta", {}).get("delta", {}).get("text", "")
    return text


def _of_chat_chunk(chunk: Any) -> str:
    return "" if chunk == "[DONE]" else chunk["choices"][0]["delta"].get("content") or ""


_LLAMA = Dialect(_llama, lambda reply: reply["generation"], lambda chunk: chunk["generation"])
_CHAT = Dialect(_chat, lambda reply: _after(reply["choices"][0]["message"]["content"], "</reasoning>"), _of_chat_chunk)
_COHERE_TEXTS = ("text-generation",)
DIALECTS = {
    "anthropic": Dialect(
        _anthropic, lambda reply: "".join(block.get("text", "") for block in reply["content"]), _of_claude
    ),
    "llama3": _LLAMA,
    "llama4": _LLAMA,
    "mistral_text": Dialect(
        _mistral, lambda reply: reply["outputs"][0]["text"], lambda chunk: chunk["outputs"][0]["text"]
    ),
    "deepseek_text": Dialect(
        _deepseek,
        lambda reply: _after(reply["choices"][0]["text"], "</think>\n\n"),
        lambda chunk: chunk["choices"][0]["text"],
    ),
    "titan": Dialect(_titan, lambda reply: reply["results"][0]["outputText"], lambda chunk: chunk["outputText"]),
    "nova": Dialect(_nova, _of_nova, _of_nova_chunk),
    "cohere": Dialect(
        _cohere,
        lambda reply: reply["text"],
        lambda chunk: chunk["text"] if chunk["event_type"] in _COHERE_TEXTS else "",
    ),
    "mistral_chat": _CHAT,
    "openai_chat": _CHAT,
    "writer": _CHAT,
    "jamba": _CHAT,
}
"""
By the family's name in the catalogue.
"""


def streamed_text(family: str, chunks: Sequence[Any]) -> str:
    """
    Return the answer's text in the chunks of a stream, without the reasoning that some families put before it.
    """
    text = "".join(DIALECTS[family].delta(chunk) for chunk in chunks)
    return _after(_after(text, "</reasoning>"), "</think>\n\n")
