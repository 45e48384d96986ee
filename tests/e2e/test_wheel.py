"""
What is published: the sdist, the wheel made from it, and the page inside.
"""

import gzip
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from email.message import Message
from pathlib import Path

import pytest

from tests.support import run_outcrop

pytestmark = pytest.mark.service

ROOT = Path(__file__).parents[2]
MAX_WHEEL_BYTES = 2_000_000
BUILD_SECONDS = 110


class Published:
    """
    Be what `uv build` made: an sdist, and the wheel made from that sdist.
    """

    def __init__(self, folder: Path) -> None:
        self.sdist = next(folder.glob("*.tar.gz"))
        self.wheel = next(folder.glob("*.whl"))
        self.names = zipfile.ZipFile(self.wheel).namelist()


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Published:
    """
    Build the sdist, and the wheel from it, as whoever publishes does.
    """
    folder = tmp_path_factory.mktemp("published")
    uv = shutil.which("uv") or str(ROOT / ".uv" / "bin" / "uv")
    command = [uv, "build", "--python", sys.executable, "--out-dir", str(folder), str(ROOT)]
    built = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False)
    assert built.returncode == 0, built.stderr
    return Published(folder)


@pytest.fixture(scope="module")
def url(published: Published, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """
    Serve from the wheel's own files.
    """
    installed = tmp_path_factory.mktemp("installed")
    zipfile.ZipFile(published.wheel).extractall(installed)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START"):
            # What runs here is gone when coverage is reported.
            patch.delenv(name, raising=False)
        with run_outcrop("serve", "--port", "0", "--emulate", environ={"PYTHONPATH": str(installed)}) as (_, url):
            yield url


def fetch(url: str) -> tuple[bytes, Message]:
    """
    Fetch a file, packed where the server packs it: its bytes, unpacked, and its headers.
    """
    request = urllib.request.Request(url, headers={"accept-encoding": "gzip"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        content = answer.read()
        return gzip.decompress(content) if answer.headers["content-encoding"] == "gzip" else content, answer.headers


def test_the_wheel_is_small(published: Published) -> None:
    """
    The wheel, with the page inside, is no larger than 2 MiB.
    """
    assert published.wheel.stat().st_size <= MAX_WHEEL_BYTES


def test_the_wheel_has_what_runs_and_no_more(published: Published) -> None:
    """
    The wheel has the package with its data and the built page; no tests, no sources of the page, no source maps.
    """
    assert {"outcrop/py.typed", "outcrop/server/built/index.html.gz", "outcrop/server/built/sw.js.gz"} <= set(
        published.names
    )
    assert {name.split("/")[0].split("-")[0] for name in published.names} == {"outcrop"}
    unwanted = re.compile(r"\.(tsx?|map)(\.gz)?$|node_modules|__pycache__")
    assert [name for name in published.names if unwanted.search(name)] == []


def test_the_wheel_has_the_notices_of_what_is_bundled(published: Published) -> None:
    """
    The licences of the page's packages come with the page.
    """
    notices = zipfile.ZipFile(published.wheel).read("outcrop/server/built/licenses.md.gz")
    assert b"## react-dom - " in gzip.decompress(notices)


def test_a_wheel_from_the_sdist_needs_no_node(published: Published, tmp_path: Path) -> None:
    """
    The sdist has the page's sources and the page that was built of them: there is nothing to build.
    """
    subprocess.run(["tar", "-xzf", str(published.sdist), "-C", str(tmp_path)], check=True)
    (folder,) = tmp_path.iterdir()
    assert (folder / "ui" / "src" / "shell" / "worker.ts").is_file()
    assert not list(folder.rglob("node_modules"))
    command = [sys.executable, str(folder / "scripts" / "page.py"), "fresh"]
    assert subprocess.run(command, check=False).returncode == 0
    (folder / "ui" / "index.html").write_text("changed")
    assert subprocess.run(command, check=False).returncode == 1


def test_the_installed_page_is_whole(url: str) -> None:
    """
    A server that runs from the wheel serves the page, and every file that the page names.
    """
    index, _ = fetch(f"{url}/")
    named = set(re.findall(r'(?:src|href)="(/[^"]+)"', index.decode()))
    assert any(path.startswith("/assets/") and path.endswith(".js") for path in named)
    for path in named:
        assert fetch(url + path)[0], path


def test_the_installed_shell_is_whole(url: str) -> None:
    """
    Every file that the service worker keeps is there: without one of them it would never be installed.
    """
    script, _ = fetch(f"{url}/sw.js")
    kept = set(re.findall(r'[`"](/[\w./-]*)[`"]', script.decode())) - {"/assets/", "/c/"}
    assert {"/", "/icon.svg", "/manifest.webmanifest"} <= kept
    for path in kept:
        assert fetch(url + path)[0], path


def test_the_installed_api_page_has_its_style(url: str) -> None:
    """
    The page of the API, which is not part of the build, is in the wheel with its style.
    """
    assert b"/api/docs.css" in fetch(f"{url}/api/docs")[0]
    assert fetch(f"{url}/api/docs.css")[1]["content-type"] == "text/css; charset=utf-8"


@pytest.mark.parametrize("path", ["/source.sha256", "/assets/../cli.py", "/index.html.gz"])
def test_nothing_else_of_the_wheel_is_served(url: str, path: str) -> None:
    """
    Files beside the page are not served.
    """
    with pytest.raises(urllib.error.HTTPError, match="404"):
        fetch(url + path)
