"""
Find the adapter for a model's family. A new family is one file, and one line in the table here.
"""

from collections.abc import Mapping

from outcrop.adapters.anthropic import AnthropicAdapter
from outcrop.adapters.chat_completions import ChatAdapter
from outcrop.adapters.cohere import CohereAdapter
from outcrop.adapters.converse import ConverseAdapter
from outcrop.adapters.deepseek_text import DeepSeekTextAdapter
from outcrop.adapters.family import FamilyAdapter
from outcrop.adapters.jamba import JAMBA
from outcrop.adapters.llama import LlamaAdapter
from outcrop.adapters.llama_template import LLAMA3, LLAMA4
from outcrop.adapters.mistral_chat import MISTRAL_CHAT
from outcrop.adapters.mistral_text import MistralTextAdapter
from outcrop.adapters.nova import NovaAdapter
from outcrop.adapters.openai_chat import OPENAI_CHAT
from outcrop.adapters.pass_through import PassThroughAdapter
from outcrop.adapters.titan import TitanAdapter
from outcrop.adapters.writer import WRITER
from outcrop.calls import ResolvedModel
from outcrop.errors import UnknownModel

ADAPTERS: Mapping[str, FamilyAdapter] = {
    "anthropic": AnthropicAdapter(),
    "cohere": CohereAdapter(),
    "deepseek_text": DeepSeekTextAdapter(),
    "jamba": ChatAdapter(JAMBA),
    "llama3": LlamaAdapter(LLAMA3),
    "llama4": LlamaAdapter(LLAMA4),
    "mistral_chat": ChatAdapter(MISTRAL_CHAT),
    "mistral_text": MistralTextAdapter(),
    "nova": NovaAdapter(),
    "openai_chat": ChatAdapter(OPENAI_CHAT),
    "titan": TitanAdapter(),
    "writer": ChatAdapter(WRITER),
}
"""
The adapters by family. They hold no state, so one of each serves all turns.
"""

CONVERSE = ConverseAdapter()
"""
The adapter of every family whose models are called by Converse; such a family needs no line in the table.
"""


def find_native_adapter(model: ResolvedModel) -> FamilyAdapter:
    """
    Return the adapter that passes a native body through, and reads its answer where the family is known.
    """
    return PassThroughAdapter(ADAPTERS.get(model.family))


def find_adapter(model: ResolvedModel, adapters: Mapping[str, FamilyAdapter] = ADAPTERS) -> FamilyAdapter:
    """
    Return the adapter of the model's family, or that of Converse for a model that is called by it.

    Args:
        model: the model, which names its family.
        adapters: the table to look in; another than ours for families that are not ours.

    Raises:
        UnknownModel: no adapter speaks the family; the message names it and those that exist.
    """
    if model.route == "converse":
        return CONVERSE
    adapter = adapters.get(model.family)
    if adapter is None:
        families = ", ".join(map(repr, adapters))
        raise UnknownModel(f"model {model.name!r} is of the family {model.family!r}, expected one of {families}")
    return adapter
