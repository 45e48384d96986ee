"""
Every member of Bedrock's Converse requests, as botocore's service model knows them: taken, ignored or refused, and why.

A test holds the tables against the service model, so a newer botocore shows at once what is new.
"""

from collections.abc import Mapping

from outcrop.dialects.fields import Field, Table, take

_FETCH = "nothing is fetched for a client, neither from S3 with this server's own rights: send the bytes"
_SERVER_SIDE = "tools that Bedrock runs itself are not offered here"
_MEDIA = "only text, images and documents are taken"

CONVERSE: Table = {
    **take(
        "messages", "system", "inferenceConfig", "toolConfig", "guardrailConfig", "additionalModelRequestFields",
        "additionalModelResponseFieldPaths", "requestMetadata", "performanceConfig", "serviceTier", "outputConfig",
    ),
    "modelId": Field("refused", "the model is named in the path"),
    "promptVariables": Field("refused", "prompts that are kept in the AWS account are not offered here"),
}  # fmt: skip
COUNT_TOKENS: Table = take("input")
COUNTED: Table = take("invokeModel", "converse")
COUNTED_BODY: Table = take("body")
COUNTED_CONVERSE: Table = take("messages", "system", "toolConfig", "additionalModelRequestFields")
INFERENCE: Table = take("maxTokens", "temperature", "topP", "stopSequences")
TOOL_CONFIG: Table = take("tools", "toolChoice")
TOOL_SPEC: Table = take("name", "description", "inputSchema", "strict")
INPUT_SCHEMA: Table = take("json")
NAMED_TOOL: Table = take("name")
NOTHING: Table = {}
GUARDRAIL: Table = {
    **take("guardrailIdentifier", "guardrailVersion", "trace"),
    "streamProcessingMode": Field("taken", "'sync' is what there is; 'async' is refused"),
}
PERFORMANCE: Table = take("latency")
SERVICE_TIER: Table = take("type")
OUTPUT_CONFIG: Table = take("textFormat", "effort")
TEXT_FORMAT: Table = take("type", "structure")
STRUCTURE: Table = take("jsonSchema")
JSON_SCHEMA: Table = take("schema", "name", "description")

TOOLS: Mapping[str, Field] = {
    **take("toolSpec", "cachePoint"),
    "systemTool": Field("refused", _SERVER_SIDE),
}
TOOL_CHOICES: Mapping[str, Field] = take("auto", "any", "tool")
SYSTEM_BLOCKS: Mapping[str, Field] = take("text", "guardContent", "cachePoint")
BLOCKS: Mapping[str, Field] = {
    **take("text", "image", "document", "toolUse", "toolResult", "guardContent", "cachePoint", "reasoningContent"),
    "audio": Field("refused", _MEDIA),
    "video": Field("refused", _MEDIA),
    "citationsContent": Field("refused", "send the text that was cited as a text block"),
    "searchResult": Field("refused", "write what was found as text or as a document"),
    "toolAddition": Field("refused", "name every tool in toolConfig"),
    "toolRemoval": Field("refused", "name every tool in toolConfig"),
}
RESULT_BLOCKS: Mapping[str, Field] = {
    **take("json", "text", "image", "document"),
    "video": Field("refused", _MEDIA),
    "searchResult": Field("refused", "write what was found as text or as a document"),
}
IMAGE_SOURCES: Mapping[str, Field] = {**take("bytes"), "s3Location": Field("refused", _FETCH)}
DOCUMENT_SOURCES: Mapping[str, Field] = {
    **take("bytes", "text", "content"),
    "s3Location": Field("refused", _FETCH),
}
REASONING: Mapping[str, Field] = take("reasoningText", "redactedContent")
GUARD_CONTENT: Mapping[str, Field] = {
    **take("text"),
    "image": Field("refused", "only text can be marked for a guardrail here"),
}

MESSAGE: Table = take("role", "content")
IMAGE: Table = {**take("format", "source"), "error": Field("refused", "an image that failed can't be sent")}
DOCUMENT: Table = take("format", "name", "source", "context", "citations")
CITATIONS: Table = take("enabled")
TEXT: Table = take("text")
TOOL_USE: Table = {**take("toolUseId", "name", "input"), "type": Field("refused", _SERVER_SIDE)}
TOOL_RESULT: Table = {**take("toolUseId", "content", "status"), "type": Field("refused", _SERVER_SIDE)}
CACHE_POINT: Table = take("type", "ttl")
REASONING_TEXT: Table = take("text", "signature")
GUARD_TEXT: Table = take("text", "qualifiers")

MEDIA_TYPES_OF_IMAGES: Mapping[str, str] = {
    "gif": "image/gif",
    "jpeg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
}
MEDIA_TYPES_OF_DOCUMENTS: Mapping[str, str] = {
    "csv": "text/csv",
    "doc": "application/msword",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "html": "text/html",
    "md": "text/markdown",
    "pdf": "application/pdf",
    "txt": "text/plain",
    "xls": "application/vnd.ms-excel",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
