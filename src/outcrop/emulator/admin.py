"""
The emulator's own routes, which Bedrock doesn't have: faults, the book, health.

| route | does |
|---|---|
| `POST /_emulator/faults` | adds a rule; see `faults` |
| `GET`, `DELETE /_emulator/faults` | lists, clears the rules |
| `GET`, `DELETE /_emulator/calls` | shows, clears the book; see `book` |
| `GET /_emulator/health` | says that it runs |
"""

from outcrop.emulator.book import Book
from outcrop.emulator.faults import FaultBook, InvalidRule, parse_rule
from outcrop.emulator.sending.answers import HttpAnswer, json_answer


def answer_admin(method: str, raw_path: bytes, body: bytes, book: Book, faults: FaultBook) -> HttpAnswer:
    """
    Answer one request to the emulator's own routes.
    """
    if raw_path == b"/_emulator/faults":
        return _answer_faults(method, body, faults)
    if raw_path == b"/_emulator/calls" and method == "GET":
        return json_answer(book.report())
    if raw_path == b"/_emulator/calls" and method == "DELETE":
        book.clear()
        return HttpAnswer(status=204)
    if raw_path == b"/_emulator/health" and method == "GET":
        return json_answer({"status": "ok", "calls": len(book)})
    return json_answer({"message": "no such route; there are /_emulator/faults, /calls and /health"}, status=404)


def _answer_faults(method: str, body: bytes, faults: FaultBook) -> HttpAnswer:
    if method == "GET":
        return json_answer(faults.report())
    if method == "DELETE":
        faults.clear()
        return HttpAnswer(status=204)
    if method != "POST":
        return json_answer({"message": f"method is {method}, expected GET, POST or DELETE"}, status=405)
    try:
        return json_answer({"rules": faults.add(parse_rule(body))}, status=201)
    except InvalidRule as error:
        return json_answer({"message": str(error)}, status=400)
