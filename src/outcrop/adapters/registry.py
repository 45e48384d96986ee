"""
Find the adapter for a model's family. A new family is one file, and one line in the table here.
"""

from collections.abc import Mapping

from outcrop.adapters.anthropic import AnthropicAdapter
from outcrop.adapters.llama import LlamaAdapter
from outcrop.adapters.llama_template import LLAMA3, LLAMA4
from outcrop.errors import UnknownModel
from outcrop.types import ResolvedModel

FamilyAdapter = AnthropicAdapter | LlamaAdapter

ADAPTERS: Mapping[str, FamilyAdapter] = {
    "anthropic": AnthropicAdapter(),
    "llama3": LlamaAdapter(LLAMA3),
    "llama4": LlamaAdapter(LLAMA4),
}
"""
The adapters by family. They hold no state, so one of each serves all turns.
"""


def find_adapter(model: ResolvedModel) -> FamilyAdapter:
    """
    Return the adapter of the model's family.

    Raises:
        UnknownModel: no adapter speaks the family; the message names it and those that exist.
    """
    adapter = ADAPTERS.get(model.family)
    if adapter is None:
        families = ", ".join(map(repr, ADAPTERS))
        raise UnknownModel(f"model {model.name!r} is of the family {model.family!r}, expected one of {families}")
    return adapter
