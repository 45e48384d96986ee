"""
The engine: a server with a real model, asked in place of the simulated ones.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from outcrop.emulator.conversation import Ask
from outcrop.emulator.engine.chat import EngineFailed, encode_request, words_of
from outcrop.emulator.engine.settings import EngineConfig
from outcrop.emulator.engine.speech import EngineSpeech
from outcrop.emulator.peer import PeerAnswer, PeerFailed, call_peer, parse_peer
from outcrop.emulator.rules.refusals import Refusal
from outcrop.emulator.sending.line import Line

FIRST_PIECE_SECONDS = 600.0
"""
A local server may have to load the model first.
"""
IDLE_SECONDS = 120.0
_LISTING_SECONDS = 30.0
_MAX_BODY_BYTES = 1024 * 1024
_OK = 200


class _Listed(msgspec.Struct):
    id: str


class _Listing(msgspec.Struct):
    data: list[_Listed]


class Engine:
    """
    Ask one server.
    """

    def __init__(self, config: EngineConfig, seed: int) -> None:
        self._peer = parse_peer(config.url, "engine's URL")
        self._model = config.model
        self._seed = seed
        key = () if config.key is None else (("authorization", f"Bearer {config.key}"),)
        self._headers = (("content-type", "application/json"), ("accept", "text/event-stream, application/json"), *key)

    @asynccontextmanager
    async def speak(self, ask: Ask, line: Line, *, whole: bool) -> AsyncIterator[EngineSpeech]:
        """
        Give the engine's answer: all of it, or as soon as its first piece is there.

        Raises:
            Refusal: the engine can't be given this, gives no answer, or fails before.
            ClientGone: the client went meanwhile.
        """
        try:
            model = self._model
            if model is None:
                model = await line.wait_for(self._find_model(), _LISTING_SECONDS)
            request = encode_request(ask, model)
            answer = await line.wait_for(self._call("POST", "/chat/completions", request), FIRST_PIECE_SECONDS)
        except (EngineFailed, PeerFailed, TimeoutError) as error:
            raise _refusal(error) from error
        speech = EngineSpeech(ask, ask.digest(self._seed), answer, line, IDLE_SECONDS)
        try:
            try:
                await (speech.read_all() if whole else speech.advance())
            except EngineFailed as error:
                raise _refusal(error) from error
            yield speech
        finally:
            await speech.aclose()

    async def _find_model(self) -> str:
        """
        Return the first model that the server lists, and remember it.
        """
        answer = await self._call("GET", "/models", b"")
        try:
            listing = msgspec.json.decode(await _read_body(answer), type=_Listing)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise EngineFailed(f"the engine's list of models can't be read: {error}") from error
        finally:
            await answer.aclose()
        if not listing.data:
            raise EngineFailed("the engine has no models")
        self._model = listing.data[0].id
        return self._model

    async def _call(self, method: str, path: str, body: bytes) -> PeerAnswer:
        target = self._peer.path + path
        answer = await call_peer(self._peer, method=method, target=target, headers=self._headers, body=body)
        try:
            await answer.read_headers()
            await _check_status(answer)
        except BaseException:
            await answer.aclose()
            raise
        return answer


async def _check_status(answer: PeerAnswer) -> None:
    if answer.status != _OK:
        raise EngineFailed(f"the engine answered {answer.status}: {words_of(await _read_body(answer))}")


async def _read_body(answer: PeerAnswer) -> bytes:
    body = b""
    while (parts := await answer.read()) and len(body) < _MAX_BODY_BYTES:
        body += b"".join(parts)
    return body


def _refusal(error: Exception) -> Refusal:
    return Refusal("ModelErrorException", f"The model failed to process the request: {error}")
