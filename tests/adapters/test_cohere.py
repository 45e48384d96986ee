"""
A request becomes Command R's body or is refused; its events become ours.
"""

import pytest

from outcrop.adapters.cohere import MAX_KEPT_EVENTS
from outcrop.errors import InvalidMessage, ModelFailed, RequestError
from outcrop.types import (
    ChatRequest,
    GenerationParams,
    ImagePart,
    MessageStop,
    ToolSpec,
    Usage,
    UsageReport,
)
from tests.adapters.forms import METRICS, Json, ask, assistant, body, call, stop_of, stream, texts, user, whole

END: Json = {"is_finished": True, "event_type": "stream-end", "finish_reason": "COMPLETE"}


def said(text: str) -> Json:
    """
    Build an event with text.
    """
    return {"is_finished": False, "event_type": "text-generation", "text": text}


def test_the_last_message_is_the_message() -> None:
    """
    What came before is the history, the system's text the preamble.
    """
    assert body("cohere", ask(messages=(user("a"), assistant("b"), user("c", "d")), system=texts("S", "T"))) == {
        "message": "c\n\nd",
        "chat_history": [{"role": "USER", "message": "a"}, {"role": "CHATBOT", "message": "b"}],
        "preamble": "S\n\nT",
    }
    assert body("cohere", ask()) == {"message": "hi"}


def test_the_sampling_parameters_are_sent() -> None:
    """
    They have Cohere's short names; further documented fields may go along.
    """
    params = GenerationParams(max_tokens=9, temperature=0.0, top_p=0.5, top_k=0, stop_sequences=("x",))
    made = body("cohere", ask(params=params, provider_options={"seed": 0, "documents": [{"text": "d"}]}))
    assert made == {
        "message": "hi",
        "max_tokens": 9,
        "temperature": 0.0,
        "p": 0.5,
        "k": 0,
        "stop_sequences": ["x"],
        "seed": 0,
        "documents": [{"text": "d"}],
    }


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (ask(tools=(ToolSpec(name="t", input_schema={}),)), "tools"),
        (ask(ImagePart(media_type="image/png", data=b"x")), "images"),
        (ask(messages=(user("a"), assistant("b"))), "an answer begun by the client"),
        (ask(provider_options={"raw_prompting": True}), "the provider option 'raw_prompting'"),
    ],
)
def test_what_the_body_has_no_place_for_is_refused(request_: ChatRequest, words: str) -> None:
    """
    What can't be sent, or whose form nobody knows, is refused by name.
    """
    with pytest.raises(RequestError, match=f"model 'm' does not take {words}"):
        call("cohere", request_)


@pytest.mark.parametrize(
    ("reason", "meant"),
    [
        ("complete", "end_turn"),
        ("MAX_TOKENS", "max_tokens"),
        ("ERROR_TOXIC", "content_filtered"),
        ("error_limit", "context_window_exceeded"),
        ("USER_CANCEL", "stopped"),
    ],
)
def test_a_reason_has_our_name(reason: str, meant: str) -> None:
    """
    The reasons map to ours by a table; they come in either case.
    """
    assert stop_of(whole("cohere", {"text": "a", "finish_reason": reason})).stop_reason == meant
    assert stop_of(stream("cohere", said("a"), END | {"finish_reason": reason})).stop_reason == meant


def test_a_models_own_failure_is_raised() -> None:
    """
    An answer that ended by an error did not end well.
    """
    with pytest.raises(ModelFailed, match="finish reason 'ERROR'"):
        whole("cohere", {"text": "a", "finish_reason": "ERROR"})
    with pytest.raises(ModelFailed, match="finish reason 'ERROR'"):
        stream("cohere", said("a"), END | {"finish_reason": "ERROR"} | METRICS)


def test_the_streams_billed_units_are_read() -> None:
    """
    Where the last event counts, the body's counts hold.
    """
    units = {"meta": {"billed_units": {"input_tokens": 3, "output_tokens": 4}}, "text": "a"}
    events = stream("cohere", said("a"), END | {"response": units} | METRICS)
    assert events[-2] == UsageReport(Usage(input_tokens=3, output_tokens=4))


def test_what_is_no_text_reaches_the_terminal() -> None:
    """
    Citations and other events are kept, up to a bound; an event that says nothing is not.
    """
    citation: Json = {"is_finished": False, "event_type": "citation-generation", "citations": [1]}
    start: Json = {"is_finished": False, "event_type": "stream-start", "generation_id": "g"}
    assert stop_of(stream("cohere", start, said("a"), citation, END)).provider_details == {"events": [citation]}
    details = stop_of(stream("cohere", *[citation] * (MAX_KEPT_EVENTS + 3), END)).provider_details
    assert details is not None
    assert (len(details["events"]), details["events_omitted"]) == (MAX_KEPT_EVENTS, 3)


def test_citations_of_a_whole_answer_reach_the_terminal() -> None:
    """
    Whole or in a stream's last event, they are passed on.
    """
    response = {"text": "a", "finish_reason": "COMPLETE", "citations": [1]}
    stop = MessageStop(stop_reason="end_turn", provider_details={"citations": [1]})
    assert whole("cohere", response)[-1] == stop
    assert stream("cohere", said("a"), END | {"response": response})[-1] == stop


@pytest.mark.parametrize("bad", [{}, {"event_type": "text-generation", "text": 3}, {"event_type": None}])
def test_what_is_no_cohere_event_is_refused(bad: Json) -> None:
    """
    An event without its type, or with another kind of text, is refused.
    """
    with pytest.raises(InvalidMessage):
        stream("cohere", bad)


def test_a_whole_answer_needs_its_text() -> None:
    """
    A body without text is not Command R's.
    """
    with pytest.raises(InvalidMessage, match="not a cohere answer"):
        whole("cohere", {"finish_reason": "COMPLETE"})
