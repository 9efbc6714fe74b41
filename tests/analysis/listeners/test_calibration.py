"""The machine's own confidence: `analysis.listeners.calibration`."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import special, stats

from analysis.estimates.clustering import Linear
from analysis.estimates.validity import BRIER
from analysis.listeners.calibration import (
    _interval,
    calibration_error,
    chosen_probabilities,
    expected_error,
    reliability_bins,
)
from analysis.listeners.machine_scores import describe_scores
from analysis.reading.labels import read_labels
from analysis.reading.table import read_responses
from tests.analysis.listeners.exported import export, found


def test_calibration_by_hand() -> None:
    p = np.array([0.05, 0.05, 0.95, 0.95, 1.0, 0.55])
    hit = np.array([0.0, 1, 1, 1, 0, 1])
    bins = reliability_bins(p, hit)
    assert [(b.n, b.observed) for b in bins] == [(2, 0.5), (1, 1.0), (3, pytest.approx(2 / 3))]
    expected = (2 * abs(0.05 - 0.5) + 1 * 0.45 + 3 * abs(2.9 / 3 - 2 / 3)) / 6
    assert calibration_error(p, hit) == pytest.approx(expected, abs=1e-12)


def test_the_machine_s_own_confidence_is_judged(tmp_path: Path) -> None:
    estimates = found(tmp_path, export(tmp_path))
    responses = read_responses(tmp_path / "responses.csv")
    gemini = responses.ratings[responses.ratings["method"] == "gemini"]
    share = float((gemini["chosen_rank"] == "1").mean())
    assert estimates["brier"].value == pytest.approx(0.25)
    assert estimates["ece"].value == pytest.approx(abs(share - 0.5))
    assert estimates["auroc_confidence"].value == pytest.approx(0.5)
    assert estimates["ece"].low is None
    assert "biases the error upwards" in estimates["ece"].reason
    # Beside it, what a machine with these confidences has that is right about them.
    n = len(gemini)
    assert estimates["ece_chance"].value == pytest.approx(0.5 * np.sqrt(2 / np.pi / n), rel=0.1)


def test_intervals_of_the_machine_s_confidence_are_on_the_logit_scale() -> None:
    rng = np.random.default_rng(0)
    features = np.arange(40)
    p = 0.05 + 0.9 * rng.random(40)
    values = (p - (rng.random(40) < p)) ** 2
    linear = Linear(values.mean(), (values - values.mean()) / 40, features, features)
    found = _interval(BRIER, linear, 0.95)
    # Each feature is a listener's only one: the jackknife leaves out one answer at a time.
    logits = special.logit((values.sum() - values) / 39)
    half = stats.t.ppf(0.975, 39) * np.sqrt(np.sum((logits - logits.mean()) ** 2) * 39 / 40)
    limits = special.expit(special.logit(values.mean()) + half * np.array([-1, 1]))
    assert (found.low, found.high) == pytest.approx(tuple(limits), rel=1e-3)
    few = _interval(BRIER, Linear(0.2, values[:29], features[:29], features[:29]), 0.95)
    assert (few.low, "fewer than 30 features" in few.reason) == (None, True)


def test_identification_trials_do_not_say_how_often_a_label_is_chosen(tmp_path: Path) -> None:
    responses = export(tmp_path)
    before = found(tmp_path, responses)
    asked = responses.ratings.copy()
    asked["participation"] = "other " + asked["participation"]
    asked = asked.assign(target_position="1", chosen_rank="1")
    mixed = pd.concat([responses.ratings.assign(target_position=""), asked], ignore_index=True)
    after = found(tmp_path, dataclasses.replace(responses, ratings=mixed))
    for name in ("brier", "ece", "auroc_confidence"):
        assert after[name].value == before[name].value, name
        assert after[name].n_ratings == before[name].n_ratings
    labels = read_labels(tmp_path, responses)
    assert labels is not None
    assert chosen_probabilities(asked, labels, "gemini") is None


def test_the_error_of_a_calibrated_machine_is_its_expected_one() -> None:
    rng = np.random.default_rng(0)
    for n in (100, 400):
        found = []
        for _ in range(200):
            p = rng.random(n)
            found.append(calibration_error(p, (rng.random(n) < p).astype(float)))
        assert expected_error(rng.random(n), rng) == pytest.approx(np.mean(found), rel=0.1)
        assert np.mean(found) > 0.04


@pytest.mark.parametrize(
    ("confidences", "part"),
    [
        ((0.996, 0.981, 0.2, 0.1, 0.1), "add up to 2.38, so they say that a label applies"),
        ((0.9, "", "", "", ""), "only one of a feature’s labels has a confidence"),
    ],
)
def test_a_confidence_that_a_label_applies_is_not_scored_as_being_chosen(
    tmp_path: Path, confidences: tuple[float, ...], part: str
) -> None:
    responses = export(tmp_path, confidences=confidences)
    estimates = found(tmp_path, responses)
    for name in ("brier", "ece"):
        assert estimates[name].value is None
        assert part in estimates[name].reason
    assert "ece_chance" not in estimates
    assert estimates["auroc_confidence"].value is not None
    labels = read_labels(tmp_path, responses)
    assert labels is not None
    assert chosen_probabilities(responses.of("gemini"), labels, "gemini") is None


def test_without_scores_or_ranks_nothing_is_said(tmp_path: Path) -> None:
    responses = export(tmp_path)
    assert describe_scores(responses, None, "gemini", seed=0, resamples=100) == []
    (tmp_path / "labels.csv").unlink()
    assert read_labels(tmp_path, responses) is None
