"""
A real nginx with the configuration of `deploy/nginx`, as an ordinary user on free ports.

Only what must differ on a test's machine is replaced: the replicas' addresses, the port, the name, and where files go.
"""

import contextlib
import os
import re
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import trustme

FOLDER = Path(__file__).parents[3] / "deploy" / "nginx"
SERVER_NAME = "chat.example.org"
START_SECONDS = 20

_MAIN = """
daemon off;
{user}
worker_processes 1;
worker_rlimit_nofile 16384;
pid {folder}/nginx.pid;
error_log {folder}/error.log info;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/outcrop.conf;
}}
"""


def find_nginx() -> str | None:
    """
    Find the program; None where it is not installed.
    """
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")


class Nginx:
    """
    Run one nginx in front of replicas.

    Attributes:
        url: where it listens; `https` where it was given a certificate.
        tls: trusts that certificate.
    """

    def __init__(self, folder: Path, replicas: Sequence[str], *, is_tls: bool = False) -> None:
        self._folder = folder
        port = find_port()
        self.tls: ssl.SSLContext | None = None
        self.url = f"{'https' if is_tls else 'http'}://127.0.0.1:{port}"
        configuration = _adapt((FOLDER / "outcrop.conf").read_text(), replicas)
        if is_tls:
            self._write_certificate()
            snippet = (FOLDER / "outcrop-tls.conf").read_text().replace("/etc/nginx/tls", str(folder))
            (folder / "outcrop-tls.conf").write_text(snippet.replace("listen 443", f"listen 127.0.0.1:{port}"))
            configuration = configuration.replace("listen 80;", "")
            configuration = configuration.replace("# include outcrop-tls.conf;", f"include {folder}/outcrop-tls.conf;")
        else:
            configuration = configuration.replace("listen 80;", f"listen 127.0.0.1:{port};")
        (folder / "outcrop.conf").write_text(configuration)
        (folder / "nginx.conf").write_text(_MAIN.format(folder=folder, user=_user_line()))
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """
        Start it, and wait until it listens.
        """
        program = find_nginx()
        assert program is not None
        command = [program, "-p", str(self._folder), "-c", str(self._folder / "nginx.conf")]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + START_SECONDS
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._port), timeout=1):
                return
            assert self._process.poll() is None, f"nginx has ended: {self.errors()}"
            assert time.monotonic() < deadline, f"nginx does not listen: {self.errors()}"
            time.sleep(0.02)

    def errors(self) -> str:
        """
        Return the end of its error log.
        """
        log = self._folder / "error.log"
        return log.read_text(errors="replace")[-2000:] if log.exists() else ""

    def stop(self) -> None:
        """
        End it with its workers.
        """
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(5)
            self._process = None

    def _write_certificate(self) -> None:
        authority = trustme.CA()
        certificate = authority.issue_cert("127.0.0.1", SERVER_NAME)
        certificate.private_key_pem.write_to_path(self._folder / "privkey.pem")
        chain = b"".join(pem.bytes() for pem in certificate.cert_chain_pems)
        (self._folder / "fullchain.pem").write_bytes(chain)
        self.tls = ssl.create_default_context()
        authority.configure_trust(self.tls)


@contextlib.contextmanager
def run_nginx(folder: Path, replicas: Sequence[str], *, is_tls: bool = False) -> Iterator[Nginx]:
    """
    Run nginx in front of replicas (their URLs).
    """
    nginx = Nginx(folder, replicas, is_tls=is_tls)
    nginx.start()
    try:
        yield nginx
    finally:
        nginx.stop()


def find_port() -> int:
    """
    Find a free port of the loopback address.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _adapt(configuration: str, replicas: Sequence[str]) -> str:
    line = re.compile(r"^    server 127\.0\.0\.1:\d+ (.*)$", re.MULTILINE)
    options = {match[1] for match in line.finditer(configuration)}
    assert len(options) == 1, "the replicas' options differ"
    servers = "\n".join(f"    server {url.removeprefix('http://')} {min(options)}" for url in replicas)
    first = True

    def replace(_match: re.Match[str]) -> str:
        nonlocal first
        written, first = (servers if first else ""), False
        return written

    return line.sub(replace, configuration)


def _user_line() -> str:
    # A worker of another user could not read a test's folder; without root the line is not allowed.
    return "user root;" if os.geteuid() == 0 else ""
