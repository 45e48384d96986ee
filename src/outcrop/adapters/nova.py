"""
Amazon Nova on Bedrock: the native body, which looks like Converse (docs/bedrock_wire.md §4.7).

The body is built here, answers are read in `nova_stream`. Both spellings of the inference parameters occur in public
code; `maxTokens`, `topP` and `topK` are sent. From recollection: tools, tool calls and tool results have Converse's
form (§5.1), the result's `status` included. Marks for the prompt cache are hints and are left out.

Refused, because the native form is not known: documents, reasoning and its levels, reasoning in earlier messages, a
tool choice of `none`, a bound of one tool call, and strict tools. Converse, the catalogue's route for Nova, has most of
them.
"""

from collections.abc import Mapping

from outcrop.adapters.invoke_call import make_call
from outcrop.adapters.nova_stream import NovaDecoder, parse_whole_answer
from outcrop.adapters.payloads import Json
from outcrop.adapters.request_rules import bound_answer, check_request, drop_empty
from outcrop.calls import ResolvedModel, UpstreamCall
from outcrop.errors import RequestError
from outcrop.types import (
    ChatRequest,
    GenerationParams,
    ImagePart,
    Part,
    StreamEvent,
    TextPart,
    ToolChoice,
    ToolResultPart,
    ToolSpec,
    ToolUsePart,
)

SCHEMA_VERSION = "messages-v1"
MAX_TOP_K = 128
FAMILY_REFUSES = frozenset({"documents", "effort", "reasoning", "reasoning_parts", "single_tool_use", "strict_tools"})
IMAGE_FORMATS: Mapping[str, str] = {
    "image/gif": "gif",
    "image/jpeg": "jpeg",
    "image/png": "png",
    "image/webp": "webp",
}


class NovaAdapter:
    """
    Speak the native body of Amazon Nova.
    """

    def build_call(self, request: ChatRequest, model: ResolvedModel) -> UpstreamCall:
        """
        Build the call for a request.

        Raises:
            RequestError: the model can't take something that the request holds; the message names the model and it.
        """
        check_request(request, model, family_refuses=FAMILY_REFUSES)
        body = {
            "schemaVersion": SCHEMA_VERSION,
            "messages": [
                {
                    "role": message.role,
                    "content": [
                        _to_block(part, f"messages[{position}].parts[{index}]")
                        for index, part in enumerate(message.parts)
                    ],
                }
                for position, message in enumerate(request.messages)
            ],
            **drop_empty(
                {
                    "system": [{"text": part.text} for part in request.system],
                    "inferenceConfig": _to_inference_config(request.params, model),
                    "toolConfig": _to_tool_config(request.tools, request.tool_choice, model),
                }
            ),
        }
        return make_call(request, model, body)

    def decoder(self) -> NovaDecoder:
        """
        Make a decoder for one stream.
        """
        return NovaDecoder()

    def parse_answer(self, body: bytes, headers: Mapping[str, str]) -> list[StreamEvent]:
        """
        Turn a whole answer into events; counts that the body lacks come from the headers.

        Raises:
            InvalidMessage: the body is not a Nova answer, or does not say why it ended.
        """
        return parse_whole_answer(body, headers)


def _to_block(part: Part, where: str) -> Json:
    match part:
        case TextPart():
            return {"text": part.text}
        case ImagePart():
            return _to_image(part, where)
        case ToolUsePart():
            return {"toolUse": {"toolUseId": part.tool_use_id, "name": part.name, "input": part.input}}
        case ToolResultPart():
            content = [_to_block(inner, f"{where}.content[{index}]") for index, inner in enumerate(part.content)]
            status = "error" if part.is_error else "success"
            return {"toolResult": {"toolUseId": part.tool_use_id, "content": content, "status": status}}
        case _:
            raise RequestError(f"{where} is a {type(part).__name__}, which can't be put into a nova message")


def _to_image(part: ImagePart, where: str) -> Json:
    form = IMAGE_FORMATS.get(part.media_type)
    if form is None:
        expected = ", ".join(sorted(IMAGE_FORMATS))
        raise RequestError(f"{where} is an image of type {part.media_type!r}, expected one of {expected}")
    return {"image": {"format": form, "source": {"bytes": part.data}}}


def _to_inference_config(params: GenerationParams, model: ResolvedModel) -> Json:
    if params.top_k is not None and params.top_k > MAX_TOP_K:
        raise RequestError(f"top_k is {params.top_k}, model {model.name!r} takes at most {MAX_TOP_K}")
    return drop_empty(
        {
            "maxTokens": bound_answer(params.max_tokens, model),
            "temperature": params.temperature,
            "topP": params.top_p,
            "topK": params.top_k,
            "stopSequences": params.stop_sequences,
        }
    )


def _to_tool_config(tools: tuple[ToolSpec, ...], choice: ToolChoice | None, model: ResolvedModel) -> Json:
    if not tools:
        return {}
    config: Json = {"tools": [_to_tool(tool) for tool in tools]}
    if choice is None:
        return config
    if choice.mode == "none":
        raise RequestError(f"model {model.name!r} does not take tool choice 'none': leave out the tools")
    return config | {"toolChoice": {choice.mode: {"name": choice.name} if choice.mode == "tool" else {}}}


def _to_tool(tool: ToolSpec) -> Json:
    spec: Json = {"name": tool.name, "inputSchema": {"json": tool.input_schema}}
    if tool.description is not None:
        spec["description"] = tool.description
    return {"toolSpec": spec}
