"""
Begin turns, and have them kept: native chats unless they are temporary; those of other dialects where that is wanted.

That is where the request's header `x-outcrop-conversation` names a conversation, or the setting `keep_all_dialects`
says so. Their clients send the whole conversation each time, and the model gets what they sent, in any case.
"""

import secrets
from collections.abc import Iterable, Sequence

from outcrop.dialects.chat.turn import ChatTurn
from outcrop.errors import RequestError
from outcrop.server.chat_http import check_name
from outcrop.server.services import Services
from outcrop.turns.service import Started
from outcrop.types import ChatRequest, Message, TextPart

CONVERSATION_HEADER = b"x-outcrop-conversation"
NOT_KEPT = "none"


def find_conversation_id(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """
    Return the name of the conversation that a request belongs to; `none` keeps nothing. None: the request does not say.

    Raises:
        RequestError: it is no name.
    """
    names = [value.decode("latin-1").strip() for name, value in headers if name == CONVERSATION_HEADER]
    return check_name(names[-1], "x-outcrop-conversation") if names else None


async def start_chat(
    services: Services, turn: ChatTurn, *, owner: str, grace_seconds: float, key: str | None
) -> Started:
    """
    Accept a turn of a native chat, and keep it; begin the title of a new chat. See `TurnService.start` for the rest.

    Raises:
        RequestError: the request can't be served as it stands, or what it follows is not kept.
        StoreError: the history can't be read, or the turn could not be committed; nothing was called.
    """
    try:
        plan = await services.keeper.plan(turn, owner=owner)
    except RequestError:
        # What was asked before with this key may be answered by now, and then there is nothing left to answer.
        repeated = await services.turns.find_repeated(turn.request, owner=owner, idempotency_key=key) if key else None
        if repeated is None:
            raise
        return repeated
    started = await services.turns.start(
        plan.request,
        owner=owner,
        grace_seconds=grace_seconds,
        whole=turn.whole,
        chat_id=turn.chat_id,
        message_id=plan.continues,
        draft=plan.draft,
        asked=turn.request,
        idempotency_key=key,
    )
    if started.is_new and plan.draft is not None and plan.is_first:
        services.titles.begin(text_of(plan.request.messages), turn.chat_id, owner=owner)
    return started


def text_of(messages: Sequence[Message]) -> str:
    """
    Return what messages say in words.
    """
    return "\n".join(part.text for message in messages for part in message.parts if isinstance(part, TextPart))


async def start_turn(
    services: Services,
    request: ChatRequest,
    *,
    owner: str,
    conversation_id: str | None,
    grace_seconds: float,
    whole: bool,
    key: str | None = None,
    note: bytes | None = None,
) -> Started:
    """
    Accept a request, and keep its turn where that is wanted. See `TurnService.start` for the rest.

    Raises:
        RequestError: the request can't be served as it stands, or it names a conversation where nothing is kept.
        StoreError: the turn could not be committed; nothing was called.
    """
    if conversation_id is None and services.settings.keep_all_dialects and services.keeper.keeps(request):
        conversation_id = f"c-{secrets.token_urlsafe(12)}"
    draft = None
    if conversation_id not in {None, NOT_KEPT}:
        draft = await services.keeper.draft(request, conversation_id or "", owner=owner)
    return await services.turns.start(
        request,
        owner=owner,
        grace_seconds=grace_seconds,
        whole=whole,
        chat_id=None if draft is None else draft.conversation_id,
        idempotency_key=key,
        note=note,
        draft=draft,
    )
