"""
The messages of a chat page (`UIMessage` of the npm package `ai`) as a conversation for a model.

What only a page shows (`step-start`, sources, `data-*` parts) is not for the model and is passed over. A part that says
something to the model and can't be sent is refused, never dropped. Three exceptions keep a chat usable after something
went wrong: a call whose arguments never came complete was no call; a call without a result gets one that says so;
reasoning goes back only to the model that it came from, and only with its signature.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from outcrop.dialects.chat.fields import Fields, convert, suggest
from outcrop.dialects.chat.files import FilePart, to_file
from outcrop.errors import RequestError
from outcrop.types import Message, Part, ReasoningPart, Role, TextPart, ToolResultPart, ToolUsePart

PASSED_OVER = frozenset({"source-url", "source-document"})
NOT_CARRIED_OUT = "the tool call was not carried out"
DENIED = "the user denied the tool call"
PART_NAMES = ["text", "reasoning", "file", "dynamic-tool", "tool-NAME", "step-start", "source-url", "data-NAME"]

RESULT_STATES = frozenset({"output-available", "output-error", "output-denied"})

ToolState = Literal[
    "input-streaming",
    "input-available",
    "approval-requested",
    "approval-responded",
    "output-available",
    "output-error",
    "output-denied",
]


class UiMessage(Fields, frozen=True, kw_only=True):
    """
    Hold a page's message; its parts are checked one by one. `metadata` of an answer is what this server gave with it.
    """

    role: Literal["system", "user", "assistant"]
    parts: list[dict[str, Any]]
    id: str = ""
    metadata: Any = None


class TextUiPart(Fields, frozen=True, kw_only=True):
    """
    Hold text.
    """

    text: str


class ReasoningUiPart(Fields, frozen=True, kw_only=True):
    """
    Hold reasoning; `providerMetadata.bedrock` has its `signature` or its `redactedData`.
    """

    text: str = ""
    provider_metadata: dict[str, dict[str, Any] | None] | None = None


class ToolUiPart(Fields, frozen=True, kw_only=True):
    """
    Hold a call of a tool and what came of it. `toolName` is there in a `dynamic-tool` part.
    """

    tool_call_id: Annotated[str, Meta(min_length=1)]
    state: ToolState
    tool_name: str | None = None
    input: Any = None
    output: Any = None
    error_text: str | None = None


class ClientMessage(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold a page's message as it is kept: all that was said in it, and of tools what they really answered, in order.

    `model` is the one that an answer came from, where the page knows. `message_id` is "" where the page gave none.
    """

    message_id: str
    role: Role
    parts: tuple[Part, ...]
    model: str | None = None


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold what a model gets of a chat.
    """

    system: tuple[TextPart, ...]
    messages: tuple[Message, ...]


def to_messages(value: Any) -> list[UiMessage]:
    """
    Check the list of messages, not yet their parts.

    Raises:
        RequestError: it is no list of messages; the message names the field.
    """
    return convert(value, list[UiMessage], "messages")


def to_conversation(messages: Sequence[UiMessage], model: str) -> Conversation:
    """
    Take a page's messages as a conversation with `model`. Neighbours of one role become one message.

    Raises:
        RequestError: a part is unknown, malformed, or can't be sent; the message names it.
    """
    builder = _Builder(model)
    for position, message in enumerate(messages):
        builder.add(message, f"messages[{position}]")
    return Conversation(
        system=tuple(builder.system),
        messages=tuple(Message(role, tuple(parts)) for role, parts in builder.messages),
    )


def to_client_messages(messages: Sequence[UiMessage]) -> tuple[ClientMessage, ...]:
    """
    Take a page's messages one by one, to be kept. Instructions (`system`) are not messages of a conversation.

    Raises:
        RequestError: a part is unknown, malformed, or can't be sent; the message names it.
    """
    kept = []
    for position, message in enumerate(messages):
        if message.role == "system":
            continue
        builder = _Builder(None)
        builder.add(message, f"messages[{position}]")
        parts = tuple(part for _, spoken in builder.messages for part in spoken)
        kept.append(ClientMessage(message_id=message.id, role=message.role, parts=parts, model=_model_of(message)))
    return tuple(kept)


class _Builder:
    """
    Gather a conversation, one page's message after another: as `model` gets it, or (None) as it is kept.
    """

    def __init__(self, model: str | None) -> None:
        self.system: list[TextPart] = []
        self.messages: list[tuple[Role, list[Part]]] = []
        self._model = model

    def add(self, message: UiMessage, where: str) -> None:
        """
        Add a page's message.
        """
        match message.role:
            case "system":
                self._add_system(message, where)
            case "user":
                self._add_user(message, where)
            case "assistant":
                self._add_assistant(message, where)

    def _add_system(self, message: UiMessage, where: str) -> None:
        for place, kind, part in _places(message, where):
            if kind != "text":
                raise RequestError(f"{place} is a {kind} part in a system message, expected text")
            self.system.append(TextPart(text=convert(part, TextUiPart, place).text))

    def _add_user(self, message: UiMessage, where: str) -> None:
        parts: list[Part] = []
        for place, kind, part in _places(message, where):
            if kind == "text":
                parts.append(TextPart(text=convert(part, TextUiPart, place).text))
            elif kind == "file":
                parts.append(to_file(convert(part, FilePart, place), place))
            elif kind != "step-start":
                raise RequestError(f"{place} is a {kind} part in a user message, expected text or file")
        said = [part for part in parts if not (isinstance(part, TextPart) and not part.text.strip())]
        self._append("user", said or parts)

    def _add_assistant(self, message: UiMessage, where: str) -> None:
        said: list[Part] = []
        results: list[Part] = []
        for place, kind, part in _places(message, where):
            if kind == "dynamic-tool" or kind.startswith("tool-"):
                call = convert(part, ToolUiPart, place)
                answers = results if self._model is not None or call.state in RESULT_STATES else []
                _add_call(call, kind, place, said, answers)
                continue
            # Whatever follows results was said when the model had seen them.
            if results:
                self._append("assistant", said)
                self._append("user", results)
                said, results = [], []
            said += self._read_said(message, kind, part, place)
        self._append("assistant", said)
        self._append("user", results)

    def _read_said(self, message: UiMessage, kind: str, part: dict[str, Any], place: str) -> list[Part]:
        match kind:
            case "text":
                text = convert(part, TextUiPart, place).text
                return [TextPart(text=text)] if text.strip() else []
            case "reasoning":
                reasoning = _to_reasoning(convert(part, ReasoningUiPart, place))
                is_known = self._model is None or _model_of(message) in (None, self._model)
                return [reasoning] if reasoning and is_known else []
            case "step-start":
                return []
        raise RequestError(f"{place} is a {kind} part in an assistant message, expected text, reasoning or a tool call")

    def _append(self, role: Role, parts: list[Part]) -> None:
        if not parts:
            return
        if self.messages and self.messages[-1][0] == role:
            self.messages[-1][1].extend(parts)
        else:
            self.messages.append((role, list(parts)))


def _places(message: UiMessage, where: str) -> list[tuple[str, str, dict[str, Any]]]:
    """
    List the parts that a model may get: the name of each one's place, its type, and the part.
    """
    places = []
    for index, part in enumerate(message.parts):
        place, kind = f"{where}.parts[{index}]", part.get("type")
        if not isinstance(kind, str):
            raise RequestError(f"{place}.type is missing or no string, expected one of {', '.join(PART_NAMES)}")
        if kind not in PASSED_OVER and not kind.startswith("data-"):
            if kind not in PART_NAMES and not kind.startswith("tool-"):
                raise RequestError(f"{place} has the unknown type {kind[:40]!r}; {suggest(kind, PART_NAMES)}")
            places.append((place, kind, part))
    return places


def _model_of(message: UiMessage) -> str | None:
    model = message.metadata.get("model") if isinstance(message.metadata, dict) else None
    return model if isinstance(model, str) else None


def _to_reasoning(part: ReasoningUiPart) -> ReasoningPart | None:
    known = (part.provider_metadata or {}).get("bedrock") or {}
    signature, redacted = known.get("signature"), known.get("redactedData")
    if not isinstance(signature, str) and not isinstance(redacted, str):
        return None
    return ReasoningPart(
        text=part.text,
        signature=signature if isinstance(signature, str) else None,
        redacted=redacted if isinstance(redacted, str) else None,
    )


def _add_call(part: ToolUiPart, kind: str, place: str, said: list[Part], results: list[Part]) -> None:
    name = kind.removeprefix("tool-") if kind != "dynamic-tool" else part.tool_name
    if not name:
        raise RequestError(f"{place}.toolName is missing, expected the name of the tool")
    if part.state == "input-streaming":
        return
    arguments: Mapping[str, Any] = part.input if isinstance(part.input, dict) else {}
    if part.input is not None and not isinstance(part.input, dict):
        arguments = {"unparsed": part.input}
    said.append(ToolUsePart(tool_use_id=part.tool_call_id, name=name, input=arguments))
    results.append(_to_result(part))


def _to_result(part: ToolUiPart) -> ToolResultPart:
    text, is_error = NOT_CARRIED_OUT, True
    if part.state == "output-available":
        output = part.output
        text, is_error = output if isinstance(output, str) else msgspec.json.encode(output).decode(), False
    elif part.state == "output-error":
        text = part.error_text or NOT_CARRIED_OUT
    elif part.state == "output-denied":
        text = DENIED
    content = (TextPart(text=text),) if text.strip() else ()
    return ToolResultPart(tool_use_id=part.tool_call_id, content=content, is_error=is_error)
