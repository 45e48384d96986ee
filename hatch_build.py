"""
What making a wheel or an sdist does besides collecting files: the chat page is built when it isn't there or is stale.

Node is asked for only then; a wheel made from the sdist, which has the built page, needs none.
"""

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


def load_page_script() -> ModuleType:
    """
    Load `scripts/page.py`, which is no package: builds run with the folder of the sources out of the search path.
    """
    path = Path(__file__).parent / "scripts" / "page.py"
    spec = importlib.util.spec_from_file_location("outcrop_page_script", path)
    assert spec is not None and spec.loader is not None  # noqa: PT018  a path to a .py file has both
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class PageBuildHook(BuildHookInterface[Any]):
    """
    Build the page before the files are collected.
    """

    def dependencies(self) -> list[str]:
        """
        Name what this build needs besides hatchling: Node, when there is something to build.
        """
        page = load_page_script()
        return [] if page.is_fresh() else [page.NODE_REQUIREMENT]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """
        Build the page when it is missing or stale.

        Raises:
            RuntimeError: a wheel or an sdist would be without the page.
        """
        del build_data
        page = load_page_script()
        if not page.is_fresh():
            page.build()
        if version != "editable" and not page.is_built():
            raise RuntimeError("the page is not built, and its sources are not here: take the sdist, or the repository")
