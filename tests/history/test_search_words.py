"""
Tests of how texts and searches are cut into words, and of snippets. `tests/contract/test_search.py` asks databases.
"""

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outcrop.errors import RequestError
from outcrop.history.search import cut_words, make_snippet, parse_query, to_fts5, to_tsquery, to_tsvector


def tokens_of(written: str) -> list[str]:
    """
    Cut, and pass over the places.
    """
    return [word.token for word in cut_words(written)]


@pytest.mark.parametrize(
    ("written", "tokens"),
    [
        ("Hello, World!", ["hello", "world"]),
        ("naïve Ärger STRASSE straße", ["naive", "arger", "strasse", "strasse"]),
        ("snake_case and kebab-case 3.14", ["snake", "case", "and", "kebab", "case", "3", "14"]),
        ("我爱北京", ["我", "爱", "北", "京"]),
        ("東京タワー2020", ["東", "京", "タ", "ワ", "ー", "2020"]),
        ("ＦＵＬＬ ﬁne", ["full", "fine"]),
        ("Привет мир", ["привет", "мир"]),
        ("", []),
        ("\x00 \ud800 — …", []),
    ],
)
def test_words(written: str, tokens: list[str]) -> None:
    """
    Words are folded to lower case without accents; where no spaces are written, each character is one.
    """
    assert tokens_of(written) == tokens


@pytest.mark.parametrize("written", ["", "   ", "!!!", '""', "x" * 201, " ".join(map(str, range(17)))])
def test_a_search_without_words_or_with_too_many_is_refused(written: str) -> None:
    """
    The refusal says what is expected.
    """
    with pytest.raises(RequestError, match="search has"):
        parse_query(written)


def test_queries_are_written_for_both_databases() -> None:
    """
    Phrases stand together, and the last word may go on.
    """
    query = parse_query('river "in the north" 北京')
    assert to_fts5(query) == '"river" AND "in the north" AND "北 京"*'
    assert to_tsquery(query) == "('river') & ('in' <-> 'the' <-> 'north') & ('北' <-> '京':*)"
    assert to_tsvector(["a", "b", "a"]) == "'a':1,3 'b':2"


@given(st.text(max_size=100))
def test_no_search_is_syntax(written: str) -> None:
    """
    Whatever a person types, FTS5 takes what becomes of it.
    """
    try:
        query = parse_query(written)
    except RequestError:
        return
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE VIRTUAL TABLE entries USING fts5(tokens, tokenize='unicode61 remove_diacritics 2')")
    connection.execute("INSERT INTO entries VALUES (?)", (" ".join(tokens_of(written)),))
    found = connection.execute("SELECT count(*) FROM entries WHERE entries MATCH ?", (to_fts5(query),)).fetchone()
    connection.close()
    assert found == (1,)


def test_a_snippet_shows_the_place_and_marks_what_was_searched_for() -> None:
    """
    Marks are places in the snippet, as the text was written there.
    """
    written = "filler " * 100 + "The Café by the RIVER closes late. " + "filler " * 100
    snippet = make_snippet(written, parse_query("cafe riv"))
    marked = [snippet.text[start:end] for start, end in snippet.marks]
    assert marked == ["Café", "RIVER"]
    assert len(snippet.text) <= 160


@given(st.text(max_size=300), st.text(min_size=1, max_size=10))
def test_marks_lie_inside_of_the_snippet(written: str, asked: str) -> None:
    """
    Marks do not overlap its ends, and every one is of the text.
    """
    try:
        query = parse_query(asked)
    except RequestError:
        return
    snippet = make_snippet(written, query)
    assert snippet.text in written
    assert all(0 <= start < end <= len(snippet.text) for start, end in snippet.marks)
