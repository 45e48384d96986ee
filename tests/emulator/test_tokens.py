"""
Tests of `outcrop.emulator.speech.tokens`.
"""

from hypothesis import given
from hypothesis import strategies as st

from outcrop.emulator.conversation import Turn
from outcrop.emulator.speech.tokens import count_input, count_tokens, tokenize

TEXTS = st.text(alphabet=st.characters(exclude_categories=["Cs"]))


@given(TEXTS)
def test_pieces_joined_are_the_text(text: str) -> None:
    """
    No character is lost, added or moved by cutting a text into pieces.
    """
    assert "".join(tokenize(text)) == text


@given(TEXTS, st.integers(min_value=0, max_value=50))
def test_a_prefix_that_ends_between_pieces_has_the_same_pieces(text: str, number: int) -> None:
    """
    Cutting an answer after n tokens gives an answer of n tokens.
    """
    pieces = tokenize(text)[:number]
    assert tokenize("".join(pieces)) == pieces


def test_a_templates_control_token_counts_as_one() -> None:
    """
    A control token is one token however long its name is.
    """
    assert count_tokens("<|start_header_id|>") == 1


def test_images_documents_and_tools_count_as_input() -> None:
    """
    Whatever a conversation holds makes its input longer.
    """
    plain = count_input("", [Turn(speaker="user", text="hi")], [])
    with_image = count_input("", [Turn(speaker="user", text="hi", images=1)], [])
    with_document = count_input("", [Turn(speaker="user", text="hi", documents=1)], [])
    assert plain < with_image < with_document
