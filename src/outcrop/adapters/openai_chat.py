"""
OpenAI gpt-oss and GPT, Qwen, Kimi, GLM and their like on Bedrock: the Chat Completions body.

gpt-oss: docs/bedrock_wire.md §4.5, documented. The other makers' models (§4.10) take the same body by recollection and
by public client code only, which is why the catalogue sends them through Converse unless told otherwise. Known of the
answers: gpt-oss and Kimi put their reasoning into `<reasoning>` tags before the text. From recollection: other models
write `<think>`; images go as `data:` URLs; `parallel_tool_calls` and `strict` mean what they mean to OpenAI.

Refused, because nobody knows how it is said: top_k, documents, an answer begun by the client, a budget of tokens for
reasoning, and switching reasoning off. The level of effort goes out as `reasoning_effort`; which levels a model knows
is for the catalogue and Bedrock to say.
"""

from outcrop.adapters.chat_completions import ChatFormat
from outcrop.adapters.reasoning_tags import TAGS

OPENAI_CHAT = ChatFormat(
    refuses=frozenset({"documents", "prefill", "reasoning_disabled", "reasoning_enabled", "top_k"}),
    max_tokens_field="max_completion_tokens",
    options=frozenset({"frequency_penalty", "presence_penalty", "response_format", "seed"}),
    tags=TAGS,
)
