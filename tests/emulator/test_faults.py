"""
Tests of `outcrop.emulator.faults`: which rules there are, and which calls they strike.
"""

import json
from typing import Any

import pytest

from outcrop.emulator.faults import MAX_RULES, FaultBook, InvalidRule, Reset, Rule, parse_rule


def rule(match: Any = None, times: Any = None, **fault: Any) -> Rule:
    """
    Parse a rule.
    """
    members = {"fault": {"kind": "reset"} | fault, "match": match or {}, "times": times}
    return parse_rule(json.dumps(members).encode())


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ("x", ["malformed", "fault.kind is one of http_error"]),
        ([], ["expected `object`", "a rule has fault, match and times"]),
        ({}, ["missing required field `fault`"]),
        ({"fault": {}}, ["`kind`", "end_without_terminal"]),
        ({"fault": {"kind": "meteor"}}, ["'meteor'", "http_error, exception, error_message, corrupt, cut, reset"]),
        ({"fault": {"kind": "cut", "after": 1}}, ["`after`", "cut takes after_bytes, after_tokens"]),
        ({"fault": {"kind": "cut", "after_tokens": -1}}, [">= 0"]),
        ({"fault": {"kind": "cut", "after_tokens": 1, "after_bytes": 1}}, ["expected one of them"]),
        ({"fault": {"kind": "corrupt", "what": "soul"}}, ["'soul'", "(length, message, prelude)"]),
        ({"fault": {"kind": "silence", "where": "x", "seconds": 1}}, ["(after_tokens, before_first_token"]),
        ({"fault": {"kind": "slow", "tokens_per_second": 0}}, ["> 0.0"]),
        ({"fault": {"kind": "http_error", "name": "Odd"}}, ["needs a status", "ThrottlingException"]),
        ({"fault": {"kind": "http_error", "name": "Odd", "status": 200}}, [">= 400"]),
        ({"fault": {"kind": "reset"}, "match": {"operation": "Invoke"}}, ["'Invoke'", "InvokeModelWithResponseStream"]),
        ({"fault": {"kind": "reset"}, "match": {"nth": 0}}, [">= 1"]),
        ({"fault": {"kind": "reset"}, "times": 0}, [">= 1"]),
        ({"fault": {"kind": "reset"}, "time": 1}, ["`time`"]),
    ],
    ids=str,
)
def test_wrong_rules_are_refused_with_what_is_allowed(document: Any, words: list[str]) -> None:
    """
    A rule that would not do what was meant is refused, and the sentence says what is wrong and what may stand there.
    """
    with pytest.raises(InvalidRule) as refused:
        parse_rule(document.encode() if isinstance(document, str) else json.dumps(document).encode())
    assert all(word in str(refused.value) for word in words), str(refused.value)


def test_a_rule_strikes_until_it_is_cleared() -> None:
    """
    Without `times` every call is struck.
    """
    book = FaultBook()
    book.add(rule())
    assert [book.strike("Converse", "m") for _ in range(3)] == [Reset()] * 3
    book.clear()
    assert book.strike("Converse", "m") is None


def test_times_bounds_how_often_a_rule_strikes() -> None:
    """
    A rule with `times` is spent after that many calls.
    """
    book = FaultBook()
    book.add(rule(times=2))
    assert [book.strike("Converse", "m") is not None for _ in range(3)] == [True, True, False]


def test_nth_strikes_one_call() -> None:
    """
    `nth` counts the matching calls since the rule was added.
    """
    book = FaultBook()
    book.add(rule({"nth": 2, "operation": "Converse"}))
    operations = ["Converse", "InvokeModel", "Converse", "Converse"]
    assert [book.strike(operation, "m") is not None for operation in operations] == [False, False, True, False]


@pytest.mark.parametrize(
    ("pattern", "strikes"),
    [("us.anthropic.x", True), ("*.anthropic.*", True), ("anthropic.x", True), ("meta.*", False)],
)
def test_models_match_by_any_of_their_ids(pattern: str, strikes: bool) -> None:
    """
    A rule for a model takes its ID as called, its base ID, or a glob.
    """
    book = FaultBook()
    book.add(rule({"model": pattern}))
    assert (book.strike("Converse", "us.anthropic.x", "anthropic.x") is not None) is strikes


def test_the_oldest_rule_strikes_first() -> None:
    """
    Two rules for one call: the older one strikes, both have counted it.
    """
    book = FaultBook()
    book.add(rule(times=1))
    book.add(rule(kind="slow", tokens_per_second=1))
    kinds = [fault.kind for fault in (book.strike("Converse", "m"), book.strike("Converse", "m")) if fault is not None]
    assert kinds == ["reset", "slow"]
    assert [(one["matched"], one["fired"]) for one in book.report()["faults"]] == [(2, 1), (2, 1)]


def test_faults_of_streams_pass_over_other_operations() -> None:
    """
    What only a stream can have waits for a stream.
    """
    book = FaultBook()
    book.add(rule(kind="exception", name="throttlingException"))
    assert book.strike("Converse", "m") is None
    assert book.strike("ConverseStream", "m") is not None


def test_the_number_of_rules_is_bounded() -> None:
    """
    A test that forgets to clear its rules is told so.
    """
    book = FaultBook()
    for _ in range(MAX_RULES):
        book.add(rule())
    with pytest.raises(InvalidRule, match="clear them first"):
        book.add(rule())
