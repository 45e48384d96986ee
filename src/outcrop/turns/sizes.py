"""
What log entries take in memory, for the bounds of logs.
"""

from outcrop.types import NativePayload, ReasoningDelta, StreamEvent, TextDelta, ToolUseDelta

ENTRY_OVERHEAD_BYTES = 150
"""
What an entry takes besides its text (measured: 144 bytes for a `LogEntry` with a `TextDelta`).
"""


def weigh(event: StreamEvent) -> int:
    """
    Say how many bytes an entry takes in memory.
    """
    if type(event) is TextDelta:
        # The common case first, and by identity: this runs once per delta.
        return ENTRY_OVERHEAD_BYTES + len(event.text)
    if isinstance(event, TextDelta | ReasoningDelta):
        return ENTRY_OVERHEAD_BYTES + len(event.text)
    if isinstance(event, ToolUseDelta):
        return ENTRY_OVERHEAD_BYTES + len(event.input_json)
    if isinstance(event, NativePayload):
        return ENTRY_OVERHEAD_BYTES + len(event.payload)
    return ENTRY_OVERHEAD_BYTES
