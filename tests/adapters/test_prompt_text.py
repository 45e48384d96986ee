"""
A conversation becomes turns of text, and tokens in a text are broken.
"""

import re

import pytest

from outcrop.adapters.prompt_text import TextTurn, break_tokens, join_system, to_turns
from outcrop.errors import RequestError
from outcrop.types import ImagePart, Message, ReasoningPart, TextPart
from tests.adapters.forms import assistant, texts, user

THOUGHT = Message("assistant", (ReasoningPart(text="hm"), TextPart(text="b")))


def test_neighbours_of_one_side_are_one_turn() -> None:
    """
    A user's texts are set apart, an assistant's are joined, across messages too.
    """
    assert to_turns([user("a", "b"), user("c"), assistant("d", "e"), assistant("f"), user("g")], "any") == [
        TextTurn("user", "a\n\nb\n\nc"),
        TextTurn("assistant", "def"),
        TextTurn("user", "g"),
    ]


def test_a_part_without_a_place_is_refused() -> None:
    """
    The error names the part's place, the family and the side.
    """
    image = Message("user", (TextPart(text="see"), ImagePart(media_type="image/png", data=b"x")))
    with pytest.raises(
        RequestError, match=r"messages\[1\].parts\[1\] can't be put into a slate prompt from the 'user'"
    ):
        to_turns([user("a"), image], "slate")


def test_reasoning_is_left_out_only_where_that_is_asked_for() -> None:
    """
    A family says whether its template leaves out earlier reasoning.
    """
    assert to_turns([user("a"), THOUGHT], "any", skip_reasoning=True)[1] == TextTurn("assistant", "b")
    with pytest.raises(RequestError, match=r"messages\[1\].parts\[0\]"):
        to_turns([user("a"), THOUGHT], "any")


def test_a_system_prompt_is_one_text() -> None:
    """
    Its parts are set apart by an empty line.
    """
    assert join_system(texts("a", "b")) == "a\n\nb"
    assert not join_system(())


def test_a_token_is_broken_behind_its_first_character() -> None:
    """
    One space is put in; all else stays.
    """
    assert break_tokens(re.compile(r"<(?=stone>)"), "a <stone> <sand>") == "a < stone> <sand>"
