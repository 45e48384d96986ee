"""
The OpenAPI 3.1 document of the JSON API, made from the declared operations, and a page of it for people.
"""

import html
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from outcrop import __version__
from outcrop.errors import OutcropError
from outcrop.server.api import BODY_ERRORS, COMMON_ERRORS, Operation

REF = "#/components/schemas/{name}"
NAME_SCHEMA = {"type": "string", "minLength": 1, "maxLength": 256}
TITLE = "The API of outcrop"


class ErrorDescription(msgspec.Struct, frozen=True, rename="camel"):
    """
    Say what went wrong: `code` is for programs and never changes, `message` is for people.
    """

    code: str
    message: str
    retryable: bool
    retry_after_ms: int | None


class ErrorAnswer(msgspec.Struct, frozen=True):
    """
    Tell of an error.
    """

    error: ErrorDescription


def build_document(operations: Sequence[Operation]) -> dict[str, Any]:
    """
    Build the document.
    """
    types = [ErrorAnswer, *_declared_types(operations)]
    schemas, components = _without_suffix(msgspec.json.schema_components(types, ref_template=REF))
    by_type = dict(zip(map(repr, types), schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _describe(operation, by_type)
    return {
        "openapi": "3.1.0",
        "info": {"title": TITLE, "version": __version__},
        "security": [{"bearer": []}, {"key": []}, {}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            },
        },
    }


def _without_suffix(schemas: Any) -> Any:
    """
    Call types as their readers would: `Conversation`, not `ConversationJson`.
    """
    return msgspec.json.decode(re.sub(rb"\b([A-Z]\w*)Json\b", rb"\1", msgspec.json.encode(schemas)))


def _declared_types(operations: Iterable[Operation]) -> list[Any]:
    found: dict[str, Any] = {}
    for operation in operations:
        for declared in (operation.body, *(given.type for given in operation.given.values())):
            if declared is not None:
                found[repr(declared)] = declared
    return list(found.values())


def _describe(operation: Operation, by_type: Mapping[str, Any]) -> dict[str, Any]:
    said: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "tags": [operation.tag],
        "parameters": [*_path_parameters(operation), *_query_parameters(operation), *_header_parameters(operation)],
        "responses": _describe_answers(operation, by_type),
    }
    if operation.says:
        said["description"] = operation.says
    if operation.body is not None:
        content = {"application/json": {"schema": by_type[repr(operation.body)]}}
        said["requestBody"] = {"required": True, "content": content}
    return said


def _path_parameters(operation: Operation) -> list[dict[str, Any]]:
    names = re.findall(r"{(\w+)}", operation.path)
    return [{"name": name, "in": "path", "required": True, "schema": NAME_SCHEMA} for name in names]


def _query_parameters(operation: Operation) -> list[dict[str, Any]]:
    if operation.query is None:
        return []
    schema = msgspec.json.schema(operation.query)
    (declared,) = schema["$defs"].values()
    return [
        {"name": name, "in": "query", "required": name in declared.get("required", ()), "schema": field}
        for name, field in declared["properties"].items()
    ]


def _header_parameters(operation: Operation) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "header", "required": False, "description": says, "schema": {"type": "string"}}
        for name, says in operation.headers.items()
    ]


def _describe_answers(operation: Operation, by_type: Mapping[str, Any]) -> dict[str, Any]:
    answers: dict[str, Any] = {}
    for status, given in operation.given.items():
        answer: dict[str, Any] = {"description": given.says}
        if given.type is not None:
            answer["content"] = {"application/json": {"schema": by_type[repr(given.type)]}}
        elif given.media_type != "application/json":
            answer["content"] = {given.media_type: {}}
        answers[str(status)] = answer
    takes_body = operation.body is not None
    errors = (*COMMON_ERRORS, *(BODY_ERRORS if takes_body else ()), *operation.errors)
    refused = {"application/json": {"schema": by_type[repr(ErrorAnswer)]}}
    for status, codes in _by_status(errors).items():
        answers[str(status)] = {"description": f"refused: {', '.join(codes)}", "content": refused}
    return dict(sorted(answers.items()))


def _by_status(errors: Iterable[type[OutcropError]]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for error in errors:
        codes = found.setdefault(error.status, [])
        if error.code not in codes:
            codes.append(error.code)
    return found


def render_page(document: Mapping[str, Any]) -> str:
    """
    Render the document for people: plain HTML, no script, nothing from elsewhere.
    """
    sections = []
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            sections.append(_render_operation(method.upper(), path, operation))
    title = html.escape(document["info"]["title"])
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width"><link rel="stylesheet" href="/api/docs.css"></head>'
        f"<body><main><h1>{title}</h1><p>Version {html.escape(document['info']['version'])}. For programs: "
        f'<a href="/api/openapi.json">openapi.json</a></p>{"".join(sections)}{_render_schemas(document)}'
        "</main></body></html>"
    )


def _render_operation(method: str, path: str, operation: Mapping[str, Any]) -> str:
    parameters = "".join(
        f"<li><code>{html.escape(parameter['name'])}</code> ({parameter['in']}) "
        f"{html.escape(parameter.get('description', ''))} {_render_schema(parameter['schema'])}</li>"
        for parameter in operation["parameters"]
    )
    body = operation.get("requestBody")
    takes = f"<p>Takes {_render_content(body['content'])}</p>" if body else ""
    answers = "".join(
        f"<tr><td>{status}</td><td>{html.escape(answer['description'])}</td>"
        f"<td>{_render_content(answer.get('content', {}))}</td></tr>"
        for status, answer in operation["responses"].items()
    )
    return (
        f'<section><h2 id="{operation["operationId"]}"><code>{method} {html.escape(path)}</code></h2>'
        f"<p>{html.escape(operation['summary'])}. {html.escape(operation.get('description', ''))}</p>"
        f"<ul>{parameters}</ul>{takes}"
        f"<table><tr><th>status</th><th>means</th><th>body</th></tr>{answers}</table></section>"
    )


def _render_content(content: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{html.escape(media)} {_render_schema(described.get('schema', {}))}" for media, described in content.items()
    )


def _render_schema(schema: Mapping[str, Any]) -> str:
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    if name:
        return f'<a href="#schema-{html.escape(name)}">{html.escape(name)}</a>'
    return f"<code>{html.escape(msgspec.json.encode(schema).decode())}</code>" if schema else ""


def _render_schemas(document: Mapping[str, Any]) -> str:
    sections = [
        f'<section><h3 id="schema-{html.escape(name)}">{html.escape(name)}</h3>'
        f"<pre>{html.escape(msgspec.json.format(msgspec.json.encode(schema), indent=2).decode())}</pre></section>"
        for name, schema in document["components"]["schemas"].items()
    ]
    return f"<h2>Types</h2>{''.join(sections)}"
