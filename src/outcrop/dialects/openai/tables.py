"""
Every field of a Chat Completions request, as the official SDK's types know them: taken, ignored or refused, and why.

A test holds the tables against the SDK, so a newer SDK shows at once what is new. A field that is refused may have
values that ask for nothing: SDKs send them by habit, and they are taken for "not given".
"""

from typing import Any

from outcrop.dialects.fields import Field, Table, take

_NO_SAMPLER = "no model on Bedrock takes it in a form that all of them share"
_NO_LOGPROBS = "Bedrock does not say how likely a token was"
_TEXT_ONLY = "answers are text"
_NOT_LISTED = "the list of a client's answers is not kept here; nothing in an answer depends on it"
_BY_KEY = "who asks is known by their key"
_CACHE_IS_BEDROCK = "Bedrock keeps its prompt cache as it sees fit; mark parts with prompt_cache_breakpoint"
_NO_WEB = "this server calls nobody on a client's behalf"
_NO_FUNCTIONS = "it was replaced by tools, which say the same"


class Refused(Field, frozen=True):
    """
    Refuse a field, unless it has one of the values that ask for nothing.
    """

    harmless: tuple[Any, ...] = ()


def refuse(why: str, *harmless: Any) -> Refused:
    """
    Make a row for a field that is refused.
    """
    return Refused("refused", why, harmless)


def ignore(why: str) -> Field:
    """
    Make a row for a field that is ignored.
    """
    return Field("ignored", why)


SHARED: Table = {
    **take(
        "metadata", "model", "parallel_tool_calls", "service_tier", "stream", "stream_options", "temperature",
        "tool_choice", "tools", "top_p",
    ),
    "moderation": refuse("there is no moderation model here; an AWS guardrail does that work"),
    "prompt_cache_key": ignore(_CACHE_IS_BEDROCK),
    "prompt_cache_options": ignore(_CACHE_IS_BEDROCK),
    "prompt_cache_retention": ignore(_CACHE_IS_BEDROCK),
    "safety_identifier": ignore(_BY_KEY),
    "top_logprobs": refuse(_NO_LOGPROBS, 0),
    "user": ignore(_BY_KEY),
}  # fmt: skip
"""
What both APIs have, and what becomes of it in both.
"""

CHAT_REQUEST: Table = {
    **SHARED,
    **take("max_completion_tokens", "max_tokens", "messages", "reasoning_effort", "response_format", "stop"),
    "top_k": Field("taken", "not OpenAI's: other servers of this API know it, and so do most models"),
    "audio": refuse(_TEXT_ONLY),
    "frequency_penalty": refuse(_NO_SAMPLER, 0),
    "function_call": refuse(_NO_FUNCTIONS),
    "functions": refuse(_NO_FUNCTIONS, []),
    "logit_bias": refuse(_NO_SAMPLER, {}),
    "logprobs": refuse(_NO_LOGPROBS, False),
    "modalities": refuse(_TEXT_ONLY, ["text"]),
    "n": refuse("one request has one answer", 1),
    "prediction": ignore("it only makes an answer faster where a model can use it"),
    "presence_penalty": refuse(_NO_SAMPLER, 0),
    "seed": ignore("OpenAI does not promise that answers repeat either, and Bedrock takes no seed"),
    "store": ignore(_NOT_LISTED),
    "verbosity": refuse("no model on Bedrock takes it; ask for short or long answers in the prompt", "medium"),
    "web_search_options": refuse(_NO_WEB),
}
"""
The body of `POST /v1/chat/completions`.
"""

STREAM_OPTIONS: Table = {
    "include_usage": Field("taken"),
    "include_obfuscation": ignore("chunks are not padded"),
}
RESPONSE_FORMATS: dict[str, Table] = {
    "text": take("type"),
    "json_schema": take("type", "json_schema"),
}
JSON_SCHEMA: Table = {
    **take("name", "description", "schema"),
    "strict": ignore("an answer always follows its schema where a model can be told one"),
}
NO_JSON_OBJECT = "no model on Bedrock can be held to JSON of any shape: send a json_schema"
FUNCTION_TOOL: Table = take("type", "function")
FUNCTION: Table = take("name", "description", "parameters", "strict")
NAMED_TOOL: Table = take("type", "function")
ALLOWED_TOOLS: Table = take("type", "allowed_tools")
ALLOWED: Table = take("mode", "tools")
NAME: Table = take("name")

PARSED = ignore("the SDK made it of what the answer says")
_NAMES = ignore("models on Bedrock do not know speakers by name")
MESSAGES: dict[str, Table] = {
    "system": {**take("role", "content"), "name": _NAMES},
    "developer": {**take("role", "content"), "name": _NAMES},
    "user": {**take("role", "content"), "name": _NAMES},
    "assistant": {
        **take("role", "content", "refusal", "tool_calls", "reasoning_details"),
        "name": _NAMES,
        "annotations": ignore("what an answer cites is in its text"),
        "audio": refuse(_TEXT_ONLY),
        "function_call": refuse(_NO_FUNCTIONS),
        "parsed": PARSED,
        "provider_details": ignore("it told the client more of an answer; a model has no use for it"),
        "reasoning": ignore("a model takes its reasoning back only as reasoning_details"),
        "reasoning_content": ignore("a model takes its reasoning back only as reasoning_details"),
    },
    "tool": {**take("role", "content", "tool_call_id"), "name": _NAMES},
}
"""
The messages that are taken, by their role. `function` is refused, with `functions`.
"""

_DETAIL = ignore("a model sees an image as it is")
PARTS: dict[str, Table] = {
    "text": take("type", "text", "prompt_cache_breakpoint"),
    "image_url": take("type", "image_url", "prompt_cache_breakpoint"),
    "file": take("type", "file", "prompt_cache_breakpoint"),
    "refusal": take("type", "refusal"),
}
IMAGE_URL: Table = {"url": Field("taken"), "detail": _DETAIL}
FILE: Table = {
    **take("file_data", "filename"),
    "file_id": refuse("this server keeps no files for a client: send the file in file_data"),
}
CACHE_BREAKPOINT: Table = take("mode", "ttl")
TOOL_CALL: Table = {**take("id", "type", "function"), "index": ignore("it is the place in a stream's list")}
CALLED_FUNCTION: Table = {**take("name", "arguments"), "parsed_arguments": PARSED}
REASONING_DETAIL: Table = {
    **take("type", "data"),
    "index": ignore("it is the place in a stream's list"),
}
