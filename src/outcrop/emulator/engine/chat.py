"""
OpenAI's Chat Completions: an `Ask` as a request, and a stream's chunks as what they say.

Only text goes through: tools, images and documents are refused, because an engine can't be given them.
"""

from typing import Any

import msgspec

from outcrop.emulator.conversation import Ask, StopReason
from outcrop.emulator.rules.refusals import invalid

_DATA = b"data:"
_DONE = b"[DONE]"
MAX_LINE_BYTES = 1024 * 1024
_MAX_WORDS = 500


class EngineFailed(Exception):
    """
    Say that the engine gave no answer, or broke off.
    """


class Usage(msgspec.Struct, frozen=True):
    """
    Hold the tokens that an engine counted.
    """

    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Delta(msgspec.Struct, frozen=True):
    content: str | None = None


class _Choice(msgspec.Struct, frozen=True):
    delta: _Delta = _Delta()
    finish_reason: str | None = None
    stop_reason: Any = None


class Chunk(msgspec.Struct, frozen=True):
    """
    Hold one chunk of a stream, as far as it is used.
    """

    choices: tuple[_Choice, ...] = ()
    usage: Usage | None = None
    error: Any = None

    @property
    def text(self) -> str:
        """
        The piece of the answer that this chunk has.
        """
        return "".join(choice.delta.content or "" for choice in self.choices)

    @property
    def ending(self) -> tuple[StopReason, str | None] | None:
        """
        How the answer ended, if this chunk says so: the reason, and the stop sequence where the engine tells it.
        """
        for choice in self.choices:
            if choice.finish_reason == "length":
                return "max_tokens", None
            if choice.finish_reason is not None:
                # vLLM has the sequence that stopped it beside `stop`; others don't tell it from an end of its own.
                stop = choice.stop_reason if isinstance(choice.stop_reason, str) else None
                return ("end_turn" if stop is None else "stop_sequence"), stop
        return None


class EventDecoder:
    """
    Read server-sent events from any split of their bytes. A line has at most `MAX_LINE_BYTES`.

    `is_done` says that the engine ended its answer, `failure` what is wrong: look at it after each `feed`, when what
    came before it has been used, and feed no more.
    """

    def __init__(self) -> None:
        self._rest = b""
        self.is_done = False
        self.failure: EngineFailed | None = None

    def feed(self, part: bytes) -> list[Chunk]:
        """
        Return the chunks that are complete now, those before a failure.
        """
        *lines, self._rest = (self._rest + part).split(b"\n")
        chunks: list[Chunk] = []
        try:
            for line in lines:
                content = line.strip().removeprefix(_DATA).strip() if line.startswith(_DATA) else b""
                if content == _DONE:
                    self.is_done = True
                elif content:
                    chunks.append(_parse_chunk(content))
        except EngineFailed as error:
            self.failure = error
        if len(self._rest) > MAX_LINE_BYTES:
            self.failure = EngineFailed(f"the engine sent a line of more than {MAX_LINE_BYTES} bytes")
        return chunks


def _parse_chunk(content: bytes) -> Chunk:
    try:
        chunk = msgspec.json.decode(content, type=Chunk)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise EngineFailed(f"the engine sent what is no chunk: {error}") from error
    if chunk.error is not None:
        raise EngineFailed(f"the engine failed: {words_of(content)}")
    return chunk


def words_of(body: bytes) -> str:
    """
    Return the words of an engine's error: its message where there is one, else the beginning of its body.
    """
    try:
        error = msgspec.json.decode(body)["error"]
        words = error if isinstance(error, str) else error["message"]
    except (msgspec.DecodeError, UnicodeDecodeError, LookupError, TypeError):
        words = body.decode("utf-8", "replace")
    return str(words)[:_MAX_WORDS]


def encode_request(ask: Ask, model: str) -> bytes:
    """
    Return the body of the request; the answer is always streamed.

    Raises:
        Refusal: the ask has what an engine can't be given.
    """
    refused = {
        "tools": bool(ask.tools) or any(turn.tool_calls or turn.tool_results for turn in ask.turns),
        "images": any(turn.images for turn in ask.turns),
        "documents": any(turn.documents for turn in ask.turns),
    }
    for name, is_there in refused.items():
        if is_there:
            raise invalid(f"The emulator's engine takes text only. Remove the {name} and try again.")
    messages = [{"role": "system", "content": ask.system}] if ask.system else []
    messages += [{"role": turn.speaker, "content": turn.text} for turn in ask.turns]
    body: dict[str, Any] = {
        "model": model,
        "messages": messages,
        "max_tokens": ask.max_tokens,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    optional = {"temperature": ask.temperature, "top_p": ask.top_p, "stop": list(ask.stop_sequences) or None}
    return msgspec.json.encode(body | {name: value for name, value in optional.items() if value is not None})
