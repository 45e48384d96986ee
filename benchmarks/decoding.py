"""
Claim: decoding one streamed token (event stream, base64, the model's JSON) costs a fraction of what botocore takes.

Both decode the same messages from the same chunks, one message a chunk, as they come from a socket that is kept up
with. botocore's side is its `EventStreamBuffer` and `json`; ours is `outcrop.wire.eventstream` and msgspec. Rounds
alternate, and the best of each counts, because the machine is noisy in one direction only.
"""

import base64
import json
import sys
import timeit
from collections.abc import Callable
from typing import Any

import msgspec
from botocore.eventstream import EventStreamBuffer

from benchmarks.report import describe_machine, format_table
from outcrop.wire.eventstream import EventStreamDecoder, encode_message

MESSAGES = 2000
ROUNDS = 7
HEADERS = {":event-type": "chunk", ":content-type": "application/json", ":message-type": "event"}


class ChunkPayload(msgspec.Struct):
    """
    Hold the payload of a `chunk` message.
    """

    bytes: bytes


class LlamaChunk(msgspec.Struct):
    """
    Hold a Llama chunk's text.
    """

    generation: str


def make_messages() -> list[bytes]:
    """
    Return the messages of one long Llama answer.
    """
    messages = []
    for number in range(MESSAGES):
        chunk = {
            "generation": f" word{number}",
            "prompt_token_count": None,
            "generation_token_count": number,
            "stop_reason": None,
        }
        encoded = base64.b64encode(json.dumps(chunk).encode()).decode()
        messages.append(encode_message(HEADERS, json.dumps({"bytes": encoded, "p": "abcdefghijkl"}).encode()))
    return messages


def decode_with_botocore(messages: list[bytes]) -> int:
    """
    Return how much text botocore's parser and `json` find.
    """
    # The stubs have the parser's messages as integers.
    buffer: Any = EventStreamBuffer()
    length = 0
    for chunk in messages:
        buffer.add_data(chunk)
        for message in buffer:
            if message.headers[":event-type"] == "chunk":
                inner = base64.b64decode(json.loads(message.payload)["bytes"])
                length += len(json.loads(inner)["generation"])
    return length


def decode_with_outcrop(messages: list[bytes]) -> int:
    """
    Return how much text our decoder and msgspec find.
    """
    decode_payload = msgspec.json.Decoder(ChunkPayload).decode
    decode_chunk = msgspec.json.Decoder(LlamaChunk).decode
    decoder = EventStreamDecoder()
    length = 0
    for chunk in messages:
        for message in decoder.feed(chunk):
            if message.headers[":event-type"] == "chunk":
                length += len(decode_chunk(decode_payload(message.payload).bytes).generation)
    return length


def cut_with_botocore(messages: list[bytes]) -> int:
    """
    Return how many payload bytes botocore's parser finds.
    """
    buffer: Any = EventStreamBuffer()
    length = 0
    for chunk in messages:
        buffer.add_data(chunk)
        length += sum(len(message.payload) for message in buffer)
    return length


def cut_with_outcrop(messages: list[bytes]) -> int:
    """
    Return how many payload bytes our decoder finds.
    """
    decoder = EventStreamDecoder()
    return sum(len(message.payload) for chunk in messages for message in decoder.feed(chunk))


def compare(name: str, ours: Callable[[list[bytes]], int], theirs: Callable[[list[bytes]], int]) -> list[str]:
    """
    Return a row of the table for two ways to do the same.
    """
    messages = make_messages()
    assert ours(messages) == theirs(messages)
    best_ours = best_theirs = float("inf")
    for _ in range(ROUNDS):
        best_theirs = min(best_theirs, timeit.timeit(lambda: theirs(messages), number=1))
        best_ours = min(best_ours, timeit.timeit(lambda: ours(messages), number=1))
    per_message = [best / MESSAGES * 1e6 for best in (best_theirs, best_ours)]
    return [name, *(f"{microseconds:.2f}" for microseconds in per_message), f"{per_message[0] / per_message[1]:.1f}"]


def main() -> int:
    """
    Compare and print.
    """
    print(describe_machine())
    rows = [
        compare("messages", cut_with_outcrop, cut_with_botocore),
        compare("messages and JSON", decode_with_outcrop, decode_with_botocore),
    ]
    print(f"\nµs per message, best of {ROUNDS} rounds of {MESSAGES} messages\n")
    print(format_table(("decoding", "botocore", "outcrop", "times faster"), rows, names=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
