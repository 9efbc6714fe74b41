"""Are a run's activations what its subject gives? A sample of them, computed again and compared.

A frame's error is the norm of the difference over the norm of the stored activation. Nine in ten
frames of a track must have less than the limit of the run's number format: another machine may
round a code to its neighbour, which changes a frame, and those after it a little, while another
subject, layer, excerpt or delay changes nearly all of them by a large part.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pipeline import identity
from pipeline.config import RunConfig
from pipeline.errors import PipelineError
from pipeline.progress import Progress
from pipeline.store.activations import ShardFacts, shard_path, shard_paths
from pipeline.store.run_directory import RunDirectory
from pipeline.subjects import load_subject

if TYPE_CHECKING:
    import numpy as np

LIMITS = {"float32": 0.02, "float16": 0.02, "bfloat16": 0.1}
QUANTILE = 0.9


class Place(NamedTuple):
    """Where a track's activations are: the number of the shard, and the row in it."""

    shard: int
    row: int
    track: str


def wrong_activations(
    directory: RunDirectory, config: RunConfig, *, sample: int, progress: Progress
) -> Iterator[str]:
    """A line for each of `sample` tracks and each hookpoint whose activations are not recomputed.

    What keeps a recomputation from being made (the corpus or the subject is elsewhere) is noted
    on `progress` and is no error of the run; a subject of another fingerprint is.
    """
    if sample == 0 or not directory.is_done("activations"):
        return
    try:
        fingerprint = identity.subject(config.subject)
        identity.corpus(config.corpus)
    except PipelineError as error:
        progress.note(f"activations were not recomputed: {error}")
        return
    stored = directory.description("subject_fingerprint")["subject_fingerprint"]
    if fingerprint != stored:
        model = config.subject.model
        yield f"subject {model}: its fingerprint is {fingerprint}, the run's {stored}"
        return
    yield from _compared(directory, config, _places(directory, config, sample), progress)


def _places(directory: RunDirectory, config: RunConfig, sample: int) -> list[Place]:
    """The tracks to look at: those whose names hash lowest, the same at every call."""
    hookpoint = config.subject.hookpoints[0]
    every = [
        Place(number, row, track)
        for number in range(len(shard_paths(directory, hookpoint)))
        for row, track in enumerate(
            ShardFacts.from_metadata(directory.read_metadata(shard_path(hookpoint, number))).tracks
        )
    ]
    return sorted(every, key=lambda p: hashlib.sha256(p.track.encode()).digest())[:sample]


def _compared(
    directory: RunDirectory, config: RunConfig, places: list[Place], progress: Progress
) -> Iterator[str]:
    from pipeline.stages.activations import extract_tracks, usable_tracks

    corpus = config.corpus.path or Path()
    subject = load_subject(config.subject, device=config.machine.device)
    records = {record.track: record for record in usable_tracks(directory)}
    limit = LIMITS[config.subject.precision]
    progress.start("recompute", len(places), "track")
    for place in places:
        found = extract_tracks(subject, config.subject.hookpoints, corpus, [records[place.track]])
        for reason in found.reasons.values():
            yield f"track {place.track}: cannot be computed again: {reason}"
        for hookpoint, again in found.arrays.items():
            path = shard_path(hookpoint, place.shard)
            tensors, _ = directory.read_tensors(path)
            off = relative_error(tensors["activations"][place.row], again[0])
            if not off <= limit:
                yield (
                    f"{path}: track {place.track} computed again is another: a tenth of its frames "
                    f"has a relative error over {off:.2g}, the limit is {limit:g}"
                )
        progress.advance()
    progress.finish()


def relative_error(stored: np.ndarray, again: np.ndarray) -> float:
    """What nine in ten frames' relative errors between two tracks [frame, d] are under; infinite
    if they differ in shape."""
    import numpy as np

    if stored.shape != again.shape:
        return float("inf")
    one, other = stored.astype(np.float64), again.astype(np.float64)
    scale = np.maximum(np.linalg.norm(one, axis=1), 1e-12)
    return float(np.quantile(np.linalg.norm(one - other, axis=1) / scale, QUANTILE))
