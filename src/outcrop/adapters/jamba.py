"""
AI21 Jamba 1.5 on Bedrock: messages in, choices out (docs/bedrock_wire.md §4.9, from recollection but for its dates).

`n` is always 1: a stream can't carry more answers, and the waist has one. No field is known for a forced tool choice, a
bound of one tool call, strict tools, top_k, images, documents and reasoning; they are refused, and so is an answer
begun by the client.
"""

from outcrop.adapters.chat_completions import ChatFormat

JAMBA = ChatFormat(
    refuses=frozenset(
        {
            *("documents", "effort", "forced_tool_choice", "images", "prefill", "reasoning", "reasoning_parts"),
            *("single_tool_use", "strict_tools", "top_k"),
        }
    ),
    options=frozenset({"response_format"}),
    constants=(("n", 1),),
)
