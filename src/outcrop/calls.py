"""
The lower half of the waist: what a model's name stands for, and one call to Bedrock with what comes back.
"""

from collections.abc import Callable, Mapping
from typing import Literal

import msgspec

Operation = Literal["invoke", "invoke_stream", "converse", "converse_stream", "count_tokens"]


class ResolvedModel(msgspec.Struct, frozen=True, kw_only=True):
    """
    Say what a client's model name stands for.

    `name` is what the client wrote, `model_id` what Bedrock gets (a base ID, a profile ID or an ARN), `base_id` the
    base model's ID (the key of the catalogue; equal to `model_id` for what the catalogue does not know), `family` the
    model's family, `route` whether it is called by its family's native body or by Converse. Limits are None where
    nothing is known. `refuses` names the request's fields that this model refuses on its route: `prefill`,
    `temperature`, `top_p`, `top_k`, `images`, `documents`, `tools`, `streaming`, ….
    """

    name: str
    model_id: str
    base_id: str
    family: str
    route: Literal["native", "converse"] = "native"
    max_output_tokens: int | None = None
    context_tokens: int | None = None
    refuses: frozenset[str] = frozenset()


class UpstreamCall(msgspec.Struct, frozen=True, kw_only=True):
    """
    Name one call to Bedrock: the only thing that an adapter may ask for.

    `body` is the JSON as sent. `headers` holds additional `x-amzn-bedrock-*` headers in lower case.
    """

    operation: Operation
    model_id: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


UpstreamMessage = tuple[str, bytes]
"""
One event-stream message, unwrapped: its `:event-type` and its payload. For `invoke_stream` the payload is the model's
own JSON (the base64 in `chunk` is already decoded); for `converse_stream` it is the event's JSON.
"""

MessageSink = Callable[[list[UpstreamMessage]], None]
"""
What a stream's messages are given to: all that came complete in one chunk from the socket, in one synchronous call.
"""


class WholeAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """
    Hold the answer to a call that does not stream: its body, and its headers with lower-case names.
    """

    body: bytes
    headers: Mapping[str, str]
    aws_request_id: str | None = None
    attempts: int = 1


class StreamEnd(msgspec.Struct, frozen=True, kw_only=True):
    """
    Say that a stream's body ended as HTTP says it should. Whether its terminal event came is the decoder's business.
    """

    headers: Mapping[str, str]
    aws_request_id: str | None = None
    attempts: int = 1
