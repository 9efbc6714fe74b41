"""A served site in its own data folder, as real processes."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import redis

from studyapp.hosting.broker import socket_for
from studyapp.hosting.supervisor import QUICK_DEATHS, QUICK_SECONDS

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 90.0


def environment(data: Path, **changes: str) -> dict[str, str]:
    """The environment of processes that use the data folder `data`."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("EARWITNESS_", "PYTEST_"))}
    return kept | {
        "EARWITNESS_DATA": str(data),
        "DJANGO_SETTINGS_MODULE": "studyapp.settings",
        "EARWITNESS_HOSTS": "127.0.0.1,testserver",
        "OMP_NUM_THREADS": "1",
        **changes,
    }


def python(data: Path, *arguments: str, **changes: str) -> str:
    """Run Python in the project's folder and return its output. Fails with its errors."""
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=environment(data, **changes),
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def until(ready: Callable[[], Any], seconds: float, what: str) -> Any:
    """Wait until `ready()` is truthy, and return its value."""
    deadline = time.monotonic() + seconds
    while not (found := ready()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)
    return found


def free_port() -> int:
    """A port that is free at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class LiveSite:
    """`manage.py serve`: started, used, killed in parts, and stopped."""

    def __init__(self, data: Path) -> None:
        self.data, self.port = data, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.output = data / "serve.out"
        self.kills: list[float] = []

    def start(self) -> None:
        """Start the site and wait until it answers."""
        with self.output.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "serve", "--port", str(self.port)],
                cwd=ROOT, env=environment(self.data), stdout=out, stderr=subprocess.STDOUT,
            )  # fmt: skip
        until(self.answers, START_SECONDS, "the site answers")

    def stop(self) -> None:
        """Stop the site as Ctrl-C does."""
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def answers(self) -> bool:
        """Whether the web server answers."""
        assert self.process.poll() is None, self.output.read_text()
        try:
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def manage(self, *arguments: str) -> str:
        """Run a management command in this data folder."""
        return python(self.data, "manage.py", *arguments)

    def prepare(self, *arguments: str) -> str:
        """Run `tests.e2e.prepare` in this data folder."""
        return python(self.data, "-m", "tests.e2e.prepare", *arguments)

    @contextmanager
    def listeners(self, study: str, *, count: int, log: Path) -> Iterator[list[str]]:
        """Send simulated listeners; the block runs once eight of their answers are acknowledged.

        Fails unless all of them finish. The list has their output after the block.
        """
        command = ["manage.py", "simulate", study, "--participants", str(count)]
        command += ["--url", self.url, "--log", str(log), "--concurrency", "3"]
        output: list[str] = []
        with subprocess.Popen(
            [sys.executable, *command], cwd=ROOT, env=environment(self.data),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        ) as walking:  # fmt: skip
            until(lambda: log.exists() and len(log.read_text().splitlines()) >= 8, 60, "8 answers")
            yield output
            output.append(walking.communicate(timeout=120)[0])
        assert walking.returncode == 0, output

    def login(self) -> tuple[str, str]:
        """Name and password of a researcher."""
        name, password = json.loads(self.prepare("login"))
        return name, password

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of the site's database."""
        with closing(sqlite3.connect(self.data / "earwitness.sqlite3", timeout=20)) as database:
            return database.execute(sql).fetchall()

    def web_processes(self) -> list[int]:
        """The web server's processes."""
        return [
            pid
            for pid, line in _processes()
            if "studyapp.hosting.web" in line and _parent(pid) == self.process.pid
        ]

    def kill_web(self) -> list[int]:
        """Kill all web processes at once with SIGKILL; returns their process ids."""
        killed = self.web_processes()
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        return killed

    def kill_worker(self) -> None:
        """Kill the Celery worker with SIGKILL, whatever it is doing."""
        self._kill("studyapp.celery")

    def kill_broker(self) -> None:
        """Kill the embedded Redis, which keeps nothing on disk, with SIGKILL."""
        self._kill("redis-server")

    def broker(self) -> redis.Redis:
        """A client of the embedded Redis."""
        return redis.Redis(unix_socket_path=str(socket_for(self.data)))

    def await_calm(self) -> None:
        """Wait until two more may die: the supervisor gives up on a child that dies too often."""
        until(
            lambda: self._recent_kills() < QUICK_DEATHS - 2,
            QUICK_SECONDS + 5,
            "two more may be killed",
        )

    def _recent_kills(self) -> int:
        return sum(time.monotonic() - at < QUICK_SECONDS for at in self.kills)

    def _kill(self, name: str) -> None:
        self.kills.append(time.monotonic())
        [child] = [
            pid for pid, line in _processes() if name in line and _parent(pid) == self.process.pid
        ]
        os.kill(child, signal.SIGKILL)


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def _processes() -> list[tuple[int, str]]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            found.append((int(entry.name), line))
    return found
