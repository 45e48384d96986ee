"""
The architecture as a test: who may import whom, and how large things may be.

Arrows point down only. Each package lists what of ours it may import, and what from outside it may not.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import outcrop

ROOT = Path(outcrop.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))

MAY_IMPORT: dict[str, set[str]] = {
    "types": set(),
    "calls": set(),
    "errors": set(),
    "nesting": set(),
    "settings": {"errors"},
    "wire": {"errors"},
    "catalogue": {"errors", "types", "calls"},
    "adapters": {"types", "calls", "errors", "nesting"},
    "dialects": {"types", "calls", "errors", "wire", "nesting"},
    "upstream": {"types", "calls", "errors", "wire"},
    "turns": {"types", "calls", "errors", "nesting"},
    "accounts": {"types", "calls", "errors"},
    "history": {"types", "calls", "errors", "turns"},
    "http": set(),
    "emulator": {"wire", "errors", "catalogue", "http"},
    "testing": {"emulator", "errors"},
    "client": {"errors"},
    "server": {
        "types", "calls", "errors", "settings", "wire", "catalogue", "adapters", "dialects", "upstream", "turns",
        "accounts", "history", "emulator", "http",
    },
    "commands": {
        "types", "calls", "errors", "settings", "wire", "catalogue", "adapters", "upstream", "accounts", "emulator",
        "dialects", "client", "history",
    },
    "cli": {"errors", "settings", "accounts", "emulator", "server", "commands"},
}  # fmt: skip
EMULATOR_READS_OF_THE_CATALOGUE = {"outcrop.catalogue.models"}
"""
The catalogue's data, and not how names are resolved: the emulator must be able to disagree with the gateway.
"""

MAY_NOT_IMPORT: dict[str, set[str]] = {
    "wire": {"asyncio", "socket", "ssl", "time", "random", "os", "logging"},
    "adapters": {"asyncio", "socket", "ssl", "time", "random", "os", "logging"},
    "dialects": {"asyncio", "socket", "ssl", "time", "random", "os", "logging", "starlette", "uvicorn"},
    "turns": {"starlette", "uvicorn", "websockets", "botocore", "socket", "ssl"},
    "catalogue": {"asyncio", "socket", "ssl", "time", "random"},
}
WEB_FRAMEWORK = {"starlette", "uvicorn"}
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 30
BROAD_EXCEPT_PLACES = {"server/raw_session.py", "turns/service.py", "turns/waking.py"}
"""
The connection loop, the turn task, and where a log calls its readers: one reader's fault must not end a turn, nor the
tasks that serve every other turn of the replica.
"""


def layer_of(module: Path) -> str:
    """
    Name a module's layer: its package, or itself.
    """
    return module.relative_to(ROOT).parts[0].removesuffix(".py")


def imports_of(module: Path) -> Iterator[str]:
    """
    Find the full names of all that a module imports, wherever the import stands.
    """
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} has a relative import"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.relative_to(ROOT)))
def test_imports_point_down(module: Path) -> None:
    """
    A module imports only what its layer may.
    """
    layer = layer_of(module)
    if layer == "__init__":
        return
    for name in imports_of(module):
        top, _, rest = name.partition(".")
        if top != "outcrop":
            assert top not in MAY_NOT_IMPORT.get(layer, set()), f"{layer} imports {top}"
        elif (other := rest.split(".")[0]) not in {"", "__version__", layer}:
            assert other in MAY_IMPORT[layer], f"{layer} imports outcrop.{other}"
            if layer == "emulator" and other == "catalogue":
                assert any(
                    name.startswith(allowed) for allowed in (*EMULATOR_READS_OF_THE_CATALOGUE, "outcrop.catalogue")
                )
                assert "resolve" not in name


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.relative_to(ROOT)))
def test_the_web_framework_stays_in_its_place(module: Path) -> None:
    """
    Only the server and the emulator know the web framework.
    """
    if layer_of(module) not in {"server", "emulator", "http"}:
        assert not {name.split(".")[0] for name in imports_of(module)} & WEB_FRAMEWORK


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.relative_to(ROOT)))
def test_things_stay_small(module: Path) -> None:
    """
    Files are at most 400 lines, functions at most 30 without their docstring and signature.
    """
    source = module.read_text()
    assert source.count("\n") <= MAX_FILE_LINES
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            length = (node.end_lineno or 0) - body[0].lineno + 1 if body else 0
            assert length <= MAX_FUNCTION_LINES, f"{node.name} has {length} lines"


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.relative_to(ROOT)))
def test_every_exception_is_not_caught(module: Path) -> None:
    """
    A broad except that swallows stands where the connection loop, the turn task and the wake of readers are, only.
    """
    broad = {"Exception", "BaseException"}
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.ExceptHandler):
            named = node.type.id if isinstance(node.type, ast.Name) else None
            passes_on = isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None
            if (node.type is None or named in broad) and not passes_on:
                assert str(module.relative_to(ROOT)) in BROAD_EXCEPT_PLACES


def test_every_layer_has_a_rule() -> None:
    """
    A new package can't be added without saying what it may import.
    """
    layers = {layer_of(module) for module in MODULES} - {"__init__"}
    assert layers <= MAY_IMPORT.keys()
