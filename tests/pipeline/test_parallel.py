"""Parallel threads: order, errors, and which thread reports progress."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from functools import partial

import pytest

from pipeline.parallel import Advance, map_in_threads, run_jobs
from pipeline.progress import SilentProgress


class Counting(SilentProgress):
    """Counts steps and the threads that reported them; interrupts the work at `limit`."""

    def __init__(self, limit: int = 10**9) -> None:
        self.steps, self.limit = 0, limit
        self.threads: set[int] = set()

    def advance(self, n: int = 1) -> None:
        self.steps += n
        self.threads.add(threading.get_ident())
        if self.steps > self.limit:
            raise KeyboardInterrupt


def job(number: int, steps: int, advance: Advance) -> int:
    for _ in range(steps):
        time.sleep(0.001)
        advance(1)
    return number


def failing(advance: Advance) -> int:
    advance(1)
    raise ValueError("no")


def test_results_keep_the_order_of_items() -> None:
    def slow_first(n: int) -> int:
        time.sleep(0.02 if n == 0 else 0)
        return n * n

    assert list(map_in_threads(slow_first, range(6), 3)) == [0, 1, 4, 9, 16, 25]


def test_an_error_is_raised_and_the_rest_is_left() -> None:
    done = []

    def work(n: int) -> int:
        if n == 0:
            raise ValueError("no")
        time.sleep(0.005)
        done.append(n)
        return n

    with pytest.raises(ValueError, match="no"):
        list(map_in_threads(work, range(1000), 2))
    assert len(done) < 999


def test_every_step_is_told_by_the_calling_thread() -> None:
    progress = Counting()
    assert run_jobs([partial(job, n, 20) for n in range(3)], 2, progress) == [0, 1, 2]
    assert progress.steps == 60
    assert progress.threads == {threading.get_ident()}


def endless(advance: Advance) -> int:
    while True:
        advance(1)


def test_a_failing_job_ends_the_others() -> None:
    with pytest.raises(ValueError, match="no"):
        run_jobs([endless, failing], 2, Counting())


def test_an_interrupt_in_the_progress_ends_the_jobs() -> None:
    with pytest.raises(KeyboardInterrupt):
        run_jobs([endless, endless, endless], 2, Counting(limit=5))


FREED = """
from resource import RUSAGE_THREAD, getrusage
from pipeline.parallel import keep_freed_memory, map_in_threads

def faults(_):
    before = getrusage(RUSAGE_THREAD).ru_minflt
    blocks = [bytearray(12_000_000) for _ in range(8)]
    return getrusage(RUSAGE_THREAD).ru_minflt - before

keep_freed_memory()
print(*map_in_threads(faults, range(6), 1))
"""


def test_a_worker_gets_the_memory_that_it_freed_without_asking_the_kernel() -> None:
    said = subprocess.run(
        [sys.executable, "-c", FREED], capture_output=True, text=True, check=True
    ).stdout
    first, *others = map(int, said.split())
    # 96 MB in pages of 4 kB: the kernel clears each once, not once per item.
    assert first > 20_000
    assert max(others) < 1_000
