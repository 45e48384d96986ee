"""
What an adapter is, in the adapters' own words; the heart asks for the same shape (`outcrop.turns.ports`).
"""

from collections.abc import Mapping
from typing import Protocol

from outcrop.calls import ResolvedModel, UpstreamCall
from outcrop.types import ChatRequest, StreamEvent


class FamilyDecoder(Protocol):
    """
    Turn one stream's messages into events.
    """

    def feed(self, event_type: str, payload: bytes) -> list[StreamEvent]:
        """
        Take one message and return its events.
        """
        ...

    def flush(self) -> list[StreamEvent]:
        """
        Take the end of the body and return what was held back.
        """
        ...


class FamilyAdapter(Protocol):
    """
    Speak one model family's format.
    """

    def build_call(self, request: ChatRequest, model: ResolvedModel) -> UpstreamCall:
        """
        Build the call for a request.
        """
        ...

    def decoder(self) -> FamilyDecoder:
        """
        Make a decoder for one stream.
        """
        ...

    def parse_answer(self, body: bytes, headers: Mapping[str, str]) -> list[StreamEvent]:
        """
        Turn a whole answer into events.
        """
        ...
