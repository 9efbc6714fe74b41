"""Classifiers of planted concepts in sound: does steered music have what the feature detects?

They are fitted on held-out tracks (the split `test`) as the subject's own codec plays them, cut to
the length of the generated clips, so that they judge the music and neither the codec nor the
length. Descriptors are log-mel statistics: mean, standard deviation and mean change of each band,
and the modulation of groups of bands up to 20 Hz, which shows tempo, tremolo and echo.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.auroc import auroc, auroc_matrix
from pipeline.corpus.planted import Planted

BANDS = 64
GROUPS = 8
"""Groups of bands whose modulation is measured."""
RATES = 20
"""Bins of the modulation spectrum, 1 Hz each."""
HOP_SECONDS = 0.02
HEARD = 0.75
"""Cross-validated AUROC from which a classifier is used."""
DETECTS = 0.75
"""AUROC on train tracks from which a feature counts as detecting a concept."""
FOLDS = 4


@dataclass(frozen=True)
class Classifiers:
    """One classifier per concept that can be heard in clips of this length."""

    concepts: tuple[str, ...]
    aurocs: tuple[float, ...]
    """Cross-validated, of each concept."""
    models: tuple[Any, ...]

    def scores(self, descriptors: np.ndarray) -> np.ndarray:
        """Log-odds [clip, concept] for concepts that half of all tracks have."""
        columns = [model.decision_function(descriptors) for model in self.models]
        return np.stack(columns, axis=1) if columns else np.empty((len(descriptors), 0))


NONE = Classifiers((), (), ())


def fit(descriptors: np.ndarray, tracks: Sequence[str], concepts: Sequence[Planted]) -> Classifiers:
    """L2-penalised logistic regressions on descriptors [track, descriptor] of test tracks, kept
    where their cross-validated AUROC reaches `HEARD`."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

    found = []
    with threadpool_limits(limits=1):  # the matrices are too small to share among threads
        for concept in concepts:
            present = concept.present(tracks, "test")
            if min(present.sum(), (~present).sum()) >= 2 * FOLDS:
                value = _cross_validated(descriptors, present)
                if value >= HEARD:
                    found.append((concept.name, value, _fitted(descriptors, present)))
    if not found:
        return NONE
    names, aurocs, models = zip(*found, strict=True)
    return Classifiers(names, aurocs, models)


def concepts_of(
    means: np.ndarray, tracks: Sequence[str], concepts: Sequence[Planted]
) -> list[str | None]:
    """The concept that each feature detects best by its mean activation `means` [track, feature]
    on train tracks; None below `DETECTS`."""
    usable = [one for one in concepts if 2 <= one.count("train") <= one.sizes["train"] - 2]
    if not usable:
        return [None] * means.shape[1]
    present = np.stack([one.present(tracks, "train") for one in usable], axis=1)
    values = auroc_matrix(means, present)
    best = values.argmax(axis=0)
    return [
        usable[row].name if values[row, column] >= DETECTS else None
        for column, row in enumerate(best)
    ]


def describe(sound: np.ndarray, rate: int) -> np.ndarray:
    """Descriptors [descriptor] of a sound [sample]."""
    import librosa

    mel = librosa.feature.melspectrogram(
        y=sound, sr=rate, n_fft=2048, hop_length=round(HOP_SECONDS * rate), n_mels=BANDS
    )
    spectra = np.log(mel + 1e-5).astype(np.float64)  # [band, frame]
    moved = np.abs(np.diff(spectra, axis=1)).mean(axis=1)
    # Magnitudes of the modulation spectrum [group, frequency], averaged into bins of 1 Hz so that
    # sounds of any length have the same descriptors.
    groups = spectra.reshape(GROUPS, -1, spectra.shape[1]).mean(axis=1)
    swing = np.abs(np.fft.rfft(groups - groups.mean(axis=1, keepdims=True), axis=1))
    hertz = np.fft.rfftfreq(groups.shape[1], HOP_SECONDS)
    bins = np.minimum(hertz.astype(int), RATES)
    binned = [swing[:, bins == one].mean(axis=1) for one in range(RATES) if (bins == one).any()]
    parts = [spectra.mean(axis=1), spectra.std(axis=1), moved, np.log1p(np.concatenate(binned))]
    return np.concatenate(parts)


def _fitted(descriptors: np.ndarray, present: np.ndarray) -> Any:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(
        StandardScaler(), LogisticRegression(C=0.01, max_iter=300, class_weight="balanced")
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(descriptors, present)


def _cross_validated(descriptors: np.ndarray, present: np.ndarray) -> float:
    """AUROC of the scores of left-out tracks; positives and negatives are dealt out in turn."""
    fold, scores = np.empty(len(present), dtype=int), np.empty(len(present))
    for value in (True, False):
        places = np.flatnonzero(present == value)
        fold[places] = np.arange(len(places)) % FOLDS
    for number in range(FOLDS):
        out = fold == number
        scores[out] = _fitted(descriptors[~out], present[~out]).decision_function(descriptors[out])
    return auroc(scores, present).value
