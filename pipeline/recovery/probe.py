"""The ceiling: a logistic regression on a track's mean activation, for each concept.

A concept that it cannot detect is not linearly present in the mean, so no single direction detects
it either (a feature, which averages over time after its ReLU, may still do a little better). It is
fitted on train tracks, standardised with their mean and deviation; C and the hookpoint are chosen
by cross-validation within train.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np

from pipeline.auroc import auroc
from pipeline.corpus.planted import Planted, split_mask
from pipeline.progress import Progress
from pipeline.store.activations import read_shards
from pipeline.store.run_directory import RunDirectory

STRENGTHS = (0.003, 0.03, 0.3)
"""Inverse strengths of the L2 penalty that are tried (scikit-learn's C)."""
FOLDS = 3
"""Folds of the cross-validation."""


@dataclass(frozen=True)
class Probe:
    """A linear probe for one concept."""

    hookpoint: str
    c: float
    train_auroc: float
    """Cross-validated within train; the best over hookpoints and C, so optimistic."""
    auroc: float
    """On test tracks."""
    low: float
    high: float


@dataclass(frozen=True)
class _Means:
    """Mean activation over frames of train and test tracks at one hookpoint."""

    train_tracks: list[str]
    train: np.ndarray
    """[track, d]."""
    test_tracks: list[str]
    test: np.ndarray
    """[track, d]."""


def probes(
    directory: RunDirectory, concepts: Sequence[Planted], progress: Progress
) -> dict[str, Probe]:
    """The probe of each gradable concept, by the concept's name."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

    gradable = [concept for concept in concepts if concept.gradable()]
    hookpoints = directory.read_json("run.json")["config"]["subject"]["hookpoints"]
    means = {hookpoint: _means(directory, hookpoint) for hookpoint in hookpoints}
    progress.start("probe", len(gradable), "concept")
    found = {}
    with threadpool_limits(limits=1):  # the matrices are too small to share among threads
        for concept in gradable:
            found[concept.name] = _best_probe(concept, means)
            progress.advance()
    progress.finish()
    return found


def _means(directory: RunDirectory, hookpoint: str) -> _Means:
    """Each track's mean over frames, summed in float32 since float16 would overflow."""
    names: list[str] = []
    parts: list[np.ndarray] = []
    for facts, array in read_shards(directory, hookpoint):
        names.extend(facts.tracks)
        parts.append(array.mean(axis=1, dtype=np.float32))
    vectors = np.concatenate(parts)
    train, test = (split_mask(directory, names, split) for split in ("train", "test"))
    return _Means(
        list(compress(names, train)), vectors[train], list(compress(names, test)), vectors[test]
    )


def _best_probe(concept: Planted, means: dict[str, _Means]) -> Probe:
    """Choose hookpoint and C by cross-validation within train, fit on all of train, grade on
    test."""
    trials = []
    for hookpoint, at in means.items():
        present = concept.present(at.train_tracks, "train")
        trials += [(_cross_validated(at.train, present, c), hookpoint, c) for c in STRENGTHS]
    within, hookpoint, c = max(trials, key=lambda trial: trial[0])
    at = means[hookpoint]
    scores = _fit_and_score(at.train, concept.present(at.train_tracks, "train"), at.test, c)
    graded = auroc(scores, concept.present(at.test_tracks, "test"))
    return Probe(hookpoint, c, within, graded.value, graded.low, graded.high)


def _cross_validated(vectors: np.ndarray, present: np.ndarray, c: float) -> float:
    """Mean AUROC over the folds, without folds that lack a class; 0.5 if all do. `vectors` [track,
    d], `present` [track] bool."""
    fold = _folds(present)
    values = []
    for number in range(FOLDS):
        inside = fold != number
        held = present[~inside]
        if 2 <= held.sum() <= len(held) - 2 and 0 < present[inside].sum() < inside.sum():
            scores = _fit_and_score(vectors[inside], present[inside], vectors[~inside], c)
            values.append(auroc(scores, held).value)
    return float(np.mean(values)) if values else 0.5


def _folds(present: np.ndarray) -> np.ndarray:
    """The fold of each track [track], stratified: positives and negatives are dealt out in turn."""
    fold = np.empty(len(present), dtype=int)
    for value in (True, False):
        places = np.flatnonzero(present == value)
        fold[places] = np.arange(len(places)) % FOLDS
    return fold


def _fit_and_score(
    train: np.ndarray, present: np.ndarray, test: np.ndarray, c: float
) -> np.ndarray:
    """Log-odds w·x + b [track] of `test` [track, d] under a regression fitted on `train`.

    Classes are weighted by their inverse frequency, since most concepts are rare.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    mean, deviation = train.mean(axis=0), train.std(axis=0) + 1e-6
    model = LogisticRegression(C=c, max_iter=200, class_weight="balanced")
    with warnings.catch_warnings():
        # 200 iterations may stop just short of the optimum, which hardly changes an AUROC.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit((train - mean) / deviation, present)
    return np.asarray(model.decision_function((test - mean) / deviation))
