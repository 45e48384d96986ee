"""
Citations of the model families as the sources that a chat page can show.

A citation keeps its own words under `providerMetadata.bedrock.citation`. One that names neither a web page nor a
document of the prompt is passed on as it came.
"""

from collections.abc import Mapping
from typing import Any

from outcrop.dialects.ui_stream.parts import (
    BedrockMetadata,
    Citation,
    DataCitation,
    ProviderMetadata,
    SourceDocument,
    SourceUrl,
)

_MEDIA_TYPES = {
    "page_location": "application/pdf",
    "char_location": "text/plain",
    "documentPage": "application/pdf",
    "documentChar": "text/plain",
}
_UNKNOWN_MEDIA_TYPE = "application/octet-stream"
_CONVERSE_DOCUMENTS = ("documentPage", "documentChar", "documentChunk")


def to_citation_part(citation: Any, *, index: int, number: int) -> SourceUrl | SourceDocument | DataCitation:
    """
    Choose the part that shows the `number`-th citation of an answer, which came in content block `index`.
    """
    source_id = f"source-{number}"
    metadata = ProviderMetadata(bedrock=BedrockMetadata(citation=citation))
    fields = citation if isinstance(citation, Mapping) else {}
    location = fields.get("location")
    places: Mapping[str, Any] = location if isinstance(location, Mapping) else {}
    url = fields.get("url") or _member(places.get("web"), "url")
    if isinstance(url, str) and url.startswith(("https://", "http://")):
        return SourceUrl(source_id=source_id, url=url, title=_title(fields), provider_metadata=metadata)
    kind = next((name for name in _CONVERSE_DOCUMENTS if name in places), None)
    position = _member(places.get(kind or ""), "documentIndex")
    if kind is None and "document_index" in fields:
        kind, position = str(fields.get("type")), fields["document_index"]
    if kind is None:
        return DataCitation(data=Citation(index=index, citation=citation))
    return SourceDocument(
        source_id=source_id,
        media_type=_MEDIA_TYPES.get(kind, _UNKNOWN_MEDIA_TYPE),
        title=_title(fields) or f"document {position}",
        provider_metadata=metadata,
    )


def _title(fields: Mapping[str, Any]) -> str | None:
    for name in ("title", "document_title"):
        if isinstance(title := fields.get(name), str) and title:
            return title
    return None


def _member(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, Mapping) else None
