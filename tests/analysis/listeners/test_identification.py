"""Identification and confidence given the choice: `analysis.listeners.identification`."""

from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from analysis.estimates.results import Estimate
from analysis.listeners.identification import (
    d_prime,
    describe_identification,
    describe_ranks,
    p_correct,
)
from analysis.reading.table import read_responses
from tests.analysis.factories import Row, identification_rows, write_csv


def found(tmp_path: Path, rows: list[Row], method: str = "alto") -> dict[str, Estimate]:
    responses = read_responses(write_csv(tmp_path / "r.csv", rows))
    estimates = describe_identification(responses, method)
    return {e.name: e for e in estimates if e.recommended}


@pytest.mark.parametrize(
    ("d", "options", "p"),
    # Hacker and Ratcliff's model; the first is Φ(d′/√2), the second is in Frijters et al. (1980).
    [(1.0, 2, 0.7602499), (1.0, 3, 0.6337020), (2.0, 4, 0.8227929), (0.0, 5, 0.2), (0.0, 3, 1 / 3)],
)
def test_published_values_of_d_prime(d: float, options: int, p: float) -> None:
    assert p_correct(d, options) == pytest.approx(p, abs=2e-7)
    assert d_prime(p, np.full(10, options)) == pytest.approx(d, abs=1e-5)


def test_d_prime_is_that_of_simulated_choices() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(400_000, 5))
    values[:, 2] += 1.3
    share = float(np.mean(values.argmax(axis=1) == 2))
    assert p_correct(1.3, 5) == pytest.approx(share, abs=0.003)


def test_d_prime_of_trials_with_different_numbers_of_options() -> None:
    options = np.array([2, 2, 5, 5, 5, 3])
    p = float(np.mean([p_correct(0.8, m) for m in options.tolist()]))
    assert d_prime(p, options) == pytest.approx(0.8, abs=1e-8)


def test_d_prime_has_no_finite_value_at_an_accuracy_of_0_or_1() -> None:
    assert d_prime(0.0, np.array([5])) is None
    assert d_prime(1.0, np.array([5])) is None
    assert (d_prime(0.1, np.array([5])) or 0.0) < 0


def test_accuracy_is_corrected_with_each_trials_own_number_of_options(tmp_path: Path) -> None:
    rows = identification_rows(shares={"alto": 0.6}, options=(2, 5))
    estimates = found(tmp_path, rows)
    hit = [r["chosen_position"] == r["target_position"] for r in rows]
    guess = [1 / sum(bool(r[f"option_{i}"]) for i in range(1, 6)) for r in rows]
    corrected = [(h - g) / (1 - g) for h, g in zip(hit, guess, strict=True)]
    assert estimates["identification_corrected"].value == pytest.approx(np.mean(corrected))
    assert estimates["identification_chance"].value == pytest.approx(np.mean(guess))
    assert set(np.round(guess, 3)) == {0.5, 0.2}


def test_with_one_number_of_options_the_interval_is_that_of_accuracy_corrected(
    tmp_path: Path,
) -> None:
    estimates = found(tmp_path, identification_rows(shares={"alto": 0.4}))
    p, c = estimates["identification_accuracy"], estimates["identification_corrected"]
    for raw, corrected in ((p.value, c.value), (p.low, c.low), (p.high, c.high)):
        assert raw is not None
        assert corrected == pytest.approx((raw - 0.2) / 0.8)
    d = estimates["identification_d_prime"]
    assert p.low is not None
    assert d.low is not None
    assert p_correct(d.low, 5) == pytest.approx(p.low)


def test_never_right_has_an_interval_and_no_d_prime(tmp_path: Path) -> None:
    estimates = found(tmp_path, identification_rows(shares={"alto": 0.0}))
    corrected = estimates["identification_corrected"]
    assert corrected.value == pytest.approx(-0.25)
    assert corrected.low == pytest.approx(-0.25)
    assert corrected.high is not None
    # As if each of the 10 participants were one trial: Wilson at 0 of 10, with Student’s t.
    t2 = stats.t.ppf(0.975, 9) ** 2
    assert corrected.high == pytest.approx((t2 / (10 + t2) - 0.2) / 0.8)
    assert "no finite value" in estimates["identification_d_prime"].reason
    assert estimates["confidence_right"].reason == "no right answer"
    assert estimates["type_2_auroc"].reason == "no right answer"


def test_confidence_given_right_and_wrong_and_its_auroc(tmp_path: Path) -> None:
    rows = identification_rows(shares={"alto": 0.5})
    estimates = found(tmp_path, rows)
    hit = np.array([r["chosen_position"] == r["target_position"] for r in rows])
    confidence = np.array([int(str(r["confidence"])) for r in rows])
    assert estimates["confidence_right"].value == pytest.approx(confidence[hit].mean())
    assert estimates["confidence_wrong"].value == pytest.approx(confidence[~hit].mean())
    auroc = estimates["type_2_auroc"]
    assert auroc.value == pytest.approx(roc_auc_score(hit, confidence))
    assert auroc.low is not None
    assert estimates["confidence_right"].n_ratings == hit.sum()


def test_few_right_answers_give_an_auroc_without_an_interval(tmp_path: Path) -> None:
    rows = identification_rows(shares={"alto": 0.0})
    for r in rows[:3]:
        r["chosen_position"] = r["target_position"]
    auroc = found(tmp_path, rows)["type_2_auroc"]
    assert auroc.value is not None
    assert auroc.reason == "fewer than 5 right answers: no interval"


def test_a_table_without_options_does_not_say_what_chance_is(tmp_path: Path) -> None:
    rows = [
        {k: v for k, v in r.items() if not k.startswith("option_")}
        for r in identification_rows(shares={"alto": 0.5})
    ]
    estimates = found(tmp_path, rows)
    assert estimates["identification_accuracy"].value is not None
    for name in ("identification_chance", "identification_corrected", "identification_d_prime"):
        assert "unknown" in estimates[name].reason


def test_confidence_by_chosen_rank(tmp_path: Path) -> None:
    ranks = ["1", "1", "2", "", "1"]
    rows: list[Row] = [
        {
            "participation": f"p{i}",
            "method": "m",
            "feature": f"f{i}",
            "trial": 1,
            "confidence": i + 1,
            "chosen_label": "l",
            "chosen_rank": rank,
        }
        for i, rank in enumerate(ranks)
    ]
    responses = read_responses(write_csv(tmp_path / "r.csv", rows))
    estimates = {e.name: e for e in describe_ranks(responses, "m")}
    assert estimates["confidence_rank_1"].value == pytest.approx(8 / 3)
    assert estimates["confidence_rank_1"].low is not None
    assert estimates["confidence_rank_2"].value == 3
    assert estimates["confidence_elsewhere"].value == 4
    assert "confidence_rank_3" not in estimates
