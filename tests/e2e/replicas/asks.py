"""
What is asked: every prompt has a canary, and its answer is known beforehand, word by word.
"""

import random
import string

import msgspec

LETTERS = string.ascii_lowercase


class Ask(msgspec.Struct, kw_only=True):
    """
    Hold one question, and the answer that only it can have.

    `canary` begins the answer and is part of every word in it: a foreign, lost, doubled or moved word shows.
    `parent_id` names the kept message that the question follows; the server adds what came before.
    """

    canary: str
    text: str
    prompt: str
    chat_id: str
    key: str
    model: str = "llama3"
    whole: bool = False
    max_tokens: int = 2000
    parent_id: str | None = None

    @property
    def message_id(self) -> str:
        """
        The client's name of the question.
        """
        return f"m-{self.canary}"

    def send_frame(self, request_id: str) -> bytes:
        """
        Encode the frame that asks.
        """
        return msgspec.json.encode(
            {
                "type": "send",
                "requestId": request_id,
                "id": self.chat_id,
                "trigger": "submit-message",
                "headers": {"idempotency-key": self.key},
                **self._question(),
            }
        )

    def post_body(self) -> bytes:
        """
        Encode the body of `POST /api/chat` that asks.
        """
        question = self._question()
        flat = {"id": self.chat_id, "trigger": "submit-message", "messages": question["messages"]}
        return msgspec.json.encode(flat | question["body"])

    def _question(self) -> dict[str, dict[str, object]]:
        part = {"type": "text", "text": self.prompt}
        message = {"id": self.message_id, "role": "user", "parts": [part]}
        body = {"model": self.model, "stream": not self.whole, "maxTokens": self.max_tokens}
        if self.parent_id is not None:
            body["parentId"] = self.parent_id
        return {"messages": [message], "body": body}  # type: ignore[dict-item]  # a list of messages


def make_ask(dice: random.Random, words: int, *, model: str = "llama3", whole: bool = False) -> Ask:
    """
    Make a question whose answer has this many words, each of one token.
    """
    canary = "".join(dice.choices(LETTERS, k=7))
    numbered = (f"{canary[:4]}{_letters(number)}" for number in range(1, words))
    text = " ".join((canary, *numbered))
    return Ask(
        canary=canary,
        text=text,
        prompt=f"echo {text}",
        chat_id=f"chat-{canary}",
        key=f"key-{canary}",
        model=model,
        whole=whole,
    )


def _letters(number: int) -> str:
    return "".join(LETTERS[number // 26**place % 26] for place in (2, 1, 0))
