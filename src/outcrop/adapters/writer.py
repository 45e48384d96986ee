"""
Writer Palmyra X4 and X5 on Bedrock: the Chat Completions body (docs/bedrock_wire.md §4.10).

The body is from recollection, that the text stands in `choices[0]` and that a stream may end with the bare JSON string
`"[DONE]"` from public client code. Refused, because nothing is known of it: images, documents, reasoning and its
levels, strict tools, a bound of one tool call, top_k, and an answer begun by the client.
"""

from outcrop.adapters.chat_completions import ChatFormat

WRITER = ChatFormat(
    refuses=frozenset(
        {
            *("documents", "effort", "images", "prefill", "reasoning", "reasoning_parts"),
            *("single_tool_use", "strict_tools", "top_k"),
        }
    ),
)
