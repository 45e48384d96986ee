"""
Every field of the Anthropic Messages API, as the official SDK's types know them: taken, ignored or refused, and why.

A test holds the tables against the SDK, so a newer SDK shows at once what is new.
"""

from outcrop.dialects.fields import Field, Table, take

_STATE = "this server keeps no files, containers or memory for a client"
_SERVER_SIDE = "the feature runs on Anthropic's own servers, not on Bedrock"
_ELSEWHERE = "a client does not choose the account or the region that is called"

REQUEST: Table = {
    **take(
        "cache_control", "max_tokens", "messages", "metadata", "model", "output_config", "service_tier",
        "stop_sequences", "stream", "system", "temperature", "thinking", "tool_choice", "tools", "top_k", "top_p",
    ),
    "speed": Field("taken", "'standard' is what there is; 'fast' is refused"),
    "betas": Field("refused", "beta features are named in the header anthropic-beta"),
    "billing_policy": Field("refused", _ELSEWHERE),
    "compaction": Field("refused", _SERVER_SIDE),
    "container": Field("refused", _STATE),
    "context_management": Field("refused", _SERVER_SIDE),
    "diagnostics": Field("refused", "no earlier message is kept that this one could be compared with"),
    "fallback_credit_token": Field("refused", _ELSEWHERE),
    "fallbacks": Field("refused", "one request is one call to the one model that it names"),
    "inference_geo": Field("refused", _ELSEWHERE),
    "mcp_servers": Field("refused", "this server calls nobody on a client's behalf"),
    "output_format": Field("taken", "the older place of output_config.format, where LiteLLM writes it"),
    "thread": Field("refused", _STATE),
    "user_profile_id": Field("refused", _ELSEWHERE),
    "workspace_id": Field("refused", _ELSEWHERE),
}  # fmt: skip
"""
The body of `POST /v1/messages`.
"""

COUNT_REQUEST: Table = {
    name: REQUEST[name]
    for name in (
        "billing_policy", "betas", "cache_control", "compaction", "context_management", "mcp_servers", "messages",
        "model", "output_config", "speed", "system", "thinking", "tool_choice", "tools", "user_profile_id",
        "workspace_id",
    )
}  # fmt: skip
"""
The body of `POST /v1/messages/count_tokens`.
"""

INVOKE_REQUEST: Table = {
    **{name: row for name, row in REQUEST.items() if name not in {"model", "stream", "betas"}},
    **take("anthropic_beta", "anthropic_version", "amazon-bedrock-guardrailConfig"),
    "context_management": Field("taken"),
}
"""
The native body of Bedrock's InvokeModel for Claude: the same without `model` and `stream` (docs/bedrock_wire.md §4.1).
"""

MESSAGE: Table = take("role", "content")
CACHE_CONTROL: Table = take("type", "ttl")
METADATA: Table = take("user_id")
OUTPUT_CONFIG: Table = take("effort", "format")
OUTPUT_FORMAT: Table = take("type", "schema")
THINKING: Table = take("type", "budget_tokens", "display")
TOOL_CHOICE: Table = take("type", "name", "disable_parallel_tool_use")
CITATIONS: Table = take("enabled")

BLOCKS: dict[str, Table] = {
    "text": take("type", "text", "cache_control", "citations"),
    "image": {
        **take("type", "source", "cache_control"),
        "transformations": Field("refused", "images go to the model as they are"),
    },
    "document": take("type", "source", "cache_control", "citations", "context", "title"),
    "thinking": take("type", "thinking", "signature"),
    "redacted_thinking": take("type", "data"),
    "tool_use": {
        **take("type", "id", "name", "input", "cache_control"),
        "caller": Field("taken", "'direct' is what there is; others are refused"),
        "toolset_name": Field("refused", _SERVER_SIDE),
    },
    "tool_result": {
        **take("type", "tool_use_id", "content", "is_error", "cache_control"),
        "toolset_name": Field("refused", _SERVER_SIDE),
    },
}
"""
The content blocks that are taken.
"""

REFUSED_BLOCKS = {
    "advisor_tool_result": _SERVER_SIDE,
    "bash_code_execution_tool_result": _SERVER_SIDE,
    "browser_state": _SERVER_SIDE,
    "code_execution_tool_result": _SERVER_SIDE,
    "compaction": _SERVER_SIDE,
    "container_upload": _STATE,
    "fallback": _SERVER_SIDE,
    "mcp_tool_listing": _SERVER_SIDE,
    "mcp_tool_result": _SERVER_SIDE,
    "mcp_tool_use": _SERVER_SIDE,
    "search_result": "write what was found as text or as a document",
    "server_tool_use": _SERVER_SIDE,
    "text_editor_code_execution_tool_result": _SERVER_SIDE,
    "tool_addition": "name every tool in tools",
    "tool_reference": _SERVER_SIDE,
    "tool_removal": "name every tool in tools",
    "tool_search_tool_result": _SERVER_SIDE,
    "web_fetch_tool_result": _SERVER_SIDE,
    "web_search_tool_result": _SERVER_SIDE,
}
"""
The content blocks that are refused, and why.
"""

SOURCES: dict[str, Table] = {
    "base64": take("type", "media_type", "data"),
    "text": take("type", "media_type", "data"),
    "content": take("type", "content"),
}
REFUSED_SOURCES = {
    "url": "nothing is fetched for a client: send the content itself as base64",
    "file": _STATE,
}

TOOL: Table = {
    **take("type", "name", "description", "input_schema", "strict", "cache_control"),
    "allowed_callers": Field("taken", "'direct' is what there is; others are refused"),
    "defer_loading": Field("taken", "false is what there is; true is refused"),
    "eager_input_streaming": Field("ignored", "a tool's arguments are always streamed as they come"),
    "input_examples": Field("refused", "write the examples into the tool's description"),
}
"""
A tool of the client's own. Tools with a `type` of Anthropic's are refused by that name.
"""
