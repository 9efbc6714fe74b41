"""The best detector of each concept: chosen on train tracks, graded on test tracks.

A detector is a latent (or a control's candidate) whose score of a track is its mean activation over
frames. The best of thousands is flattered by the choice, so the tracks that it was chosen on are
never those that it is graded on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np

from pipeline.auroc import auroc, auroc_matrix, average_precision
from pipeline.corpus.planted import Planted, split_mask
from pipeline.errors import PipelineError
from pipeline.features.summaries import Summaries, matrices, open_summaries
from pipeline.sae.specs import feature_key
from pipeline.store.run_directory import RunDirectory


@dataclass(frozen=True)
class BestCandidate:
    """The feature that detects a concept best, and its figures."""

    feature: str
    train_auroc: float
    """On train tracks, where it was the best of all candidates; optimistic because of that."""
    auroc: float
    """On test tracks."""
    low: float
    high: float
    interval: str
    """Kind of the 95 % interval from low to high."""
    average_precision: float
    """On test tracks."""


@dataclass(frozen=True)
class Candidates:
    """The scores among which a concept's detector is chosen, on train and on test tracks."""

    names: list[str]
    train: np.ndarray
    """[track, candidate]."""
    test: np.ndarray
    """[track, candidate]."""
    train_tracks: list[str]
    test_tracks: list[str]

    @classmethod
    def split(
        cls, directory: RunDirectory, tracks: Sequence[str], names: list[str], scores: np.ndarray
    ) -> Candidates:
        """Split `scores` [track, candidate] of all usable tracks."""
        train, test = (split_mask(directory, tracks, part) for part in ("train", "test"))
        return cls(
            names,
            scores[train],
            scores[test],
            list(compress(tracks, train)),
            list(compress(tracks, test)),
        )

    def joined_with(self, other: Candidates) -> Candidates:
        """The candidates of both, over the same tracks."""
        if (self.train_tracks, self.test_tracks) != (other.train_tracks, other.test_tracks):
            raise ValueError("candidates over different tracks cannot be joined")
        return Candidates(
            self.names + other.names,
            np.concatenate([self.train, other.train], axis=1),
            np.concatenate([self.test, other.test], axis=1),
            self.train_tracks,
            self.test_tracks,
        )


def detections(directory: RunDirectory, concepts: Sequence[Planted]) -> dict[str, BestCandidate]:
    """The best feature of each gradable concept, by the concept's name."""
    return best_candidates(latents(directory), concepts)


def best_candidates(
    candidates: Candidates, concepts: Sequence[Planted]
) -> dict[str, BestCandidate]:
    """The best candidate of each gradable concept on train tracks, graded on test tracks."""
    gradable = [concept for concept in concepts if concept.gradable()]
    if not gradable:
        return {}
    on_train = aurocs_on_train(candidates, gradable)
    return {
        concept.name: _grade(concept, candidates, on_train[row])
        for row, concept in enumerate(gradable)
    }


def aurocs_on_train(candidates: Candidates, concepts: Sequence[Planted]) -> np.ndarray:
    """AUROC [concept, candidate] on train tracks."""
    positive = np.stack([c.present(candidates.train_tracks, "train") for c in concepts], axis=1)
    return auroc_matrix(candidates.train, positive)


def aurocs_on_test(candidates: Candidates, concepts: Sequence[Planted]) -> np.ndarray:
    """AUROC [concept, candidate] on test tracks."""
    positive = np.stack([c.present(candidates.test_tracks, "test") for c in concepts], axis=1)
    return auroc_matrix(candidates.test, positive)


def latents(
    directory: RunDirectory, *, kept: bool = False, saes: Sequence[str] | None = None
) -> Candidates:
    """Mean activations of latents of `saes` (default: every SAE): of those that are above 0 in any
    train track, or, with `kept`, of the kept features.

    Raises `PipelineError` if there is none.
    """
    found: Candidates | None = None
    for sae in directory.sae_names() if saes is None else saes:
        summaries = open_summaries(directory, sae)
        # Which latents: the filter's choice, from validation tracks, or all that fire in train
        # tracks, where the detector is chosen too. Test tracks decide nothing.
        if kept:
            rows = directory.read_table(f"features/{sae}.parquet").to_pylist()
            which = np.array([row["index"] for row in rows if row["kept"]], dtype=np.intp)
        else:
            which = _active_in(summaries, split_mask(directory, summaries.tracks, "train"))
        names = [feature_key(sae, int(index)) for index in which]
        empty = np.zeros((len(summaries.tracks), 0), dtype=np.float32)
        mean = np.concatenate([empty, *(part for _, part in matrices(summaries, which))], axis=1)
        here = Candidates.split(directory, summaries.tracks, names, mean)
        found = here if found is None else found.joined_with(here)
    if found is None or not found.names:
        raise PipelineError(f"no latent of {directory} fires on any train track")
    return found


def _active_in(summaries: Summaries, tracks: np.ndarray) -> np.ndarray:
    """The latents that are active in any of `tracks` [track] bool."""
    active = [tracks[summaries.column(int(n)).tracks].any() for n in summaries.latents]
    return np.asarray(summaries.latents[np.array(active, dtype=bool)], dtype=np.intp)


def _grade(concept: Planted, candidates: Candidates, on_train: np.ndarray) -> BestCandidate:
    """The candidate with the largest AUROC `on_train` [candidate], graded on test tracks."""
    best = int(np.argmax(on_train))
    scores = candidates.test[:, best]
    present = concept.present(candidates.test_tracks, "test")
    graded = auroc(scores, present)
    return BestCandidate(
        feature=candidates.names[best],
        train_auroc=float(on_train[best]),
        auroc=graded.value,
        low=graded.low,
        high=graded.high,
        interval=graded.interval,
        average_precision=average_precision(scores, present),
    )
