"""The mixed model of two methods: `analysis.models.mixed`."""

from pathlib import Path

import pytest

from analysis.estimates.method_pairs import pair_of
from analysis.models.mixed import describe_mixed
from analysis.reading.table import read_responses
from tests.analysis.factories import Row, full_rows, paper_rows, write_csv


def test_the_model_of_two_methods_as_estimates(tmp_path: Path) -> None:
    responses = read_responses(write_csv(tmp_path / "r.csv", full_rows()))
    found, tests = describe_mixed(pair_of(responses, "essentia", "gemini"))
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
    assert tests[0].p is not None


def test_features_rated_once_in_all_have_no_random_effect(tmp_path: Path) -> None:
    rows = [r | {"feature": f"{r['method']}{r['feature']}"} for r in paper_rows(participants=8)]
    responses = read_responses(write_csv(tmp_path / "r.csv", rows))
    found, _ = describe_mixed(pair_of(responses, "essentia", "gemini"))
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
    found, tests = describe_mixed(pair_of(responses, "a", "b"))
    assert [e.value for e in found] == [None, None]
    assert "has two ratings" in found[0].reason
    assert tests == []
