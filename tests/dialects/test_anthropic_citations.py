"""
Citations in both dialects' words, held against the SDK's union and botocore's shape.
"""

from typing import Any

import pytest
from anthropic.types import CitationsDelta
from pydantic import TypeAdapter

from outcrop.dialects.anthropic.citations import to_anthropic, to_converse
from tests.emulator.referee import Referee, operation_model

SAID = {"title": "notes", "sourceContent": [{"text": "grass "}, {"text": "is green"}]}
LOCATIONS: list[tuple[dict[str, Any], str]] = [
    ({"documentChar": {"documentIndex": 1, "start": 2, "end": 3}}, "char_location"),
    ({"documentPage": {"documentIndex": 1, "start": 2, "end": 3}}, "page_location"),
    ({"documentChunk": {"documentIndex": 1, "start": 2, "end": 3}}, "content_block_location"),
    ({"searchResultLocation": {"searchResultIndex": 1, "start": 2, "end": 3}}, "search_result_location"),
    ({"web": {"url": "https://example.org/"}}, "web_search_result_location"),
]


@pytest.mark.parametrize(("location", "kind"), LOCATIONS)
def test_a_citation_of_converse_in_anthropics_words_and_back(location: dict[str, Any], kind: str) -> None:
    """
    Every location of Converse has a type of Anthropic's that the SDK takes, and comes back as it was.
    """
    found = to_anthropic({**SAID, "location": location})
    citation = TypeAdapter(CitationsDelta).validate_python({"type": "citations_delta", "citation": found}).citation
    assert (citation.type, citation.cited_text) == (kind, "grass is green")
    back = to_converse(found)
    assert back is not None
    assert (back["location"], back["title"]) == (location, "notes")
    shape: Any = operation_model("ConverseStream").output_shape
    delta = shape.members["stream"].members["contentBlockDelta"].members["delta"]
    referee = Referee()
    referee.judge(back, delta.members["citation"], ())
    assert referee.complaints == []


def test_a_citation_in_the_dialects_own_words_stays_as_it_is() -> None:
    """
    What the model's route wrote in a dialect's own words is passed on, new kinds too.
    """
    new = {"type": "new_location", "x": 1}
    plain = {"title": "x", "location": {"new": {"y": 1}}}
    assert to_anthropic(new) == new
    assert to_converse(plain) == plain


@pytest.mark.parametrize("citation", [None, "x", {}, {"location": None}, {"location": {"new": {}}}])
def test_a_citation_without_words_in_anthropic_is_left_out(citation: Any) -> None:
    """
    A citation that Anthropic has no words for is left out.
    """
    assert to_anthropic(citation) is None


@pytest.mark.parametrize("citation", [None, "x", {"type": "new_location"}])
def test_a_citation_without_words_in_converse_is_left_out(citation: Any) -> None:
    """
    A citation that Converse has no words for is left out.
    """
    assert to_converse(citation) is None
