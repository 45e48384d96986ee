"""
What comes in by the Anthropic dialect: every field of the SDK's request, conversations, and bodies that nobody meant.
"""

import json
from base64 import b64encode
from typing import Any, get_args, get_type_hints

import pytest
from anthropic.types import content_block_param, message_count_tokens_params, message_create_params
from anthropic.types.beta import beta_content_block_param as beta_block_param
from anthropic.types.beta import message_count_tokens_params as beta_count_params
from anthropic.types.beta import message_create_params as beta_create_params
from hypothesis import given, settings
from hypothesis import strategies as st

from outcrop.calls import ResolvedModel
from outcrop.dialects.anthropic.request import encode_count, parse_count_request, parse_messages_request
from outcrop.dialects.anthropic.tables import BLOCKS, COUNT_REQUEST, REFUSED_BLOCKS, REQUEST
from outcrop.errors import RequestError, UnknownModel
from outcrop.types import (
    ChatRequest,
    DocumentPart,
    GenerationParams,
    ImagePart,
    Message,
    Reasoning,
    ReasoningPart,
    TextPart,
    ToolChoice,
    ToolResultPart,
    ToolSpec,
    ToolUsePart,
)
from tests.dialects.anthropic_logs import CLAUDE, CLAUDE_BY_CONVERSE, JSON, LLAMA, QWEN, mangle

PNG = b64encode(b"png").decode()
HI: dict[str, Any] = {"model": "claude", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
FULL: dict[str, Any] = {
    **HI,
    "system": [{"type": "text", "text": "be kind", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "what is this?", "cache_control": {"type": "ephemeral"}},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
                {
                    "type": "document",
                    "source": {"type": "base64", "media_type": "application/pdf", "data": PNG},
                    "title": "notes",
                    "context": "of last week",
                    "citations": {"enabled": True},
                },
                {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "né"}},
                {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "a"}]}},
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
                {"type": "redacted_thinking", "data": "c2Vj"},
                {"type": "tool_use", "id": "t1", "name": "look", "input": {"x": 1}, "caller": {"type": "direct"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "t1",
                    "content": [{"type": "text", "text": "a cat"}],
                    "is_error": True,
                },
            ],
        },
    ],
    "tools": [{"name": "look", "input_schema": {"type": "object"}, "description": "Look.", "strict": True}],
    "tool_choice": {"type": "tool", "name": "look", "disable_parallel_tool_use": True},
    "thinking": {"type": "enabled", "budget_tokens": 2048, "display": "omitted"},
    "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": {"type": "object"}}},
    "stop_sequences": ["END"],
    "temperature": 1,
    "top_p": 0.5,
    "top_k": 5,
    "metadata": {"user_id": "u1"},
    "service_tier": "standard_only",
    "stream": True,
    "speed": "standard",
}


def parse(body: Any, model: ResolvedModel = CLAUDE, betas: tuple[str, ...] = ()) -> ChatRequest:
    """
    Parse a body for one model.
    """
    return parse_messages_request(json.dumps(body).encode(), beta_headers=betas, resolve=lambda _: model)


def refuse(**fields: Any) -> str:
    """
    Return why a request with these fields is refused.
    """
    with pytest.raises(RequestError) as caught:
        parse({**HI, **fields})
    return caught.value.message


def refuse_block(**block: Any) -> str:
    """
    Return why a user's message with this block is refused.
    """
    return refuse(messages=[{"role": "user", "content": [block]}])


def test_every_field_of_the_sdk_is_in_the_table() -> None:
    """
    What the SDK's types can send is taken, ignored or refused by name, also what is in its beta.
    """
    stable = message_create_params.MessageCreateParamsStreaming.__annotations__.keys()
    base = message_create_params.MessageCreateParamsBase.__annotations__.keys()
    beta = beta_create_params.MessageCreateParamsBase.__annotations__.keys()
    assert {*stable, *base, *beta} <= REQUEST.keys()
    counted = message_count_tokens_params.MessageCountTokensParams.__annotations__.keys()
    assert {*counted, *beta_count_params.MessageCountTokensParams.__annotations__} == COUNT_REQUEST.keys()


def test_every_content_block_of_the_sdk_is_in_a_table() -> None:
    """
    A new block of the SDK's, or a new field of one, shows up here, instead of as an unknown one at a client's.
    """
    stable, beta = _by_type(content_block_param.ContentBlockParam), _by_type(beta_block_param.BetaContentBlockParam)
    assert {*stable, *beta} <= {*BLOCKS, *REFUSED_BLOCKS}
    for kind, table in BLOCKS.items():
        assert set(stable[kind].__annotations__) == set(table)


def _by_type(union: Any) -> dict[str, Any]:
    params = [block for block in get_args(union) if isinstance(block, type)]
    return {get_args(get_type_hints(block)["type"])[0]: block for block in params}


@pytest.mark.parametrize("name", [name for name, row in REQUEST.items() if row.fate == "refused"])
def test_a_refused_field_says_why(name: str) -> None:
    """
    A field that can't be served is refused by its name with a reason; null means that it was not given.
    """
    assert refuse(**{name: {"x": 1}}) == f"{name} can't be served: {REQUEST[name].why}"
    assert parse({**HI, name: None}) == parse(HI)


def test_a_full_request() -> None:
    """
    Everything that is taken arrives in the waist.
    """
    assert parse(FULL, betas=("a, b", "c")) == ChatRequest(
        model="claude",
        system=(TextPart(text="be kind", cache_ttl="1h"),),
        messages=(
            Message(
                "user",
                (
                    TextPart(text="what is this?", cache_ttl="5m"),
                    ImagePart(media_type="image/png", data=b"png"),
                    DocumentPart(
                        media_type="application/pdf", data=b"png", name="notes", context="of last week", citations=True
                    ),
                    DocumentPart(media_type="text/plain", data="né".encode()),
                    DocumentPart(media_type="text/plain", data=b"a"),
                ),
            ),
            Message(
                "assistant",
                (
                    ReasoningPart(text="hm", signature="c2ln"),
                    ReasoningPart(redacted="c2Vj"),
                    ToolUsePart(tool_use_id="t1", name="look", input={"x": 1}),
                ),
            ),
            Message("user", (ToolResultPart(tool_use_id="t1", content=(TextPart(text="a cat"),), is_error=True),)),
        ),
        params=GenerationParams(
            max_tokens=9,
            temperature=1.0,
            top_p=0.5,
            top_k=5,
            stop_sequences=("END",),
            reasoning=Reasoning(mode="enabled", budget_tokens=2048, effort="low"),
        ),
        tools=(ToolSpec(name="look", input_schema={"type": "object"}, description="Look.", strict=True),),
        tool_choice=ToolChoice(mode="tool", name="look", allow_parallel=False),
        stream=True,
        service_tier="default",
        provider_options={
            "anthropic_beta": ["a", "b", "c"],
            "metadata": {"user_id": "u1"},
            "output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}},
            "thinking": {"display": "omitted"},
        },
    )


def test_a_cache_mark_of_the_request_marks_its_last_part() -> None:
    """
    A `cache_control` at the top marks the last part that can be marked.
    """
    request = parse({**HI, "cache_control": {"type": "ephemeral"}})
    assert request.messages[-1].parts == (TextPart(text="hi", cache_ttl="5m"),)


def test_short_forms() -> None:
    """
    A string stands for one text: as the system prompt, as a document's content, as a tool's result.
    """
    document = {"type": "document", "source": {"type": "content", "content": "a"}}
    result = {"type": "tool_result", "tool_use_id": "t", "content": "b"}
    request = parse({**HI, "system": "s", "messages": [{"role": "user", "content": [document, result]}]})
    assert request.system == (TextPart(text="s"),)
    assert request.messages[0].parts == (
        DocumentPart(media_type="text/plain", data=b"a"),
        ToolResultPart(tool_use_id="t", content=(TextPart(text="b"),)),
    )


@pytest.mark.parametrize("betas", [("a",) * 65, ("é",), ("x" * 129,)])
def test_names_of_betas_are_bounded(betas: tuple[str, ...]) -> None:
    """
    The header that switches features on holds at most 64 names of printable ASCII.
    """
    with pytest.raises(RequestError, match="anthropic-beta names"):
        parse(HI, betas=betas)


def test_a_mark_of_the_request_passes_over_reasoning() -> None:
    """
    Reasoning can't be marked for the cache, so the part before it is.
    """
    thinking = {"type": "thinking", "thinking": "hm", "signature": "s"}
    content = [{"type": "text", "text": "a"}, thinking]
    body = {**HI, "cache_control": {"type": "ephemeral"}, "messages": [{"role": "assistant", "content": content}]}
    assert parse(body).messages[0].parts[0] == TextPart(text="a", cache_ttl="5m")
    only = {**body, "messages": [{"role": "assistant", "content": [thinking]}]}
    assert parse(only).messages[0].parts == (ReasoningPart(text="hm", signature="s"),)


def test_the_schema_may_stand_in_its_older_place() -> None:
    """
    `output_format` is read as `output_config.format`, but not beside it; the name of its beta is left out.
    """
    form = {"type": "json_schema", "schema": {"type": "object"}}
    newer = parse({**HI, "output_config": {"format": form}})
    assert parse({**HI, "output_format": form}, betas=("structured-outputs-2025-11-13",)) == newer
    assert "both" in refuse(output_format=form, output_config={"format": form})


def test_wishes_go_where_the_models_route_takes_them() -> None:
    """
    Effort and a schema are Claude's own fields natively, Converse's by Converse, a level of reasoning for others.
    """
    wish = {**HI, "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": {}}}}
    form = {"type": "json_schema", "structure": {"jsonSchema": {"schema": "{}"}}}
    assert parse(wish, CLAUDE_BY_CONVERSE).provider_options == {"outputConfig": {"effort": "low", "textFormat": form}}
    qwen = parse(wish, QWEN, betas=("a",))
    assert qwen.provider_options == {"outputConfig": {"textFormat": form}}
    assert qwen.params.reasoning == Reasoning(mode="adaptive", effort="low")
    assert parse({**HI, "metadata": {"user_id": "u"}}, LLAMA).provider_options == {}
    native = parse({**HI, "thinking": {"type": "between_tools"}})
    assert native.provider_options == {"thinking": {"type": "between_tools"}}
    with pytest.raises(RequestError, match="only Claude"):
        parse({**HI, "thinking": {"type": "between_tools"}}, QWEN)


def test_nothing_is_fetched_for_a_client() -> None:
    """
    A source by URL or by file ID is refused with what to do instead.
    """
    url = refuse_block(type="image", source={"type": "url", "url": "http://169.254.169.254/"})
    assert "nothing is fetched for a client" in url
    assert "keeps no files" in refuse_block(type="document", source={"type": "file", "file_id": "f"})


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"max_tokens": None}, "max_tokens is missing"),
        ({"max_tokens": True}, "max_tokens is true, expected a whole number from 0"),
        ({"temperature": 1.5}, "temperature is 1.5, expected a number from 0 to 1"),
        ({"messages": []}, "messages has 0 entries"),
        ({"messages": [{"role": "system", "content": "x"}]}, "expected it as the field system"),
        ({"messages": [{"role": "user"}]}, "messages[0].content is missing"),
        ({"tools": [{"type": "web_search_20250305", "name": "w"}]}, "'web_search_20250305', which can't be served"),
        ({"tools": [{"name": "f", "input_schema": {}, "defer_loading": True}]}, "defer_loading is true"),
        ({"speed": "fast"}, "speed is 'fast', expected one of 'standard'"),
        ({"thinking": {"type": "enabled"}}, "thinking.budget_tokens is null"),
        ({"stop_sequences": [""]}, "stop_sequences[0] is '', expected a string with text"),
        ({"system": 1}, "system is 1, expected a string or a list"),
        ({"system": [{"type": "image"}]}, "system[0] is a block of type 'image', expected one of text"),
        ({"model": "x" * 3000}, "model has 3000 characters"),
        ({"messages": [{"role": "user", "content": 1}]}, "messages[0].content is 1"),
        ({"tools": [{"name": "f", "input_schema": {}, "allowed_callers": ["x"]}]}, "allowed_callers names others"),
        ({"nope": 1}, "nope is not a field that is known here"),
    ],
)
def test_a_malformed_field_is_named(fields: dict[str, Any], said: str) -> None:
    """
    What is wrong is said with its place, what came, and what was expected.
    """
    assert said in refuse(**fields)


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ({"type": "server_tool_use", "id": "x", "name": "y", "input": {}}, "'server_tool_use', which can't be served"),
        ({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "§"}}, "is not base64"),
        ({"type": "tool_use", "id": "x", "name": "y", "input": {}, "caller": {"type": "z"}}, "caller is not 'direct'"),
        ({"type": "text", "text": "x", "cache_control": {"type": "ephemeral", "ttl": "2h"}}, "ttl is '2h'"),
        ({"type": "document", "source": {"type": "x"}}, "source.type is 'x', expected one of base64"),
        ({"type": "image", "source": {"type": "text", "data": "x"}}, "source.type is 'text', expected 'base64'"),
        (
            {
                "type": "document",
                "citations": {"enabled": True},
                "source": {"type": "content", "content": [{"type": "text", "text": "a"}] * 2},
            },
            "has several blocks to cite from",
        ),
        ({"type": "x"}, "of type 'x', expected one of"),
        ({"text": "x"}, "is an object, expected a content block with a type"),
        ({"type": "tool_result", "tool_use_id": "t", "content": [{"type": "thinking"}]}, "of type 'thinking'"),
    ],
)
def test_a_malformed_block_is_named(block: dict[str, Any], said: str) -> None:
    """
    A block that can't be served is named with its place.
    """
    message = refuse_block(**block)
    assert message.startswith("messages[0].content[0]")
    assert said in message


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b'"x"', b"{", b"\xff", b'{"a":1,"a":2}', b'{"model":"\\ud800"}', b"[" * 100_000,
        b'{"a":' * 150 + b"1" + b"}" * 150, b'{"max_tokens":' + b"9" * 5000 + b"}", b'{"temperature":NaN}',
    ],
)  # fmt: skip
def test_bodies_that_are_no_json_object(body: bytes) -> None:
    """
    Bytes that are no plain JSON object are refused: doubled names, half characters, depth and endless numbers too.
    """
    with pytest.raises(RequestError):
        parse_messages_request(body, resolve=lambda _: CLAUDE)


@settings(deadline=None)
@given(places=st.lists(st.integers(0, 20), min_size=1, max_size=6), junk=JSON)
def test_a_mangled_request_is_a_request_error_or_a_request(places: list[int], junk: Any) -> None:
    """
    Whatever stands anywhere in a request, it is understood or refused; nothing else is raised.
    """
    try:
        parse(mangle(FULL, places, junk))
    except RequestError:
        return


@settings(deadline=None)
@given(st.binary(max_size=40))
def test_random_bytes_raise_request_errors_only(body: bytes) -> None:
    """
    Random bytes are never anything but refused.
    """
    with pytest.raises(RequestError):
        parse_messages_request(body, resolve=lambda _: CLAUDE)


def test_an_unknown_model_is_refused_by_who_knows_models() -> None:
    """
    What the resolver raises reaches the caller.
    """

    def resolve(name: str) -> ResolvedModel:
        raise UnknownModel(name)

    with pytest.raises(UnknownModel, match="claude"):
        parse_messages_request(json.dumps(HI).encode(), resolve=resolve)


def test_counting_needs_no_bound() -> None:
    """
    A request to count tokens is one without `max_tokens`, and its answer one number.
    """
    body = {name: value for name, value in HI.items() if name != "max_tokens"}
    assert parse_count_request(json.dumps(body).encode(), resolve=lambda _: CLAUDE).params.max_tokens is None
    assert encode_count(7) == b'{"input_tokens":7}'
    with pytest.raises(RequestError, match="max_tokens is not a field"):
        parse_count_request(json.dumps(HI).encode(), resolve=lambda _: CLAUDE)


def test_counting_knows_beta_features() -> None:
    """
    They are passed on, as for a message, but for the one that stands for counting itself.
    """
    body = json.dumps({name: value for name, value in HI.items() if name != "max_tokens"}).encode()
    headers = ["context-1m-2025-08-07, token-counting-2024-11-01"]
    counted = parse_count_request(body, beta_headers=headers, resolve=lambda _: CLAUDE)
    assert counted.provider_options == {"anthropic_beta": ["context-1m-2025-08-07"]}
