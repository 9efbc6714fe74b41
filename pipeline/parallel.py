"""Jobs in several threads, with progress reported from the calling thread only.

The slow operations here (decoding, hashing, torch) release the GIL, so threads suffice. Each job
uses few torch threads, because on an oversubscribed machine torch's intra-op threads spin, and
because with more of them the order of floating-point sums would depend on the number of cores.
"""

from __future__ import annotations

import ctypes
import sys
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


class _Cancelled(Exception):  # noqa: N818 - not an error: another job failed, this one stops
    """Ends a job whose result is no longer needed."""


M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
"""Numbers of glibc's `mallopt(3)`."""
KEPT_BYTES = 1 << 28
"""Freed memory that the process keeps, 256 MiB."""
MAPPED_FROM = 1 << 25
"""Size from which each block is mapped and returned by itself, 32 MiB: glibc's largest."""


@contextmanager
def torch_threads(machine: MachineConfig) -> Iterator[None]:
    """Set torch's number of threads from the config while the context lasts; 0 changes nothing."""
    import torch

    before = torch.get_num_threads()
    if machine.threads:
        torch.set_num_threads(machine.threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def keep_freed_memory() -> None:
    """Let the C library re-use freed memory instead of returning it; for the start of a process.

    glibc returns large blocks at once, and the kernel then clears new ones for the next layer: a
    sixth of the processor time of the stage `activations`. The heaps of threads shrink whatever is
    set, so there is one heap for all. Other C libraries have no such settings. The site starts its
    worker with the same ones (`studyapp.hosting.serving`).
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(M_ARENA_MAX, 1)
        mallopt(M_MMAP_THRESHOLD, MAPPED_FROM)
        mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)


def map_in_threads(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int
) -> Iterator[Result]:
    """Results of `function` for all items, in order, `workers` at a time; an error cancels the
    rest."""
    pool = ThreadPoolExecutor(workers)
    try:
        yield from pool.map(function, items)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def run_jobs(jobs: Sequence[Job[Result]], workers: int, progress: Progress) -> list[Result]:
    """Results of the jobs, in order; each job reports its steps, which are passed to `progress`.

    `progress` is called from the calling thread only. If it or a job raises, the other jobs end at
    their next step and the exception is re-raised.
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
    """Pass steps to `progress` until all jobs have ended or one has failed."""
    while not all(future.done() for future in futures):
        if any(future.done() and future.exception() for future in futures):
            return
        with suppress(Empty):
            progress.advance(steps.get(timeout=0.05))
    while not steps.empty():
        progress.advance(steps.get())
