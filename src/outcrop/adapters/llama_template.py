"""
Render a conversation as the one prompt string that Llama models take, so that no text in it can forge a turn.

The model's tokenizer turns literal strings such as `<|eot_id|>` into control tokens wherever they stand, also inside
what a user wrote. So every `<|` that could begin such a literal is broken by one space: `<|eot_id|>` becomes
`< |eot_id|>`. Why a space, and not removal or an invisible character:

- Removal can let the outer halves of `<|<|eot_id|>eot_id|>` join; an inserted space only ever takes neighbours apart.
- Nothing hidden gets into text that people copy, and the model still sees what was meant and can talk about it.
- Only a `<|` with a later `|>` and neither `|` nor `>` between them is touched, so code such as `a <|> b`, or
  `f <| x` in F#, stays as written.

After it no text holds a match of `<|name|>` for any name, so neither the tokens of today's templates nor those of
tomorrow's are in it. Parts are joined before they are made safe, because a literal may be split between two. A text
that ends in `<` or `<|` is broken there too where one of the template's own tokens follows it.
"""

import re
from collections.abc import Iterable, Sequence

import msgspec

from outcrop.errors import RequestError
from outcrop.types import ImagePart, Message, TextPart

IMAGE_TOKEN = "<|image|>"  # noqa: S105  a control token of the model, no secret
"""
Stands where an image is meant, in Meta's own format; the images themselves go beside the prompt, in the same order.
"""

_CONTROL_TOKEN_START = re.compile(r"<(?=\|[^|>]*\|>)")
_HALF_OPEN_END = re.compile(r"<(?=\|?\Z)")


class LlamaTemplate(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold a generation's control tokens, and the bound of `max_gen_len` for models whose own bound is not known.
    """

    header_open: str
    header_close: str
    turn_close: str
    max_output_tokens: int | None
    text_open: str = "<|begin_of_text|>"


LLAMA3 = LlamaTemplate(
    header_open="<|start_header_id|>",
    header_close="<|end_header_id|>",
    turn_close="<|eot_id|>",
    max_output_tokens=2048,
)
LLAMA4 = LlamaTemplate(
    header_open="<|header_start|>",
    header_close="<|header_end|>",
    turn_close="<|eot|>",
    max_output_tokens=None,
)


def render_prompt(template: LlamaTemplate, system: Iterable[TextPart], messages: Sequence[Message]) -> str:
    """
    Render the prompt. It ends with the assistant's open header, or with the assistant's open message if that is last.

    Parts of a user's or the system's text are set apart by an empty line; an assistant's are joined as they are,
    because an answer may have been cut anywhere.

    Raises:
        RequestError: a message holds a part that the prompt has no place for.
    """
    pieces = [template.text_open]
    if system_text := "\n\n".join(part.text for part in system):
        pieces += [_render_header(template, "system"), _make_safe(system_text), template.turn_close]
    for position, message in enumerate(messages):
        pieces.append(_render_header(template, message.role))
        runs = _gather_text(message, f"messages[{position}]")
        if message.role == "assistant" and position == len(messages) - 1:
            return "".join([*pieces, neutralise(runs[0])])
        pieces += [IMAGE_TOKEN.join(_make_safe(run) for run in runs), template.turn_close]
    return "".join([*pieces, _render_header(template, "assistant")])


def neutralise(text: str) -> str:
    """
    Break every literal in `text` that a tokenizer could take for a control token.
    """
    return _CONTROL_TOKEN_START.sub("< ", text)


def _make_safe(text: str) -> str:
    """
    Neutralise a text that one of the template's tokens follows.
    """
    return _HALF_OPEN_END.sub("< ", neutralise(text))


def _render_header(template: LlamaTemplate, role: str) -> str:
    return f"{template.header_open}{role}{template.header_close}\n\n"


def _gather_text(message: Message, where: str) -> list[str]:
    """
    Return the text of a message in runs; one image stands between two runs.
    """
    runs: list[list[str]] = [[]]
    for index, part in enumerate(message.parts):
        match part:
            case TextPart():
                runs[-1].append(part.text)
            case ImagePart() if message.role == "user":
                runs.append([])
            case _:
                raise RequestError(f"{where}.parts[{index}] can't be put into a llama prompt from the {message.role!r}")
    separator = "" if message.role == "assistant" else "\n\n"
    return [separator.join(run) for run in runs]
