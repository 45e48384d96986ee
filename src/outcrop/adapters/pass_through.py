"""
Send a body of the model's own as it came, and log each payload of the answer beside the events that it means.

The family's adapter reads the answer, so that usage, stop reason and text are known. A family without one, or a payload
that its adapter can't read, is passed on all the same: the client asked for the model's own words.
"""

from collections.abc import Mapping

from outcrop.adapters.family import FamilyAdapter, FamilyDecoder
from outcrop.adapters.invoke_call import to_headers
from outcrop.adapters.token_counts import NO_COUNTS, parse_metric_headers, to_usage
from outcrop.calls import ResolvedModel, UpstreamCall
from outcrop.errors import RequestError, StreamInterrupted, WireError
from outcrop.types import ChatRequest, MessageStart, MessageStop, NativePayload, StreamEvent, UsageReport

UNREAD = MessageStop(stop_reason="other")
"""
How an answer ends whose words nobody here can read.
"""


class PassThroughAdapter:
    """
    Pass native bodies through. Holds no state.

    Args:
        family: the adapter of the model's family; None where there is none.
    """

    def __init__(self, family: FamilyAdapter | None) -> None:
        self._family = family

    def build_call(self, request: ChatRequest, model: ResolvedModel) -> UpstreamCall:
        """
        Build the call: the body as it came, and the headers that say what no body says.

        Raises:
            RequestError: there is no native body, or a header's value is not what Bedrock takes.
        """
        if request.native_body is None:
            raise RequestError("native_body is missing, expected the model's own body")
        return UpstreamCall(
            operation="invoke_stream" if request.stream else "invoke",
            model_id=model.model_id,
            body=request.native_body,
            headers=to_headers(request),
        )

    def decoder(self) -> "PassThroughDecoder":
        """
        Make a decoder for one stream.
        """
        return PassThroughDecoder(None if self._family is None else self._family.decoder())

    def parse_answer(self, body: bytes, headers: Mapping[str, str]) -> list[StreamEvent]:
        """
        Turn a whole answer into events, its body first among them.
        """
        payload = NativePayload(body)
        try:
            if self._family is not None:
                return _put_behind_start(payload, self._family.parse_answer(body, headers))
        except WireError:
            # What we can't read the client may: the body is its own model's.
            pass
        usage = to_usage(NO_COUNTS, parse_metric_headers(headers))
        return [MessageStart(), payload, UsageReport(usage), UNREAD]


class PassThroughDecoder:
    """
    Log payloads as they come, and what the family's decoder makes of them for as long as it can read them.
    """

    def __init__(self, family: FamilyDecoder | None) -> None:
        self._family = family
        self._has_begun = False
        self._terminal: StreamEvent | None = None

    def feed(self, event_type: str, payload: bytes) -> list[StreamEvent]:
        """
        Take one message and return its payload and its events.
        """
        return self._begin(_put_behind_start(NativePayload(payload), self._read(event_type, payload)))

    def flush(self) -> list[StreamEvent]:
        """
        Take the end of the body and return what was held back, the terminal at the latest.

        Raises:
            StreamInterrupted: the family's decoder says that the answer is not complete, or nothing has come.
        """
        if self._terminal is not None:
            return [self._terminal]
        if self._family is not None:
            return self._family.flush()
        if not self._has_begun:
            raise StreamInterrupted("the answer ended before its first payload")
        return [UNREAD]

    def _read(self, event_type: str, payload: bytes) -> list[StreamEvent]:
        if self._family is None:
            return []
        try:
            events = self._family.feed(event_type, payload)
        except WireError:
            self._family = None
            return []
        if events and isinstance(events[-1], MessageStop):
            # Held until the body ends: a payload may come after it, and nothing follows a terminal event.
            self._terminal = events[-1]
            return events[:-1]
        return events

    def _begin(self, events: list[StreamEvent]) -> list[StreamEvent]:
        if self._has_begun:
            return events
        self._has_begun = True
        return events if isinstance(events[0], MessageStart) else [MessageStart(), *events]


def _put_behind_start(payload: NativePayload, events: list[StreamEvent]) -> list[StreamEvent]:
    if events and isinstance(events[0], MessageStart):
        return [events[0], payload, *events[1:]]
    return [payload, *events]
