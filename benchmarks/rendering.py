"""
Claim: writing one text delta in a dialect costs a few microseconds at most, little beside what brings it to the socket.

Each renderer is given one entry of a log again and again, in the middle of a text. The best of some rounds counts,
because the machine is noisy in one direction only.
"""

import sys
import timeit
from collections.abc import Callable, Sequence

from benchmarks.report import describe_machine, format_table
from outcrop.dialects.anthropic.stream import AnthropicOpening, AnthropicSse
from outcrop.dialects.bedrock.chunks import AnthropicChunks, encode_chunk
from outcrop.dialects.bedrock.stream import ConverseFrames
from outcrop.dialects.openai.chat_stream import ChatAnswerOpening, ChatChunkRenderer
from outcrop.dialects.openai.responses_stream import ResponseOpening, ResponsesRenderer
from outcrop.dialects.ui_stream.renderer import UiStreamOpening, UiStreamRenderer
from outcrop.types import LogEntry, MessageStart, TextDelta

ROUNDS = 7
DELTAS = 20_000
PAYLOAD = b'{"generation":" word","prompt_token_count":null,"generation_token_count":100,"stop_reason":null}'
Render = Callable[[Sequence[LogEntry]], object]


def make_renderers() -> dict[str, Render]:
    """
    Make a renderer of each dialect.
    """
    names = {"turn_id": "turn_x", "model": "llama3"}
    ui = UiStreamOpening(turn_id="turn_x", model="llama3", region="us-east-1", whole=False, is_local=False)
    return {
        "native": UiStreamRenderer(ui).render,
        "openai-chat": ChatChunkRenderer(ChatAnswerOpening(turn_id="turn_x", model="llama3", created=1)).render,
        "responses": ResponsesRenderer(ResponseOpening(**names, created_at=1, echo={})).render,
        "anthropic": AnthropicSse(AnthropicOpening(**names)).render,
        "converse": ConverseFrames().render,
        "invoke, Claude": AnthropicChunks(AnthropicOpening(**names)).render,
        "invoke, passed through": lambda _: encode_chunk(PAYLOAD),
    }


def measure(render: Render) -> float:
    """
    Return the microseconds that one delta takes.
    """
    render([LogEntry(1, MessageStart()), LogEntry(2, TextDelta(text="Once"))])
    delta = [LogEntry(3, TextDelta(text=" word"))]
    return min(timeit.timeit(lambda: render(delta), number=DELTAS) for _ in range(ROUNDS)) / DELTAS * 1e6


def main() -> int:
    """
    Measure and print.
    """
    print(describe_machine())
    rows = [[name, f"{measure(render):.2f}"] for name, render in make_renderers().items()]
    print(f"\nbest of {ROUNDS} rounds of {DELTAS} deltas\n")
    print(format_table(("dialect", "µs/delta"), rows, names=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
