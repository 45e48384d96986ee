"""
The AWS CLI, in an environment of its own, because it pins its own libraries.
"""

import shutil
import sys
from pathlib import Path

from tests.clients.services import install_once, require, run_installer

FOLDER = Path(__file__).parents[2] / ".venv-awscli"
LOCK = Path(__file__).parent / "requirements-awscli.lock"


def find_aws() -> Path:
    """
    Return the CLI's program; install it first where the lock file has changed.
    """
    install_once(LOCK, FOLDER / ".stamp", _install)
    program = FOLDER / "bin" / "aws"
    require(program.exists(), "the AWS CLI has no program")
    return program


def _install() -> None:
    uv = shutil.which("uv") or shutil.which("uv", path=str(FOLDER.parent / ".uv" / "bin"))
    require(uv, "no uv to install the AWS CLI with")
    assert uv is not None
    shutil.rmtree(FOLDER, ignore_errors=True)
    run_installer([uv, "venv", "--python", sys.executable, str(FOLDER)])
    python = str(FOLDER / "bin" / "python")
    run_installer([uv, "pip", "install", "--python", python, "--require-hashes", "-r", str(LOCK)])
