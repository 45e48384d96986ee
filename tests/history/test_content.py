"""
What a message says survives being written: every kind of part and event, with whatever is in it.
"""

from hypothesis import given
from hypothesis import strategies as st

from outcrop.history.content import decode_content, encode_content, find_digests, to_text
from outcrop.types import (
    AnswerContinued,
    DocumentPart,
    ImagePart,
    MessageStart,
    MessageStop,
    NativePayload,
    ReasoningDelta,
    ReasoningPart,
    StreamFailed,
    TextDelta,
    TextPart,
    ToolResultPart,
    ToolUseDelta,
    ToolUsePart,
    ToolUseStart,
    Usage,
    UsageReport,
)

TEXTS = st.text(max_size=8)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)
DETAILS = st.none() | st.dictionaries(TEXTS, JSON, max_size=3)
INDEXES = st.integers(0, 9)
FILES = st.binary(max_size=20)
TEXT_PARTS = st.builds(TextPart, text=TEXTS, provider_details=DETAILS)
IMAGES = st.builds(ImagePart, media_type=TEXTS, data=FILES)
DOCUMENTS = st.builds(DocumentPart, media_type=TEXTS, data=FILES, name=TEXTS, context=st.none() | TEXTS)
RESULTS = st.builds(
    ToolResultPart,
    tool_use_id=TEXTS,
    content=st.lists(TEXT_PARTS | IMAGES | DOCUMENTS, max_size=3).map(tuple),
    is_error=st.booleans(),
)
PARTS = st.one_of(
    TEXT_PARTS,
    IMAGES,
    DOCUMENTS,
    RESULTS,
    st.builds(ReasoningPart, text=TEXTS, signature=st.none() | TEXTS, redacted=st.none() | TEXTS),
    st.builds(ToolUsePart, tool_use_id=TEXTS, name=TEXTS, input=st.dictionaries(TEXTS, JSON, max_size=3)),
)
EVENTS = st.one_of(
    st.builds(MessageStart, message_id=st.none() | TEXTS, provider_details=DETAILS),
    st.builds(TextDelta, text=TEXTS, index=INDEXES, provider_details=DETAILS),
    st.builds(ReasoningDelta, text=TEXTS, index=INDEXES, signature=st.none() | TEXTS, redacted=st.none() | TEXTS),
    st.builds(ToolUseStart, index=INDEXES, tool_use_id=TEXTS, name=TEXTS),
    st.builds(ToolUseDelta, index=INDEXES, input_json=TEXTS),
    st.builds(UsageReport, usage=st.builds(Usage, input_tokens=st.integers(0, 2**40), estimated=st.booleans())),
    st.builds(NativePayload, payload=FILES),
    st.builds(AnswerContinued, reason=TEXTS),
    st.builds(MessageStop, stop_reason=st.sampled_from(["end_turn", "stopped"]), provider_details=DETAILS),
    st.builds(StreamFailed, code=TEXTS, message=TEXTS, retry_after_seconds=st.none() | st.floats(0, 100)),
)


@given(st.lists(PARTS | EVENTS, max_size=6).map(tuple))
def test_content_comes_back_as_it_was(content: tuple[object, ...]) -> None:
    """
    Nothing is lost, and the blobs are those that a reader asks for.
    """
    encoded, blobs = encode_content(content)  # type: ignore[arg-type]  # drawn from all that content may be
    assert decode_content(encoded, blobs) == content
    assert find_digests(encoded) == set(blobs)


def test_text_that_looks_like_a_file_is_none() -> None:
    """
    What a person wrote is not taken for the mark of a blob.
    """
    encoded, _ = encode_content((TextPart(text='"data":'),))
    assert find_digests(encoded) == set()


def test_the_order_of_a_tools_arguments_is_kept() -> None:
    """
    A prompt cache knows a conversation by its bytes.
    """
    used = ToolUsePart(tool_use_id="t", name="n", input={"z": 1, "a": 2})
    (part,) = decode_content(*encode_content((used,)))
    assert isinstance(part, ToolUsePart)
    assert list(part.input) == ["z", "a"]


def test_what_is_searched_is_what_was_said() -> None:
    """
    Text of prompts and of answers, and nothing else.
    """
    content = (
        TextPart(text="asked"),
        MessageStart(),
        ReasoningDelta(text="thought"),
        TextDelta("an", 1),
        TextDelta("swer", 1),
    )
    assert to_text(content) == "asked\nanswer"
