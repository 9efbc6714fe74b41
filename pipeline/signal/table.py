"""The descriptors of a whole corpus, computed in several threads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.corpus.audio import AudioError, read_clip
from pipeline.parallel import map_in_threads
from pipeline.progress import Progress
from pipeline.signal.describe import DESCRIPTORS, describe

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Excerpt:
    """The part of a file that is a track's audio."""

    track: str
    path: Path
    start_seconds: float
    seconds: float


@dataclass(frozen=True)
class Measured:
    """One track's descriptors in the order of `DESCRIPTORS`; all NaN if they cannot be
    computed."""

    track: str
    values: tuple[float, ...]
    reason: str = ""
    """Why they cannot be computed; empty if they can."""


def measure(
    excerpts: Sequence[Excerpt], *, stage: str, workers: int, progress: Progress
) -> pa.Table:
    """One row per excerpt, in their order: `track`, then `DESCRIPTORS` (float64, NaN if absent)."""
    import pyarrow as pa
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

    progress.start(stage, len(excerpts), "track")
    rows = []
    # One BLAS thread per worker: with nested thread pools the workers would compete for cores.
    with threadpool_limits(1):
        for row in map_in_threads(measure_one, excerpts, workers):
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


def _note_failures(rows: Sequence[Measured], progress: Progress) -> None:
    failures = [row for row in rows if row.reason]
    if failures:
        first = failures[0]
        progress.note(
            f"{len(failures)} of {len(rows)} tracks have no descriptors, "
            f"the first {first.track}: {first.reason}"
        )
