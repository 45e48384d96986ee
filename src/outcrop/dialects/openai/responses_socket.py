"""
The socket of the Responses dialect (`WS /v1/responses`): messages in both directions.

A client's message is one event: `response.create` is the body of `POST /v1/responses` with a `stream_id`, its lane.
Requests of one lane are answered in order, lanes beside each other; every event of an answer bears its lane. A
`previous_response_id` that is not known is the error `previous_response_not_found`, a socket that was open for 60
minutes ends with `websocket_connection_limit_reached` (OpenAI's guide "WebSocket Mode"; the SDK's types
`ResponsesClientEvent` and `ResponsesServerEvent`). `generate: false` prepares an answer without asking for one.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from outcrop.dialects.fields import decode_object, describe
from outcrop.dialects.openai.errors import Failure, find_status, to_error_object
from outcrop.dialects.openai.options import open_fields
from outcrop.dialects.openai.responses_request import ResponsesCall, read_call
from outcrop.dialects.openai.responses_tables import SOCKET_REQUEST, STEER
from outcrop.errors import RequestError
from outcrop.types import StreamFailed

MAX_SOCKET_SECONDS = 3600
MAX_STREAM_ID_CHARACTERS = 256
SOCKET_LIMIT = StreamFailed(
    code="websocket_connection_limit_reached",
    message="this socket was open for 60 minutes, which is the limit; open another one",
    status=400,
    retryable=True,
)


class ResponseCreate(msgspec.Struct, frozen=True, kw_only=True):
    """
    Ask for a response on a lane; None is the lane without a name. `generate` false asks for an empty one.
    """

    call: ResponsesCall
    stream_id: str | None = None
    generate: bool = True


class ResponseSteer(msgspec.Struct, frozen=True, kw_only=True):
    """
    Ask to add input to a response that is under way. No model on Bedrock can: answer with `encode_steer_failed`.
    """

    previous_response_id: str
    input: Any


def parse_client_event(message: str | bytes) -> ResponseCreate | ResponseSteer:
    """
    Parse one message of a client.

    Raises:
        RequestError: it is no event, is malformed, or asks for what can't be served.
    """
    value = decode_object(_to_bytes(message))
    match value.get("type"):
        case "response.create":
            fields = open_fields(value, "", SOCKET_REQUEST)
            call = read_call(value, SOCKET_REQUEST, stream=True)
            generate = fields.flag("generate") is not False
            return ResponseCreate(call=call, stream_id=_check_lane(fields.text("stream_id")), generate=generate)
        case "response.steer":
            fields = open_fields(value, "", STEER)
            fields.need("input")
            return ResponseSteer(previous_response_id=fields.name("previous_response_id"), input=fields.get("input"))
        case other:
            raise RequestError(f"type is {describe(other)}, expected 'response.create' or 'response.steer'")


def find_lane(message: str | bytes) -> str | None:
    """
    Find the lane of a message that could not be parsed, to tell its error there; None if it has none.
    """
    try:
        lane = decode_object(_to_bytes(message)).get("stream_id")
        return _check_lane(lane) if isinstance(lane, str) else None
    except RequestError:
        return None


def missing_previous(response_id: str) -> StreamFailed:
    """
    Say that there is nothing to go on from. It is the same over HTTP.
    """
    message = f"previous_response_id {response_id[:80]!r} is not known; send the whole conversation instead"
    return StreamFailed(code="previous_response_not_found", message=message, status=400)


def encode_socket_error(failure: Failure, stream_id: str | None = None) -> str:
    """
    Encode the event that says what went wrong before an answer began.
    """
    event = {"type": "error", "status": find_status(failure), "error": to_error_object(failure)}
    return add_lane([msgspec.json.encode(event).decode()], stream_id)[0]


def encode_steer_failed(steer: ResponseSteer, sequence_number: int = 0) -> str:
    """
    Encode the event that gives back input which can't be added.
    """
    message = "no model on Bedrock takes input while it answers: stop the response, and ask anew"
    event = {
        "type": "response.steer.failed",
        "error": {"code": "steering_not_supported", "message": message, "type": "invalid_request_error"},
        "steer": {"input": steer.input, "previous_response_id": steer.previous_response_id},
        "sequence_number": sequence_number,
    }
    return msgspec.json.encode(event).decode()


def add_lane(events: Sequence[str], stream_id: str | None) -> list[str]:
    """
    Mark events, which are JSON text, with their lane.
    """
    if stream_id is None:
        return list(events)
    end = f',"stream_id":{msgspec.json.encode(stream_id).decode()}}}'
    return [f"{event[:-1]}{end}" for event in events]


def _to_bytes(message: str | bytes) -> bytes:
    try:
        return message.encode() if isinstance(message, str) else message
    except UnicodeEncodeError as error:
        raise RequestError("the message is not valid Unicode text") from error


def _check_lane(stream_id: str | None) -> str | None:
    if stream_id is not None and not 0 < len(stream_id) <= MAX_STREAM_ID_CHARACTERS:
        raise RequestError(
            f"stream_id has {len(stream_id)} characters, expected 1 to {MAX_STREAM_ID_CHARACTERS} characters"
        )
    return stream_id
