"""
What is kept of conversations, as values: conversations, their messages, and what is to be written when a turn begins.

A conversation is a tree of messages: an edit or a new answer makes a branch, and `leaf_id` names the end of the one
that is shown. What a person wrote is kept as parts; an answer is kept as the events of its log, merged, so that it can
be shown and sent again as it was. Images and documents lie beside the messages, as blobs.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec

from outcrop.errors import RequestError
from outcrop.types import ANSWER_ID_PREFIX, GenerationParams, Part, Role, StreamEvent, ToolResultPart, Usage


class UnknownConversation(RequestError):
    """
    Refuse a conversation, or a message in it, that does not exist or is another's: the two look the same.
    """

    code = "not_found"
    status = 404


class RevisionConflict(RequestError):
    """
    Refuse a change that was meant for another revision.
    """

    code = "conflict"
    status = 412


Content = tuple[Part | StreamEvent, ...]

MessageState = Literal["running", "completed", "stopped", "failed", "interrupted"]
TitleSource = Literal["prompt", "model", "person"]
"""
Where a title comes from: the first words of the first prompt, a model, or a person. A person's is never replaced.
"""


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """
    Describe a conversation. Times are milliseconds since 1970; `revision` grows with every change.

    `leaf_id` is the last message of the branch that is shown, `model` the one that was asked last.
    """

    conversation_id: str
    title: str
    title_source: TitleSource
    created_at: int
    updated_at: int
    revision: int
    model: str | None = None
    leaf_id: str | None = None
    pinned_at: int | None = None
    deleted_at: int | None = None


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """
    Say why an answer failed or was interrupted: the terminal event's code and message, and whether to try again.
    """

    code: str
    message: str
    retryable: bool = False


class StoredMessage(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold one message of a conversation.

    Attributes:
        content: what a message says, as parts; of an answer of ours its log, merged, which has its terminal event once
            it has ended. Where the model called tools and went on, their results stand in their place in there.
        parent_id: the message that it follows; None for the first of a conversation.
        client_id: what the client called it, where that name was taken already.
        turn_id: the turn that made an answer; the last one, where it took several.
        params: what the model was asked with.
        usage: of all its turns; so are the cost and the duration.
        cost_usd: at list price; None where that is not known.
    """

    message_id: str
    role: Role
    state: MessageState
    created_at: int
    content: Content
    parent_id: str | None = None
    client_id: str | None = None
    turn_id: str | None = None
    model: str | None = None
    model_id: str | None = None
    params: GenerationParams | None = None
    usage: Usage | None = None
    failure: Failure | None = None
    cost_usd: float | None = None
    ttft_ms: int | None = None
    duration_ms: int | None = None
    ended_at: int | None = None


class NewMessage(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold a message that is to be written as it is: a prompt, tool results, or an answer that a client brought.
    """

    message_id: str
    role: Role
    parts: tuple[Part, ...]
    parent_id: str | None = None
    client_id: str | None = None


class TurnDraft(msgspec.Struct, frozen=True, kw_only=True):
    """
    Say what is written in one transaction when a turn begins: messages, and the answer that is running from then on.

    The conversation is made where the owner has none of this ID; `title` is for that. Messages come parents first; the
    answer follows `parent_id`, and is named after its turn. Where `continues` names an answer that is stored, the turn
    goes on with it instead. `results` are what tools said to calls in stored answers: message ID → results.
    """

    conversation_id: str
    messages: tuple[NewMessage, ...]
    parent_id: str | None
    model: str
    continues: str | None = None
    results: Mapping[str, tuple[ToolResultPart, ...]] = {}
    params: GenerationParams = GenerationParams()
    title: str = ""


def answer_id_of(turn_id: str) -> str:
    """
    Name the message that a turn's answer is, where no client has named it.
    """
    return f"{ANSWER_ID_PREFIX}{turn_id}"
