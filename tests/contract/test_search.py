"""
Search over many messages finds what a look at all of them finds, however common a word is, over every database.
"""

import random

import pytest

from outcrop.history import search
from outcrop.history.conversations import Conversations
from outcrop.history.database import Database
from outcrop.history.records import StoredMessage
from outcrop.history.transfer import Archive, ArchivedConversation
from outcrop.types import TextPart

WORDS = ["river", "rivers", "riverbed", "rim", "lake", "laken", "sea", "seaside", "河", "北京"]
CHATS, MESSAGES = 30, 12


def make_archive(number: int, randomly: random.Random) -> Archive:
    """
    Make a conversation of common words.
    """
    said = [" ".join(randomly.choices(WORDS, k=4)) for _ in range(MESSAGES)]
    return Archive(
        version=1,
        conversation=ArchivedConversation(
            conversation_id=f"c{number}", title=randomly.choice(WORDS), title_source="person", created_at=1
        ),
        messages=tuple(
            StoredMessage(
                message_id=f"m{place}", role="user", state="completed", created_at=1, content=(TextPart(text=text),)
            )
            for place, text in enumerate(said)
        ),
    )


@pytest.fixture
async def kept(database: Database) -> tuple[Conversations, list[tuple[str, str]]]:
    """
    Keep conversations of two people; give what one of them would find: names and texts, titles first, the newest first.
    """
    conversations, randomly = Conversations(database, lambda: 1), random.Random(1)
    titles, messages = [], []
    for number in range(CHATS):
        archive = make_archive(number, randomly)
        owner = "alice" if number % 3 else "bob"
        await conversations.import_archive(owner, archive)
        if owner == "alice":
            name = archive.conversation.conversation_id
            titles.append((name, archive.conversation.title))
            messages += [(f"{name} {each.message_id}", each.content[0].text) for each in archive.messages]  # type: ignore[union-attr]  # made above
    return conversations, titles[::-1] + messages[::-1]


@pytest.mark.parametrize("seen", [5000, 7])
@pytest.mark.parametrize(
    "wanted", ["r", "ri", "river", "rivers", "riverbed", "la", "s", "河", "北", "sea r", '"lake sea']
)
async def test_common_words_are_all_found(
    kept: tuple[Conversations, list[tuple[str, str]]], monkeypatch: pytest.MonkeyPatch, wanted: str, seen: int
) -> None:
    """
    Page by page, in order, once each; also where only a few messages are looked at before the index is asked.
    """
    monkeypatch.setattr(search, "SEEN_ENTRIES", seen)
    conversations, texts = kept
    found: list[str] = []
    cursor = None
    while True:
        page = await conversations.search("alice", wanted, limit=50, cursor=cursor)
        found += [
            each.conversation.conversation_id + (f" {each.message.message_id}" if each.message else "")
            for each in page.found
        ]
        cursor = page.cursor
        if cursor is None:
            break
    assert found == [name for name, text in texts if has_all(text, wanted)]


def has_all(text: str, wanted: str) -> bool:
    """
    Tell whether a text has all words, of which the last may go on.
    """
    tokens = " " + " ".join(word.token for word in search.cut_words(text)) + " "
    *phrases, last = search.parse_query(wanted).phrases
    return f" {' '.join(last)}" in tokens and all(f" {' '.join(phrase)} " in tokens for phrase in phrases)
