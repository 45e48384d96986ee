"""
Python programs in environments of their own, because they pin their own libraries.
"""

import shutil
import sys
from pathlib import Path

from tests.clients.services import install_once, require, run_installer

ROOT = Path(__file__).parents[2]


def find_aws() -> Path:
    """
    Return the AWS CLI's program; install it first where its lock file has changed.
    """
    return _find("awscli", "aws")


def find_engine_python() -> Path:
    """
    Return a Python that has a small OpenAI-compatible server (`mock-ai-api`, module `app.openai_app`).
    """
    return _find("engine", "python")


def find_frameworks_python() -> Path:
    """
    Return a Python that has LangChain, Pydantic AI, and `llm` with its plugins.
    """
    return _find("frameworks", "python")


def find_litellm_python() -> Path:
    """
    Return a Python that has LiteLLM, which wants an older OpenAI SDK than the other frameworks.
    """
    return _find("litellm", "python")


def _find(name: str, program: str) -> Path:
    folder = ROOT / f".venv-{name}"
    lock = Path(__file__).parent / f"requirements-{name}.lock"
    install_once(lock, folder / ".stamp", lambda: _install(folder, lock))
    found = folder / "bin" / program
    require(found.exists(), f"the environment of {name} has no {program}")
    return found


def _install(folder: Path, lock: Path) -> None:
    uv = shutil.which("uv") or shutil.which("uv", path=str(ROOT / ".uv" / "bin"))
    require(uv, f"no uv to install {lock.name} with")
    assert uv is not None
    shutil.rmtree(folder, ignore_errors=True)
    run_installer([uv, "venv", "--python", sys.executable, str(folder)])
    python = str(folder / "bin" / "python")
    run_installer([uv, "pip", "install", "--python", python, "--require-hashes", "-r", str(lock)])
