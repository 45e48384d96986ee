"""
Tests of `outcrop.emulator.book`.
"""

import hashlib
from typing import Any

from outcrop.emulator.book import MAX_CALLS, Book, Call

LLAMA = "meta.llama3-70b-instruct-v1:0"


def open_call(book: Book) -> Call:
    """
    Open one entry.
    """
    return book.open_call(request_id="r", operation="Converse", model="m", http_version="1.1")


def test_the_book_is_bounded() -> None:
    """
    Only the last calls are kept.
    """
    book = Book()
    for _ in range(MAX_CALLS + 3):
        open_call(book)
    assert (len(book), book.report()["calls"][0]["call_id"]) == (MAX_CALLS, 4)


def test_a_call_ends_once() -> None:
    """
    The first word on how a call ended stands.
    """
    call = open_call(Book())
    call.end("completed")
    call.note_client_closed(1.0, 2.0)
    assert call.outcome == "completed"


def test_a_calls_numbers_go_on_after_clearing() -> None:
    """
    A cleared book doesn't use a number again.
    """
    book = Book()
    open_call(book)
    book.clear()
    assert open_call(book).call_id == 2


async def test_an_entry_says_all_of_a_call(wire: Any) -> None:
    """
    Model, text, counts, attempt and times of a call are in its entry.
    """
    headers = {"amz-sdk-request": "attempt=2; max=3", "amz-sdk-invocation-id": "abc"}
    await wire.call("invoke-with-response-stream", LLAMA, {"prompt": "repeat after me: a b c"}, headers)
    (call,) = await wire.calls()
    assert call["operation"] == "InvokeModelWithResponseStream"
    assert (call["model"], call["base_model"], call["http_version"]) == (LLAMA, LLAMA, "1.1")
    assert (call["attempt"], call["invocation_id"]) == ("attempt=2; max=3", "abc")
    assert call["text_emitted"] == {"text": "a b c", "sha256": hashlib.sha256(b"a b c").hexdigest(), "length": 5}
    assert (call["tokens_emitted"], call["usage"]["output"], call["outcome"]) == (3, 3, "completed")
    assert call["started_at"] <= call["finished_at"]
    assert call["closed_by_client_ms_after_start"] is None


async def test_refusals_are_in_the_book(wire: Any) -> None:
    """
    A refused call is counted with its reason.
    """
    await wire.call("invoke", LLAMA, {})
    assert (await wire.calls())[0]["outcome"] == "refused:ValidationException"


async def test_the_books_own_routes_are_not_in_it(wire: Any) -> None:
    """
    Reading the book leaves no trace in it.
    """
    await wire.calls()
    assert await wire.calls() == []
