"""
Ask Bedrock how many tokens a request's input has: CountTokens around the very call that the request would make.

CountTokens takes a Converse request or a native body, and names a model by its base ID: an inference profile has no
count of its own (docs/bedrock_wire.md §2).
"""

from base64 import b64encode
from typing import Any

import msgspec

from outcrop.calls import ResolvedModel, UpstreamCall
from outcrop.errors import InvalidMessage

COUNTED_FIELDS = ("messages", "system", "toolConfig", "additionalModelRequestFields")
"""
What CountTokens takes of a Converse request: the rest does not change its input.
"""


def to_count_call(call: UpstreamCall, model: ResolvedModel) -> UpstreamCall:
    """
    Wrap the call that a request would make, streaming or not.
    """
    if call.operation.startswith("converse"):
        body: dict[str, Any] = msgspec.json.decode(call.body)
        counted: dict[str, Any] = {"converse": {name: body[name] for name in COUNTED_FIELDS if name in body}}
    else:
        counted = {"invokeModel": {"body": b64encode(call.body).decode()}}
    return UpstreamCall(operation="count_tokens", model_id=model.base_id, body=msgspec.json.encode({"input": counted}))


def parse_count(body: bytes) -> int:
    """
    Read the answer of CountTokens.

    Raises:
        InvalidMessage: it is none.
    """
    try:
        return msgspec.json.decode(body, type=_Count).input_tokens
    except (msgspec.MsgspecError, RecursionError) as error:
        raise InvalidMessage(f"the answer of CountTokens is not what it should be: {error}") from error


class _Count(msgspec.Struct, frozen=True, rename="camel"):
    input_tokens: int
