"""
The typed API of fault rules.
"""

from collections.abc import Callable

import pytest

from outcrop.emulator.faults import FaultBook, InvalidRule
from outcrop.testing.faults import Faults


@pytest.fixture
def book() -> FaultBook:
    """
    Return an empty book of rules.
    """
    return FaultBook()


@pytest.fixture
def faults(book: FaultBook) -> Faults:
    """
    Return the typed API over that book.
    """
    return Faults(book, lambda action: action())


@pytest.mark.parametrize(
    ("kind", "add"),
    [
        ("http_error", lambda faults: faults.throttle(retry_after=1)),
        ("http_error", lambda faults: faults.http_error("MadeUp", status=418, message="no")),
        ("exception", lambda faults: faults.exception("throttlingException", after_tokens=2)),
        ("error_message", lambda faults: faults.error_message("code", "words")),
        ("corrupt", lambda faults: faults.corrupt("prelude")),
        ("cut", lambda faults: faults.cut(after_bytes=10)),
        ("reset", lambda faults: faults.reset()),
        ("silence", lambda faults: faults.silence("before_headers", 1)),
        ("end_without_terminal", lambda faults: faults.end_without_terminal()),
        ("slow", lambda faults: faults.slow(5)),
    ],
)
def test_each_method_adds_its_kind(book: FaultBook, faults: Faults, kind: str, add: Callable[[Faults], None]) -> None:
    """
    Every method adds one rule, of the kind that it is named for.
    """
    add(faults)
    [rule] = book.report()["faults"]
    assert rule["fault"]["kind"] == kind


def test_a_rule_says_which_calls_and_how_often(book: FaultBook, faults: Faults) -> None:
    """
    Model, operation and nth go into the rule's match, times beside it.
    """
    faults.reset(model="anthropic.*", operation="Converse", nth=2, times=3)
    [rule] = book.report()["faults"]
    assert rule["match"] == {"model": "anthropic.*", "operation": "Converse", "nth": 2}
    assert rule["times"] == 3


def test_values_out_of_range_are_refused(book: FaultBook, faults: Faults) -> None:
    """
    A rule that can't be is refused, and none is added.
    """
    with pytest.raises(InvalidRule, match="times"):
        faults.reset(times=0)
    with pytest.raises(InvalidRule, match="cut has after_bytes and after_tokens"):
        faults.cut(after_bytes=1, after_tokens=1)
    assert book.report()["faults"] == []
