"""
A real PostgreSQL for tests: a cluster of its own on a free port of the loopback address.
"""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.redis_server import find_port

START_SECONDS = 60
USER = "postgres"


class PostgresServer:
    """
    Run one cluster. PostgreSQL refuses to run as root, so it runs as the user `postgres` then.

    Its files lie in a folder of its own right under the system's, which that user can reach; `close` removes them.

    Args:
        safe: whether what was committed survives the death of the machine (`fsync`).
    """

    def __init__(self, *, safe: bool = False) -> None:
        self.port = find_port()
        self._home = Path(tempfile.mkdtemp(prefix="outcrop-postgres-"))
        self._folder = self._home / "cluster"
        self._safe = safe
        self._programs = find_programs()
        self._frozen: list[int] = []
        if os.geteuid() == 0:
            owner = pwd.getpwnam(USER)
            os.chown(self._home, owner.pw_uid, owner.pw_gid)

    def url(self, name: str) -> str:
        """
        Return the address of one of its databases.
        """
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{name}"

    def start(self) -> None:
        """
        Make the cluster where there is none, start it, and wait until it answers.
        """
        if not self._folder.exists():
            self._run("initdb", "-D", str(self._folder), "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8")
        sync = "on" if self._safe else "off"
        options = (
            f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync={sync} "
            "-c max_connections=100 -c shared_buffers=32MB"
        )
        log = str(self._folder / "server.log")
        self._run("pg_ctl", "-D", str(self._folder), "-l", log, "-o", options, "-w", "-t", str(START_SECONDS), "start")

    def stop(self) -> None:
        """
        Stop it at once, as a crash does; what was committed is there after the next start.
        """
        self._run("pg_ctl", "-D", str(self._folder), "-m", "immediate", "-w", "stop")

    def close(self) -> None:
        """
        Stop it, and remove its files.
        """
        self.stop()
        shutil.rmtree(self._home, ignore_errors=True)

    def restart(self) -> None:
        """
        Crash it, and start it again.
        """
        self.stop()
        self.start()

    def freeze(self) -> None:
        """
        Stop all its processes from doing anything; its connections stay open.
        """
        first = int((self._folder / "postmaster.pid").read_text().splitlines()[0])
        # It goes first, so that it starts no others.
        os.kill(first, signal.SIGSTOP)
        children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
        self._frozen = [first, *map(int, children)]
        for process in self._frozen:
            os.kill(process, signal.SIGSTOP)

    def thaw(self) -> None:
        """
        Let them go on.
        """
        for process in self._frozen:
            # The first one may have buried a child that had ended before all stood still.
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGCONT)
        self._frozen = []

    def make_database(self, name: str) -> str:
        """
        Make an empty database, and return its address.
        """
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", USER, name)
        return self.url(name)

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), *arguments]
        if os.geteuid() == 0:
            command = ["runuser", "-u", USER, "--", *command]
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            timeout=START_SECONDS + 10, check=False, cwd="/",
        )  # fmt: skip
        assert done.returncode == 0, f"{program}: {done.stderr[-500:]}"


def find_programs() -> Path:
    """
    Return the folder of PostgreSQL's programs; the newest version's, where there are several.
    """
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    program = found[-1] if found else shutil.which("postgres")
    assert program is not None
    return Path(program).parent


def require_postgres() -> None:
    """
    Skip the test where there is no PostgreSQL; fail where services are required.
    """
    if any(Path("/usr/lib/postgresql").glob("*/bin/postgres")) or shutil.which("postgres"):
        return
    if os.environ.get("OUTCROP_REQUIRE_SERVICES") == "1":
        pytest.fail("PostgreSQL is not installed, and OUTCROP_REQUIRE_SERVICES is 1")
    pytest.skip("PostgreSQL is not installed")
