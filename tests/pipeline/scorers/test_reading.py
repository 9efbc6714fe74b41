"""`reading`: AUROC and DeLong against references, contrast, what cannot be estimated."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from pipeline.auroc import auroc, auroc_matrix
from pipeline.context import SaeContext
from pipeline.labelers import labeler
from pipeline.scorers.held_out import firing_tracks
from pipeline.scorers.reading import Reading, mean_of_others
from pipeline.store.tables import LabelCandidate, ScoreRecord
from tests.pipeline.labelers.factory import CONCEPTS


def scores(context: SaeContext, method: str = "corpus-tags") -> list[ScoreRecord]:
    return list(Reading().score(context, method))


def label(feature: str, rank: int, text: str) -> LabelCandidate:
    return LabelCandidate(feature, rank, text, 0.5, "")


def draw(seed: int, m: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Readings with ties, positives somewhat higher."""
    generator = np.random.default_rng(seed)
    positive = np.arange(m + n) < m
    return np.round(generator.normal(size=m + n) + 0.8 * positive, 1), positive


def slow_delong(readings: np.ndarray, positive: np.ndarray) -> tuple[float, float]:
    """Area and variance by the definition of DeLong et al. (1988), pair by pair."""
    x, y = readings[positive], readings[~positive]
    wins = (x[:, None] > y[None, :]) + 0.5 * (x[:, None] == y[None, :])
    v10, v01 = wins.mean(axis=1), wins.mean(axis=0)
    return float(wins.mean()), float(v10.var(ddof=1) / len(x) + v01.var(ddof=1) / len(y))


@pytest.mark.parametrize("seed", range(5))
def test_area_is_sklearns_and_variance_is_delongs(seed: int) -> None:
    readings, positive = draw(seed, 23, 61)
    found = auroc(readings, positive)
    area, variance = slow_delong(readings, positive)
    assert found.value == pytest.approx(roc_auc_score(positive, readings))
    assert found.value == pytest.approx(area)
    logit = np.log(area / (1 - area))
    half = 1.959964 * np.sqrt(variance) / (area * (1 - area))
    assert found.low == pytest.approx(1 / (1 + np.exp(half - logit)), abs=1e-6)
    assert found.high == pytest.approx(1 / (1 + np.exp(-half - logit)), abs=1e-6)


def test_the_interval_is_near_the_bootstraps() -> None:
    readings, positive = draw(3, 60, 120)
    generator = np.random.default_rng(0)
    inside, outside = np.flatnonzero(positive), np.flatnonzero(~positive)
    areas = []
    for _ in range(2000):
        drawn = np.concatenate([generator.choice(inside, 60), generator.choice(outside, 120)])
        areas.append(auroc_matrix(readings[drawn, None], positive[drawn, None])[0, 0])
    found = auroc(readings, positive)
    assert [found.low, found.high] == pytest.approx(np.percentile(areas, [2.5, 97.5]), abs=0.015)


def test_the_matrix_is_sklearns_for_every_pair() -> None:
    generator = np.random.default_rng(1)
    readings = np.round(generator.normal(size=(50, 7)), 1)
    positive = generator.random((50, 4)) < 0.4
    expected = [[roc_auc_score(p, r) for r in readings.T] for p in positive.T]
    np.testing.assert_allclose(auroc_matrix(readings, positive), expected)


def test_the_tag_that_a_feature_fires_on_detects_it_without_fault(
    labelled: SaeContext,
) -> None:
    best = [row for row in scores(labelled) if row.rank == 1 and row.status == "ok"]
    assert [row.score for row in best] == [1.0] * len(CONCEPTS)
    assert all(row.low < 0.9 for row in best)
    assert all(row.contrast > 0.3 for row in best)
    assert not any(row.comparable for row in best)


def test_a_score_is_that_of_the_methods_reading_on_test_tracks(labelled: SaeContext) -> None:
    test = labelled.in_split("test")
    fires = [place in firing_tracks(labelled, 0).tracks for place in np.flatnonzero(test)]
    texts = {(r.feature, r.rank): r.text for r in labelled.labels("descriptors")}
    for row in scores(labelled, "descriptors")[:10]:
        reading = labeler("descriptors").reading(labelled, [texts[row.feature, row.rank]])
        assert row.score == pytest.approx(roc_auc_score(fires, reading[0, test]))


def test_contrast_is_the_score_less_that_of_other_features_labels() -> None:
    areas = np.array([[0.9, 0.6], [0.7, 0.8], [0.2, 0.4]])
    labels = [label("f", 1, "a"), label("f", 2, "b"), label("g", 1, "b"), label("g", 6, "c")]
    rivals = mean_of_others(areas, labels, {"a": 0, "b": 1, "c": 2}, {"f": 0, "g": 1})
    # Of g's labels only b is of rank 5 or better; f's are a and b.
    assert rivals.tolist() == pytest.approx([0.7, (0.6 + 0.8) / 2])


def test_a_feature_alone_has_no_contrast() -> None:
    rivals = mean_of_others(np.array([[0.9]]), [label("f", 1, "a")], {"a": 0}, {"f": 0})
    assert np.isnan(rivals).all()


def test_too_few_firing_tracks_are_not_estimable(labelled: SaeContext) -> None:
    silent = [row for row in scores(labelled) if row.feature.endswith("/3")]
    assert {row.status for row in silent} == {"failed"}
    assert silent[0].n_positive == 0
    assert silent[0].reason == (
        "not estimable: fires in 0 of 16 test tracks; 5 that fire and 5 that do not are needed"
    )


def test_a_relative_threshold_is_a_share_of_the_features_own_maximum(
    labelled: SaeContext,
) -> None:
    relative = replace(
        labelled.config.features, threshold=0.9, threshold_unit="relative", preset="paper"
    )
    context = replace(labelled, config=replace(labelled.config, features=relative))
    for place in range(len(context.features)):
        active = labelled.active(place)
        over = active.max > 0.9 * active.max.max(initial=0.0)
        np.testing.assert_array_equal(firing_tracks(context, place).tracks, active.tracks[over])
