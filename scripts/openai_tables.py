"""
Print docs/openai-fields.md from the dialects' own tables: `python scripts/openai_tables.py > docs/openai-fields.md`.
"""

import sys
from collections.abc import Mapping

import msgspec

from outcrop.dialects.fields import Table
from outcrop.dialects.openai import responses_tables, tables

HEAD = """# The OpenAI dialects, field by field

What is not listed is refused by its name: nothing that a client asks for is dropped in silence. A refused field may
have a value that asks for nothing, which is taken for "not given". `null` means "not given" everywhere. How to use the
dialects is in [openai.md](openai.md).

This page is made from the tables that the gateway reads requests with, by `scripts/openai_tables.py`.
"""


def main() -> None:
    """
    Print the page.
    """
    chat, responses = tables, responses_tables
    sections = [
        _write_table("`POST /v1/chat/completions`", {"": chat.CHAT_REQUEST}),
        _write_table("Its messages, by role", chat.MESSAGES),
        _write_table("Parts of its messages, by type", chat.PARTS | {"file.file": chat.FILE}),
        _write_table("`POST /v1/responses`", {"": responses.RESPONSES_REQUEST}),
        _write_table("Fields of its own that `response.create` has on a socket", {"": _find_own_of_the_socket()}),
        _write_table("Its input items, by type", responses.ITEMS),
        _write_table("Parts of its items, by type", responses.PARTS),
        _write_table(
            "Its objects",
            {"tools[]": responses.FUNCTION_TOOL, "reasoning": responses.REASONING, "text": responses.TEXT},
        ),
    ]
    sys.stdout.write(HEAD + "".join(sections))


def _find_own_of_the_socket() -> Table:
    shared = responses_tables.RESPONSES_REQUEST
    return {name: row for name, row in responses_tables.SOCKET_REQUEST.items() if shared.get(name) != row}


def _write_table(title: str, objects: Mapping[str, Table]) -> str:
    rows = [
        f"| `{name}.{field}` |" if name else f"| `{field}` |"
        for name, table in objects.items()
        for field in sorted(table)
    ]
    fates = [table[field] for table in objects.values() for field in sorted(table)]
    lines = [
        f"{row} {fate.fate} | {fate.why}{_write_harmless(fate)} |\n" for row, fate in zip(rows, fates, strict=True)
    ]
    return f"\n## {title}\n\n| field | what becomes of it | why |\n|---|---|---|\n{''.join(lines)}"


def _write_harmless(row: object) -> str:
    if not isinstance(row, tables.Refused) or not row.harmless:
        return ""
    return f" (but not with {', '.join(f'`{msgspec.json.encode(value).decode()}`' for value in row.harmless)})"


if __name__ == "__main__":
    main()
