"""How alike clips of a run sound, from the CLAP embeddings of its tracks that the run stored.

A clip has its track's embedding: the mean over the excerpt of the track that the run used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from studyapp.models import Clip, Run
from studyapp.runs.services.configs import refusals
from studyapp.runs.services.folders import file_of, run_directory

if TYPE_CHECKING:
    import numpy as np

TRACKS_FILE = "scores/clap-tracks.safetensors"
"""As `pipeline.clap.store` writes it; a test compares them."""
DIGITS = 6

Embeddings = Mapping[str, "np.ndarray"]
"""Track → its embedding, of norm 1."""


def embeddings_of(run: Run) -> Embeddings:
    """The run's tracks that have an embedding; none if it stored none, or of other tracks.

    Raises `RunError` if the files cannot be read.
    """
    if run.origin == Run.Origin.ITEMS or not file_of(run, TRACKS_FILE).is_file():
        return {}
    import numpy as np

    from pipeline.clap.store import digest_of
    from pipeline.corpus.tracks import usable_in_table_order

    with refusals():
        directory = run_directory(run)
        records = usable_in_table_order(directory)
        tensors, metadata = directory.read_tensors(TRACKS_FILE)
    rows = tensors["tracks"]
    if metadata.get("tracks") != digest_of(records) or len(rows) != len(records):
        return {}
    known = np.isfinite(rows).all(axis=1)
    return {one.track: row for one, row, has in zip(records, rows, known, strict=True) if has}


def alikeness(clips: Sequence[Clip], embeddings: Embeddings) -> list[float | None]:
    """Each clip's mean cosine with the others; None for all unless every one has an embedding."""
    if not all(clip.track in embeddings for clip in clips):
        return [None] * len(clips)
    import numpy as np

    rows = np.stack([embeddings[clip.track] for clip in clips]).astype(np.float64)
    cosines = rows @ rows.T
    mean = (cosines.sum(axis=1) - cosines.diagonal()) / (len(clips) - 1)
    return [round(float(value), DIGITS) for value in mean]
