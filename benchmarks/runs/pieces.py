"""Workers that share a run's pieces: killed in mid-piece, and against one worker by the clock.

python -m benchmarks.runs.pieces --tracks 512 --steps 400

One Redis and one PostgreSQL from packages, one run directory, the shipped nano, a sweep of eight
SAEs at two hookpoints. (1) One worker alone, undisturbed. (2) Four workers, undisturbed. (3) Four
workers, of which two are killed with kill -9 in the middle of a piece, once in `activations` and
once in `sae`. The three stages in pieces must have equal hashes in all three; no piece may be
claimed more than once but those in flight; all killed pieces must be claimed again within two
minutes. Each worker has one process with one thread, so that four of them gain what the machine has
cores. With `--s3` the run is on an S3 server (moto) on the loopback interface, and every worker has
a data folder of its own. Workers have imported torch and transformers before the run is queued
(`benchmarks.runs.warm`), but for those that replace killed ones.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf

from benchmarks.common.served import ROOT, free_port, postgresql, run_python
from pipeline.store.run_directory import RunDirectory
from studyapp.hosting.broker import server_executable

RATE = 16_000
STAGES = ("activations", "sae", "features")
KILLED_IN = STAGES[:2]
WITHIN_SECONDS = 120.0
HOOKPOINTS = ["decoder.layers.2.resid_post", "decoder.layers.3.resid_post"]
POLL_SECONDS = 0.05


@dataclass
class Ran:
    """One run of the stages by some workers."""

    hashes: dict[str, dict[str, str]]
    seconds: dict[str, float]
    """From the first claim of a piece of the stage to its entry in the manifest, by stage."""
    attempts: dict[str, int]
    """Claims of each piece."""
    killed: set[str] = field(default_factory=set)
    """Pieces that were in flight when a worker was killed."""
    processor: float = 0.0
    """Processor time of the workers that lived to the end, seconds."""
    recovered: float = 0.0
    """Seconds from a kill until what was killed was claimed again, the longest."""


class Site:
    """A database, a broker and a data folder, and the workers that share them."""

    def __init__(self, data: Path, database: str, broker: str, store: dict[str, str]) -> None:
        """`store`: variables of a store for the runs; empty if they are in the data folder."""
        self.data, self._started = data, 0
        self._store = store
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("EARWITNESS_", "PYTEST_"))}
        self._environment = kept | {
            "EARWITNESS_DATA": str(data), "DATABASE_URL": database, "REDIS_URL": broker,
            "DJANGO_SETTINGS_MODULE": "studyapp.settings", "OMP_NUM_THREADS": "1",
            # The same on all machines, which otherwise make their own.
            "EARWITNESS_SECRET_KEY": secrets.token_urlsafe(48),
            "EARWITNESS_PSEUDONYM_KEY": secrets.token_urlsafe(48),
            **store,
        }  # fmt: skip
        self.workers: list[subprocess.Popen[bytes]] = []

    def start_workers(self, count: int) -> None:
        """Start workers of one process each, every one as on a machine of its own."""
        for number in range(self._started, self._started + count):
            command = ["-m", "celery", "-A", "studyapp.celery", "worker", "--pool", "prefork"]
            command += ["--concurrency", "1", "--queues", "cpu", "--loglevel", "WARNING"]
            command += ["--without-gossip", "--without-mingle", "--hostname", f"w{number}@bench"]
            command += ["--include", "benchmarks.runs.warm"]
            own = {"XDG_CACHE_HOME": str(self.data / f"cache-{number}")}
            if self._store:
                own["EARWITNESS_DATA"] = str(self.data / f"machine-{number}")
                own["EARWITNESS_ELSEWHERE"] = "true"
            with (self.data / f"worker-{number}.log").open("ab") as log:
                self.workers.append(
                    subprocess.Popen(
                        [sys.executable, *command], cwd=ROOT, stdout=log, stderr=log,
                        env=self._environment | own,
                    )
                )  # fmt: skip
        self._started += count

    def await_workers(self) -> None:
        """Wait until all workers answer; exits if one has ended."""
        while int(self.python(ANSWERING)) < len(self.workers):
            if any(worker.poll() is not None for worker in self.workers):
                raise SystemExit(f"a worker has ended; see worker-*.log in {self.data}")

    def stop_workers(self) -> None:
        """Stop all workers at once."""
        for worker in self.workers:
            worker.kill()
        for worker in self.workers:
            worker.wait()
        self.workers.clear()

    def python(self, code: str) -> str:
        """Run Python with Django set up, and return its output."""
        return run_python(code, self._environment)

    def manage(self, *arguments: str) -> None:
        """Run a management command."""
        subprocess.run(
            [sys.executable, "manage.py", *arguments], cwd=ROOT, env=self._environment, check=True
        )

    def execute(self, sql: str) -> None:
        """Change the site's database."""
        import psycopg

        with psycopg.connect(self._environment["DATABASE_URL"], autocommit=True) as connection:
            connection.execute(sql.encode())

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of the site's database."""
        import psycopg

        with psycopg.connect(self._environment["DATABASE_URL"], autocommit=True) as connection:
            return connection.execute(sql.encode()).fetchall()


@contextmanager
def site(*, s3: bool) -> Iterator[Site]:
    """An empty site with a real PostgreSQL and a real Redis, and no worker yet."""
    data = Path(tempfile.mkdtemp(prefix="ew-pieces-"))
    port = free_port()
    redis = subprocess.Popen(
        [str(server_executable()), "--port", str(port), "--save", "", "--dir", str(data)],
        stdout=subprocess.DEVNULL,
    )
    try:
        with postgresql() as database, ExitStack() as servers:
            store = servers.enter_context(s3_server()) if s3 else {}
            made = Site(data, database, f"redis://127.0.0.1:{port}/0", store)
            made.manage("migrate", "-v0")
            made.execute(HISTORY)
            try:
                yield made
            finally:
                made.stop_workers()
    finally:
        redis.terminate()
        redis.wait()
        shutil.rmtree(data, ignore_errors=True)


@contextmanager
def s3_server() -> Iterator[dict[str, str]]:
    """A server with one bucket, and the variables of those who use it, also in this process."""
    import s3fs
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    variables = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench", "AWS_DEFAULT_REGION": "us-east-1",
    }  # fmt: skip
    os.environ |= variables
    s3fs.S3FileSystem().mkdir("bench")
    try:
        yield {**variables, "EARWITNESS_REMOTE": "s3://bench/site"}
    finally:
        server.stop()


def write_corpus(folder: Path, tracks: int, seconds: float) -> None:
    """Noisy tones of random pitch, all of one length."""
    (folder / "audio").mkdir(parents=True)
    generator = np.random.default_rng(0)
    at = np.arange(round(seconds * RATE)) / RATE
    for number in range(tracks):
        wave = np.sin(2 * np.pi * generator.uniform(100, 2000) * at) * np.exp(-3 * (at % 0.5))
        noise = generator.normal(scale=0.02, size=len(at))
        sf.write(folder / f"audio/{number:05d}.flac", 0.5 * wave + noise, RATE)


def config_of(corpus: Path, subject: Path, *, steps: int, seconds: float) -> dict[str, Any]:
    """Two hookpoints × two expansions × two ks, one thread in each worker."""
    return {
        "corpus": {
            "path": str(corpus), "min_seconds": 1.0, "clip_seconds": seconds,
            "train_share": 0.6, "validation_share": 0.2,
        },
        "subject": {"model": str(subject), "hookpoints": HOOKPOINTS},
        "sae": {"expansions": [4, 8], "ks": [16, 32], "steps": steps, "batch_frames": 1024},
        "machine": {"workers": 1, "threads": 1, "batch_tracks": 4},
    }  # fmt: skip


def run(
    here: Site, config: dict[str, Any], name: str, *, workers: int, kill_in: Sequence[str] = ()
) -> Ran:
    """Start `workers`, queue a run when they are ready, let them carry out the stages, and stop
    them.

    In each stage of `kill_in` half of them are killed while they make a piece, and replaced.
    """
    here.start_workers(workers)
    here.await_workers()
    number = int(here.python(QUEUE.format(name=name, config=json.dumps(json.dumps(config)))))
    killed, recovered = set[str](), 0.0
    for stage in kill_in:
        caught = _kill_half(here, number, stage, workers)
        at = time.monotonic()
        await_(partial(_claimed_again, here, number, caught), here, number)
        recovered = max(recovered, time.monotonic() - at)
        killed |= set(caught)
        here.start_workers(len(caught))
    done = f"SELECT 1 FROM studyapp_stagerecord WHERE run_id = {number} AND state = 'done'"
    await_(lambda: bool(here.query(f"{done} AND stage = '{STAGES[-1]}'")), here, number)
    processor = sum(map(_processor_seconds, here.workers))
    here.stop_workers()
    here.python(STOP.format(number=number))
    row = f"SELECT directory, remote FROM studyapp_run WHERE id = {number}"
    [(directory, remote)] = here.query(row)
    manifest = RunDirectory(remote or here.data / directory).manifest()["stages"]
    return Ran(
        hashes={stage: manifest[stage]["files"] for stage in STAGES},
        seconds={stage: manifest[stage]["seconds"] for stage in STAGES},
        attempts=_attempts(here, number),
        killed=killed,
        recovered=recovered,
        processor=processor,
    )


ANSWERING = """
from studyapp.celery import app
print(len(app.control.ping(timeout=2.0)))
"""


QUEUE = """
import json
from studyapp.runs.services import lifecycle
run = lifecycle.create_run(name="{name}", config=json.loads({config}), created_by=None)
lifecycle.queue_run(run=run)
print(run.pk)
"""


STOP = """
from studyapp.models import Run
from studyapp.runs.services import lifecycle
lifecycle.stop_run(run=Run.objects.get(pk={number}))
"""


def _processor_seconds(worker: subprocess.Popen[bytes]) -> float:
    """Processor time of a worker and its process so far."""
    total = 0
    for pid in (worker.pid, *_children(worker.pid)):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


HISTORY = """
CREATE TABLE ended_pieces (target bigint, piece text, attempts int);
CREATE FUNCTION keep_piece() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO ended_pieces VALUES (OLD.target, OLD.piece, OLD.attempts); RETURN OLD;
END $$;
CREATE TRIGGER keep_piece BEFORE DELETE ON studyapp_job
  FOR EACH ROW WHEN (OLD.kind = 'run_piece') EXECUTE FUNCTION keep_piece();
"""
"""The site deletes the rows of a stage's pieces once it is done; here their claims are counted."""


def _attempts(here: Site, number: int) -> dict[str, int]:
    """How often each piece of a run was claimed, also of stages that are done."""
    pieces = f"SELECT piece, attempts FROM studyapp_job WHERE {_pieces_of(number)}"
    ended = f"SELECT piece, attempts FROM ended_pieces WHERE target = {number}"
    return dict(here.query(f"{pieces} UNION ALL {ended}"))


def _pieces_of(number: int) -> str:
    return f"kind = 'run_piece' AND target = {number}"


def _kill_half(here: Site, number: int, stage: str, workers: int) -> dict[str, int]:
    """Kill half of the workers while each makes a piece of the stage, of which one is done at
    least; returns those pieces and how often they had been claimed."""
    half = workers // 2
    sql = f"SELECT piece, attempts, worker FROM studyapp_job WHERE {_pieces_of(number)}"
    sql += f" AND piece LIKE '{stage}/%' AND state = "

    def caught() -> bool:
        return len(here.query(f"{sql} 'done'")) > 0 and len(here.query(f"{sql} 'running'")) > half

    await_(caught, here, number)
    held = here.query(f"{sql} 'running' ORDER BY piece")[:half]
    for _, _, worker in held:
        pool = int(worker.rpartition(":")[2])
        [master] = [one for one in here.workers if pool in _children(one.pid)]
        # The master dies with its process, and the process with its master: see studyapp.worker.
        os.kill(pool, signal.SIGKILL)
        master.kill()
        master.wait()
        here.workers.remove(master)
    return {piece: attempts for piece, attempts, _ in held}


def _children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _claimed_again(here: Site, number: int, caught: dict[str, int]) -> bool:
    now = _attempts(here, number)
    return all(now[piece] > attempts for piece, attempts in caught.items())


def await_(ready: Callable[[], bool], here: Site, number: int) -> None:
    """Wait until `ready`; exits with the run's error if it fails."""
    while not ready():
        [(state, error)] = here.query(f"SELECT state, error FROM studyapp_run WHERE id = {number}")
        if state in ("failed", "stopped", "done"):
            raise SystemExit(f"the run is {state}: {error}")
        time.sleep(POLL_SECONDS)


def faults(alone: Ran, four: Ran, killed: Ran) -> list[str]:
    """What is not as it must be, in lines."""
    found = []
    for name, ran in (("several workers", four), ("half of them killed", killed)):
        if ran.hashes != alone.hashes:
            found.append(f"{name}: other hashes than one worker's")
        again = {piece for piece, attempts in ran.attempts.items() if attempts > 1} - ran.killed
        if again:
            found.append(f"{name}: {', '.join(sorted(again))} were made more than once")
    if killed.recovered > WITHIN_SECONDS:
        found.append(f"a killed piece was claimed again only after {killed.recovered:.0f} s")
    return found


def main() -> None:
    """Run all three, print the table; exits with 1 if a result differs or was made twice."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--tracks", type=int, default=512)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--s3", action="store_true")
    asked = parser.parse_args()
    with site(s3=asked.s3) as here:
        corpus = here.data / "corpora" / "tones"
        write_corpus(corpus, asked.tracks, asked.seconds)
        nano = ROOT / "fixtures" / "nano" / "musicgen-nano"
        config = config_of(corpus, nano, steps=asked.steps, seconds=asked.seconds)
        load = os.getloadavg()[0]
        alone = run(here, config, "alone", workers=1)
        four = run(here, config, "several", workers=asked.workers)
        killed = run(here, config, "killed", workers=asked.workers, kill_in=KILLED_IN)
    print(f"{os.cpu_count()} cores, load {load:.1f} before the start")
    print(f"{'':<16}{'one worker':>12}{asked.workers:>12}{'ratio':>8}{'half killed':>12}")
    for stage in STAGES:
        one, more = alone.seconds[stage], four.seconds[stage]
        print(
            f"{stage + ', s':<16}{one:>12.1f}{more:>12.1f}{one / more:>8.2f}"
            f"{killed.seconds[stage]:>12.1f}"
        )
    whole = [sum(ran.seconds.values()) for ran in (alone, four, killed)]
    one, more, third = whole
    print(f"{'all, s':<16}{one:>12.1f}{more:>12.1f}{one / more:>8.2f}{third:>12.1f}")
    print(f"{'processor, s':<16}{alone.processor:>12.1f}{four.processor:>12.1f}")
    n, again = len(killed.killed), killed.recovered
    print(f"{len(alone.attempts)} pieces, {n} in flight at a kill, claimed again in {again:.1f} s")
    found = faults(alone, four, killed)
    print("\n".join(found) or "equal hashes; no piece was made twice but those in flight")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
