"""Repeated kill -9 of the site under simulated listeners: no acknowledged answer may be lost.

python -m benchmarks.kills --kills 1000 --database sqlite|postgresql

Listeners log an answer as soon as the site has acknowledged it. The worker process is killed at
random moments, every tenth time its master too, and on PostgreSQL every fiftieth time the database
as well. In the end, each acknowledged answer must be exactly one row, each row must be an
acknowledged answer, and every completed participation must have its own code.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from benchmarks.common.served import ROOT, free_port, postgresql_server, wait_for

MASTER_EVERY = 10
DATABASE_EVERY = 50
LISTENERS_AT_ONCE = 8
LISTENERS_A_CROWD = 24
SHORTEST_PAUSE, LONGEST_PAUSE = 0.3, 0.5
"""Seconds between two kills: at least the first number, plus at most the second."""
MOST_RATINGS = 1000
"""Ratings per item, the maximum that a study allows: places for 4,800 listeners."""
SLUG = "killed"


@dataclass
class Outcome:
    """The acknowledged answers, and the answers in the database."""

    kills: int = 0
    masters: int = 0
    databases: int = 0
    seconds: float = 0.0
    completed: int = 0
    codes: int = 0
    acknowledged: Counter[tuple[str, int, int]] = field(default_factory=Counter)
    stored: Counter[tuple[str, int, int]] = field(default_factory=Counter)
    trouble: str = ""

    @property
    def lost(self) -> int:
        """Acknowledged answers without a row, or with a different one."""
        return sum((self.acknowledged - self.stored).values())

    @property
    def doubled(self) -> int:
        """Trials with more than one row."""
        rows = Counter(trial for trial, _, _ in self.stored.elements())
        return sum(count > 1 for count in rows.values())


class Web:
    """The image's web server, with one worker forked from a master that has loaded the site."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self._environment, self._log = environment, log
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start the server and wait until it responds."""
        with self._log.open("ab") as log:
            self._master = subprocess.Popen(
                [sys.executable, "-m", "gunicorn", "studyapp.wsgi:application", "--preload",
                 "--bind", f"127.0.0.1:{self.port}", "--worker-class", "gthread", "--threads", "8",
                 "--no-control-socket"],
                cwd=ROOT, env=self._environment, stdout=log, stderr=log,
            )  # fmt: skip
        wait_for(f"{self.url}/healthz")

    def kill(self, *, master: bool) -> None:
        """kill -9 the worker process, or also its master."""
        workers = self._workers()
        if master:
            self._master.kill()
        for pid in workers:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if master:
            self._master.wait()
            self.start()
        else:
            wait_for(f"{self.url}/healthz")

    def stop(self) -> None:
        """Stop the server."""
        self._master.terminate()
        self._master.wait(timeout=60)

    def _workers(self) -> list[int]:
        children = Path(f"/proc/{self._master.pid}/task/{self._master.pid}/children")
        return [int(pid) for pid in children.read_text().split()]


def run(
    *, kills: int, database: str, seed: int = 0, advance: Callable[[int], Any] = lambda _: None
) -> Outcome:
    """Kill the site `kills` times and return the outcome."""
    with _site(database) as (environment, data, restart_database):
        python(environment, "manage.py", "migrate", "-v0")
        python(environment, "manage.py", "collectstatic", "--no-input", "-v0")
        python(
            environment,
            "-m",
            "tests.e2e.prepare",
            "study",
            SLUG,
            str(min(MOST_RATINGS, 50 + 5 * kills)),
        )
        web = Web(environment, data / "web.log")
        web.start()
        try:
            outcome = _kill_amid_listeners(
                web, kills, random.Random(seed), environment, data, restart_database, advance
            )
        finally:
            web.stop()
        _count(outcome, environment, data / "acknowledged.jsonl")
    return outcome


@contextmanager
def _site(database: str) -> Iterator[tuple[dict[str, str], Path, Callable[[], None] | None]]:
    """Environment and folder of an empty site, and a function that restarts PostgreSQL by kill."""
    data = Path(tempfile.mkdtemp(prefix="ew-kills-"))
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("EARWITNESS_", "PYTEST_"))}
    environment = kept | {
        "EARWITNESS_DATA": str(data),
        "DJANGO_SETTINGS_MODULE": "studyapp.settings",
        "OMP_NUM_THREADS": "1",
    }
    environment.pop("DATABASE_URL", None)
    try:
        if database == "sqlite":
            yield environment, data, None
            return
        with postgresql_server() as server:

            def restart() -> None:
                # Immediate shutdown: no checkpoint, every connection dropped, then recovery.
                process = server.get_postmaster_info().process
                process.send_signal(signal.SIGQUIT)
                process.wait(timeout=60)
                server.ensure_postgres_running()

            yield environment | {"DATABASE_URL": str(server.get_uri())}, data, restart
    finally:
        shutil.rmtree(data, ignore_errors=True)


def _kill_amid_listeners(
    web: Web,
    kills: int,
    rng: random.Random,
    environment: dict[str, str],
    data: Path,
    restart_database: Callable[[], None] | None,
    advance: Callable[[int], Any],
) -> Outcome:
    outcome, started, crowds = Outcome(), time.monotonic(), 0
    crowd: subprocess.Popen[str] | None = None
    while outcome.kills < kills:
        if crowd is None or crowd.poll() is not None:
            _end(crowd, outcome)
            crowd = _send(web, environment, data, seed=crowds)
            crowds += 1
            _await_answer(data, crowd)
        # Not less: a listener whose every attempt fails for 90 s gives up.
        time.sleep(SHORTEST_PAUSE + rng.random() * LONGEST_PAUSE)
        outcome.kills += 1
        if restart_database is not None and outcome.kills % DATABASE_EVERY == 0:
            restart_database()
            outcome.databases += 1
        master = outcome.kills % MASTER_EVERY == 0
        web.kill(master=master)
        outcome.masters += master
        advance(1)
    assert crowd is not None
    crowd.wait(timeout=600)
    _end(crowd, outcome)
    outcome.seconds = time.monotonic() - started
    return outcome


def _send(web: Web, environment: dict[str, str], data: Path, *, seed: int) -> subprocess.Popen[str]:
    command = [sys.executable, "manage.py", "simulate", SLUG, "--url", web.url]
    command += ["--participants", str(LISTENERS_A_CROWD), "--concurrency", str(LISTENERS_AT_ONCE)]
    command += ["--seed", str(seed), "--log", str(data / "acknowledged.jsonl")]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def _await_answer(data: Path, crowd: subprocess.Popen[str]) -> None:
    """Wait until one more answer is acknowledged: a kill before that would hit an idle site."""
    log = data / "acknowledged.jsonl"
    before = log.stat().st_size if log.exists() else 0
    while crowd.poll() is None and not (log.exists() and log.stat().st_size > before):
        time.sleep(0.05)


def _end(crowd: subprocess.Popen[str] | None, outcome: Outcome) -> None:
    if crowd is None:
        return
    output, _ = crowd.communicate()
    if crowd.returncode:
        outcome.trouble = outcome.trouble or output.strip().splitlines()[-1]
    for line in output.splitlines():
        if line.startswith("completed"):
            outcome.completed += int(line.split()[1])


COUNT = f"""
import django, json; django.setup()
from studyapp.models import Participation, Response
rows = Response.objects.filter(trial__participation__study__slug={SLUG!r})
codes = Participation.objects.filter(study__slug={SLUG!r}).exclude(completion_code="")
print(json.dumps({{
    "rows": list(rows.values_list("trial__token", "choice", "confidence")),
    "codes": codes.values("completion_code").distinct().count(),
}}))
"""


def _count(outcome: Outcome, environment: dict[str, str], log: Path) -> None:
    for line in log.read_text().splitlines():
        said = json.loads(line)
        answer = said["answer"]
        outcome.acknowledged[said["trial"], answer["choice"], answer["confidence"]] += 1
    found = json.loads(python(environment, "-c", COUNT).splitlines()[-1])
    outcome.stored.update(tuple(row) for row in found["rows"])
    outcome.codes = found["codes"]


def python(environment: dict[str, str], *arguments: str) -> str:
    """Run Python in the project's folder and return its output, or exit with its errors."""
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=environment,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(done.stderr[-3000:])
    return done.stdout


def main() -> None:
    """Run the benchmark and print the table; exits with 1 if an answer was lost or duplicated."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    with tqdm(total=asked.kills, desc=asked.database, unit=" kill") as bar:
        came = run(kills=asked.kills, database=asked.database, seed=asked.seed, advance=bar.update)
    for name, value in (
        ("kills of the process that takes requests", came.kills),
        ("… with its master", came.masters),
        ("… with the database", came.databases),
        ("seconds", round(came.seconds)),
        ("participations completed / different codes", f"{came.completed} / {came.codes}"),
        ("answers acknowledged", sum(came.acknowledged.values())),
        ("rows", sum(came.stored.values())),
        ("acknowledged answers lost", came.lost),
        ("answers doubled", came.doubled),
        ("listeners in trouble", came.trouble or "none"),
    ):
        print(f"{name:<42}{value}")
    sys.exit(1 if came.lost or came.doubled or came.trouble else 0)


if __name__ == "__main__":
    main()
