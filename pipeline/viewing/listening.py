"""A sound of one's own through the SAEs of a run: which kept features fire in it, and when.

The sound takes the same way as a track of the corpus: subject, hookpoint, SAE; activations are
normalised as in the run. A feature fires where its activation exceeds the run's τ. Features are
ordered by their maximum relative to the largest in the run's own corpus, since features differ in
scale.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pipeline.config import RunConfig
from pipeline.corpus import audio
from pipeline.errors import PipelineError
from pipeline.progress import Progress
from pipeline.store.records import records_from
from pipeline.store.run_directory import RunDirectory
from pipeline.store.tables import FeatureRecord, TrackRecord

if TYPE_CHECKING:
    from pipeline.subjects.base import ActivationSource

LONGEST_SECONDS = 30.0
MOST_DECODED_SECONDS = 2 * LONGEST_SECONDS
"""Of a sound that is too long, so that its length needs no memory."""
SHORTEST_SECONDS = 0.5
MOST = 50
"""Features in a result."""
MOST_SPANS = 40
"""Spans of a feature; what flickers more is merged no further, and the rest is left out."""


@dataclass(frozen=True)
class Heard:
    """One feature that fires in a sound."""

    feature: str
    max_activation: float
    relative: float
    """The maximum divided by the feature's largest activation in the run's corpus."""
    peak_seconds: float
    share: float
    """Share of the frames in which it fires."""
    spans: tuple[tuple[float, float], ...]
    """When it fires, from and to, seconds."""


@dataclass(frozen=True)
class Listened:
    """What the SAEs of a run hear in a sound."""

    seconds: float
    features: tuple[Heard, ...]
    """The strongest, at most `MOST`, over all SAEs."""
    firing: int
    """How many kept features fire."""

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return asdict(self)


def listen(
    config: RunConfig, directory: RunDirectory, sound: Path, *, progress: Progress
) -> Listened:
    """Send a sound through the subject and the SAEs of a run.

    Raises `PipelineError` if it cannot be decoded, or is too short or too long; it is never
    shortened in silence.
    """
    from pipeline.subjects import load_subject
    from pipeline.subjects.extraction import extract_tracks

    record = _record(sound)
    progress.note(f"loading {config.subject.model}")
    subject = load_subject(config.subject, device=config.machine.device)
    made = extract_tracks(subject, config.subject.hookpoints, sound.parent, [record])
    if made.reasons:
        raise PipelineError(f"{sound.name} was not read: {next(iter(made.reasons.values()))}")
    threshold = config.features.filter[0]
    found = [
        one
        for sae in directory.sae_names()
        for one in _of_sae(directory, sae, made.arrays, subject, threshold)
    ]
    found.sort(key=lambda one: (-one.relative, one.feature))
    return Listened(record.seconds, tuple(found[:MOST]), len(found))


def _record(sound: Path) -> TrackRecord:
    """The sound as a track of a corpus of its own."""
    try:
        # A small file may hold hours of silence, so only its beginning is decoded at first.
        samples, rate = audio.read_clip(sound, seconds=MOST_DECODED_SECONDS)
        if samples.shape[1] <= LONGEST_SECONDS * rate:
            samples, rate = audio.read_clip(sound)
    except audio.AudioError as error:
        raise PipelineError(f"{sound.name} is no sound that can be read: {error}") from error
    seconds = samples.shape[1] / rate
    if not SHORTEST_SECONDS <= seconds <= LONGEST_SECONDS:
        more = " or more" * (samples.shape[1] >= round(MOST_DECODED_SECONDS * rate))
        raise PipelineError(
            f"{sound.name} is {seconds:.1f} s{more} long; it must have {SHORTEST_SECONDS:g} to "
            f"{LONGEST_SECONDS:g} s: cut out the part that matters"
        )
    return TrackRecord(
        track=sound.name, path=sound.name, sha256="", seconds=seconds, start_seconds=0.0,
        sample_rate=rate, artist="", split="test", tags=(), caption="", license="", status="ok",
        reason="",
    )  # fmt: skip


def _of_sae(
    directory: RunDirectory,
    sae: str,
    arrays: dict[str, np.ndarray],
    subject: ActivationSource,
    threshold: float,
) -> Iterator[Heard]:
    """The kept features of one SAE that fire."""
    import torch

    from pipeline.features.encoding import frames_of
    from pipeline.sae import checkpoint

    stored = checkpoint.load(directory, sae)
    rows = records_from(FeatureRecord, directory.read_table(f"features/{sae}.parquet"))
    kept = [row for row in rows if row.kept]
    # [frame, d] → [frame, kept feature], in the run's units.
    frames = torch.from_numpy(arrays[stored.facts.hookpoint][0]).float()
    latents = torch.tensor([row.index for row in kept], dtype=torch.long)
    values = frames_of(stored.sae, frames, latents).numpy() / stored.facts.activation_scale
    first, rate = subject.facts.first_full_frame, subject.facts.frame_rate
    for place in np.flatnonzero((values > threshold).any(axis=0)):
        yield _heard(kept[place], values[:, place], threshold, first, rate)


def _heard(
    row: FeatureRecord, values: npt.NDArray[Any], threshold: float, first: int, rate: float
) -> Heard:
    """One feature from its activations [frame]; frame 0 is audio frame `first`."""
    fires = values > threshold
    # Where the firing starts and where it has ended, as frames.
    edges = np.flatnonzero(np.diff(np.concatenate([[False], fires, [False]]).astype(np.int8)))
    spans = [
        (round((first + start) / rate, 3), round((first + end) / rate, 3))
        for start, end in edges.reshape(-1, 2)[:MOST_SPANS].tolist()
    ]
    top = int(values.argmax())
    largest = float(values[top])
    return Heard(
        feature=row.feature,
        max_activation=round(largest, 6),
        relative=round(largest / row.max_activation, 6) if row.max_activation > 0 else 0.0,
        peak_seconds=round((first + top + 0.5) / rate, 3),
        share=round(float(fires.mean()), 4),
        spans=tuple(spans),
    )
