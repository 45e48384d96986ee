"""
Any Bedrock text model by Converse, the API that is one for all families.

The body is built in `converse_request`, answers are read in `converse_stream`; this file puts them together.
"""

from collections.abc import Mapping

from outcrop.adapters.converse_request import build_body
from outcrop.adapters.converse_stream import ConverseStreamDecoder
from outcrop.adapters.request_rules import encode_body
from outcrop.calls import ResolvedModel, UpstreamCall
from outcrop.types import ChatRequest, StreamEvent


class ConverseAdapter:
    """
    Speak Converse and ConverseStream.
    """

    def build_call(self, request: ChatRequest, model: ResolvedModel) -> UpstreamCall:
        """
        Build the call for a request.

        Raises:
            RequestError: the model can't take something that the request holds; the message names the model and it.
        """
        return UpstreamCall(
            operation="converse_stream" if request.stream else "converse",
            model_id=model.model_id,
            body=encode_body(build_body(request, model)),
        )

    def decoder(self) -> ConverseStreamDecoder:
        """
        Make a decoder for one stream.
        """
        return ConverseStreamDecoder()

    def parse_answer(self, body: bytes, headers: Mapping[str, str]) -> list[StreamEvent]:  # noqa: ARG002  the port's own
        """
        Turn a whole answer into events; its counts stand in the body.

        Raises:
            InvalidMessage: the body is not an answer of Converse.
        """
        return ConverseStreamDecoder().take_whole(body)
