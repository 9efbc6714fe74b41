"""The layer-of-origin probe: can a feature’s layer be told from its activations?

A multilayer perceptron is trained on the activation profiles of some of a subject's kept features
and predicts the layer of the others. The paper names "activation profiles" without defining them,
and does not say how the folds were made, what ± is, or how unequal layers were treated. Here:

- a profile is the feature's mean activation over the frames of each of up to 512 test tracks
  (`pipeline.paper.profiles`); its columns are standardised with the training folds' mean and
  deviation;
- three variants of it: as it is; with unit Euclidean length, so that only *where* the feature is
  active counts; sorted from the largest value to the smallest, so that only *how* strongly counts;
- five stratified folds by feature: every feature is predicted once. SAEs of one layer with other
  expansions and ks find many features again, so a near copy of a feature can be in training: the
  fourth row keeps near copies (cosine of profiles ≥ 0.95, directly or through others) in one fold;
- the control repeats the same with the layers dealt out at random among the features.

± is the standard deviation over the five folds.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from pipeline.paper.profiles import Profiles, profiles
from pipeline.paper.sweep import Sweep
from pipeline.progress import Progress

Floats = npt.NDArray[np.float64]
Texts = npt.NDArray[np.str_]
Places = npt.NDArray[np.int64]

FOLDS = 5
FEWEST = 2 * FOLDS
"""A layer with fewer kept features than this is left out."""
HIDDEN = (64,)
ALIKE = 0.95
"""Cosine from which two profiles count as near copies."""
PERMUTATIONS = 10
SEED = 0

AS_IT_IS, UNIT, SORTED = "mean per track", "unit length", "sorted"
BY_FEATURE, COPIES_TOGETHER = "by feature", "near copies together"
VARIANTS = (
    (AS_IT_IS, BY_FEATURE),
    (UNIT, BY_FEATURE),
    (SORTED, BY_FEATURE),
    (AS_IT_IS, COPIES_TOGETHER),
)
"""Profile and folds of each row, the paper's most likely reading first."""


@dataclass(frozen=True, kw_only=True)
class Probe:
    """One row: a subject, a kind of profile, a kind of folds. Shares are 0 to 1."""

    model: str
    profile: str
    folds: str
    features: int = 0
    tracks: int = 0
    layers: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    """Layers with too few kept features."""
    accuracy: float | None = None
    """Mean over folds."""
    deviation: float | None = None
    """Standard deviation over folds (n − 1)."""
    balanced: float | None = None
    """Mean over layers of the share of their features that are told right."""
    majority: float | None = None
    """Accuracy of always answering the layer with the most features."""
    permuted: float | None = None
    """Mean accuracy with permuted layers."""
    permuted_deviation: float | None = None
    permutations: int = 0
    p_value: float | None = None
    """(1 + permutations that reach the accuracy) / (1 + permutations)."""
    reason: str = ""
    """Why there is no number."""


def layer_probes(sweep: Sweep, *, progress: Progress, permutations: int) -> list[Probe]:
    """Every variant for every subject of the sweep."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

    progress.start("layer probe", len(sweep.models) * len(VARIANTS), "probe")
    found = []
    # One thread, so that sums keep their order and equal runs give equal numbers.
    with threadpool_limits(limits=1):
        for model in sweep.models:
            own = profiles(model, sweep.of(model))
            for profile, folds in VARIANTS:
                found.append(probe(own, profile, folds, permutations=permutations))
                progress.advance()
    progress.finish()
    return found


def probe(own: Profiles, profile: str, folds: str, *, permutations: int) -> Probe:
    """One row for one subject."""
    layers, counts = np.unique(own.layers, return_counts=True)
    enough = [str(layer) for layer, n in zip(layers, counts, strict=True) if n >= FEWEST]
    left_out = tuple(sorted(set(layers.tolist()) - set(enough)))
    # A feature that is silent in all of these tracks has no profile.
    usable = np.isin(own.layers, enough) & own.values.any(axis=1)
    values, labels = variant(own.values[usable], profile), own.layers[usable]
    row = Probe(
        model=own.model, profile=profile, folds=folds, features=int(usable.sum()),
        tracks=len(own.tracks), layers=tuple(sorted(set(labels.tolist()))), left_out=left_out,
    )  # fmt: skip
    if len(row.layers) < 2:
        return replace(
            row, reason=f"fewer than two layers have {FEWEST} kept features with a profile"
        )
    groups = copies(own.values[usable]) if folds == COPIES_TOGETHER else np.arange(len(labels))
    if np.bincount(groups).max() > len(labels) / FOLDS:
        return replace(row, reason="more than a fifth of the features are near copies of another")
    return _graded(row, values, labels, groups, permutations)


def variant(values: npt.NDArray[np.float32], profile: str) -> Floats:
    """The profiles [feature, track] as one of the variants."""
    wide = values.astype(np.float64)
    if profile == UNIT:
        return np.asarray(wide / np.linalg.norm(wide, axis=1, keepdims=True))
    if profile == SORTED:
        return -np.sort(-wide, axis=1)
    return wide


def copies(values: npt.NDArray[np.float32]) -> Places:
    """The group [feature] of each feature: near copies of one another, directly or through others,
    are in one."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    unit = values / np.linalg.norm(values, axis=1, keepdims=True)
    ones: list[Places] = []
    others: list[Places] = []
    # [512, feature] cosines at a time.
    for start in range(0, len(unit), 512):
        rows, columns = np.nonzero(unit[start : start + 512] @ unit.T >= ALIKE)
        ones.append(rows + start)
        others.append(columns)
    one, other = np.concatenate(ones), np.concatenate(others)
    shape = (len(unit), len(unit))
    _, group = connected_components(coo_array((np.ones(len(one)), (one, other)), shape))
    return np.asarray(group, dtype=np.int64)


def _graded(row: Probe, values: Floats, labels: Texts, groups: Places, permutations: int) -> Probe:
    accuracies, told = cross_validated(values, labels, groups, SEED)
    accuracy = float(np.mean(accuracies))
    generator = np.random.default_rng(SEED)
    permuted = [
        float(np.mean(cross_validated(values, generator.permutation(labels), groups, SEED)[0]))
        for _ in range(permutations)
    ]
    right = told == labels
    recalls = [right[labels == layer].mean() for layer in row.layers]
    return replace(
        row,
        accuracy=accuracy,
        deviation=float(np.std(accuracies, ddof=1)),
        balanced=float(np.mean(recalls)),
        majority=max(float(np.mean(labels == layer)) for layer in row.layers),
        permuted=float(np.mean(permuted)) if permuted else None,
        permuted_deviation=float(np.std(permuted, ddof=1)) if len(permuted) > 1 else None,
        permutations=permutations,
        p_value=(1 + sum(p >= accuracy for p in permuted)) / (1 + permutations)
        if permutations
        else None,
    )


def cross_validated(
    values: Floats, labels: Texts, groups: Places, seed: int
) -> tuple[list[float], Texts]:
    """The accuracy of each fold, and what was told of each feature [feature] when it was held
    out."""
    told = labels.copy()
    accuracies = []
    for train, test in folds_of(labels, groups, seed):
        told[test] = _told(values[train], labels[train], values[test], seed)
        accuracies.append(float(np.mean(told[test] == labels[test])))
    return accuracies, told


def folds_of(labels: Texts, groups: Places, seed: int) -> Iterator[tuple[Places, Places]]:
    """Train and test features of each fold: features of one group are in one fold, and each fold
    has every layer's share as nearly as it can."""
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    alone = len(set(groups.tolist())) == len(groups)
    kind = StratifiedKFold if alone else StratifiedGroupKFold
    made = kind(FOLDS, shuffle=True, random_state=seed)
    yield from made.split(labels[:, None], labels, None if alone else groups)


def _told(train: Floats, labels: Texts, test: Floats, seed: int) -> Texts:
    """The layers that a perceptron fitted to `train` gives for `test`."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    mean, deviation = train.mean(axis=0), train.std(axis=0)
    deviation[deviation == 0] = 1.0
    # A tenth of the training features decides when to stop, if it can hold all layers; it never
    # has a test feature.
    fewest = np.unique(labels, return_counts=True)[1].min()
    model = MLPClassifier(
        HIDDEN, early_stopping=bool(fewest >= 10), n_iter_no_change=5, max_iter=100,
        random_state=seed,
    )  # fmt: skip
    with warnings.catch_warnings():
        # 100 epochs may end before it has stopped improving, which hardly changes an accuracy.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit((train - mean) / deviation, labels)
    return np.asarray(model.predict((test - mean) / deviation))


def rows_of(found: Sequence[Probe], model: str) -> list[Probe]:
    """The rows of one subject."""
    return [row for row in found if row.model == model]
