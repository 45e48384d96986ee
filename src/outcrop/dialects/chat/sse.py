"""
The SSE binding of the native dialect: one event for each part, then `[DONE]` (docs/protocol.md).
"""

from collections.abc import Mapping, Sequence

SSE_HEADERS: Mapping[str, str] = {"x-vercel-ai-ui-message-stream": "v1"}
"""
The headers of such a stream, in addition to those of every event stream.
"""

SSE_DONE = b"data: [DONE]\n\n"


def encode_events(parts: Sequence[str]) -> bytes:
    """
    Encode parts, which are JSON text already, as events.
    """
    return "".join([f"data: {part}\n\n" for part in parts]).encode()
