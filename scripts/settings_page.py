"""
Print docs/settings.md from the settings' own docstrings: `python scripts/settings_page.py > docs/settings.md`.
"""

import sys

from pydantic_core import PydanticUndefined

from outcrop.settings import Settings

HEAD = """# Settings

Each can be given on the command line where `outcrop serve --help` shows it, as an environment variable, or in a TOML
file (`--config FILE`, or `OUTCROP_CONFIG=FILE`), in this order of strength. Lists and tables are JSON in the
environment: `OUTCROP_MODELS='{"fast": "us.meta.llama3-3-70b-instruct-v1:0"}'`. A wrong or unknown setting stops the
start with a sentence that names it.

This page is made from the settings' docstrings by `scripts/settings_page.py`.

| variable | default | what it is for |
|---|---|---|
"""


def main() -> None:
    """
    Print the page.
    """
    rows = []
    for name, field in Settings.model_fields.items():
        unset = field.default in (None, PydanticUndefined, (), {})
        shown = "" if unset else f"`{field.default}`"
        description = (field.description or "").replace("|", "\\|")
        rows.append(f"| `OUTCROP_{name.upper()}` | {shown} | {description} |\n")
    sys.stdout.write(HEAD + "".join(rows))


if __name__ == "__main__":
    main()
