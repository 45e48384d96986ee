"""
What a model refuses of an ask, whichever body carried it: too much of it, and parameters that it doesn't have.
"""

from outcrop.emulator.conversation import Ask
from outcrop.emulator.rules.models import Called
from outcrop.emulator.rules.refusals import invalid, too_many_tokens_requested


def check_size(ask: Ask, called: Called) -> None:
    """
    Check the tokens that are asked for, and those that came.

    Raises:
        Refusal: one is beyond the model's own limit.
    """
    if ask.max_tokens > called.entry.max_output_tokens:
        raise too_many_tokens_requested(called.entry.max_output_tokens)
    if ask.input_tokens > called.entry.context_tokens:
        raise invalid("Input is too long for requested model.")


def check_context(ask: Ask, called: Called) -> None:
    """
    Check the tokens that came in a prompt, in the words of models that speak for themselves.

    Raises:
        Refusal: there are too many.
    """
    if ask.input_tokens > called.entry.context_tokens:
        raise invalid(
            f"This model's maximum context length is {called.entry.context_tokens} tokens. Please reduce the length of "
            "the prompt"
        )


def check_sampling(ask: Ask, called: Called) -> None:
    """
    Check the sampling parameters against those that the catalogue says are refused.

    Raises:
        Refusal: the model refuses one.
    """
    given = (("temperature", ask.temperature), ("top_p", ask.top_p), ("top_k", ask.top_k))
    for name, value in given:
        if value is not None and called.refuses(name):
            raise invalid(f"Unsupported parameter: '{name}' is not supported with this model.")
    if ask.stop_sequences and called.refuses("stop_sequences"):
        raise invalid("This model doesn't support the stopSequences field. Remove stopSequences and try again.")
