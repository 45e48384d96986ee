"""
Random conversations, and one writer for each dialect that says them in its own JSON and reads that again.

What a dialect has no words for is in `CANNOT_SAY`, with the reason, so that nothing is left out in silence.
"""

import json
from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any

from hypothesis import strategies as st

from outcrop.calls import ResolvedModel
from outcrop.dialects.anthropic.request import parse_messages_request
from outcrop.dialects.bedrock.invoke import parse_invoke
from outcrop.dialects.bedrock.request import parse_converse
from outcrop.dialects.chat.turn import parse_chat_body
from outcrop.dialects.openai.chat_request import parse_chat_completion
from outcrop.dialects.openai.responses_request import complete_call, parse_response_request
from outcrop.types import (
    CacheTtl,
    ChatRequest,
    DocumentPart,
    GenerationParams,
    ImagePart,
    Message,
    Part,
    Reasoning,
    ReasoningEffort,
    ReasoningPart,
    TextPart,
    ToolChoice,
    ToolResultPart,
    ToolSpec,
    ToolUsePart,
)
from tests.dialects import conversation_writers as write

NO_MARKS = "its fields are those of a chat page, which marks nothing for AWS"
CANNOT_SAY: Mapping[str, Mapping[str, str]] = {
    "native": {
        "cache": NO_MARKS,
        "images in results": "a page's tool has one output, which goes on as its text",
        "metadata": NO_MARKS,
        "named parallel": "a choice of tools has no field for it",
        "texts in results": "a page's tool has one output",
        "tier": NO_MARKS,
    },
    "chat": {
        "budget": "it knows levels of effort only",
        "error": "a message of role tool has no field for it",
        "images in results": "a message of role tool holds text",
    },
    "responses": {
        "budget": "it knows levels of effort only",
        "error": "an output has no field for it",
        "stop": "the API has no stop sequences",
        "top_k": "the API has no top_k",
    },
    "anthropic": {
        "metadata": "its metadata is one opaque user_id",
        "tier": "it knows `standard_only` and `auto`, which are another choice",
    },
    "converse": {
        "no tools": "a tool choice is auto, any or tool",
        "named parallel": "a tool choice has no field for it",
    },
    "converse, not Claude": {
        "budget": "other families have fields of their own for it, which go on as they came",
        "no tools": "a tool choice is auto, any or tool",
        "named parallel": "a tool choice has no field for it",
        "no reasoning": "other families have fields of their own for it, which go on as they came",
        "top_k": "other families have fields of their own for it, which go on as they came",
    },
    "invoke": {},
}
"""
What a dialect has no words for. Three ways to write one request differ on purpose, and no conversation here has them:
blank texts (chat APIs send them beside calls, so they are dropped there; Anthropic's and Bedrock's clients mean what
they write), an order of reasoning, texts, calls and results that Chat Completions can't write, and a JSON schema for
the answer (see `test_a_schema_becomes_the_same_call`).
"""

FEATURES = frozenset(feature for rows in CANNOT_SAY.values() for feature in rows)
"""
What not every dialect can say. All can say: system texts, texts, images, documents, calls, results, reasoning that is
signed or redacted, levels of effort, temperature and top_p, tools, a choice of them, and whether to stream.
"""

NAMES = st.text("abcdefgh_", min_size=1, max_size=8)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20).filter(lambda text: text.strip())
NUMBERS = st.floats(0, 1).map(lambda number: round(number, 3))
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(-1e300, 1e300) | TEXTS
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=5
)
OBJECTS = st.dictionaries(TEXTS, VALUES, max_size=3)
CONTENTS = st.binary(min_size=1, max_size=12)
MEDIA_TYPES = st.sampled_from(["image/png", "image/jpeg", "image/gif", "image/webp"])
EFFORTS: st.SearchStrategy[ReasoningEffort] = st.sampled_from(["low", "medium", "high", "xhigh", "max"])


def dialects_for(model: ResolvedModel) -> list[str]:
    """
    List the dialects by which this model can be asked in words that we read.
    """
    is_claude = model.family == "anthropic"
    converse = "converse" if is_claude else "converse, not Claude"
    return ["native", "chat", "responses", "anthropic", converse, *(["invoke"] if is_claude else [])]


def common_features(names: set[str]) -> frozenset[str]:
    """
    Say what all of these dialects have words for.
    """
    return FEATURES.difference(*(CANNOT_SAY[name] for name in names))


@st.composite
def conversations(draw: st.DrawFn, model: str, can: frozenset[str]) -> ChatRequest:
    """
    Make a request that dialects which `can` say so much are able to write.
    """
    messages: list[Message] = []
    pending: tuple[ToolUsePart, ...] = ()
    for number in range(draw(st.integers(1, 3))):
        messages.append(Message("user", (*_answer(draw, pending, can), *draw(_said(can, least=0 if pending else 1)))))
        pending = tuple(
            ToolUsePart(tool_use_id=f"call_{number}_{n}", name=draw(NAMES), input=draw(OBJECTS))
            for n in range(draw(st.integers(0, 2)))
        )
        messages.append(Message("assistant", (*draw(_thought()), TextPart(text=draw(TEXTS)), *pending)))
    messages.append(Message("user", (*_answer(draw, pending, can), *draw(_said(can, least=1)))))
    tools = draw(_tools())
    return ChatRequest(
        model=model,
        messages=tuple(messages),
        system=tuple(TextPart(text=text) for text in draw(st.lists(TEXTS, max_size=2))),
        params=draw(_params(can)),
        tools=tools,
        tool_choice=draw(_choices(tools, can)),
        stream=draw(st.booleans()),
        service_tier=draw(st.sampled_from([None, "priority", "default", "flex"])) if "tier" in can else None,
        request_metadata=draw(st.dictionaries(NAMES, NAMES, max_size=2)) if "metadata" in can else {},
    )


def _answer(draw: st.DrawFn, calls: tuple[ToolUsePart, ...], can: frozenset[str]) -> list[Part]:
    """
    Answer every call, in the order in which they were made.
    """
    return [
        ToolResultPart(
            tool_use_id=call.tool_use_id,
            content=tuple(draw(_results(can))),
            is_error="error" in can and draw(st.booleans()),
        )
        for call in calls
    ]


def _results(can: frozenset[str]) -> st.SearchStrategy[list[Any]]:
    said: st.SearchStrategy[Any] = TEXTS.map(lambda text: TextPart(text=text))
    if "images in results" in can:
        said |= st.builds(ImagePart, media_type=MEDIA_TYPES, data=CONTENTS, cache_ttl=st.none())
    return st.lists(said, min_size=1, max_size=3 if "texts in results" in can else 1)


def _said(can: frozenset[str], *, least: int) -> st.SearchStrategy[list[Any]]:
    marks: st.SearchStrategy[CacheTtl | None] = st.none()
    if "cache" in can:
        marks |= st.sampled_from(["5m", "1h"])
    texts = st.builds(TextPart, text=TEXTS, cache_ttl=marks, provider_details=st.none())
    images = st.builds(ImagePart, media_type=MEDIA_TYPES, data=CONTENTS, cache_ttl=marks)
    papers = st.builds(
        DocumentPart, media_type=st.just("application/pdf"), data=CONTENTS, name=NAMES, context=st.none(),
        citations=st.just(False), cache_ttl=marks,
    )  # fmt: skip
    return st.lists(texts | images | papers, min_size=least, max_size=3)


def _thought() -> st.SearchStrategy[list[ReasoningPart]]:
    signed = st.builds(ReasoningPart, text=TEXTS, signature=NAMES, redacted=st.none())
    sealed = CONTENTS.map(lambda content: ReasoningPart(redacted=b64encode(content).decode()))
    return st.lists(signed | sealed, max_size=2)


def _params(can: frozenset[str]) -> st.SearchStrategy[GenerationParams]:
    wishes: st.SearchStrategy[Reasoning | None] = st.none()
    if "no reasoning" in can:
        wishes |= st.just(Reasoning(mode="disabled"))
    wishes |= EFFORTS.map(lambda effort: Reasoning(mode="adaptive", effort=effort))
    if "budget" in can:
        wishes |= st.integers(1024, 9000).map(lambda budget: Reasoning(mode="enabled", budget_tokens=budget))
    return st.builds(
        GenerationParams,
        max_tokens=st.integers(1, 100_000),
        temperature=st.none() | NUMBERS,
        top_p=st.none() | NUMBERS,
        top_k=st.none() | st.integers(0, 500) if "top_k" in can else st.none(),
        stop_sequences=st.lists(TEXTS, max_size=3).map(tuple) if "stop" in can else st.just(()),
        reasoning=wishes,
    )


def _tools() -> st.SearchStrategy[tuple[ToolSpec, ...]]:
    schemas = OBJECTS.map(lambda extra: {**extra, "type": "object"})
    tools = st.builds(
        ToolSpec, name=NAMES, input_schema=schemas, description=st.none() | TEXTS,
        strict=st.sampled_from([None, True]), cache_ttl=st.none(),
    )  # fmt: skip
    return st.lists(tools, max_size=3, unique_by=lambda tool: tool.name).map(tuple)


def _choices(tools: tuple[ToolSpec, ...], can: frozenset[str]) -> st.SearchStrategy[ToolChoice | None]:
    """
    Choose one of the tools, or none of them. Without tools there is no choice.
    """
    if not tools:
        return st.none()
    parallel = st.booleans() if "named parallel" in can else st.just(True)
    modes = st.sampled_from(["auto", "any", *(["none"] if "no tools" in can else [])])
    named = st.sampled_from([tool.name for tool in tools])
    return (
        st.none()
        | st.builds(ToolChoice, mode=modes, name=st.none(), allow_parallel=parallel)
        | st.builds(ToolChoice, mode=st.just("tool"), name=named, allow_parallel=parallel)
    )


def _encode(body: Any) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode()


def _by_native(said: ChatRequest, _: ResolvedModel) -> ChatRequest:
    return parse_chat_body(_encode(write.to_native(said))).request


def _by_chat(said: ChatRequest, _: ResolvedModel) -> ChatRequest:
    return parse_chat_completion(_encode(write.to_chat(said))).request


def _by_responses(said: ChatRequest, _: ResolvedModel) -> ChatRequest:
    return complete_call(parse_response_request(_encode(write.to_responses(said))))[0]


def _by_anthropic(said: ChatRequest, model: ResolvedModel) -> ChatRequest:
    return parse_messages_request(_encode(write.to_anthropic(said)), resolve=lambda _: model)


def _by_converse(said: ChatRequest, model: ResolvedModel) -> ChatRequest:
    body = write.to_converse(said, is_claude=model.family == "anthropic")
    return parse_converse(_encode(body), model=model, stream=said.stream).chat


def _by_invoke(said: ChatRequest, model: ResolvedModel) -> ChatRequest:
    body, headers = write.to_invoke(said)
    return parse_invoke(_encode(body), headers=headers, model=model, stream=said.stream).chat


READ_BACK: Mapping[str, Callable[[ChatRequest, ResolvedModel], ChatRequest]] = {
    "native": _by_native,
    "chat": _by_chat,
    "responses": _by_responses,
    "anthropic": _by_anthropic,
    "converse": _by_converse,
    "converse, not Claude": _by_converse,
    "invoke": _by_invoke,
}
"""
Write a request in a dialect, and read it as the server does.
"""
