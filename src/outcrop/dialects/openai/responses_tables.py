"""
Every field of a Responses request, as the official SDK's types know them: taken, ignored or refused, and why.

A test holds the tables against the SDK, so a newer SDK shows at once what is new.
"""

from outcrop.dialects.fields import Field, Table, take
from outcrop.dialects.openai.tables import PARSED, SHARED, ignore, refuse

_STATE = "this server keeps no files, prompts or containers for a client"
BUILT_IN = "it belongs to a tool that OpenAI runs itself; here a client carries out its tools, of type 'function'"
_COMPACTION = "no conversation is shortened here behind a client's back"

RESPONSES_REQUEST: Table = {
    **SHARED,
    **take(
        "background", "include", "input", "instructions", "max_output_tokens", "previous_response_id", "reasoning",
        "store", "text",
    ),
    "access_programs": refuse("these are OpenAI's own"),
    "context_management": refuse(_COMPACTION, []),
    "conversation": refuse("conversations are kept by previous_response_id"),
    "image": refuse("images go to the model as they are", {}, {"context_compression": "auto"},
                    {"context_compression": "disabled"}),
    "max_tool_calls": ignore("it bounds the calls of built-in tools, and there are none"),
    "prompt": refuse(_STATE),
    "truncation": refuse(_COMPACTION, "disabled"),
}  # fmt: skip
"""
The body of `POST /v1/responses`.
"""

SOCKET_REQUEST: Table = {
    **RESPONSES_REQUEST,
    **take("type", "stream_id", "generate"),
    "stream": ignore("a socket always streams"),
    "background": refuse("a socket streams its answers; ask over HTTP for one in the background", False),
}
"""
The client event `response.create`.
"""

STREAM_OPTIONS: Table = {"include_obfuscation": ignore("events are not padded")}
INCLUDES = (
    "code_interpreter_call.outputs", "computer_call_output.output.image_url", "file_search_call.results",
    "message.input_image.image_url", "reasoning.encrypted_content", "web_search_call.action.sources",
    "web_search_call.results",
)  # fmt: skip
"""
What may be asked to be included: reasoning always is, the others belong to tools and lists that there are not.
"""

REASONING: Table = {
    **take("effort", "summary", "generate_summary"),
    "context": refuse("a model sees the reasoning that a client sends back", "auto", "all_turns"),
    "mode": refuse("a model reasons in one way", "standard"),
}
TEXT: Table = {
    "format": Field("taken"),
    "verbosity": refuse("no model on Bedrock takes it; ask for short or long answers in the prompt", "medium"),
}
FORMATS: dict[str, Table] = {
    "text": take("type"),
    "json_schema": {
        **take("type", "name", "description", "schema"),
        "strict": ignore("an answer always follows its schema where a model can be told one"),
    },
}
FUNCTION_TOOL: Table = {
    **take("type", "name", "description", "parameters", "strict"),
    "allowed_callers": refuse("there is no code that could call a tool", ["direct"]),
    "async": refuse("an answer waits for its tools", False),
    "defer_loading": refuse("every tool is loaded from the start", False),
    "output_schema": ignore("a model is not told what a tool's result looks like"),
}
NAMED_TOOL: Table = take("type", "name")
ALLOWED_TOOLS: Table = take("type", "mode", "tools")

_STATUS = {
    "id": ignore("the item itself is here"),
    "status": ignore("the item itself is here"),
    "created_by": ignore("the item itself is here"),
}
_CALL = {
    **_STATUS,
    "caller": refuse("the model calls its tools itself", {"type": "direct"}),
    "namespace": refuse("tools have one name"),
}
ITEMS: dict[str, Table] = {
    "message": {
        **take("type", "role", "content"),
        **_STATUS,
        "phase": ignore("a model on Bedrock has one kind of text"),
    },
    "function_call": {
        **take("type", "call_id", "name", "arguments"),
        **_CALL,
        "async": refuse("an answer waits for its tools", False),
        "parsed_arguments": PARSED,
    },
    "function_call_output": {**take("type", "call_id", "output"), **_CALL, "name": ignore("the call has it")},
    "reasoning": {
        **take("type", "encrypted_content"),
        **_STATUS,
        "summary": ignore("encrypted_content has all of it"),
        "content": ignore("encrypted_content has all of it"),
    },
    "item_reference": take("type", "id"),
}
"""
The items that are taken. Others belong to built-in tools and are refused by their type.
"""

PARTS: dict[str, Table] = {
    "input_text": take("type", "text", "prompt_cache_breakpoint"),
    "input_image": {
        **take("type", "image_url", "prompt_cache_breakpoint"),
        "detail": ignore("a model sees an image as it is"),
        "file_id": refuse(_STATE),
    },
    "input_file": {
        **take("type", "file_data", "filename", "prompt_cache_breakpoint"),
        "detail": ignore("a model sees a document as it is"),
        "file_id": refuse(_STATE),
        "file_url": refuse("nothing is fetched for a client: send the file in file_data"),
    },
    "output_text": {
        **take("type", "text"),
        "annotations": ignore("what an answer cites is in its text"),
        "logprobs": ignore("they are of no use to a model"),
        "parsed": PARSED,
    },
    "refusal": take("type", "refusal"),
}

STEER: Table = take("type", "input", "previous_response_id")
