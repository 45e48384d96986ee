"""
What a client asks for with `send`, or with `POST /api/chat`: a conversation, and how to answer it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from outcrop.dialects.chat.body import parse_chat_body_fields, to_params, to_tool_choice, to_tools
from outcrop.dialects.chat.fields import Fields, check_id, convert, parse_object
from outcrop.dialects.chat.messages import UiMessage, to_conversation, to_messages
from outcrop.errors import RequestError
from outcrop.types import ChatRequest, TextPart

Trigger = Literal["submit-message", "regenerate-message"]

IDEMPOTENCY_HEADER = "idempotency-key"


class ChatTurn(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold a turn that a client asks for.

    `whole` asks for each text in one piece. `messages` are the client's own; `to_client_messages` makes of them what is
    kept. `parent_id` is the kept message that they follow: they are only what is new then, and the request lacks what
    came before. `is_temporary` asks that nothing is kept. `continues` is the ID of the client's last message where that
    is the assistant's (the prompt answers its tool calls): the answer goes on with that message, so the stream must
    bear its ID. `idempotency_key` is the frame's own, from its `headers`, not checked; over HTTP it is None, and the
    request's header counts.
    """

    chat_id: str
    request: ChatRequest
    trigger: Trigger = "submit-message"
    message_id: str | None = None
    whole: bool = False
    messages: tuple[UiMessage, ...] = ()
    parent_id: str | None = None
    is_temporary: bool = False
    continues: str | None = None
    idempotency_key: str | None = None


class SendFields(Fields, frozen=True, kw_only=True):
    """
    Hold what a `send` frame and an HTTP body have in common, besides how to answer.

    `headers` are the client's own for this request, not those of HTTP: only `idempotency-key` is read.
    """

    id: str
    messages: list[Any]
    trigger: Trigger = "submit-message"
    message_id: str | None = None
    headers: dict[str, str] | None = None


HTTP_FIELDS = ("id", "messages", "trigger", "messageId")


def parse_chat_body(content: bytes) -> ChatTurn:
    """
    Parse the body of `POST /api/chat`: id, messages, trigger and messageId beside how to answer.

    Raises:
        RequestError: it is no JSON object, or a field is missing, unknown, of another type or out of range.
    """
    fields = parse_object(content, "the body")
    body = {name: value for name, value in fields.items() if name not in HTTP_FIELDS}
    return build_turn({name: fields[name] for name in HTTP_FIELDS if name in fields}, body, where="")


def build_turn(fields: Mapping[str, Any], body: Mapping[str, Any], *, where: str) -> ChatTurn:
    """
    Build a turn of a request's fields and of how to answer, which stands in `where` ("" for the top).

    Raises:
        RequestError: a field is missing, unknown (in `body`), of another type or out of range; the message names it.
    """
    send = convert(fields, SendFields, "")
    options = parse_chat_body_fields(body, where=where)
    messages = to_messages(send.messages)
    if send.trigger == "regenerate-message":
        messages = _before_answer(messages, send.message_id)
    conversation = to_conversation(messages, options.model)
    if not conversation.messages and options.parent_id is None:
        raise RequestError("messages holds nothing to answer, expected at least one message of the user")
    system = (TextPart(text=options.system),) if options.system and options.system.strip() else ()
    is_streaming = options.stream is not False
    return ChatTurn(
        chat_id=check_id(send.id, "id"),
        request=ChatRequest(
            model=options.model,
            messages=conversation.messages,
            system=(*system, *conversation.system),
            params=to_params(options),
            tools=to_tools(options),
            tool_choice=to_tool_choice(options),
            stream=is_streaming,
        ),
        trigger=send.trigger,
        message_id=send.message_id,
        whole=not is_streaming,
        messages=tuple(messages),
        parent_id=options.parent_id,
        is_temporary=bool(options.temporary),
        continues=(messages[-1].id or None) if messages and messages[-1].role == "assistant" else None,
        idempotency_key=_find_key(send.headers or {}),
    )


def _before_answer(messages: Sequence[UiMessage], message_id: str | None) -> list[UiMessage]:
    """
    Cut a conversation before the answer that is to be made anew: the one that is named, or else the last.
    """
    position = next((at for at, message in enumerate(messages) if message_id and message.id == message_id), None)
    end = len(messages) if position is None else position + 1
    return list(messages[: end - 1] if end and messages[end - 1].role == "assistant" else messages[:end])


def _find_key(headers: Mapping[str, str]) -> str | None:
    keys = [value for name, value in headers.items() if name.lower() == IDEMPOTENCY_HEADER]
    if len(keys) > 1:
        raise RequestError(f"headers has {len(keys)} fields {IDEMPOTENCY_HEADER!r}, expected one")
    return keys[0] if keys else None
