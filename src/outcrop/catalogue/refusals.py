"""
What a model refuses on the route by which it is called, in the words that adapters check requests with.

The table says what a model can do; an adapter asks what it refuses. What a family's native body has no place for is
its adapter's own knowledge; what Converse takes differs from model to model (docs/bedrock_wire.md §5.4).
"""

from outcrop.catalogue.models import LearnedModel, ModelEntry, Route

_BY_EITHER_ROUTE = (("tools", ("tools",)), ("reasoning", ("reasoning", "effort")))
_BY_CONVERSE = (
    ("system", ("system",)),
    ("streaming_tools", ("streaming+tools",)),
    ("tool_choice", ("forced_tool_choice",)),
    ("prefill", ("prefill",)),
    ("reasoning_history", ("reasoning_parts",)),
    ("cache", ("cache",)),
    ("guardrails", ("guardrail",)),
)
_BY_MODALITY = (("image", "images"), ("document", "documents"))


def find_refusals(entry: ModelEntry | LearnedModel, route: Route) -> frozenset[str]:
    """
    Return the fields of a request that a model refuses on a route. "a+b" means that the two are refused together.

    `cache` is there where cache points do nothing: they are a hint, to be left out and not to be complained of. Of a
    learned model little is known, so little is refused: Bedrock decides.
    """
    if isinstance(entry, LearnedModel):
        lacks_images = "image" not in entry.input_modalities
        return frozenset((["images"] if lacks_images else []) + ([] if entry.streams else ["streaming"]))
    missing = {field for modality, field in _BY_MODALITY if modality not in entry.input_modalities}
    lacks = (*_BY_EITHER_ROUTE, *_BY_CONVERSE) if route == "converse" else _BY_EITHER_ROUTE
    for feature, fields in lacks:
        if feature not in entry.features:
            missing.update(fields)
    return frozenset({*missing, *entry.refuses, *(entry.native_refuses if route == "native" else ())})
