"""
Botocore's own service models as a referee: what they say of an operation's input and output, held against real bytes.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from typing import Any

from botocore.eventstream import EventStreamBuffer
from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel

from tests.emulator.conftest import Reply

RUNTIME = ("InvokeModel", "InvokeModelWithResponseStream", "Converse", "ConverseStream", "CountTokens")
CONTROL = ("ListFoundationModels", "GetFoundationModel", "ListInferenceProfiles", "GetInferenceProfile")
PADDING = "p"
"""
Beside the members of an event; the service sends it, its model doesn't have it (docs/bedrock_wire.md §2.3).
"""
Path = tuple[str, ...]
BEYOND_THE_MODEL = {"InferenceType": "INFERENCE_PROFILE"}
"""
Values that the service says though its model doesn't have them, by the name of their shape (docs/bedrock_wire.md §1.7).
"""
SAMPLES: dict[str, Any] = {
    "ToolName": "get_weather",
    "ToolUseId": "t1",
    "DocumentBlockNameString": "notes",
    "AccountId": "123456789012",
    "S3Uri": "s3://bucket/key",
    "GuardrailIdentifier": "abcdefghij",
    "GuardrailVersion": "DRAFT",
    "ConverseRequestAdditionalModelResponseFieldPathsListMemberString": "/stop_sequence",
}
"""
Strings that fit their pattern, by the name of their shape.
"""


@cache
def operation_model(operation: str) -> OperationModel:
    """
    Return what botocore knows of an operation.
    """
    service = "bedrock-runtime" if operation in RUNTIME else "bedrock"
    return ServiceModel(Loader().load_service_model(service, "service-2")).operation_model(operation)


class Referee:
    """
    Hold values against shapes: `complaints` are what is wrong, `seen` are the members that there were.
    """

    def __init__(self) -> None:
        self.complaints: list[str] = []
        self.seen: set[Path] = set()

    def judge_reply(self, operation: str, reply: Reply) -> None:
        """
        Judge a successful answer: its status, its headers, its body or the events in it.
        """
        model = operation_model(operation)
        shape: Any = model.output_shape
        self._expect(reply.status == model.http.get("responseCode", 200), "status")
        members = dict(shape.members)
        for name, member in shape.members.items():
            if member.serialization.get("location") == "header":
                del members[name]
                given = reply.headers.get(member.serialization["name"].lower())
                self._expect(given is not None or name not in shape.required_members, f"header of {name}")
                self.seen |= {(name,)} if given is not None else set()
        payload = shape.serialization.get("payload")
        if payload is None:
            self._structure(reply.json(), members, [n for n in shape.required_members if n in members], ())
        elif model.has_event_stream_output:
            self.seen.add((payload,))
            self.judge_stream(operation, reply.body)
        else:
            self.seen.add((payload,))

    def judge_stream(self, operation: str, body: bytes) -> None:
        """
        Judge every message of an event stream: its headers, and its payload against the member of the union.
        """
        shape: Any = operation_model(operation).output_shape
        name = shape.serialization["payload"]
        union = shape.members[name]
        buffer: Any = EventStreamBuffer()
        buffer.add_data(body)
        for message in buffer:
            kind = message.headers[":message-type"]
            member = message.headers[f":{kind}-type"]
            self._expect(member in union.members, f"{member} is in the union of {operation}")
            self._expect(message.headers[":content-type"] == "application/json", "the content type of a message")
            if member in union.members:
                target = union.members[member]
                self._expect(bool(target.metadata.get("exception")) == (kind == "exception"), f"{member} is a {kind}")
                payload = {k: v for k, v in json.loads(message.payload).items() if k != PADDING}
                self.seen.add((name, member))
                self.judge(payload, target, (name, member))

    def judge(self, value: Any, shape: Any, path: Path) -> None:
        """
        Judge one value.
        """
        if getattr(shape, "is_document_type", False):
            return
        if shape.type_name == "structure":
            if shape.is_tagged_union:
                self._expect(isinstance(value, dict) and len(value) == 1, f"exactly one member at {path}: {value!r}")
            self._structure(value, shape.members, shape.required_members, path)
        elif shape.type_name == "list":
            self._expect(isinstance(value, list), f"{path} is a list")
            for item in value:
                self.judge(item, shape.member, path)
        elif shape.type_name == "map":
            for item in value.values():
                self.judge(item, shape.value, path)
        else:
            self._expect(_is_scalar(value, shape), f"{path} is a {shape.type_name}: {value!r}")

    def _structure(self, value: Any, members: Any, required: list[str], path: Path) -> None:
        if not isinstance(value, dict):
            self.complaints.append(f"{path} is no object: {value!r}")
            return
        known = {member.serialization.get("name", name): (name, member) for name, member in members.items()}
        for name in required:
            self._expect(value.get(name) is not None, f"{path} has {name}")
        for key, item in value.items():
            self._expect(key in known, f"{path} has no member {key}")
            self._expect(item is not None, f"{path} has a value for {key}")
            if key in known:
                name, member = known[key]
                self.seen.add((*path, name))
                self.judge(item, member, (*path, name))

    def _expect(self, holds: bool, what: str) -> None:
        if not holds:
            self.complaints.append(what)


def _is_scalar(value: Any, shape: Any) -> bool:
    if shape.type_name == "string":
        return isinstance(value, str) and (not shape.enum or value in {*shape.enum, BEYOND_THE_MODEL.get(shape.name)})
    if shape.type_name == "boolean":
        return isinstance(value, bool)
    if shape.type_name == "timestamp":
        return datetime.fromisoformat(value).tzinfo is not None
    if shape.type_name == "blob":
        return bool(b64decode(value, validate=True) or value == "")
    if isinstance(value, bool):
        return False
    is_whole = shape.type_name in {"integer", "long"}
    low, high = shape.metadata.get("min", value), shape.metadata.get("max", value)
    return isinstance(value, int if is_whole else int | float) and low <= value <= high


def members_of(shape: Any, path: Path = (), above: tuple[str, ...] = ()) -> Iterator[tuple[Path, Any]]:
    """
    Yield every member below a shape with its path; a shape inside itself is not entered again.
    """
    if shape.type_name == "list":
        yield from members_of(shape.member, path, above)
    elif shape.type_name == "map":
        yield from members_of(shape.value, path, above)
    elif shape.type_name == "structure" and shape.name not in above:
        for name, member in shape.members.items():
            yield (*path, name), member
            yield from members_of(member, (*path, name), (*above, shape.name))


def sample(shape: Any) -> Any:
    """
    Return the smallest value that fits a shape.
    """
    if getattr(shape, "is_document_type", False):
        return {}
    if shape.type_name == "structure":
        names = [min(shape.members)] if shape.is_tagged_union else shape.required_members
        return {name: sample(shape.members[name]) for name in names}
    if shape.type_name == "list":
        return [sample(shape.member)]
    if shape.type_name == "map":
        return {"key": sample(shape.value)}
    if shape.type_name == "string":
        fitting = shape.enum[0] if shape.enum else "x" * max(1, shape.metadata.get("min", 1))
        return SAMPLES.get(shape.name, fitting)
    scalars = {"boolean": True, "blob": b64encode(b"x").decode(), "timestamp": "2026-11-20T00:00:00Z"}
    return scalars.get(shape.type_name, shape.metadata.get("min", 1))


def with_member(shape: Any, path: Path, value: Any) -> Any:
    """
    Return the smallest value that fits a shape and has `value` at a path.
    """
    if not path:
        return value
    if shape.type_name == "list":
        return [with_member(shape.member, path, value)]
    if shape.type_name == "map":
        return {"key": with_member(shape.value, path, value)}
    inner = with_member(shape.members[path[0]], path[1:], value)
    return ({} if shape.is_tagged_union else sample(shape)) | {path[0]: inner}


def wrong_type(shape: Any) -> Any:
    """
    Return a value of another type than a shape's.
    """
    return 7 if shape.type_name in {"structure", "list", "map", "string", "blob"} else []
