"""
A family that nobody here has heard of takes one adapter and one line in a table.

The adapter below is all that the heart needs of it: it imports nothing of outcrop but what every adapter may.
"""

from collections.abc import Mapping

import msgspec
import pytest

from outcrop.adapters.family import FamilyAdapter
from outcrop.adapters.invoke_call import make_call
from outcrop.adapters.payloads import decode_payload
from outcrop.adapters.prompt_text import to_turns
from outcrop.adapters.registry import ADAPTERS, find_adapter
from outcrop.adapters.request_rules import check_request
from outcrop.calls import ResolvedModel, UpstreamCall
from outcrop.errors import InvalidMessage, RequestError, StreamInterrupted, UnknownModel
from outcrop.turns.fold import fold
from outcrop.turns.ports import Adapter, StreamDecoder
from outcrop.types import ChatRequest, ImagePart, MessageStart, MessageStop, StreamEvent, TextDelta, Usage, UsageReport
from tests.adapters.forms import ask

PEBBLE = ResolvedModel(name="pebble", model_id="quarry.pebble-1", base_id="quarry.pebble-1", family="pebble")


class Said(msgspec.Struct):
    """
    Hold what a pebble says, and whether it has said all.
    """

    words: str
    silent: bool = False


_said = msgspec.json.Decoder(Said)


class PebbleDecoder:
    """
    Turn a pebble's chunks into events.
    """

    def __init__(self) -> None:
        self._begun = self._ended = False

    def feed(self, event_type: str, payload: bytes) -> list[StreamEvent]:
        """
        Take one chunk.
        """
        said = decode_payload(_said, payload, "a pebble")
        events: list[StreamEvent] = [] if self._begun else [MessageStart()]
        self._begun, self._ended = True, said.silent
        events.append(TextDelta(said.words))
        return (
            [*events, UsageReport(Usage(estimated=True)), MessageStop(stop_reason="end_turn")]
            if said.silent
            else events
        )

    def flush(self) -> list[StreamEvent]:
        """
        Take the end of the body.
        """
        if not self._ended:
            raise StreamInterrupted("the pebble rolled away")
        return []


class PebbleAdapter:
    """
    Speak to pebbles.
    """

    def build_call(self, request: ChatRequest, model: ResolvedModel) -> UpstreamCall:
        """
        Build the call.
        """
        check_request(request, model, family_refuses={"images", "tools"})
        return make_call(request, model, {"hear": [turn.text for turn in to_turns(request.messages, "pebble")]})

    def decoder(self) -> PebbleDecoder:
        """
        Make a decoder.
        """
        return PebbleDecoder()

    def parse_answer(self, body: bytes, headers: Mapping[str, str]) -> list[StreamEvent]:
        """
        Take a whole answer as a stream of one chunk.
        """
        return PebbleDecoder().feed("chunk", body)


pebble: Adapter = PebbleAdapter()
pebble_decoder: StreamDecoder = pebble.decoder()
table: Mapping[str, FamilyAdapter] = {**ADAPTERS, "pebble": PebbleAdapter()}


def test_a_new_family_is_found_in_the_table() -> None:
    """
    One line finds it; the families that were there stay.
    """
    assert isinstance(find_adapter(PEBBLE, table), PebbleAdapter)
    assert find_adapter(msgspec.structs.replace(PEBBLE, family="llama3"), table) is ADAPTERS["llama3"]
    with pytest.raises(UnknownModel, match="model 'pebble' is of the family 'pebble', expected one of"):
        find_adapter(PEBBLE)


def test_a_new_family_shares_what_all_families_share() -> None:
    """
    Headers, checks and refusals come with the shared functions.
    """
    adapter = find_adapter(PEBBLE, table)
    made = adapter.build_call(ask(latency="optimized"), PEBBLE)
    assert made == UpstreamCall(
        operation="invoke_stream",
        model_id="quarry.pebble-1",
        body=b'{"hear":["hi"]}',
        headers=(("x-amzn-bedrock-performanceconfig-latency", "optimized"),),
    )
    with pytest.raises(RequestError, match="model 'pebble' does not take images"):
        adapter.build_call(ask(ImagePart(media_type="image/png", data=b"x")), PEBBLE)


def test_a_new_familys_answers_fold() -> None:
    """
    Its stream and its whole answer are the same; what is no pebble is refused.
    """
    adapter = find_adapter(PEBBLE, table)
    decoder = adapter.decoder()
    events = [
        event for said in (b'{"words":"pl"}', b'{"words":"op","silent":true}') for event in decoder.feed("", said)
    ]
    answer = adapter.parse_answer(b'{"words":"plop","silent":true}', {})
    assert fold(events + decoder.flush()) == fold(answer)
    with pytest.raises(InvalidMessage, match="the model's answer is not a pebble"):
        adapter.parse_answer(b"{}", {})
