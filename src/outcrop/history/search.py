"""
Full-text search over titles and messages, in any script, the same over SQLite (FTS5) and PostgreSQL (tsvector).

Text is cut into words here, so that both databases find the same: letters and digits in lower case without accents, and
each character of a script that writes no spaces (Chinese, Japanese, Thai, …) as a word of its own. A query finds what
has all of its words; neighbouring characters of such a script, and words in quotes, must stand together; the last word
may be the beginning of one.
"""

import asyncio
import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import (
    ColumnElement,
    Select,
    TableClause,
    cast,
    column,
    delete,
    func,
    insert,
    literal_column,
    select,
    table,
)
from sqlalchemy.dialects.postgresql import TSQUERY, TSVECTOR

from outcrop.errors import RequestError
from outcrop.history.tables import conversations
from outcrop.history.transaction import Transaction

MAX_QUERY_CHARACTERS = 200
MAX_WORDS = 16
MAX_WORD_CHARACTERS = 64
PIECE_WORDS = 8_000
MAX_PIECES = 64
MAX_PLACES = 255
"""
A long text is kept in pieces: PostgreSQL counts places up to 16,383, and 256 of a word. A piece's key is that of its
message times `MAX_PIECES`, and its number; a title's is that of its conversation, negative. So what belongs to a
message is found by key, in FTS5 too, where there is no other index. What comes after 512,000 words is not found.
"""
PROBED_ENTRIES = 100
COMMON_SHARE = 10
"""
What one in ten of the last hundred messages has is common.
"""

SEEN_ENTRIES = 5_000
SNIPPET_CHARACTERS = 160
CUT_IN_THREAD_CHARACTERS = 50_000

_SPACELESS = (
    r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    r"\U00020000-\U0003ffff"
)
_WORD = re.compile(rf"[{_SPACELESS}]|[^\W_{_SPACELESS}]+")
_QUOTED = re.compile(r'"([^"]*)"|(\S+)')


class Word(msgspec.Struct, frozen=True):
    """
    Place a word in a text: what is searched for, and where it stands in the text as it was written.
    """

    token: str
    start: int
    end: int


class Query(msgspec.Struct, frozen=True):
    """
    Hold what is searched for: phrases of words, all of which must be there. The last word may go on.
    """

    phrases: tuple[tuple[str, ...], ...]


class Snippet(msgspec.Struct, frozen=True):
    """
    Show where a text was found: a piece of it, and what to mark in there as (start, end) in characters.
    """

    text: str
    marks: tuple[tuple[int, int], ...]


def cut_words(written: str) -> list[Word]:
    """
    Cut a text into words.
    """
    return [
        Word(token, match.start(), match.end())
        for match in _WORD.finditer(written)
        if (token := _fold(match.group())[:MAX_WORD_CHARACTERS]).isalnum()
    ]


def _fold(word: str) -> str:
    if word.isascii():
        return word.lower()
    decomposed = unicodedata.normalize("NFKD", word.casefold())
    kept = "".join(each for each in decomposed if not unicodedata.combining(each))
    return unicodedata.normalize("NFKC", kept)


def parse_query(written: str) -> Query:
    """
    Parse what a person typed.

    Raises:
        RequestError: it has no word, or too many.
    """
    if len(written) > MAX_QUERY_CHARACTERS:
        raise RequestError(f"the search has {len(written)} characters, limit is {MAX_QUERY_CHARACTERS}")
    # What is written without a space (`naive-bayes`, a run of Chinese) stands together, as what is in quotes does.
    cut = (cut_words(quoted or plain) for quoted, plain in _QUOTED.findall(written))
    phrases = [tuple(word.token for word in words) for words in cut if words]
    if not phrases:
        raise RequestError("the search has no word, expected letters or digits")
    if sum(map(len, phrases)) > MAX_WORDS:
        raise RequestError(f"the search has {sum(map(len, phrases))} words, limit is {MAX_WORDS}")
    return Query(tuple(phrases))


def to_fts5(query: Query, *, goes_on: bool = True) -> str:
    """
    Write a query as FTS5 reads it. Tokens hold letters and digits alone, so nothing of a person's is syntax there.
    """
    return " AND ".join(f'"{" ".join(phrase)}"' for phrase in query.phrases) + ("*" if goes_on else "")


def to_tsquery(query: Query) -> str:
    """
    Write a query as PostgreSQL's type `tsquery` reads it.
    """
    *phrases, last = [" <-> ".join(f"'{token}'" for token in phrase) for phrase in query.phrases]
    return " & ".join([*(f"({phrase})" for phrase in phrases), f"({last}:*)"])


def to_tsvector(tokens: Sequence[str]) -> str:
    """
    Write words, with their places, as PostgreSQL's type `tsvector` reads them.
    """
    places: dict[str, list[str]] = {}
    for place, token in enumerate(tokens, 1):
        places.setdefault(token, []).append(str(place))
    return " ".join(f"'{token}':{','.join(found[:MAX_PLACES])}" for token, found in places.items())


async def index_entry(
    transaction: Transaction, *, conversation_key: int, message_key: int | None, written: str
) -> None:
    """
    Make a text findable: a message's, or (None) the conversation's title. What was there of it before is replaced.

    Part of the transaction that writes the text.
    """
    entries = _entries(transaction)
    first = -conversation_key if message_key is None else message_key * MAX_PIECES
    pieces = 1 if message_key is None else MAX_PIECES
    await transaction.execute(delete(entries).where(entries.c[0].between(first, first + pieces - 1)))
    is_sqlite = transaction.dialect.name == "sqlite"
    # SQLite's transactions have a thread already.
    tokens = _cut_tokens(written) if is_sqlite else await _cut_aside(written)
    for number in range(min(pieces, -(-len(tokens) // PIECE_WORDS))):
        piece = tokens[number * PIECE_WORDS : (number + 1) * PIECE_WORDS]
        row: dict[str, Any] = {
            entries.c[0].name: first + number,
            "message_key": message_key,
            "conversation_key": conversation_key,
        }
        if is_sqlite:
            await transaction.execute(insert(entries), {**row, "tokens": " ".join(piece)})
        else:
            await transaction.execute(insert(entries).values({**row, "tokens": cast(to_tsvector(piece), TSVECTOR)}))


def _cut_tokens(written: str) -> list[str]:
    return [word.token for word in cut_words(written)]


async def _cut_aside(written: str) -> list[str]:
    # 1 MB takes a tenth of a second, which no stream should wait for.
    if len(written) < CUT_IN_THREAD_CHARACTERS:
        return _cut_tokens(written)
    return await asyncio.to_thread(_cut_tokens, written)


def _entries(transaction: Transaction) -> TableClause:
    """
    Name the table's columns. The first is the key, which FTS5 calls `rowid`.
    """
    return _SQLITE_ENTRIES if transaction.dialect.name == "sqlite" else _POSTGRESQL_ENTRIES


_SQLITE_ENTRIES, _POSTGRESQL_ENTRIES = (
    table("search_entries", *map(column, (key, "tokens", "message_key", "conversation_key")))
    for key in ("rowid", "key")
)


class Hit(msgspec.Struct, frozen=True):
    """
    Name what was found by its keys; `message_key` is None for a title. `entry_key` places it, the newest being largest.
    """

    entry_key: int
    conversation_key: int
    message_key: int | None


async def find_entries(
    transaction: Transaction, query: Query, *, owner: str, titles: bool, before: int | None, limit: int
) -> list[Hit]:
    """
    Find an owner's titles, or messages, that match; the newest first, those before an `entry_key` where one is given.
    """
    entries = _entries(transaction)
    key = entries.c[0]
    found = (
        select(key, entries.c.conversation_key, entries.c.message_key)
        .join(conversations, conversations.c.key == entries.c.conversation_key)
        .where(conversations.c.owner == owner, conversations.c.deleted_at.is_(None))
        .where(key < 0 if titles else key > 0)
        .order_by(key.asc() if titles else key.desc())
        .limit(limit)
    )
    if before is not None:
        found = found.where(key > before if titles else key < before)
    if transaction.dialect.name != "sqlite":
        rows: Any = await transaction.execute(found.where(entries.c.tokens.op("@@")(cast(to_tsquery(query), TSQUERY))))
        return [Hit(*row) for row in rows]
    if await _is_common(transaction, query.phrases[-1]):
        hits = await _look_through(transaction, found, query, titles=titles, before=before, limit=limit)
        if hits is not None:
            return hits
    rows = await transaction.execute(found.where(_matches(to_fts5(query))))
    return [Hit(*row) for row in rows]


def _matches(expression: str) -> ColumnElement[bool]:
    matches: ColumnElement[bool] = literal_column("search_entries").op("MATCH")(expression)
    return matches


def _begins(phrase: tuple[str, ...]) -> ColumnElement[bool]:
    """
    Find a phrase whose last word may go on, in the text of SQLite's entries.
    """
    return func.instr(literal_column("' ' || tokens"), f" {' '.join(phrase)}") > 0


async def _is_common(transaction: Transaction, phrase: tuple[str, ...]) -> bool:
    """
    Tell whether the newest messages say that much begins like this.

    FTS5 merges all places of what begins so before it gives the first, and what is shown are twenty: for a beginning
    that six million words have, that took 2 s (`python -m benchmarks.history`).
    """
    entries = _entries(transaction)
    key = entries.c[0]
    newest = select(entries.c.tokens).where(key > 0).order_by(key.desc()).limit(PROBED_ENTRIES).subquery()
    found = await transaction.scalar(select(func.count()).select_from(newest).where(_begins(phrase)))
    return bool(found * COMMON_SHARE >= PROBED_ENTRIES)


async def _look_through(
    transaction: Transaction, found: Select[Any], query: Query, *, titles: bool, before: int | None, limit: int
) -> list[Hit] | None:
    """
    Look for a common beginning in the entries themselves, the newest first; None where too many would be looked at.
    """
    entries = _entries(transaction)
    key = entries.c[0]
    end = None
    if len(query.phrases) > 1:
        # FTS5 gives what has the other words one by one, the newest first.
        found = found.where(_matches(to_fts5(Query(query.phrases[:-1]), goes_on=False)))
    else:
        newest = select(key).where(key < 0 if titles else key > 0).order_by(key.asc() if titles else key.desc())
        if before is not None:
            newest = newest.where(key > before if titles else key < before)
        end = await transaction.scalar(newest.limit(1).offset(SEEN_ENTRIES))
    if end is not None:
        found = found.where(key < end if titles else key > end)
    rows: Any = await transaction.execute(found.where(_begins(query.phrases[-1])))
    hits = [Hit(*row) for row in rows]
    return hits if end is None or len(hits) == limit else None


def make_snippet(written: str, query: Query) -> Snippet:
    """
    Cut the piece of a text where the query's first phrase stands, and mark all that was searched for in there.
    """
    words = cut_words(written)
    found = [span for phrase in query.phrases for span in _find_phrase(words, phrase, query)]
    start = max(0, (min(found)[0] if found else 0) - SNIPPET_CHARACTERS // 3)
    if start:
        start = next((word.start for word in words if word.start >= start), start)
    end = min(len(written), start + SNIPPET_CHARACTERS)
    marks = tuple(sorted({(one - start, other - start) for one, other in found if start <= one and other <= end}))
    return Snippet(written[start:end], marks)


def _find_phrase(words: Sequence[Word], phrase: tuple[str, ...], query: Query) -> Iterable[tuple[int, int]]:
    *whole, last = phrase
    may_go_on = phrase is query.phrases[-1]
    for at in range(len(words) - len(whole)):
        end = words[at + len(whole)]
        fits = end.token.startswith(last) if may_go_on else end.token == last
        if fits and all(words[at + offset].token == token for offset, token in enumerate(whole)):
            yield words[at].start, end.end
