"""
Kept conversations: list, open, search, change, delete and take back. See docs/history.md.
"""

import re
from typing import Any

import msgspec
from starlette.responses import Response
from starlette.types import ASGIApp

from outcrop.errors import RequestError
from outcrop.history.conversations import Conversations
from outcrop.history.records import Conversation, RevisionConflict, UnknownConversation
from outcrop.history.transfer import Archive, to_markdown
from outcrop.server.api import Call, Given, NotModified, Operation, Reply
from outcrop.server.chat_http import NO_STORE
from outcrop.server.conversation_types import (
    BranchJson,
    Change,
    ConversationJson,
    ExportQuery,
    FoundPageJson,
    ListQuery,
    OpenQuery,
    PageJson,
    SearchQuery,
    to_branch_json,
    to_conversation_json,
    to_found_json,
    to_page_json,
)
from outcrop.turns.service import TurnService

PATH = "/api/conversations/{conversation_id}"
TAG = "conversations"
MAX_ARCHIVE_BYTES = 64 << 20
ETAG = re.compile(r'(?:W/)?"(\d{1,15})"')
IF_MATCH = {"If-Match": "the ETag of the conversation that the change is meant for"}


READING: dict[str, Any] = {
    "tag": TAG, "action": "read_conversations", "method": "GET", "errors": (UnknownConversation,),
}  # fmt: skip
CHANGING: dict[str, Any] = {
    "tag": TAG,
    "action": "change_conversations",
    "given": {200: Given(says="the conversation as it is now", type=ConversationJson)},
    "errors": (UnknownConversation, RevisionConflict),
}


class NothingKept(UnknownConversation):
    """
    Refuse what needs a history where the settings keep none.
    """

    code = "nothing_kept"


class ConversationRoutes:
    """
    Serve `/api/conversations` and `/api/search`.

    Args:
        conversations: where they are kept; None where they aren't.
        turns: who stops the answer of a conversation that is deleted.
        region: what answers are said to come from.
    """

    def __init__(self, conversations: Conversations | None, turns: TurnService, region: str) -> None:
        self._kept = conversations
        self._turns = turns
        self._region = region

    def operations(self) -> list[Operation]:
        """
        Declare the operations.
        """
        return [
            self._listing(),
            self._searching(),
            self._opening(),
            self._changing(),
            self._deleting(),
            self._restoring(),
            self._exporting(),
            self._importing(),
        ]

    def _listing(self) -> Operation:
        return Operation(
            **READING,
            path="/api/conversations",
            name="listConversations",
            summary="List conversations, the last changed first",
            serve=self.list_page,
            query=ListQuery,
            given={200: Given(says="a page of conversations", type=PageJson)},
        )

    def _searching(self) -> Operation:
        return Operation(
            **READING,
            path="/api/search",
            name="searchConversations",
            summary="Search titles and messages, in any script",
            serve=self.search,
            query=SearchQuery,
            given={200: Given(says="what was found: titles, then messages", type=FoundPageJson)},
        )

    def _opening(self) -> Operation:
        return Operation(
            **READING,
            path=PATH,
            name="openConversation",
            summary="Read a conversation: the end of the branch that is shown, or of another",
            serve=self.open,
            query=OpenQuery,
            headers={"If-None-Match": "the ETag of the copy that the caller has"},
            given={
                200: Given(says="the end of the branch", type=BranchJson),
                304: Given(says="the caller's copy is still true"),
            },
        )

    def _changing(self) -> Operation:
        return Operation(
            **CHANGING,
            method="PATCH",
            path=PATH,
            name="changeConversation",
            summary="Rename a conversation, pin or unpin it, or show another of its branches",
            serve=self.change,
            body=Change,
            headers=IF_MATCH,
        )

    def _deleting(self) -> Operation:
        return Operation(
            **CHANGING,
            method="DELETE",
            path=PATH,
            name="deleteConversation",
            summary="Delete a conversation; it can be restored for the setting `undo_delete_seconds`",
            serve=self.delete,
            headers=IF_MATCH,
        )

    def _restoring(self) -> Operation:
        return Operation(
            **CHANGING,
            method="POST",
            path=f"{PATH}/restore",
            name="restoreConversation",
            summary="Take back the deletion of a conversation",
            serve=self.restore,
        )

    def _exporting(self) -> Operation:
        return Operation(
            **READING,
            path=f"{PATH}/export",
            name="exportConversation",
            summary="Take a conversation out: all of it as JSON, or the branch that is shown as Markdown",
            serve=self.export,
            query=ExportQuery,
            given={200: Given(says="the conversation", media_type="*/*")},
        )

    def _importing(self) -> Operation:
        return Operation(
            tag=TAG,
            action="change_conversations",
            method="POST",
            path="/api/conversations/import",
            name="importConversation",
            summary="Put a conversation in that was taken out as JSON; it gets another id where its own is taken",
            serve=self.put_in,
            body=Archive,
            body_name="exported conversation",
            max_body_bytes=MAX_ARCHIVE_BYTES,
            given={201: Given(says="the new conversation", type=ConversationJson)},
            errors=(UnknownConversation,),
        )

    async def list_page(self, call: Call) -> Reply:
        """
        List conversations.
        """
        query: ListQuery = call.query
        page = await self._conversations().list_page(
            call.owner,
            limit=query.limit,
            cursor=query.cursor,
            deleted=query.show == "deleted",
            pinned=query.show == "pinned",
        )
        return Reply(body=to_page_json(page))

    async def search(self, call: Call) -> Reply:
        """
        Search.
        """
        query: SearchQuery = call.query
        found = await self._conversations().search(call.owner, query.q, limit=query.limit, cursor=query.cursor)
        return Reply(body=to_found_json(found))

    async def open(self, call: Call) -> Reply | NotModified:
        """
        Read the end of a branch.
        """
        query: OpenQuery = call.query
        conversations, name = self._conversations(), call.name("conversation_id")
        wanted = call.request.headers.get("if-none-match")
        if wanted is not None:
            now = _etag(await conversations.find(call.owner, name))
            if now == wanted:
                return NotModified(now)
        branch = await conversations.open(
            call.owner,
            name,
            leaf_id=query.leaf,
            through=query.through,
            before=query.before,
            limit=query.limit,
        )
        return Reply(body=to_branch_json(branch, region=self._region), etag=_etag(branch.conversation))

    async def change(self, call: Call) -> Reply:
        """
        Change one thing.
        """
        change: Change = call.body
        given = [name for name in ("title", "pinned", "leaf_id") if getattr(change, name) is not None]
        if len(given) != 1:
            raise RequestError(f"the body has {len(given)} changes, expected one of title, pinned, leafId")
        conversations, name = self._conversations(), call.name("conversation_id")
        revision = _read_if_match(call)
        if change.title is not None:
            return _answer(await conversations.rename(call.owner, name, change.title, if_revision=revision))
        if change.pinned is not None:
            return _answer(await conversations.pin(call.owner, name, pinned=change.pinned, if_revision=revision))
        assert change.leaf_id is not None
        return _answer(await conversations.select_leaf(call.owner, name, change.leaf_id, if_revision=revision))

    async def delete(self, call: Call) -> Reply:
        """
        Delete, and stop the answer that runs.
        """
        name = call.name("conversation_id")
        deleted = await self._conversations().delete(call.owner, name, if_revision=_read_if_match(call))
        status = await self._turns.find_chat(name, owner=call.owner)
        if status is not None and status.state == "running":
            await self._turns.stop(status.turn_id, owner=call.owner)
        return _answer(deleted)

    async def export(self, call: Call) -> ASGIApp:
        """
        Take a conversation out.
        """
        query: ExportQuery = call.query
        conversations, name = self._conversations(), call.name("conversation_id")
        if query.format == "json":
            archive = await conversations.export(call.owner, name)
            return Response(msgspec.json.encode(archive), 200, NO_STORE, media_type="application/json")
        found = await conversations.find(call.owner, name)
        path = [] if found.leaf_id is None else await conversations.path(call.owner, name, found.leaf_id)
        return Response(to_markdown(found.title, path), 200, NO_STORE, media_type="text/markdown")

    async def put_in(self, call: Call) -> Reply:
        """
        Put a conversation in.
        """
        made = await self._conversations().import_archive(call.owner, call.body)
        return Reply(body=to_conversation_json(made), status=201, etag=_etag(made))

    async def restore(self, call: Call) -> Reply:
        """
        Take back a deletion.
        """
        return _answer(await self._conversations().restore(call.owner, call.name("conversation_id")))

    def _conversations(self) -> Conversations:
        if self._kept is None:
            raise NothingKept("this server keeps no conversations (setting database_url)")
        return self._kept


def _answer(conversation: Conversation) -> Reply:
    return Reply(body=to_conversation_json(conversation), etag=_etag(conversation))


def _etag(conversation: Conversation) -> str:
    return f'"{conversation.revision}"'


def _read_if_match(call: Call) -> int | None:
    given = call.request.headers.get("if-match")
    if given is None or given.strip() == "*":
        return None
    match = ETAG.fullmatch(given.strip())
    if match is None:
        raise RequestError(f"If-Match is {given[:40]!r}, expected an ETag of this conversation")
    return int(match.group(1))
