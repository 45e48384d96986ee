"""
What the routes of conversations take and give, as JSON. The OpenAPI document is made from these.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from outcrop.dialects.ui_stream.endings import UiStreamClosing
from outcrop.dialects.ui_stream.message import to_answer_parts, to_prompt_parts
from outcrop.dialects.ui_stream.renderer import UiStreamOpening
from outcrop.history.branches import Branch, ShownMessage
from outcrop.history.conversations import Found, FoundPage, Page
from outcrop.history.records import Conversation, Failure, MessageState, StoredMessage, TitleSource
from outcrop.types import Part, Role, ToolResultPart

Limit = Annotated[int, Meta(ge=1, le=100)]
Cursor = Annotated[str, Meta(min_length=1, max_length=200)]
Id = Annotated[str, Meta(min_length=1, max_length=256)]
Title = Annotated[str, Meta(min_length=1, max_length=200)]


class _Json(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """
    Be written with the names of JavaScript.
    """


class ConversationJson(_Json, frozen=True, kw_only=True):
    """
    Describe a conversation. Times are milliseconds since 1970; `revision` grows with every change.
    """

    id: str
    title: str
    title_source: TitleSource
    model: str | None
    leaf_id: str | None
    pinned_at: int | None
    created_at: int
    updated_at: int
    deleted_at: int | None
    revision: int


class PageJson(_Json, frozen=True, kw_only=True):
    """
    Hold a page of a list; `cursor` leads to the next one.
    """

    conversations: list[ConversationJson]
    cursor: str | None


class FailureJson(_Json, frozen=True, kw_only=True):
    """
    Say why an answer failed or was interrupted; `retryable`: the same question may succeed later.
    """

    code: str
    message: str
    retryable: bool


class MessageJson(_Json, frozen=True, kw_only=True):
    """
    Hold a message: a `UIMessage` (`id`, `role`, `parts`, `metadata`) with what the tree knows of it.

    `siblings` are the names of all messages in its place, itself among them, the oldest first.
    """

    id: str
    role: Role
    parts: list[dict[str, Any]]
    metadata: dict[str, Any]
    state: MessageState
    parent_id: str | None
    siblings: list[str]
    created_at: int
    ended_at: int | None
    turn_id: str | None
    failure: FailureJson | None


class BranchJson(_Json, frozen=True, kw_only=True):
    """
    Hold the end of a branch, in order; `hasMore` says that older messages come before it.
    """

    conversation: ConversationJson
    messages: list[MessageJson]
    has_more: bool


class Mark(_Json, frozen=True, kw_only=True):
    """
    Mark what was searched for: from `start` to before `end`, in characters (Unicode code points) of the snippet.
    """

    start: int
    end: int


class FoundJson(_Json, frozen=True, kw_only=True):
    """
    Hold what was found: a title, or (`messageId`) a message.
    """

    conversation: ConversationJson
    message_id: str | None
    role: Role | None
    snippet: str
    marks: list[Mark]


class FoundPageJson(_Json, frozen=True, kw_only=True):
    """
    Hold a page of what was found, titles first; `cursor` leads to the next one.
    """

    found: list[FoundJson]
    cursor: str | None


class ListQuery(_Json, frozen=True, kw_only=True):
    """
    Say which conversations to list.
    """

    show: Literal["all", "pinned", "deleted"] = "all"
    limit: Limit = 50
    cursor: Cursor | None = None


class OpenQuery(_Json, frozen=True, kw_only=True):
    """
    Say which end of which branch to read: the one to `leaf`, the messages before `before`.

    `through` names any message of a branch, which then is read to the newest message that follows it.
    """

    leaf: Id | None = None
    through: Id | None = None
    before: Id | None = None
    limit: Limit = 50


class SearchQuery(_Json, frozen=True, kw_only=True):
    """
    Say what to search for. Words in quotes stand together; the last word may be the beginning of one.
    """

    q: Annotated[str, Meta(min_length=1, max_length=200)]
    limit: Limit = 20
    cursor: Cursor | None = None


class ExportQuery(_Json, frozen=True, kw_only=True):
    """
    Say how to write it: all branches as JSON, or the one that is shown as Markdown.
    """

    format: Literal["json", "markdown"] = "json"


class Change(_Json, frozen=True, kw_only=True):
    """
    Change one thing of a conversation: its title, whether it is pinned, or the branch that is shown.
    """

    title: Title | None = None
    pinned: bool | None = None
    leaf_id: Id | None = None


def to_conversation_json(conversation: Conversation) -> ConversationJson:
    """
    Write a conversation.
    """
    return ConversationJson(
        id=conversation.conversation_id,
        title=conversation.title,
        title_source=conversation.title_source,
        model=conversation.model,
        leaf_id=conversation.leaf_id,
        pinned_at=conversation.pinned_at,
        created_at=conversation.created_at,
        updated_at=conversation.updated_at,
        deleted_at=conversation.deleted_at,
        revision=conversation.revision,
    )


def to_page_json(page: Page) -> PageJson:
    """
    Write a page of a list.
    """
    return PageJson(conversations=[to_conversation_json(each) for each in page.conversations], cursor=page.cursor)


def to_branch_json(branch: Branch, *, region: str) -> BranchJson:
    """
    Write the end of a branch. `region` is what answers are said to come from.
    """
    return BranchJson(
        conversation=to_conversation_json(branch.conversation),
        messages=[_to_message_json(shown, region) for shown in branch.messages],
        has_more=branch.has_more,
    )


def to_found_json(page: FoundPage) -> FoundPageJson:
    """
    Write a page of what was found.
    """
    return FoundPageJson(found=[_to_found(found) for found in page.found], cursor=page.cursor)


def _to_found(found: Found) -> FoundJson:
    message = found.message
    return FoundJson(
        conversation=to_conversation_json(found.conversation),
        message_id=None if message is None else message.message_id,
        role=None if message is None else message.role,
        snippet=found.snippet.text,
        marks=[Mark(start=start, end=end) for start, end in found.snippet.marks],
    )


def _to_message_json(shown: ShownMessage, region: str) -> MessageJson:
    message = shown.message
    parts, metadata = _to_parts(message, region)
    return MessageJson(
        id=message.message_id,
        role=message.role,
        parts=parts,
        metadata=metadata,
        state=message.state,
        parent_id=message.parent_id,
        siblings=list(shown.siblings),
        created_at=message.created_at,
        ended_at=message.ended_at,
        turn_id=message.turn_id,
        failure=_to_failure(message.failure),
    )


def _to_failure(failure: Failure | None) -> FailureJson | None:
    if failure is None:
        return None
    return FailureJson(code=failure.code, message=failure.message, retryable=failure.retryable)


def _to_parts(message: StoredMessage, region: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    if all(isinstance(each, Part) for each in message.content) and message.turn_id is None:
        return to_prompt_parts([each for each in message.content if isinstance(each, Part)]), {}
    opening = UiStreamOpening(
        turn_id=message.turn_id or "", model=message.model or "", region=region, message_id=message.message_id
    )
    closing = UiStreamClosing(
        usage=message.usage, duration_ms=message.duration_ms, ttft_ms=message.ttft_ms, cost_usd=message.cost_usd
    )
    said = [each for each in message.content if not isinstance(each, Part) or isinstance(each, ToolResultPart)]
    return to_answer_parts(said, opening, closing)
