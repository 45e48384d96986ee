"""
What the chat-completions families share: messages in, one choice out.

A family is a `ChatFormat`: how its body names things, what it refuses, and the tags around its reasoning.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from outcrop.adapters.chat_answers import ChatDecoder, parse_chat_answer
from outcrop.adapters.chat_messages import to_messages, to_tool, to_tool_choice
from outcrop.adapters.invoke_call import make_call
from outcrop.adapters.payloads import Json
from outcrop.adapters.request_rules import bound_answer, check_request, drop_empty
from outcrop.calls import ResolvedModel, UpstreamCall
from outcrop.types import ChatRequest, StreamEvent, ToolChoice


class ChatFormat(msgspec.Struct, frozen=True, kw_only=True):
    """
    Describe a family's body.

    `max_tokens_field` and `forced_tool_choice` are its words, `refuses` the fields that it has no place for, `options`
    the further fields that a request may carry, `constants` what always goes with it, `tags` the names of the tags
    that may open reasoning in its text.
    """

    refuses: frozenset[str]
    max_tokens_field: str = "max_tokens"
    forced_tool_choice: str = "required"
    options: frozenset[str] = frozenset()
    constants: tuple[tuple[str, Any], ...] = ()
    tags: tuple[str, ...] = ()


class ChatAdapter:
    """
    Speak the Chat Completions body in one family's form.
    """

    def __init__(self, form: ChatFormat) -> None:
        self._form = form

    def build_call(self, request: ChatRequest, model: ResolvedModel) -> UpstreamCall:
        """
        Build the call for a request. The body says neither the model nor whether it streams: the call does.

        Raises:
            RequestError: the model can't take something that the request holds; the message names the model and it.
        """
        check_request(request, model, options=self._form.options, family_refuses=self._find_refusals(model))
        return make_call(request, model, self._build_body(request, model))

    def decoder(self) -> ChatDecoder:
        """
        Make a decoder for one stream.
        """
        return ChatDecoder(self._form.tags)

    def parse_answer(self, body: bytes, headers: Mapping[str, str]) -> list[StreamEvent]:
        """
        Turn a whole answer into events; counts that the body lacks come from the headers.

        Raises:
            InvalidMessage: the body is not a chat completion, or does not say why it ended.
            UpstreamError: the body is an error.
        """
        return parse_chat_answer(body, headers, self._form.tags)

    def _find_refusals(self, model: ResolvedModel) -> frozenset[str]:
        """
        Return what the body refuses; a model that can't reason takes the wish not to.
        """
        return self._form.refuses - {"reasoning_disabled"} if "reasoning" in model.refuses else self._form.refuses

    def _build_body(self, request: ChatRequest, model: ResolvedModel) -> Json:
        form, params = self._form, request.params
        effort = None if params.reasoning is None else params.reasoning.effort
        options = {name: value for name, value in request.provider_options.items() if name in form.options}
        return {
            **dict(form.constants),
            "messages": to_messages(request),
            **options,
            **drop_empty(
                {
                    form.max_tokens_field: bound_answer(params.max_tokens, model),
                    "temperature": params.temperature,
                    "top_p": params.top_p,
                    "stop": params.stop_sequences,
                    "tools": [to_tool(tool) for tool in request.tools],
                    "tool_choice": to_tool_choice(request.tool_choice, request.tools, form.forced_tool_choice),
                    "parallel_tool_calls": _to_parallel(request.tool_choice),
                    "reasoning_effort": effort,
                }
            ),
        }


def _to_parallel(choice: ToolChoice | None) -> bool | None:
    return None if choice is None or choice.allow_parallel else False
