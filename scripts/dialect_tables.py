"""
Print a page of fields from the dialects' own tables: `python scripts/dialect_tables.py openai > docs/openai-fields.md`.

The pages are `openai`, `anthropic` and `bedrock`; a test holds them fresh.
"""

import sys
import textwrap
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

import msgspec

from outcrop.adapters.request_rules import FIELDS
from outcrop.catalogue.models import ModelEntry, load_catalogue
from outcrop.catalogue.refusals import find_refusals
from outcrop.dialects.anthropic import tables as anthropic
from outcrop.dialects.bedrock import tables as bedrock
from outcrop.dialects.fields import Field, Table
from outcrop.dialects.openai import responses_tables as responses
from outcrop.dialects.openai import tables as chat

HEAD = (
    "What is not listed is refused by its name: nothing that a client asks for is dropped in silence. {harmless}`null` "
    'means "not given" everywhere. How to use the {dialects} is in [{page}.md]({page}.md).'
)
HARMLESS = 'A refused field may have a value that asks for nothing, which is taken for "not given". '
ORIGIN = "This page is made from the tables that the gateway reads requests with, by `scripts/dialect_tables.py`."
HINTS = {"cache": "cache marks", "reasoning_parts": "reasoning in earlier messages"}
"""
What a model that can't take it isn't told: a mark saves money at most, and a history's reasoning is no question.
"""


def main() -> None:
    """
    Print the page that the command line names.
    """
    sys.stdout.write(PAGES[sys.argv[1]]())


def write_openai() -> str:
    """
    Write the page of Chat Completions and Responses.
    """
    sections = [
        write_table("`POST /v1/chat/completions`", {"": chat.CHAT_REQUEST}),
        write_table("Its messages, by role", chat.MESSAGES),
        write_table("Parts of its messages, by type", chat.PARTS | {"file.file": chat.FILE}),
        write_table("`POST /v1/responses`", {"": responses.RESPONSES_REQUEST}),
        write_table("Fields of its own that `response.create` has on a socket", {"": find_own_of_the_socket()}),
        write_table("Its input items, by type", responses.ITEMS),
        write_table("Parts of its items, by type", responses.PARTS),
        write_table(
            "Its objects",
            {"tools[]": responses.FUNCTION_TOOL, "reasoning": responses.REASONING, "text": responses.TEXT},
        ),
    ]
    head = HEAD.format(dialects="dialects", page="openai", harmless=HARMLESS)
    return write_page("The OpenAI dialects", head, sections)


def write_anthropic() -> str:
    """
    Write the page of Messages.
    """
    objects = {
        "messages[]": anthropic.MESSAGE,
        "tools[]": anthropic.TOOL,
        "tool_choice": anthropic.TOOL_CHOICE,
        "thinking": anthropic.THINKING,
        "output_config": anthropic.OUTPUT_CONFIG,
        "output_config.format": anthropic.OUTPUT_FORMAT,
        "metadata": anthropic.METADATA,
        "cache_control": anthropic.CACHE_CONTROL,
        "citations": anthropic.CITATIONS,
    }
    sections = [
        write_table("`POST /v1/messages`", {"": anthropic.REQUEST}),
        write_table("`POST /v1/messages/count_tokens`", {"": anthropic.COUNT_REQUEST}),
        write_table("Its objects", objects),
        write_table("Content blocks, by type", anthropic.BLOCKS),
        write_refused("Content blocks that are refused, by type", anthropic.REFUSED_BLOCKS),
        write_table("Sources of images and documents, by type", anthropic.SOURCES),
        write_refused("Sources that are refused, by type", anthropic.REFUSED_SOURCES),
    ]
    head = HEAD.format(dialects="dialect", page="anthropic", harmless="")
    return write_page("The Anthropic dialect", head, sections)


def write_bedrock() -> str:
    """
    Write the page of Converse, CountTokens and Claude's native body, and what models refuse in any dialect.
    """
    counted = {
        "": bedrock.COUNT_TOKENS,
        "input": bedrock.COUNTED,
        "input.invokeModel": bedrock.COUNTED_BODY,
        "input.converse": bedrock.COUNTED_CONVERSE,
    }
    sections = [
        write_table("`converse` and `converse-stream`", {"": bedrock.CONVERSE}),
        write_table("Their objects", OBJECTS_OF_CONVERSE),
        write_table("Content blocks, by member", {"content[]": bedrock.BLOCKS, "system[]": bedrock.SYSTEM_BLOCKS}),
        write_table("Objects of content blocks", BLOCKS_OF_CONVERSE),
        write_table("`count-tokens`", counted),
        write_table("`invoke` and `invoke-with-response-stream`: Claude's body", {"": anthropic.INVOKE_REQUEST}),
        CLAUDES_OBJECTS,
        write_refusals(load_catalogue().models.values()),
    ]
    head = HEAD.format(dialects="dialect", page="bedrock", harmless="")
    return write_page("The Bedrock dialect", head, sections)


OBJECTS_OF_CONVERSE: Mapping[str, Mapping[str, Field]] = {
    "messages[]": bedrock.MESSAGE,
    "inferenceConfig": bedrock.INFERENCE,
    "toolConfig": bedrock.TOOL_CONFIG,
    "toolConfig.tools[]": bedrock.TOOLS,
    "toolSpec": bedrock.TOOL_SPEC,
    "toolSpec.inputSchema": bedrock.INPUT_SCHEMA,
    "toolConfig.toolChoice": bedrock.TOOL_CHOICES,
    "toolChoice.tool": bedrock.NAMED_TOOL,
    "guardrailConfig": bedrock.GUARDRAIL,
    "performanceConfig": bedrock.PERFORMANCE,
    "serviceTier": bedrock.SERVICE_TIER,
    "outputConfig": bedrock.OUTPUT_CONFIG,
    "outputConfig.textFormat": bedrock.TEXT_FORMAT,
    "textFormat.structure": bedrock.STRUCTURE,
    "structure.jsonSchema": bedrock.JSON_SCHEMA,
}
BLOCKS_OF_CONVERSE: Mapping[str, Mapping[str, Field]] = {
    "image": bedrock.IMAGE,
    "image.source": bedrock.IMAGE_SOURCES,
    "document": bedrock.DOCUMENT,
    "document.source": bedrock.DOCUMENT_SOURCES,
    "document.source.content[]": bedrock.TEXT,
    "document.citations": bedrock.CITATIONS,
    "toolUse": bedrock.TOOL_USE,
    "toolResult": bedrock.TOOL_RESULT,
    "toolResult.content[]": bedrock.RESULT_BLOCKS,
    "reasoningContent": bedrock.REASONING,
    "reasoningContent.reasoningText": bedrock.REASONING_TEXT,
    "guardContent": bedrock.GUARD_CONTENT,
    "guardContent.text": bedrock.GUARD_TEXT,
    "cachePoint": bedrock.CACHE_POINT,
}


def write_page(title: str, head: str, sections: Iterable[str]) -> str:
    """
    Write a page: its title, what it says of itself, and its tables.
    """
    return f"# {title}, field by field\n\n{textwrap.fill(head, 120)}\n\n{ORIGIN}\n{''.join(sections)}"


def find_own_of_the_socket() -> Table:
    """
    Find what `response.create` has, and `POST /v1/responses` not in the same way.
    """
    shared = responses.RESPONSES_REQUEST
    return {name: row for name, row in responses.SOCKET_REQUEST.items() if shared.get(name) != row}


def write_table(title: str, objects: Mapping[str, Mapping[str, Field]]) -> str:
    """
    Write a table of fields; the name of an object stands before its fields, "" for the body itself.
    """
    rows = [
        f"| `{name}.{field}` | {table[field].fate} | {table[field].why}{_write_harmless(table[field])} |\n"
        if name
        else f"| `{field}` | {table[field].fate} | {table[field].why}{_write_harmless(table[field])} |\n"
        for name, table in objects.items()
        for field in sorted(table)
    ]
    return f"\n## {title}\n\n| field | what becomes of it | why |\n|---|---|---|\n{''.join(rows)}"


def write_refused(title: str, reasons: Mapping[str, str]) -> str:
    """
    Write a table of what is refused by its type.
    """
    rows = "".join(f"| `{name}` | {reasons[name]} |\n" for name in sorted(reasons))
    return f"\n## {title}\n\n| type | why |\n|---|---|\n{rows}"


def write_refusals(entries: Iterable[ModelEntry]) -> str:
    """
    Write what each model refuses on the route by which it is called where no setting says otherwise.
    """
    alike: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for entry in entries:
        if entry.lifecycle != "end_of_life":
            found = sorted(find_refusals(entry, entry.route))
            alike[entry.provider_segment, entry.route, *found].append(entry.base_id)
    rows = []
    for (_, route, *refused), models in alike.items():
        told = ", ".join(_name_refusal(one) for one in refused if one not in HINTS and not _is_said(one, refused))
        hints = ", ".join(HINTS[one] for one in refused if one in HINTS)
        rows.append(f"| {'<br>'.join(f'`{model}`' for model in models)} | {route} | {told or '–'} | {hints or '–'} |\n")
    return REFUSALS_HEAD + "".join(rows)


CLAUDES_OBJECTS = """
Its objects are those of [Anthropic's Messages](anthropic-fields.md). The bodies of other families pass untouched.
"""
REFUSALS_HEAD = """
## What a model refuses, in any dialect

By the route that is taken where no setting says otherwise. A request that needs what its model refuses gets an error
that names both, and costs no call. What a family's native body has no place for is in [models.md](models.md).

| models | route | refused by name | left out, because it changes nothing that was asked |
|---|---|---|---|
"""


def _name_refusal(refusal: str) -> str:
    return " together with ".join(FIELDS.get(field, field) for field in refusal.split("+"))


def _is_said(refusal: str, refused: list[str]) -> bool:
    """
    Tell whether two things are refused together of which one is refused alone.
    """
    return "+" in refusal and any(field in refused for field in refusal.split("+"))


def _write_harmless(row: Field) -> str:
    if not isinstance(row, chat.Refused) or not row.harmless:
        return ""
    return f" (but not with {', '.join(f'`{msgspec.json.encode(value).decode()}`' for value in row.harmless)})"


PAGES: Mapping[str, Callable[[], str]] = {
    "openai": write_openai,
    "anthropic": write_anthropic,
    "bedrock": write_bedrock,
}

if __name__ == "__main__":
    main()
