"""The descriptors of a whole corpus, computed by several processes."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.audio import AudioError, read_clip
from pipeline.errors import PipelineError
from pipeline.progress import Progress
from pipeline.signal.describe import DESCRIPTORS, describe

if TYPE_CHECKING:
    import pyarrow as pa

CHUNK = 8
"""Tracks that a process takes at a time."""


@dataclass(frozen=True)
class Excerpt:
    """Where a track's sound lies."""

    track: str
    path: Path
    start_seconds: float
    seconds: float


@dataclass(frozen=True)
class Measured:
    """One track's descriptors in the order of `DESCRIPTORS`; NaN throughout if it has none."""

    track: str
    values: tuple[float, ...]
    reason: str = ""
    """Why there are none."""


def measure(
    excerpts: Sequence[Excerpt], *, stage: str, workers: int, progress: Progress
) -> pa.Table:
    """One row an excerpt, in their order: `track`, then `DESCRIPTORS` (float64, NaN if absent)."""
    import pyarrow as pa

    progress.start(stage, len(excerpts), "track")
    rows = []
    for row in _measured(excerpts, workers):
        rows.append(row)
        progress.advance()
    progress.finish()
    _note_failures(rows, progress)
    columns = zip(*(row.values for row in rows), strict=True) if rows else ((),) * len(DESCRIPTORS)
    data = {"track": pa.array([row.track for row in rows], pa.string())}
    for name, values in zip(DESCRIPTORS, columns, strict=True):
        data[name] = pa.array(values, pa.float64(), from_pandas=False)
    return pa.table(data)


def measure_one(excerpt: Excerpt) -> Measured:
    """Descriptors of one excerpt."""
    try:
        audio, rate = read_clip(
            excerpt.path, start_seconds=excerpt.start_seconds, seconds=excerpt.seconds
        )
        if not audio.size:
            raise AudioError(f"{excerpt.path.name} holds no sound")
        found = describe(audio, rate)
    except (AudioError, ValueError) as error:
        return Measured(excerpt.track, (float("nan"),) * len(DESCRIPTORS), str(error))
    return Measured(excerpt.track, tuple(found.values()))


def _measured(excerpts: Sequence[Excerpt], workers: int) -> Iterator[Measured]:
    """Each excerpt's descriptors in order; in this process where it may not have children."""
    if min(workers, len(excerpts)) < 2 or multiprocessing.current_process().daemon:
        yield from map(measure_one, excerpts)
        return
    # Spawned, not forked: the caller may hold torch's threads, which a fork would break.
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(workers, mp_context=context, initializer=_one_thread) as pool:
            yield from pool.map(measure_one, excerpts, chunksize=CHUNK)
    except BrokenProcessPool as error:
        raise PipelineError(
            "a process that measured descriptors was killed; was memory short? "
            "Try [machine] workers = 1"
        ) from error


def _one_thread() -> None:
    """Keep each process to one thread: pools of threads would get in each other's way."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

    threadpool_limits(1)


def _note_failures(rows: Sequence[Measured], progress: Progress) -> None:
    failures = [row for row in rows if row.reason]
    if failures:
        first = failures[0]
        progress.note(
            f"{len(failures)} of {len(rows)} tracks have no descriptors, "
            f"the first {first.track}: {first.reason}"
        )
