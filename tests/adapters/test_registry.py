"""
Families find their adapters, and the adapters satisfy the heart's protocols.
"""

import pytest

from outcrop.adapters.llama import LlamaAdapter
from outcrop.adapters.registry import ADAPTERS, find_adapter
from outcrop.calls import ResolvedModel
from outcrop.catalogue.resolve import list_models, resolve
from outcrop.errors import UnknownModel
from outcrop.turns.ports import Adapter, AdapterLookup, StreamDecoder

lookup: AdapterLookup = find_adapter


@pytest.mark.parametrize("family", ADAPTERS)
def test_every_adapter_satisfies_the_protocols(family: str) -> None:
    """
    Adapters and their decoders are what the heart asks for; the type checker proves the shape.
    """
    adapter: Adapter = ADAPTERS[family]
    decoder: StreamDecoder = adapter.decoder()
    assert adapter.decoder() is not decoder


def test_every_listed_model_has_an_adapter() -> None:
    """
    Whatever the menu offers can be spoken to.
    """
    assert all(find_adapter(resolve(line.name)) for line in list_models())


def test_llama_generations_have_their_own_templates() -> None:
    """
    Llama 3 and Llama 4 are two families of one adapter.
    """
    found = [lookup(resolve(name)) for name in ("llama3", "meta.llama4-scout-17b-instruct-v1:0")]
    assert all(isinstance(adapter, LlamaAdapter) for adapter in found)
    assert found[0] is not found[1]


@pytest.mark.parametrize(
    "family",
    [
        *("anthropic", "cohere", "deepseek_text", "jamba", "llama3", "llama4", "mistral_chat", "mistral_text", "nova"),
        *("openai_chat", "titan", "writer"),
    ],
)
def test_every_native_family_has_its_adapter(family: str) -> None:
    """
    The names of the families are what the catalogue says; they don't change.
    """
    assert family in ADAPTERS


def test_an_unknown_family_is_named_with_those_that_exist() -> None:
    """
    A family without an adapter is refused by name.
    """
    model = ResolvedModel(name="ours", model_id="arn", base_id="arn", family="lama3")
    with pytest.raises(UnknownModel, match="model 'ours' is of the family 'lama3', expected one of 'anthropic', 'cohe"):
        find_adapter(model)
