"""
One contract for kept conversations and the ledger, run over every database.
"""

import asyncio
from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from outcrop.errors import RequestError, StoreError
from outcrop.history import recorder
from outcrop.history.conversations import Conversations
from outcrop.history.database import Database
from outcrop.history.recorder import DatabaseLedger
from outcrop.history.records import (
    NewMessage,
    RevisionConflict,
    StoredMessage,
    TurnDraft,
    UnknownConversation,
    answer_id_of,
)
from outcrop.history.tables import calls
from outcrop.history.transfer import Archive, to_markdown
from outcrop.history.trouble import StorageFull
from outcrop.turns.records import KeptAnswer, TurnSummary
from outcrop.types import (
    DocumentPart,
    ImagePart,
    MessageStart,
    MessageStop,
    StreamEvent,
    StreamFailed,
    TextDelta,
    TextPart,
    ToolResultPart,
    ToolUseDelta,
    ToolUseStart,
    Usage,
)

ALICE, BOB = "key:alice", "key:bob"
USAGE = Usage(input_tokens=3, output_tokens=5)


class Clock:
    """
    Be a clock that moves a millisecond with every look.
    """

    def __init__(self) -> None:
        self.now = 1_000

    def __call__(self) -> int:
        """
        Tell the time.
        """
        self.now += 1
        return self.now


class Keeping:
    """
    Hold a database's repository and ledger, and play turns.
    """

    def __init__(self, database: Database) -> None:
        self.clock = Clock()
        self.conversations = Conversations(database, self.clock)
        self.ledger = DatabaseLedger(database, self.clock)
        self.turns = 0

    async def begin(
        self, chat: str, *prompts: NewMessage, owner: str = ALICE, parent: str | None = None, **more: Any
    ) -> str:
        """
        Begin a turn with new messages.
        """
        self.turns += 1
        turn_id = f"turn_{self.turns}"
        draft = TurnDraft(
            conversation_id=chat,
            messages=prompts,
            parent_id=prompts[-1].message_id if prompts else parent,
            model="claude",
            title="hello there",
            **more,
        )
        await self.ledger.open_intent(turn_id=turn_id, call=1, principal_id=owner, model_id="m", draft=draft)
        return turn_id

    async def end(self, turn_id: str, *events: StreamEvent) -> None:
        """
        End it.
        """
        summary = TurnSummary(usage=USAGE, duration_ms=40, ttft_ms=10, cost_usd=0.5)
        answer = KeptAnswer(events=events or said("hi"), summary=summary)
        await self.ledger.settle(turn_id=turn_id, call=1, outcome="completed", usage=USAGE, attempts=1, answer=answer)

    async def talk(self, chat: str, *texts: str, owner: str = ALICE) -> list[str]:
        """
        Play a conversation, and return the names of its messages.
        """
        names: list[str] = []
        for text in texts:
            prompt = ask(text, parent=names[-1] if names else None, name=f"p{len(names)}")
            turn_id = await self.begin(chat, prompt, owner=owner)
            await self.end(turn_id, *said(f"re {text}"))
            names += [prompt.message_id, answer_id_of(turn_id)]
        return names


def ask(text: str, *, name: str = "p", parent: str | None = None) -> NewMessage:
    """
    Make a prompt.
    """
    return NewMessage(message_id=name, role="user", parts=(TextPart(text=text),), parent_id=parent)


def said(text: str) -> tuple[StreamEvent, ...]:
    """
    Make the log of an answer.
    """
    return (MessageStart(), TextDelta(text), MessageStop(stop_reason="end_turn"))


@pytest.fixture
def keeping(database: Database) -> Keeping:
    """
    Make both over an empty database.
    """
    return Keeping(database)


async def test_a_turn_is_kept_from_its_beginning(keeping: Keeping) -> None:
    """
    The prompt and the running answer are there before the call, and the answer when it has ended.
    """
    turn_id = await keeping.begin("c", ask("hello"))
    branch = await keeping.conversations.open(ALICE, "c")
    assert [(shown.message.role, shown.message.state) for shown in branch.messages] == [
        ("user", "completed"),
        ("assistant", "running"),
    ]
    await keeping.end(turn_id)
    answer = (await keeping.conversations.open(ALICE, "c")).messages[-1].message
    assert answer.content == said("hi")
    assert (answer.state, answer.usage, answer.cost_usd, answer.ttft_ms) == ("completed", USAGE, 0.5, 10)
    assert (answer.message_id, answer.parent_id, answer.turn_id) == (f"msg-{turn_id}", "p", turn_id)
    found = await keeping.conversations.find(ALICE, "c")
    assert (found.title, found.leaf_id, found.model) == ("hello there", f"msg-{turn_id}", "claude")


async def test_files_are_kept_once(keeping: Keeping) -> None:
    """
    What was sent comes back byte for byte, also twice in one message.
    """
    parts = (
        ImagePart(media_type="image/png", data=b"\x00png"),
        DocumentPart(media_type="text/plain", data=b"text", name="n.txt"),
        ImagePart(media_type="image/png", data=b"\x00png"),
        TextPart(text="what?"),
    )
    await keeping.begin("c", NewMessage(message_id="p", role="user", parts=parts))
    assert (await keeping.conversations.open(ALICE, "c")).messages[0].message.content == parts


async def test_branches(keeping: Keeping) -> None:
    """
    A second answer is a sibling of the first; each branch can be read and shown.
    """
    prompt, first = await keeping.talk("c", "hello")
    again = await keeping.begin("c", parent=prompt)
    await keeping.end(again, *said("another"))
    branch = await keeping.conversations.open(ALICE, "c")
    assert branch.messages[-1].siblings == (first, answer_id_of(again))
    assert branch.conversation.leaf_id == answer_id_of(again)
    await keeping.conversations.select_leaf(ALICE, "c", first)
    assert (await keeping.conversations.open(ALICE, "c")).messages[-1].message.message_id == first
    path = await keeping.conversations.path(ALICE, "c", answer_id_of(again))
    assert [message.message_id for message in path] == [prompt, answer_id_of(again)]


async def test_a_branch_through_a_message_goes_to_the_newest_one_under_it(keeping: Keeping) -> None:
    """
    Whoever shows another branch sees where it was left, not the message where it leaves the others.
    """
    prompt, first = await keeping.talk("c", "hello")
    again = await keeping.begin("c", parent=prompt)
    await keeping.end(again, *said("another"))
    more = await keeping.begin("c", ask("more", name="more", parent=first))
    await keeping.end(more)
    branch = await keeping.conversations.open(ALICE, "c", through=first)
    assert [shown.message.message_id for shown in branch.messages] == [prompt, first, "more", answer_id_of(more)]
    branch = await keeping.conversations.open(ALICE, "c", through=answer_id_of(again))
    assert [shown.message.message_id for shown in branch.messages] == [prompt, answer_id_of(again)]
    branch = await keeping.conversations.open(ALICE, "c", through=prompt)
    assert branch.messages[-1].message.message_id == answer_id_of(more)
    with pytest.raises(UnknownConversation):
        await keeping.conversations.open(ALICE, "c", through="nothing")


async def test_long_branches_come_in_pages(keeping: Keeping) -> None:
    """
    The newest messages come first, and `before` leads to older ones.
    """
    names = await keeping.talk("c", *(f"m{number}" for number in range(6)))
    page = await keeping.conversations.open(ALICE, "c", limit=5)
    assert ([shown.message.message_id for shown in page.messages], page.has_more) == (names[-5:], True)
    rest = await keeping.conversations.open(ALICE, "c", before=names[-5], limit=100)
    assert ([shown.message.message_id for shown in rest.messages], rest.has_more) == (names[:-5], False)


async def test_a_stock_clients_list_is_matched(keeping: Keeping) -> None:
    """
    Sent again, a list adds nothing; an edit under an old name is a branch; an answer is known by its name.
    """
    prompt, answer = await keeping.talk("c", "hello")
    sent = [ask("hello", name=prompt), NewMessage(message_id=answer, role="assistant", parts=(TextPart(text="x"),))]
    match = await keeping.conversations.match(ALICE, "c", [*sent, ask("more", name="p9")])
    assert ([message.message_id for message in match.path], match.count) == ([prompt, answer], 2)
    assert [(message.message_id, message.parent_id) for message in match.new] == [("p9", answer)]
    again = await keeping.conversations.match(ALICE, "c", sent)
    assert again.new == []
    edited = (await keeping.conversations.match(ALICE, "c", [ask("hullo", name=prompt)])).new
    assert (edited[0].client_id, edited[0].parent_id) == (prompt, None)
    assert edited[0].message_id != prompt
    await keeping.end(await keeping.begin("c", *edited))
    known = await keeping.conversations.match(ALICE, "c", [ask("hullo", name=prompt)])
    assert [message.message_id for message in known.path] == [edited[0].message_id]
    nothing = await keeping.conversations.match(ALICE, "unknown", [ask("hello", name="")])
    assert (nothing.path, len(nothing.new), bool(nothing.new[0].message_id)) == ([], 1, True)


async def test_tools_go_on_in_the_same_message(keeping: Keeping) -> None:
    """
    Results are put behind their call, the next turn's events behind them; usage and cost are those of both turns.
    """
    call = (
        MessageStart(),
        ToolUseStart(index=0, tool_use_id="t1", name="weather"),
        ToolUseDelta(index=0, input_json="{}"),
        MessageStop(stop_reason="tool_use"),
    )
    turn_id = await keeping.begin("c", ask("weather?"))
    await keeping.end(turn_id, *call)
    answer_id = answer_id_of(turn_id)
    result = ToolResultPart(tool_use_id="t1", content=(TextPart(text="sunny"),))
    second = await keeping.begin("c", parent="p", continues=answer_id, results={answer_id: (result,)})
    await keeping.end(second, *said("it is sunny"))
    branch = await keeping.conversations.open(ALICE, "c")
    message = branch.messages[-1].message
    assert message.content == (*call, result, *said("it is sunny"))
    assert (message.message_id, message.cost_usd, message.turn_id) == (answer_id, 1.0, second)
    assert message.usage == Usage(input_tokens=6, output_tokens=10)
    assert len(branch.messages) == 2


async def test_failures_are_kept_as_they_were_told(keeping: Keeping) -> None:
    """
    What came before the failure is kept with it.
    """
    turn_id = await keeping.begin("c", ask("hello"))
    await keeping.end(turn_id, MessageStart(), TextDelta("half"), StreamFailed(code="throttled", message="busy"))
    message = (await keeping.conversations.open(ALICE, "c")).messages[-1].message
    assert (message.state, message.failure and message.failure.code) == ("failed", "throttled")


async def test_a_call_is_settled_once(keeping: Keeping) -> None:
    """
    A second end is an error; another replica's is passed over.
    """
    turn_id = await keeping.begin("c", ask("hello"))
    await keeping.end(turn_id)
    with pytest.raises(StoreError, match="no open row"):
        await keeping.ledger.settle(turn_id=turn_id, call=1, outcome="failed", usage=USAGE, attempts=1)
    lost = KeptAnswer(
        events=(StreamFailed(code="interrupted", message="died"),), summary=TurnSummary(usage=USAGE, duration_ms=1)
    )
    await keeping.ledger.settle_for_another(
        turn_id=turn_id, call=1, principal_id=ALICE, model_id="m", outcome="interrupted", usage=USAGE, answer=lost
    )
    assert (await keeping.conversations.open(ALICE, "c")).messages[-1].message.state == "completed"


async def test_what_a_crash_left_open_is_found(keeping: Keeping) -> None:
    """
    Open calls and running answers are listed until they are settled.
    """
    kept = await keeping.begin("c", ask("hello"))
    await keeping.ledger.open_intent(turn_id="plain", call=1, principal_id=BOB, model_id="m")
    found = await keeping.ledger.find_unfinished(limit=10)
    assert [(row.turn_id, row.principal_id, row.is_kept) for row in found] == [
        (kept, ALICE, True),
        ("plain", BOB, False),
    ]
    await keeping.end(kept)
    await keeping.ledger.settle(turn_id="plain", call=1, outcome="stopped", usage=USAGE, attempts=1)
    assert await keeping.ledger.find_unfinished(limit=10) == []


async def test_a_draft_that_cannot_be_written_leaves_nothing(keeping: Keeping) -> None:
    """
    With the prompt, the intent is not committed either.
    """
    with pytest.raises(UnknownConversation):
        await keeping.begin("c", ask("hello", parent="nobody"))
    assert await keeping.ledger.find_unfinished(limit=10) == []
    with pytest.raises(UnknownConversation):
        await keeping.conversations.find(ALICE, "c")


async def test_lists_have_cursors(keeping: Keeping) -> None:
    """
    The last changed comes first; pages neither skip nor repeat.
    """
    for number in range(7):
        await keeping.talk(f"c{number}", "hello")
    await keeping.talk("bobs", "hello", owner=BOB)
    await keeping.conversations.rename(ALICE, "c2", "changed")
    seen: list[str] = []
    cursor = None
    while True:
        page = await keeping.conversations.list_page(ALICE, limit=3, cursor=cursor)
        seen += [each.conversation_id for each in page.conversations]
        cursor = page.cursor
        if cursor is None:
            break
    assert seen == ["c2", "c6", "c5", "c4", "c3", "c1", "c0"]
    with pytest.raises(RequestError, match="cursor"):
        await keeping.conversations.list_page(ALICE, cursor="bm90IG91cnM")


async def test_changes_need_the_revision_that_was_seen(keeping: Keeping) -> None:
    """
    A change for an older revision is refused; one without a revision is made.
    """
    await keeping.talk("c", "hello")
    seen = await keeping.conversations.find(ALICE, "c")
    changed = await keeping.conversations.rename(ALICE, "c", "  New title ", if_revision=seen.revision)
    assert (changed.title, changed.title_source, changed.revision) == ("New title", "person", seen.revision + 1)
    with pytest.raises(RevisionConflict):
        await keeping.conversations.pin(ALICE, "c", pinned=True, if_revision=seen.revision)
    assert (await keeping.conversations.pin(ALICE, "c", pinned=True)).pinned_at is not None
    pinned = await keeping.conversations.list_page(ALICE, pinned=True)
    assert [each.conversation_id for each in pinned.conversations] == ["c"]
    kept = await keeping.conversations.rename(ALICE, "c", "Made by a model", by="model")
    assert kept.title == "New title"


@pytest.mark.parametrize("title", ["", "  ", "x" * 201, "a\x00b", "a\nb", "\ud800"])
async def test_titles_that_cannot_be_are_refused(keeping: Keeping, title: str) -> None:
    """
    The refusal says what is expected.
    """
    await keeping.talk("c", "hello")
    with pytest.raises(RequestError, match="title"):
        await keeping.conversations.rename(ALICE, "c", title)


async def test_deleting_can_be_undone_until_it_is_for_good(keeping: Keeping) -> None:
    """
    A deleted conversation is not shown, not found and not written to; then it is back, or gone with all that it held.
    """
    await keeping.talk("c", "needle in a haystack")
    await keeping.conversations.delete(ALICE, "c")
    with pytest.raises(UnknownConversation):
        await keeping.conversations.open(ALICE, "c")
    with pytest.raises(UnknownConversation, match="deleted"):
        await keeping.begin("c", ask("more", name="p9"))
    assert (await keeping.conversations.search(ALICE, "needle")).found == ()
    deleted = await keeping.conversations.list_page(ALICE, deleted=True)
    assert [each.conversation_id for each in deleted.conversations] == ["c"]
    await keeping.conversations.restore(ALICE, "c")
    assert len((await keeping.conversations.search(ALICE, "needle")).found) == 2
    await keeping.conversations.delete(ALICE, "c")
    assert await keeping.conversations.purge(deleted_before=0) == 0
    assert await keeping.conversations.purge(deleted_before=keeping.clock() + 1) == 1
    with pytest.raises(UnknownConversation):
        await keeping.conversations.restore(ALICE, "c")


async def test_old_conversations_are_retired_unless_they_are_pinned(keeping: Keeping) -> None:
    """
    Retention by age spares what is pinned, and what is running.
    """
    await keeping.talk("old", "hello")
    await keeping.talk("pinned", "hello")
    await keeping.conversations.pin(ALICE, "pinned", pinned=True)
    await keeping.begin("running", ask("hello"))
    assert await keeping.conversations.retire(changed_before=keeping.clock() + 1) == 1
    left = (await keeping.conversations.list_page(ALICE)).conversations
    assert {each.conversation_id for each in left} == {"pinned", "running"}


async def test_search_finds_titles_and_messages(keeping: Keeping) -> None:
    """
    Titles come first, then messages, the newest first, with what was searched for marked; in any script.
    """
    await keeping.talk("one", "the Tagus river in Lisboa", "又去了北京大学")
    await keeping.talk("two", "a RIVER, again")
    await keeping.conversations.rename(ALICE, "two", "Rivers")
    await keeping.talk("bobs", "river", owner=BOB)
    page = await keeping.conversations.search(ALICE, "river", limit=2)
    titles = [(hit.conversation.conversation_id, hit.message is None) for hit in page.found]
    assert titles == [("two", True), ("two", False)]
    assert page.cursor is not None
    rest = await keeping.conversations.search(ALICE, "river", limit=10, cursor=page.cursor)
    assert [hit.conversation.conversation_id for hit in rest.found] == ["two", "one", "one"]
    snippet = rest.found[-1].snippet
    assert [snippet.text[start:end] for start, end in snippet.marks] == ["river"]
    assert len((await keeping.conversations.search(ALICE, "北京")).found) == 2
    assert (await keeping.conversations.search(ALICE, "京北")).found == ()
    assert len((await keeping.conversations.search(ALICE, '"river in"')).found) == 2
    assert (await keeping.conversations.search(ALICE, "lisb -river ' OR 1=1 --")).found == ()


async def test_anothers_conversation_looks_like_an_unknown_one(keeping: Keeping) -> None:
    """
    Every method that names a conversation refuses another's, and changes nothing.
    """
    prompt, _ = await keeping.talk("c", "hello")
    before = await keeping.conversations.find(ALICE, "c")
    theirs = keeping.conversations
    for attempt in (
        theirs.find(BOB, "c"),
        theirs.open(BOB, "c"),
        theirs.path(BOB, "c", prompt),
        theirs.rename(BOB, "c", "mine"),
        theirs.pin(BOB, "c", pinned=True),
        theirs.select_leaf(BOB, "c", prompt),
        theirs.delete(BOB, "c"),
        theirs.restore(BOB, "c"),
    ):
        with pytest.raises(UnknownConversation):
            await attempt
    assert (await theirs.match(BOB, "c", [ask("hello", name=prompt)])).path == []
    await keeping.talk("c", "bob's own", owner=BOB)
    assert await keeping.conversations.find(ALICE, "c") == before


async def test_many_turns_at_once(keeping: Keeping) -> None:
    """
    Turns of many conversations begin and end beside each other, and none is lost.
    """
    await asyncio.gather(*(keeping.talk(f"c{number}", "one", "two") for number in range(20)))
    for number in range(20):
        branch = await keeping.conversations.open(ALICE, f"c{number}")
        assert len(branch.messages) == 4
        assert all(shown.message.state == "completed" for shown in branch.messages)


async def test_long_chats_are_deleted_for_good(keeping: Keeping) -> None:
    """
    A conversation of thousands of messages goes as a short one does.
    """
    prompts = [ask("hi", name=f"u{number}", parent=f"u{number - 1}" if number else None) for number in range(1500)]
    await keeping.end(await keeping.begin("long", *prompts))
    await keeping.conversations.delete(ALICE, "long")
    assert await keeping.conversations.purge(deleted_before=keeping.clock() + 1) == 1
    assert (await keeping.conversations.list_page(ALICE, deleted=True)).conversations == ()


async def test_many_turns_make_one_conversation(keeping: Keeping) -> None:
    """
    Turns that begin a new conversation at the same moment all find it made.
    """
    await asyncio.gather(*(keeping.begin("new", ask("hi", name=f"u{number}")) for number in range(20)))
    assert len(await keeping.ledger.find_unfinished(limit=100)) == 20


class Unwilling:
    """
    Be a database that can't be written for a while.
    """

    def __init__(self, database: Database) -> None:
        self.kind = database.kind
        self.read = database.read
        self.refuses = False
        self._database = database

    async def write(self, work: Any) -> Any:
        """
        Write, or refuse.
        """
        if self.refuses:
            raise StorageFull("there is no room left in the database, or on its disk")
        return await self._database.write(work)


async def test_an_end_that_could_not_be_written_is_written_later(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The reader was told of the failure, so that is what is kept; the usage is what it was. One bad row blocks nothing.
    """
    monkeypatch.setattr(recorder, "PAUSES_SECONDS", (0.01,))
    unwilling = Unwilling(database)
    keeping = Keeping(database)
    keeping.ledger = DatabaseLedger(unwilling, keeping.clock)  # type: ignore[arg-type]  # as much as the ledger uses
    turn_id = await keeping.begin("c", ask("hello"))
    unwilling.refuses = True
    with pytest.raises(StoreError):
        await keeping.ledger.settle(turn_id="unknown", call=1, outcome="completed", usage=USAGE, attempts=1)
    with pytest.raises(StorageFull):
        await keeping.end(turn_id)
    unwilling.refuses = False
    async with asyncio.timeout(20):
        while await keeping.ledger.find_unfinished(limit=10):
            await asyncio.sleep(0.01)
    await keeping.ledger.aclose()
    message = (await keeping.conversations.open(ALICE, "c")).messages[-1].message
    assert (message.state, message.failure and message.failure.code, message.usage) == ("failed", "storage", USAGE)
    assert message.content[:-1] == said("hi")[:-1]
    outcome = select(calls.c.outcome).where(calls.c.turn_id == turn_id)
    assert await database.read(lambda transaction: transaction.scalar(outcome)) == "failed"


@pytest.mark.parametrize("name", ["a\x00b", "\ud800", "x" * 2_000_000, "' OR 1=1 --", "../../etc/passwd", "é"])
async def test_hostile_names_find_nothing_and_break_nothing(keeping: Keeping, name: str) -> None:
    """
    They are names like others, or no names at all.
    """
    for attempt in (
        keeping.conversations.find(ALICE, name),
        keeping.conversations.open(ALICE, name),
        keeping.conversations.delete(ALICE, name),
    ):
        with pytest.raises(UnknownConversation):
            await attempt
    await keeping.talk("c", "hello")
    with pytest.raises(UnknownConversation):
        await keeping.conversations.select_leaf(ALICE, "c", name)
    if not name.isprintable() or len(name) > 256:
        with pytest.raises(RequestError):
            await keeping.begin(name, ask("hello"))


async def test_a_conversation_can_be_taken_out_and_put_in_again(keeping: Keeping) -> None:
    """
    With all its branches, files, counts and failures; under a name of its own where the old one is taken.
    """
    image = ImagePart(media_type="image/png", data=b"\x00png")
    prompt = NewMessage(message_id="p", role="user", parts=(image, TextPart(text="zirconium?")))
    first = await keeping.begin("c", prompt)
    await keeping.end(first)
    second = await keeping.begin("c", parent="p")
    await keeping.end(second, MessageStart(), TextDelta("half"), StreamFailed(code="throttled", message="busy"))
    archive = await keeping.conversations.export(ALICE, "c")
    written = msgspec.json.encode(archive)
    made = await keeping.conversations.import_archive(ALICE, msgspec.json.decode(written, type=Archive))
    assert made.conversation_id != "c"
    again = await keeping.conversations.export(ALICE, made.conversation_id)
    assert [without_turn(message) for message in again.messages] == [without_turn(each) for each in archive.messages]
    theirs = await keeping.conversations.import_archive(BOB, msgspec.json.decode(written, type=Archive))
    assert (theirs.conversation_id, theirs.title, theirs.leaf_id) == ("c", "hello there", answer_id_of(second))
    assert len((await keeping.conversations.search(BOB, "zirconium")).found) == 1
    assert await keeping.ledger.find_unfinished(limit=10) == []


def without_turn(message: StoredMessage) -> StoredMessage:
    """
    Pass over what a conversation that was put in does not have.
    """
    return msgspec.structs.replace(message, turn_id=None)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"version": 2}, "version 2"),
        ({"conversation": {"created_at": -1}}, "created_at"),
        ({"conversation": {"created_at": 1 << 70}}, "created_at"),
        ({"conversation": {"model": "a\x00b"}}, "model"),
        ({"conversation": {"conversation_id": "a\nb"}}, r"a\\nb"),
        ({"message": {"message_id": ""}}, "no name"),
        ({"message": {"model_id": "m" * 5000}}, "model_id"),
        ({"message": {"cost_usd": -0.5}}, "cost_usd"),
        ({"message": {"usage": {"input_tokens": 1 << 63}}}, "input_tokens"),
    ],
)
async def test_what_was_not_exported_is_refused(keeping: Keeping, change: dict[str, Any], said: str) -> None:
    """
    The refusal names what is wrong, and nothing is written.
    """
    await keeping.talk("c", "hello")
    archive = msgspec.json.decode(msgspec.json.encode(await keeping.conversations.export(ALICE, "c")))
    archive["messages"][0] |= change.get("message", {})
    archive["conversation"] |= change.get("conversation", {})
    forged = msgspec.convert(archive | {"version": change.get("version", 1)}, Archive)
    with pytest.raises(RequestError, match=said):
        await keeping.conversations.import_archive(BOB, forged)
    assert (await keeping.conversations.list_page(BOB)).conversations == ()


async def test_a_long_message_is_found_by_any_of_its_words(keeping: Keeping) -> None:
    """
    Cutting a long text takes a while; it is searched to its end all the same.
    """
    await keeping.talk("c", "word " * 60_000 + "zirconium")
    assert (await keeping.conversations.search(ALICE, "zirconium")).found


async def test_messages_that_do_not_hang_together_are_refused(keeping: Keeping) -> None:
    """
    A message must come after the one that it follows, once.
    """
    await keeping.talk("c", "hello")
    archive = await keeping.conversations.export(ALICE, "c")
    for messages in (archive.messages[::-1], (*archive.messages, archive.messages[0])):
        with pytest.raises(RequestError):
            await keeping.conversations.import_archive(BOB, msgspec.structs.replace(archive, messages=messages))


async def test_a_branch_as_markdown(keeping: Keeping) -> None:
    """
    What a person would read: who says what, and how it ended.
    """
    turn_id = await keeping.begin("c", ask("hello"))
    await keeping.end(turn_id, MessageStart(), TextDelta("half"), StreamFailed(code="throttled", message="busy"))
    path = await keeping.conversations.path(ALICE, "c", answer_id_of(turn_id))
    assert to_markdown("Title", path) == "# Title\n\n## You\n\nhello\n\n## claude\n\nhalf\n\n*(failed: busy)*\n"
