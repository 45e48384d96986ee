"""
Citations between the words of Anthropic and those of Converse.

A turn's events hold them as the model's route wrote them. A citation that has no words on the other side is left out:
the text that it stands for is in the answer all the same.
"""

from collections.abc import Mapping
from typing import Any

_RANGES = {
    # Converse's location: Anthropic's type, its number of the source, its start, its end.
    "documentChar": ("char_location", "document_index", "start_char_index", "end_char_index"),
    "documentPage": ("page_location", "document_index", "start_page_number", "end_page_number"),
    "documentChunk": ("content_block_location", "document_index", "start_block_index", "end_block_index"),
    "searchResultLocation": (
        "search_result_location",
        "search_result_index",
        "start_block_index",
        "end_block_index",
    ),
}
_LOCATIONS = {row[0]: (name, *row[1:]) for name, row in _RANGES.items()}


def to_anthropic(citation: Any) -> Mapping[str, Any] | None:
    """
    Write a citation as Anthropic does.
    """
    if not isinstance(citation, Mapping) or isinstance(citation.get("type"), str):
        return citation if isinstance(citation, Mapping) else None
    kind, place = _only(citation.get("location"))
    said = {"cited_text": _join(citation.get("sourceContent")), "title": citation.get("title")}
    if kind == "web":
        return {"type": "web_search_result_location", **said, "url": place.get("url", ""), "encrypted_index": ""}
    if kind not in _RANGES:
        return None
    name, index, start, end = _RANGES[kind]
    by_index = "searchResultIndex" if kind == "searchResultLocation" else "documentIndex"
    numbers = {index: place.get(by_index, 0), start: place.get("start", 0), end: place.get("end", 0)}
    if kind == "searchResultLocation":
        return {"type": name, **said, "source": citation.get("source", ""), **numbers}
    return {"type": name, "cited_text": said["cited_text"], "document_title": said["title"], **numbers}


def to_converse(citation: Any) -> Mapping[str, Any] | None:
    """
    Write a citation as Converse does.
    """
    if not isinstance(citation, Mapping):
        return None
    kind = citation.get("type")
    if not isinstance(kind, str):
        return citation
    said = {
        "title": citation.get("title") or citation.get("document_title"),
        "source": citation.get("source"),
        "sourceContent": [{"text": citation["cited_text"]}] if citation.get("cited_text") else None,
    }
    if kind == "web_search_result_location":
        location: dict[str, Any] = {"web": {"url": citation.get("url", "")}}
    elif kind in _LOCATIONS:
        name, index, start, end = _LOCATIONS[kind]
        by_index = "searchResultIndex" if name == "searchResultLocation" else "documentIndex"
        numbers = {by_index: citation.get(index), "start": citation.get(start), "end": citation.get(end)}
        location = {name: {field: value for field, value in numbers.items() if value is not None}}
    else:
        return None
    return {name: value for name, value in said.items() if value} | {"location": location}


def _only(union: Any) -> tuple[str, Mapping[str, Any]]:
    if isinstance(union, Mapping):
        for name, value in union.items():
            if isinstance(value, Mapping):
                return str(name), value
    return "", {}


def _join(contents: Any) -> str:
    pieces = contents if isinstance(contents, list) else []
    return "".join(str(piece.get("text", "")) for piece in pieces if isinstance(piece, Mapping))
