"""
Reasoning is told from the answer, however the text is cut.

`read_whole` below reads a whole text by a regular expression; it shares nothing with the code under test.
"""

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from outcrop.adapters.reasoning_tags import TAGS, TagSplitter

FRAGMENTS = [
    *("<think>", "</think>", "<reasoning>", "</reasoning>", "<", ">", "</", "<t", "think>", "<reason", "ing>", "<<"),
    *("</think", "</thin", "<thinking>", "x", " ", "\n", "\u3000", "<Think>", "é", "🪨"),
]
tagged = st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.text(max_size=3)), max_size=9).map("".join)
Runs = list[tuple[bool, str]]


def merge(pieces: Runs) -> Runs:
    """
    Join neighbouring pieces of one kind.
    """
    merged: Runs = []
    for is_reasoning, text in pieces:
        if merged and merged[-1][0] is is_reasoning:
            merged[-1] = (is_reasoning, merged[-1][1] + text)
        else:
            merged.append((is_reasoning, text))
    return merged


def split(*deltas: str, opened: str | None = None) -> Runs:
    """
    Split a text that comes in these deltas.
    """
    splitter = TagSplitter(opened=opened)
    return merge([piece for delta in deltas for piece in splitter.feed(delta)] + splitter.flush())


def read_whole(text: str, opened: str | None = None) -> Runs:
    """
    Split a whole text.
    """
    if opened is None:
        found = re.match(r"(\s*)<(reasoning|think)>(.*?)(?:</\2>(.*))?\Z", text, re.DOTALL)
        runs = [(False, text)] if found is None else [(False, found[1]), (True, found[3]), (False, found[4] or "")]
    else:
        inside, _, after = text.partition(f"</{opened}>")
        runs = [(True, inside), (False, after)]
    return merge([run for run in runs if run[1]])


@pytest.mark.parametrize(
    ("text", "runs"),
    [
        ("<reasoning>hm</reasoning>Hi", [(True, "hm"), (False, "Hi")]),
        ("<think>\nhm\n</think>\n\nHi", [(True, "\nhm\n"), (False, "\n\nHi")]),
        ("\n<think>hm</think>Hi", [(False, "\n"), (True, "hm"), (False, "Hi")]),
        ("<think>hm", [(True, "hm")]),
        ("<think>a</reasoning>b</think>c", [(True, "a</reasoning>b"), (False, "c")]),
        ("<think></think>Hi", [(False, "Hi")]),
        ("Say <think>no</think>", [(False, "Say <think>no</think>")]),
        ("<think>a</think><think>b</think>", [(True, "a"), (False, "<think>b</think>")]),
        ("<thin", [(False, "<thin")]),
        ("<thinking>", [(False, "<thinking>")]),
        ("</think>", [(False, "</think>")]),
        ("", []),
    ],
)
def test_reasoning_opens_an_answer_or_is_none(text: str, runs: Runs) -> None:
    """
    Only a tag at the very start opens reasoning, its own end tag ends it, and tags that come later are text.
    """
    assert split(text) == runs


def test_reasoning_that_the_prompt_has_opened_needs_no_tag() -> None:
    """
    The text begins inside of the reasoning.
    """
    assert split("hm\n</think>\n\nHi", opened="think") == [(True, "hm\n"), (False, "\n\nHi")]
    assert split("hm", opened="think") == [(True, "hm")]
    assert split("</think>Hi", opened="think") == [(False, "Hi")]


@pytest.mark.parametrize("opened", [None, "think"])
@given(tagged)
@example("<reasoning>a<b</reasoning></reasoning>c")
@example("<think>a</think</think>b")
@settings(deadline=None, max_examples=150)
def test_no_cut_changes_what_is_read(opened: str | None, text: str) -> None:
    """
    Whole, character by character, or cut in two at every offset: the runs are the same.
    """
    expected = read_whole(text, opened)
    assert split(text, opened=opened) == expected
    assert split(*text, opened=opened) == expected
    for cut in range(len(text) + 1):
        assert split(text[:cut], text[cut:], opened=opened) == expected


@pytest.mark.parametrize("opened", [None, "think"])
@given(st.lists(tagged, max_size=6))
@settings(deadline=None, max_examples=150)
def test_less_than_a_tag_is_held_back(opened: str | None, deltas: list[str]) -> None:
    """
    Whatever comes, fewer characters wait than the longest tag has, nothing is lost, and no piece is empty.
    """
    splitter = TagSplitter(opened=opened)
    longest = max(len(f"</{name}>") for name in TAGS)
    given_back = 0
    taken = 0
    for delta in deltas:
        pieces = splitter.feed(delta)
        assert all(text for _, text in pieces)
        assert splitter.held_characters < longest
        taken += len(delta)
        given_back += sum(len(text) for _, text in pieces)
        assert taken - given_back - splitter.held_characters <= len("<reasoning></reasoning>")


def test_a_long_answer_is_split_in_linear_time() -> None:
    """
    A megabyte of half tags, in a hundred thousand deltas, is no work.
    """
    splitter = TagSplitter(opened="think")
    pieces = [piece for _ in range(100_000) for piece in splitter.feed("</think </")]
    assert sum(len(text) for _, text in pieces) + splitter.held_characters == 1_000_000
