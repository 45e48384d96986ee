"""
Mistral's chat models on Bedrock: Large 24.07, Pixtral, Ministral, Magistral, Large 3 and Devstral.

Body and tools: docs/bedrock_wire.md §4.3, documented for Large 24.07. Answers end with `finish_reason`, older ones with
`stop_reason`; either is read. From recollection: `any` is the word for "some tool", streamed chunks have OpenAI's form,
and Pixtral takes images as `data:` URLs.

Refused, because the documented body has no field for it: stop_sequences, top_k, a tool named by the choice, a bound of
one tool call, strict tools, reasoning and its levels; and documents and an answer begun by the client.
"""

from outcrop.adapters.chat_completions import ChatFormat

MISTRAL_CHAT = ChatFormat(
    refuses=frozenset(
        {
            *("documents", "effort", "named_tool_choice", "prefill", "reasoning", "reasoning_parts"),
            *("single_tool_use", "stop_sequences", "strict_tools", "top_k"),
        }
    ),
    forced_tool_choice="any",
)
