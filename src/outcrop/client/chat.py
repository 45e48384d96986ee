"""
A conversation: what was said goes out with each prompt.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import uuid4

from outcrop.client.answer import Answer
from outcrop.client.failures import ChatFailed
from outcrop.client.frames import Trigger
from outcrop.client.link import Link
from outcrop.client.parts import to_message
from outcrop.client.request import Question, Request

NewId = Callable[[], str]


class Chat:
    """
    Talk to one model. Made by `Client.chat`.

    The conversation is kept here, and sent whole with each prompt. A prompt joins it with its answer: one that failed,
    or was stopped before anything was answered, leaves it as it was. One answer runs at a time.
    """

    def __init__(
        self,
        link: Link,
        *,
        body: Mapping[str, Any],
        chat_id: str | None = None,
        messages: Sequence[Mapping[str, Any]] = (),
        new_id: NewId = lambda: uuid4().hex,
    ) -> None:
        self._link = link
        self._body = {name: value for name, value in body.items() if value is not None}
        self._messages: list[dict[str, Any]] = [dict(message) for message in messages]
        self._pending: tuple[Request, list[dict[str, Any]]] | None = None
        self._new_id = new_id
        self.chat_id = chat_id or new_id()

    @property
    def messages(self) -> tuple[Mapping[str, Any], ...]:
        """
        The conversation as UI messages (`{id, role, parts}`), for keeping; give it to `Client.chat` to go on.
        """
        if not self._is_running:
            self._settle()
        return tuple(self._messages)

    def send(self, prompt: str) -> Answer:
        """
        Ask, and return the answer to iterate over. It is on its way already.

        Raises:
            ChatFailed: this chat's last answer still runs (`already_active`), or the client is not open.
        """
        self._settle()
        asked = {"id": self._new_id(), "role": "user", "parts": [{"type": "text", "text": prompt}]}
        return self._ask([*self._messages, asked], trigger="submit-message", message_id=None)

    def regenerate(self) -> Answer:
        """
        Ask for another answer to the last prompt; it takes the place of the last one, unless it fails.

        Raises:
            ChatFailed: there is no answer yet (`nothing_to_regenerate`); otherwise as `send`.
        """
        self._settle()
        if not self._messages or self._messages[-1]["role"] != "assistant":
            raise ChatFailed("nothing_to_regenerate", "the conversation has no answer that could be made anew")
        *asked, last = self._messages
        return self._ask(asked, trigger="regenerate-message", message_id=last["id"])

    def _ask(self, messages: list[dict[str, Any]], *, trigger: Trigger, message_id: str | None) -> Answer:
        question = Question(
            request_id=self._new_id(),
            chat_id=self.chat_id,
            idempotency_key=self._new_id(),
            trigger=trigger,
            messages=messages,
            body=self._body,
            message_id=message_id,
        )
        options = self._link.options
        request = Request(
            question, max_answer_bytes=options.max_answer_bytes, max_waiting_pieces=options.max_waiting_pieces
        )
        answer = Answer(request, self._link)
        self._link.begin(request)
        self._pending = (request, messages)
        return answer

    @property
    def _is_running(self) -> bool:
        return self._pending is not None and not self._pending[0].ended

    def _settle(self) -> None:
        """
        Let the last prompt and its answer join the conversation.
        """
        if self._is_running:
            raise ChatFailed("already_active", "the last answer of this chat still runs; read it, or stop it")
        if self._pending is None:
            return
        request, messages = self._pending
        self._pending = None
        if request.failure is None:
            message_id = request.assembly.message_id or self._new_id()
            answered = to_message(message_id, request.assembly.parts)
            if answered is not None:
                self._messages = [*messages, answered]
