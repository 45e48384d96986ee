"""
Arrange a conversation as Converse takes it, without changing what was said (docs/bedrock_wire.md §5.5).

- Blank texts are left out beside other parts; a user's message that holds nothing else is refused by its position, and
  an assistant's is left out, because clients send back the empty answers that they got.
- Neighbours of one role become one message.
- Tool results stand first in their message; for Llama and Mistral nothing may stand beside them.
- Reasoning that a model does not take back is left out. It is the one thing that goes without a word: clients send
  back whole histories with the reasoning that any model gave, so a refusal would end every longer conversation with
  these models, and the answers that the reasoning led to stay. The same holds for reasoning without a signature and
  Claude, which takes signed reasoning only.

What no model takes is refused, with words that say what to change.
"""

import msgspec

from outcrop.adapters.converse_families import ConverseFamily
from outcrop.calls import ResolvedModel
from outcrop.errors import RequestError
from outcrop.types import (
    ChatRequest,
    DocumentPart,
    ImagePart,
    Message,
    Part,
    ReasoningPart,
    Role,
    TextPart,
    ToolResultPart,
    ToolUsePart,
)

_SPOKEN: dict[str, tuple[type, ...]] = {
    "user": (TextPart, ImagePart, DocumentPart, ToolResultPart),
    "assistant": (TextPart, ReasoningPart, ToolUsePart),
}


class Turn(msgspec.Struct, frozen=True):
    """
    Hold one message as it will be sent, each part with its place in the client's request.
    """

    role: Role
    parts: list[tuple[str, Part]]

    def holds(self, kind: type) -> bool:
        """
        Whether a part of this kind is among the parts.
        """
        return any(isinstance(part, kind) for _, part in self.parts)


def arrange_turns(request: ChatRequest, model: ResolvedModel, family: ConverseFamily) -> list[Turn]:
    """
    Arrange the messages of a request; they alternate between the roles.

    Raises:
        RequestError: the conversation can't be arranged for this model; the message names the position.
    """
    turns: list[Turn] = []
    for position, message in enumerate(request.messages):
        parts = _keep_parts(message, f"messages[{position}]", model, family)
        if parts and turns and turns[-1].role == message.role:
            turns[-1].parts.extend(parts)
        elif parts:
            turns.append(Turn(message.role, parts))
    _check_ends(turns, model, family)
    for turn in turns:
        _check_company(turn, model, family)
    return [Turn(turn.role, sorted(turn.parts, key=_comes_later)) for turn in turns]


def with_turns(request: ChatRequest, turns: list[Turn]) -> ChatRequest:
    """
    Return the request as it will be sent, for the rules that look at what a request uses.
    """
    return msgspec.structs.replace(
        request,
        messages=tuple(Message(turn.role, tuple(part for _, part in turn.parts)) for turn in turns),
        system=tuple(part for part in request.system if not is_blank(part)),
    )


def is_blank(part: object) -> bool:
    """
    Whether a part is a text without a visible character.
    """
    return isinstance(part, TextPart) and not part.text.strip()


def _keep_parts(message: Message, where: str, model: ResolvedModel, family: ConverseFamily) -> list[tuple[str, Part]]:
    kept = []
    for index, part in enumerate(message.parts):
        if not isinstance(part, _SPOKEN[message.role]):
            raise RequestError(
                f"{where}.parts[{index}] is {part.__struct_config__.tag!r}, which a message of the {message.role!r}"
                " can't hold by converse"
            )
        if not is_blank(part) and not _is_left_out(part, model, family):
            kept.append((f"{where}.parts[{index}]", part))
    if not kept and message.role == "user":
        raise RequestError(f"{where} is blank, expected at least one character that is not white space")
    return kept


def _is_left_out(part: Part, model: ResolvedModel, family: ConverseFamily) -> bool:
    if not isinstance(part, ReasoningPart):
        return False
    if "reasoning_parts" in model.refuses or not (part.text or part.redacted or part.signature):
        return True
    return family.signs_reasoning and part.redacted is None and not part.signature


def _check_ends(turns: list[Turn], model: ResolvedModel, family: ConverseFamily) -> None:
    if not turns:
        raise RequestError("messages holds nothing that could be sent, expected at least one message of the user")
    if turns[0].role == "assistant" and not family.takes_leading_answer:
        raise RequestError(
            f"{turns[0].parts[0][0]} is the assistant's, but a conversation with model {model.name!r} must start with"
            " a message of the user"
        )
    where, ending = turns[-1].parts[-1]
    if turns[-1].role == "assistant" and isinstance(ending, TextPart) and ending.text != ending.text.rstrip():
        raise RequestError(
            f"{where} ends with white space: take it off, because the model continues an assistant's message right"
            " after its last visible character"
        )


def _check_company(turn: Turn, model: ResolvedModel, family: ConverseFamily) -> None:
    """
    Check which parts of a message stand beside which. A document needs a text beside it, on any model.
    """
    where = turn.parts[0][0].partition(".")[0]
    if turn.holds(ToolResultPart):
        if family.results_alone and not all(isinstance(part, ToolResultPart) for _, part in turn.parts):
            raise RequestError(
                f"{where} holds something beside tool results, which model {model.name!r} takes only alone"
            )
        if not family.results_beside_documents and turn.holds(DocumentPart):
            raise RequestError(
                f"{where} holds a document beside tool results, which model {model.name!r} does not take"
            )
    if turn.holds(DocumentPart) and not any(_is_plain_text(part) for _, part in turn.parts):
        raise RequestError(f"{where} holds a document without text, expected text beside it that says what to do")


def _is_plain_text(part: Part) -> bool:
    """
    Whether a part becomes a text block; one with details becomes a block for the guardrail.
    """
    return isinstance(part, TextPart) and not part.provider_details


def _comes_later(placed: tuple[str, Part]) -> bool:
    """
    Sort tool results before the rest of a user's message; an assistant's parts are never tool results.
    """
    return not isinstance(placed[1], ToolResultPart)
