"""
Anthropic Claude on Bedrock: the native Messages body.

The body is built in `anthropic_request`, answers are read in `anthropic_stream`; this file puts them together.
"""

from collections.abc import Mapping

from outcrop.adapters.anthropic_request import build_body
from outcrop.adapters.anthropic_stream import AnthropicStreamDecoder, parse_whole_answer
from outcrop.adapters.invoke_call import make_call
from outcrop.calls import ResolvedModel, UpstreamCall
from outcrop.types import ChatRequest, StreamEvent


class AnthropicAdapter:
    """
    Speak the Anthropic Messages body.
    """

    def build_call(self, request: ChatRequest, model: ResolvedModel) -> UpstreamCall:
        """
        Build the call for a request.

        Raises:
            RequestError: the model can't take something that the request holds; the message names the model and it.
        """
        return make_call(request, model, build_body(request, model))

    def decoder(self) -> AnthropicStreamDecoder:
        """
        Make a decoder for one stream.
        """
        return AnthropicStreamDecoder()

    def parse_answer(self, body: bytes, headers: Mapping[str, str]) -> list[StreamEvent]:
        """
        Turn a whole answer into events; counts that the body lacks come from the headers.

        Raises:
            InvalidMessage: the body is not an Anthropic message.
            UpstreamError: the body is an error.
        """
        return parse_whole_answer(body, headers)
