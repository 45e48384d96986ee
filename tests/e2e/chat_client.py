"""
Clients of the native chat protocol that nobody here wrote, under a thin dress: `websockets`, and `http.client`.
"""

import asyncio
import contextlib
import http.client
from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

WAIT_SECONDS = 30


class ChatSocket:
    """
    Be one chat socket. Frames are read in order; those of the server itself are kept apart.
    """

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.server_events: list[dict[str, Any]] = []

    async def send(self, request_id: str, prompt: str, chat_id: str = "chat", **fields: Any) -> None:
        """
        Ask; fields beyond the frame's own go into `body`.
        """
        await self.write(send_frame(request_id, prompt, chat_id, **fields))

    async def resume(self, request_id: str, chat_id: str = "chat", **fields: Any) -> None:
        """
        Resume a chat.
        """
        last = {"lastSequence": fields.pop("last_sequence")} if "last_sequence" in fields else {}
        await self.write({"type": "resume", "requestId": request_id, "id": chat_id, "body": fields, **last})

    async def abort(self, request_id: str) -> None:
        """
        Stop a request's turn.
        """
        await self.write({"type": "abort", "requestId": request_id})

    async def write(self, frame: Any) -> None:
        """
        Send any JSON.
        """
        await self.connection.send(msgspec.json.encode(frame).decode())

    async def read(self) -> dict[str, Any]:
        """
        Read the next frame that belongs to a request.
        """
        while True:
            async with asyncio.timeout(WAIT_SECONDS):
                frame: dict[str, Any] = msgspec.json.decode(await self.connection.recv())
            if frame["requestId"] != "$server":
                return frame
            self.server_events.append(frame)

    async def read_all(self, *request_ids: str) -> dict[str, "Transcript"]:
        """
        Read until each of these requests has had its last frame.
        """
        transcripts = {request_id: Transcript() for request_id in request_ids}
        while not all(transcript.is_over for transcript in transcripts.values()):
            frame = await self.read()
            transcripts[frame["requestId"]].frames.append(frame)
        return transcripts

    async def answer(self, request_id: str) -> "Transcript":
        """
        Read one request to its last frame; frames of others fail the test.
        """
        return (await self.read_all(request_id))[request_id]

    async def close_code(self) -> tuple[int, str]:
        """
        Read to the close.
        """
        try:
            while True:
                async with asyncio.timeout(WAIT_SECONDS):
                    await self.connection.recv()
        except ConnectionClosed as closed:
            return (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (1006, "")


class Transcript:
    """
    Hold what a client saw of one request.
    """

    def __init__(self) -> None:
        self.frames: list[dict[str, Any]] = []

    @property
    def is_over(self) -> bool:
        """
        Tell whether the last frame has come.
        """
        return bool(self.frames) and self.frames[-1]["type"] in {"end", "error", "no-active"}

    @property
    def last(self) -> dict[str, Any]:
        """
        The last frame.
        """
        return self.frames[-1]

    @property
    def chunks(self) -> list[tuple[int, dict[str, Any]]]:
        """
        The numbered parts.
        """
        return [(frame["sequence"], frame["chunk"]) for frame in self.frames if frame["type"] == "chunk"]

    @property
    def parts(self) -> list[dict[str, Any]]:
        """
        The parts; their numbers have no gap.
        """
        numbers = [number for number, _ in self.chunks]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers))) if numbers else True
        return [part for _, part in self.chunks]

    @property
    def text(self) -> str:
        """
        The answer's text.
        """
        return text_of(self.parts)

    @property
    def turn_id(self) -> str:
        """
        The turn, as `start` names it.
        """
        return str(next(frame["turnId"] for frame in self.frames if frame["type"] == "start"))


def send_frame(request_id: str, prompt: str, chat_id: str = "chat", **body: Any) -> dict[str, Any]:
    """
    Build a `send` frame as the stock client does.
    """
    key = body.pop("idempotency_key", None)
    return {
        "type": "send",
        "requestId": request_id,
        "id": chat_id,
        "trigger": "submit-message",
        "messages": [user_message(prompt)],
        "headers": {} if key is None else {"Idempotency-KEY": key},
        "body": {"model": "llama3", **body},
    }


def user_message(prompt: str) -> dict[str, Any]:
    """
    Build a message of the user.
    """
    return {"id": "message-1", "role": "user", "parts": [{"type": "text", "text": prompt}]}


def text_of(parts: list[dict[str, Any]]) -> str:
    """
    Join the text of parts.
    """
    return "".join(part["delta"] for part in parts if part["type"] == "text-delta")


@contextlib.asynccontextmanager
async def open_chat(url: str, **options: Any) -> AsyncIterator[ChatSocket]:
    """
    Connect.
    """
    address = url.replace("http://", "ws://") + "/api/chat"
    async with connect(address, compression=None, max_size=None, **options) as connection:
        yield ChatSocket(connection)


class HttpAnswer(msgspec.Struct):
    """
    Hold an HTTP answer.
    """

    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        """
        The content as JSON.
        """
        return msgspec.json.decode(self.content)

    @property
    def error(self) -> dict[str, Any]:
        """
        The typed error.
        """
        found: dict[str, Any] = self.json["error"]
        assert found.keys() == {"code", "message", "retryable", "retryAfterMs"}
        return found

    @property
    def events(self) -> list[dict[str, str]]:
        """
        The content as server-sent events: their fields.
        """
        blocks = self.content.decode().split("\n\n")
        assert blocks.pop() == ""
        lines = [[line for line in block.split("\n") if not line.startswith(":")] for block in blocks]
        return [dict(line.split(": ", 1) for line in block) for block in lines if block]

    @property
    def parts(self) -> list[dict[str, Any]]:
        """
        The content as a stream of parts, which ends as it must.
        """
        contents = [event["data"] for event in self.events]
        assert contents.pop() == "[DONE]"
        return [msgspec.json.decode(content) for content in contents]


def request(url: str, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> HttpAnswer:
    """
    Make one HTTP request and read the answer to its end; a body that is not bytes is sent as JSON.
    """
    payload = body if isinstance(body, bytes) or body is None else msgspec.json.encode(body)
    given = {"content-type": "application/json"} if method == "POST" else {}
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=WAIT_SECONDS)
    try:
        connection.request(method, path, payload, {**given, **(headers or {})})
        response = connection.getresponse()
        names = {name.lower(): value for name, value in response.getheaders()}
        return HttpAnswer(response.status, names, response.read())
    finally:
        connection.close()


def chat_body(prompt: str, chat_id: str = "chat", **body: Any) -> dict[str, Any]:
    """
    Build the body of `POST /api/chat`.
    """
    return {"id": chat_id, "messages": [user_message(prompt)], "model": "llama3", **body}
