"""Threads that work side by side while one thread alone tells how far they are.

What takes time here (decoding, hashing, torch) leaves Python's lock, so threads are enough. Each
computes with few threads of its own: on a busy machine torch's own parallelism waits in circles,
and the order of its sums would depend on the number of cores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from threading import Event
from typing import TypeVar

from pipeline.config import MachineConfig
from pipeline.progress import Progress

Item = TypeVar("Item")
Result = TypeVar("Result")
Advance = Callable[[int], None]
Job = Callable[[Advance], Result]


class _Cancelled(Exception):  # noqa: N818 - no error: another job failed, this one ends
    """Ends a job whose result nobody waits for any more."""


@contextmanager
def torch_threads(machine: MachineConfig) -> Iterator[None]:
    """torch computes with the config's number of threads inside; 0 leaves it as it is."""
    import torch

    before = torch.get_num_threads()
    if machine.threads:
        torch.set_num_threads(machine.threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def map_in_threads(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int
) -> Iterator[Result]:
    """`function` of every item, in order, `workers` at once; on an error the rest is left."""
    pool = ThreadPoolExecutor(workers)
    try:
        yield from pool.map(function, items)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def run_jobs(jobs: Sequence[Job[Result]], workers: int, progress: Progress) -> list[Result]:
    """Results of jobs that each tell their steps; `progress` is called from this thread alone.

    If a job or the progress raises, the other jobs end at their next step and it is raised.
    """
    steps: SimpleQueue[int] = SimpleQueue()
    cancelled = Event()

    def advance(n: int) -> None:
        if cancelled.is_set():
            raise _Cancelled
        steps.put(n)

    with ThreadPoolExecutor(workers) as pool:
        futures = [pool.submit(job, advance) for job in jobs]
        try:
            _watch(futures, steps, progress)
        finally:
            cancelled.set()
            for future in futures:
                future.cancel()
    for future in futures:
        error = None if future.cancelled() else future.exception()
        if error is not None and not isinstance(error, _Cancelled):
            raise error
    return [future.result() for future in futures]


def _watch(futures: list[Future[Result]], steps: SimpleQueue[int], progress: Progress) -> None:
    """Hand steps on until every job is over or one has failed."""
    while not all(future.done() for future in futures):
        if any(future.done() and future.exception() for future in futures):
            return
        with suppress(Empty):
            progress.advance(steps.get(timeout=0.05))
    while not steps.empty():
        progress.advance(steps.get())
