"""
The families by their names in the catalogue: the only place that knows them all.
"""

from outcrop.emulator.families import (
    anthropic,
    cohere,
    deepseek_text,
    jamba,
    llama,
    mistral_chat,
    mistral_text,
    nova,
    openai_chat,
    titan,
    writer,
)
from outcrop.emulator.families.family import ConverseRules, Family
from outcrop.emulator.rules.models import Called
from outcrop.emulator.rules.refusals import invalid

FAMILIES: dict[str, Family] = {
    "anthropic": anthropic.FAMILY,
    "cohere": cohere.FAMILY,
    "deepseek_text": deepseek_text.FAMILY,
    "jamba": jamba.FAMILY,
    "llama3": llama.FAMILY,
    "llama4": llama.FAMILY,
    "mistral_chat": mistral_chat.FAMILY,
    "mistral_text": mistral_text.FAMILY,
    "nova": nova.FAMILY,
    "openai_chat": openai_chat.FAMILY,
    "titan": titan.FAMILY,
    "writer": writer.FAMILY,
}
_PLAIN = ConverseRules()


def family_of(called: Called) -> Family:
    """
    Return a model's family, which reads and writes its native body.

    Raises:
        Refusal: the emulator doesn't know the native body of that family; the model can be called by Converse.
    """
    family = FAMILIES.get(called.entry.family)
    if family is None:
        raise invalid(f"The emulator doesn't know the native body of the family {called.entry.family}. Use Converse.")
    return family


def rules_of(called: Called) -> ConverseRules:
    """
    Return a model's rules on Converse; plain ones for a family that is not known here.
    """
    family = FAMILIES.get(called.entry.family)
    return _PLAIN if family is None else family.converse
