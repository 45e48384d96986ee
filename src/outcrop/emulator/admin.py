"""
The emulator's own routes, which Bedrock doesn't have: faults, the book, health.

| route | does |
|---|---|
| `POST /_emulator/faults` | adds a rule; see `faults` |
| `GET`, `DELETE /_emulator/faults` | lists, clears the rules |
| `GET`, `DELETE /_emulator/calls` | shows, clears the book; see `book` |
| `PUT`, `GET`, `DELETE /_emulator/quotas` | sets, shows, drops the quotas; see `quota` |
| `PUT`, `GET`, `DELETE /_emulator/regions` | sets, shows, clears the regions' health; see `regions` |
| `GET /_emulator/health` | says that it runs |
"""

import msgspec

from outcrop.emulator.book import Book
from outcrop.emulator.faults import FaultBook, InvalidRule, parse_rule
from outcrop.emulator.quota import InvalidQuota, QuotaBook, parse_quotas
from outcrop.emulator.regions import InvalidRegions, RegionBook, parse_regions
from outcrop.emulator.sending.answers import HttpAnswer, json_answer


class Books(msgspec.Struct, frozen=True):
    """
    Hold what these routes show and change.
    """

    calls: Book
    faults: FaultBook
    quotas: QuotaBook
    regions: RegionBook


def answer_admin(method: str, raw_path: bytes, body: bytes, books: Books) -> HttpAnswer:
    """
    Answer one request to the emulator's own routes.
    """
    if raw_path == b"/_emulator/faults":
        return _answer_faults(method, body, books.faults)
    if raw_path in {b"/_emulator/quotas", b"/_emulator/regions"}:
        return _answer_settable(method, raw_path, body, books)
    if raw_path == b"/_emulator/calls" and method == "GET":
        return json_answer(books.calls.report())
    if raw_path == b"/_emulator/calls" and method == "DELETE":
        books.calls.clear()
        return HttpAnswer(status=204)
    if raw_path == b"/_emulator/health" and method == "GET":
        return json_answer({"status": "ok", "calls": len(books.calls)})
    return json_answer({"message": _NO_ROUTE}, status=404)


_NO_ROUTE = "no such route; there are /_emulator/faults, /calls, /quotas, /regions and /health"


def _answer_settable(method: str, raw_path: bytes, body: bytes, books: Books) -> HttpAnswer:
    shown = books.quotas if raw_path.endswith(b"quotas") else books.regions
    if method == "GET":
        return json_answer(shown.report())
    if method == "DELETE":
        shown.clear()
        return HttpAnswer(status=204)
    if method != "PUT":
        return json_answer({"message": f"method is {method}, expected PUT, GET or DELETE"}, status=405)
    try:
        if isinstance(shown, QuotaBook):
            shown.replace(parse_quotas(body))
        else:
            shown.replace(parse_regions(body))
    except (InvalidQuota, InvalidRegions) as error:
        return json_answer({"message": str(error)}, status=400)
    return json_answer(shown.report())


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
