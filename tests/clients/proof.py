"""
Name what a test proves of a client that we didn't write. docs/clients.md is made from these marks.
"""

from typing import Literal

import pytest

Ability = Literal[
    "plain", "streaming", "tools", "images", "errors before", "errors in mid-stream", "cancellation", "resume",
    "counting tokens", "listing models", "signed with our keys",
]  # fmt: skip


def proves(client: str, *abilities: Ability) -> pytest.MarkDecorator:
    """
    Mark a test of the gateway that shows these abilities with this client.

    Args:
        client: the name of the package or program as its registry has it, and its language where it has two:
            `openai (Python)`, `@anthropic-ai/sdk`, `awscli`, `langchain-aws`.
        *abilities: what the test shows.
    """
    return pytest.mark.proves(client, abilities)
