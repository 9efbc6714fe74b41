"""Simultaneous arrivals on a real SQLite file: real processes and threads, no test transaction."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

PROCESSES = 8
THREADS = 2
ROUNDS = 3
WORKER = Path(__file__).with_name("arrivals_worker.py")


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    environment = os.environ | {
        "EARWITNESS_DATA": str(folder),
        "DJANGO_SETTINGS_MODULE": "studyapp.settings",
        "PYTHONPATH": str(WORKER.parents[4]),
    }
    return subprocess.Popen(
        [sys.executable, str(WORKER), *arguments], env=environment, text=True,
        stdout=subprocess.PIPE, stdin=subprocess.PIPE,
    )  # fmt: skip


def test_simultaneous_arrivals_get_no_place_twice_and_nobody_is_lost(tmp_path: Path) -> None:
    """48 arrivals in 16 threads for 40 places: 40 get one, cells are balanced, 8 find it full.

    Each hand also sends its link twice at once and answers its first trial twice at once.
    """
    made, _ = start(tmp_path, "prepare").communicate(timeout=600)
    assert made.strip() == "ready"
    workers = [start(tmp_path, "arrive", str(THREADS), str(ROUNDS), str(n))
               for n in range(PROCESSES)]  # fmt: skip
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline().strip() == "waiting"
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    outcomes: Counter[str] = Counter()
    for worker in workers:
        output, _ = worker.communicate(timeout=600)
        assert worker.returncode == 0
        outcomes.update(json.loads(output))
    assert outcomes == {"assigned": 40, "full": PROCESSES * THREADS * ROUNDS - 40}
    report, _ = start(tmp_path, "report").communicate(timeout=600)
    assert json.loads(report) == {
        "participations": 40,
        "per_condition": [20, 20],
        "ratings_per_cell": [4],
        "trials_per_participation": [2],
        "answers": 40,
        "events_per_trial": [3],
    }
