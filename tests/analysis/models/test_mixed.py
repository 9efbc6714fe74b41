"""The mixed models as estimates: `analysis.models.mixed` and `mixed_choices`."""

import math
from pathlib import Path

import pytest

from analysis.models.mixed import describe_mixed, sigma_interval
from analysis.models.mixed_choices import describe_choice_models
from analysis.reading.table import read_responses
from tests.analysis.factories import Row, full_rows, identification_rows, paper_rows, write_csv

PAIR = ("essentia", "gemini")


def test_the_model_of_two_methods_as_estimates(tmp_path: Path) -> None:
    responses = read_responses(write_csv(tmp_path / "r.csv", full_rows()))
    mixed = describe_mixed(responses, [PAIR])
    found, tests = mixed.estimates, mixed.tests
    names = {e.name: e for e in found}
    assert {
        "clmm_logit_effect",
        "clmm_probit_effect",
        "clmm_logit_sd_participant",
        "clmm_logit_sd_feature",
    } <= set(names)
    effect = names["clmm_probit_effect"]
    assert effect.low is not None
    assert effect.low > 0
    assert names["clmm_probit_sd_participant"].value == pytest.approx(0.8, abs=0.25)
    assert tests[PAIR][0].p is not None
    assert "Student" in tests[PAIR][0].note


def test_features_rated_once_in_all_have_no_random_effect(tmp_path: Path) -> None:
    rows = [r | {"feature": f"{r['method']}{r['feature']}"} for r in paper_rows(participants=8)]
    responses = read_responses(write_csv(tmp_path / "r.csv", rows))
    found = describe_mixed(responses, [PAIR]).estimates
    names = {e.name for e in found}
    assert "clmm_logit_sd_participant" in names
    assert "clmm_logit_sd_feature" not in names


def test_a_model_without_anything_repeated_is_not_estimable(tmp_path: Path) -> None:
    rows: list[Row] = [
        {
            "participation": f"p{i}",
            "method": "ab"[i % 2],
            "feature": f"f{i}",
            "trial": 1,
            "confidence": 1 + i % 5,
        }
        for i in range(20)
    ]
    responses = read_responses(write_csv(tmp_path / "r.csv", rows))
    mixed = describe_mixed(responses, [("a", "b")])
    found, tests = mixed.estimates, mixed.tests
    assert [e.value for e in found] == [None, None]
    assert "has two ratings" in found[0].reason
    assert "has two ratings" in tests["a", "b"][0].reason


def test_right_choices_are_compared_above_a_guessing_floor(tmp_path: Path) -> None:
    shares = {"alto": 0.5, "brio": 0.8}
    rows = identification_rows(participants=16, trials=10, shares=shares, options=(5, 3))
    responses = read_responses(write_csv(tmp_path / "r.csv", rows))
    found, tests = describe_choice_models(responses, [("alto", "brio")])
    effect = next(e for e in found if e.name == "logistic_identification_effect")
    assert effect.high is not None
    assert effect.high < 0
    assert [t.name for t in tests["alto", "brio"]] == ["logistic_identification_wald"]
    assert tests["alto", "brio"][0].p is not None


def test_nobody_right_has_no_logistic_effect_but_a_reason(tmp_path: Path) -> None:
    rows = identification_rows(shares={"alto": 0.0, "brio": 1.0})
    responses = read_responses(write_csv(tmp_path / "r.csv", rows))
    found, tests = describe_choice_models(responses, [("alto", "brio")])
    assert [e.value for e in found] == [None]
    assert tests["alto", "brio"][0].reason == found[0].reason


def test_first_labels_are_compared_without_a_floor(tmp_path: Path) -> None:
    responses = read_responses(write_csv(tmp_path / "r.csv", full_rows(participants=12)))
    found, tests = describe_choice_models(responses, [PAIR])
    assert [t.name for t in tests[PAIR]] == ["logistic_first_label_wald"]
    names = {e.name for e in found}
    assert {"logistic_first_label_effect", "logistic_first_label_sd_participant"} <= names


def test_without_choices_there_is_no_model_of_them(tmp_path: Path) -> None:
    responses = read_responses(write_csv(tmp_path / "r.csv", paper_rows(participants=4)))
    assert describe_choice_models(responses, [PAIR]) == ([], {PAIR: []})


def test_effects_that_the_model_of_choices_dropped_are_told(tmp_path: Path) -> None:
    rows = identification_rows(participants=20, trials=10, shared=True)
    responses = read_responses(write_csv(tmp_path / "r.csv", rows))
    found, _ = describe_choice_models(responses, [("alto", "brio")])
    spreads = {e.name: e for e in found if e.name.startswith("logistic_identification_sd_")}
    # The choices are independent: no feature has its own difference between the methods.
    dropped = spreads["logistic_identification_sd_feature_method"]
    assert dropped.value is None
    assert dropped.reason.startswith("dropped from the model")


def test_a_spread_that_can_be_zero_has_zero_in_its_interval() -> None:
    sure, unsure = (sigma_interval(0.6, error, 0.95) for error in (0.1, 0.2))
    assert (sure.low, sure.high) == pytest.approx((0.4328, 0.8318), abs=1e-4)
    assert unsure.low == 0
    assert unsure.high == pytest.approx(0.6 * math.exp(1.95996 / 3), rel=1e-4)
    assert sigma_interval(0.04, 0.01, 0.95).low is None
