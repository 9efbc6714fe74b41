"""Machine scores compared with listeners: `analysis.listeners.machine_scores`."""

import re
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from analysis.errors import AnalysisError
from analysis.estimates.clustering import PARTICIPANT
from analysis.estimates.descriptives import Ratings
from analysis.estimates.intervals import NO_SPREAD
from analysis.listeners.machine_scores import spearman
from analysis.reading.labels import read_labels
from analysis.reading.table import read_responses
from analysis.report.build import build_report
from tests.analysis.factories import full_rows, write_csv
from tests.analysis.listeners.exported import export, found


def test_spearman_is_scipy_s_and_its_variance_is_right() -> None:
    rng = np.random.default_rng(1)
    values, variances = [], []
    for _ in range(400):
        x = rng.normal(size=150)
        y = np.round(x + 1.2 * rng.normal(size=150))
        each = np.arange(150)
        linear = spearman(x, Ratings("m", y, each, each, 150, 150))
        assert linear is not None
        values.append(linear.value)
        variances.append(linear.variance(PARTICIPANT))
    assert values[-1] == pytest.approx(float(stats.spearmanr(x, y).statistic), abs=1e-12)
    assert np.mean(variances) == pytest.approx(np.var(values), rel=0.25)


def test_spearman_needs_spread() -> None:
    each = np.arange(5)
    ratings = Ratings("m", np.ones(5), each, each, 5, 5)
    assert spearman(np.arange(5.0), ratings) is None


@pytest.mark.parametrize("confidences", [(2, 4), (2, 4, 3)])
def test_a_correlation_without_variance_has_no_interval(
    tmp_path: Path, confidences: tuple[int, ...]
) -> None:
    """Every listener answers alike, so that nothing varies between them."""
    each = range(1, len(confidences) + 1)
    rows = [
        {"participation": f"p{i}", "method": "m", "feature": f"{i}/{k}", "trial": k,
         "chosen_rank": k, "confidence": confidences[k - 1]}
        for i in range(16) for k in each
    ]  # fmt: skip
    labels = [
        {"feature": r["feature"], "method": "m", "rank": k, "clap": 0.1 * k}
        for r in rows for k in each
    ]  # fmt: skip
    write_csv(tmp_path / "labels.csv", labels)
    responses = read_responses(write_csv(tmp_path / "responses.csv", rows))
    rho = found(tmp_path, responses, "m")["spearman_clap_confidence"]
    assert rho.value == pytest.approx(1.0 if len(confidences) == 2 else 0.5)
    assert rho.low is None
    assert rho.reason == NO_SPREAD


def test_a_score_that_falls_with_rank_agrees_with_choices(tmp_path: Path) -> None:
    estimates = found(tmp_path, export(tmp_path))
    choice = estimates["choice_clap"]
    assert choice.low is not None
    assert choice.low > 0.6
    assert (estimates["spearman_clap_confidence"].value or 0) > 0.1


def test_a_score_that_says_nothing_is_at_chance(tmp_path: Path) -> None:
    estimates = found(tmp_path, export(tmp_path, informative=False))
    choice = estimates["choice_clap"]
    assert (choice.low or 1) < 0.5 < (choice.high or 0)
    rho = estimates["spearman_clap_confidence"]
    assert (rho.low or 1) < 0 < (rho.high or 0)


def test_the_correction_for_noise_gives_the_correlation_with_the_labels_themselves(
    tmp_path: Path,
) -> None:
    # Each of a feature's five labels fits it to a degree of its own, with which the score has a
    # correlation of .40; listeners choose among them at random.
    rng = np.random.default_rng(3)
    features, listeners = 300, 100
    fit = rng.normal(size=(features, 1)) * 0.5**0.5 + rng.normal(size=(features, 5)) * 0.5**0.5
    score = 0.4 * fit + np.sqrt(1 - 0.16) * rng.normal(size=fit.shape)
    rows = []
    for i in range(features * 20):
        feature, rank, person = i % features, int(rng.integers(0, 5)), i // features
        person = (7 * person + feature) % listeners
        heard = int(np.searchsorted([-1.2, -0.4, 0.4, 1.2], fit[feature, rank] + rng.normal())) + 1
        rows.append(
            {"participation": f"p{person}", "method": "m", "feature": f"f{feature}", "trial": i + 1}
            | {"confidence": heard, "chosen_rank": rank + 1}
        )
    labels = [
        {"feature": f"f{f}", "method": "m", "rank": k + 1, "clap": score[f, k]}
        for f in range(features)
        for k in range(5)
    ]
    write_csv(tmp_path / "labels.csv", labels)
    responses = read_responses(write_csv(tmp_path / "responses.csv", rows))
    estimates = found(tmp_path, responses, "m")
    truth = stats.spearmanr(score.ravel(), fit.ravel()).statistic
    plain = estimates["spearman_clap_confidence"].value or 0
    corrected = estimates["spearman_clap_confidence_corrected"]
    assert plain < truth - 0.08
    assert corrected.value == pytest.approx(truth, abs=0.03)
    assert (corrected.low or 1) < truth < (corrected.high or 0)


def test_without_reliability_there_is_no_correction(tmp_path: Path) -> None:
    rows = full_rows(participants=20, feature_sd=0.0)
    labels = [
        {"feature": f, "method": m, "rank": k, "clap": 0.1 * k}
        for m, f in {(r["method"], r["feature"]) for r in rows}
        for k in range(1, 6)
    ]
    write_csv(tmp_path / "labels.csv", labels)
    responses = read_responses(write_csv(tmp_path / "responses.csv", rows))
    corrected = found(tmp_path, responses)["spearman_clap_confidence_corrected"]
    assert corrected.value is None
    assert "cannot be told from 0" in corrected.reason


def test_a_score_that_is_no_number_is_refused(tmp_path: Path) -> None:
    responses = export(tmp_path)
    (tmp_path / "labels.csv").write_text("feature,method,rank,score_clap\nf,m,1,high\n")
    with pytest.raises(AnalysisError, match=r"labels\.csv: row 2: score_clap is 'high'"):
        read_labels(tmp_path, responses)
    (tmp_path / "labels.csv").write_text(
        "feature,method,rank,score_clap,note,plain\nf,m,1,0.2,high,3\nf,m,2,,,\n"
    )
    scores = read_labels(tmp_path, responses)
    assert scores is not None
    assert scores.names == ["clap", "plain"]
    (tmp_path / "labels.csv").write_text("feature,method,clap\nf,m,1\n")
    with pytest.raises(AnalysisError, match="column rank is missing"):
        read_labels(tmp_path, responses)


def test_labels_without_a_run_find_their_feature_s(tmp_path: Path) -> None:
    rows = [row | {"run": "run-1" if i % 2 else "run-2"}
            for i, row in enumerate(full_rows(participants=6))]  # fmt: skip
    for row in rows:
        row["feature"] = f"{row['run']} {row['feature']}"
    labels = [
        {"feature": f, "method": f"{m} ", "rank": k, "clap": 0.1 * k}
        for m, f in sorted({(str(r["method"]), str(r["feature"])) for r in rows})
        for k in range(1, 6)
    ]
    write_csv(tmp_path / "labels.csv", labels)
    responses = read_responses(write_csv(tmp_path / "responses.csv", rows))
    assert found(tmp_path, responses)["spearman_clap_confidence"].value is not None
    both = [row | {"feature": "f", "trial": i + 1} for i, row in enumerate(rows)]
    write_csv(tmp_path / "labels.csv", [labels[0] | {"feature": "f"}])
    responses = read_responses(write_csv(tmp_path / "responses.csv", both))
    with pytest.raises(AnalysisError, match="feature 'f' is in the runs run-1, run-2"):
        read_labels(tmp_path, responses)


def test_the_report_has_a_section_on_scores(tmp_path: Path) -> None:
    export(tmp_path)
    build_report(tmp_path / "responses.csv", tmp_path / "out", seed=0, resamples=100)
    text = (tmp_path / "out" / "report.html").read_text()
    assert "Machine against listener" in text
    drawn = {p.stem for p in (tmp_path / "out" / "figures").iterdir()}
    assert drawn == {
        "distribution",
        "means",
        "differences",
        "cuts",
        "levels",
        "features",
        "consensus",
        "score",
        "reliability",
    }
    assert [int(n) for n in re.findall("<b>Figure ([0-9]+)", text)] == list(range(1, 10))
    tables = [int(n) for n in re.findall("<b>Table ([0-9]+)", text)]
    assert tables == list(range(1, len(tables) + 1))
