"""What both the export and the analysis must know is stated once in each; here they must agree.

Neither package may import the other, so each keeps its own copy of these; where a study can choose,
the analysis reads the choice from `study.json`.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.utils.translation import gettext, override

from analysis.errors import AnalysisError
from analysis.reading import columns as read
from analysis.reading.mapping import scales
from analysis.reading.plan import PAIR_KINDS, PLANNABLE, read_plan
from analysis.reading.quality import FLAGS, RUSHED_SHARE, STRAIGHT_LINE, participations
from analysis.reading.table import read_responses
from studyapp.exports import flags
from studyapp.exports.columns import CONFIDENCE_LEVELS, STATUS_LEVELS
from studyapp.models import Trial
from studyapp.models.participation import CONFIDENCE
from studyapp.models.studies import default_quality_rules
from studyapp.studies import analysis_plan
from tests.analysis.factories import paper_rows, write_csv


def test_the_confidence_scale_has_the_same_steps() -> None:
    assert sorted(int(level.split()[0]) for level in CONFIDENCE_LEVELS) == list(read.SCALE)


def test_a_mapping_knows_the_words_of_the_scale_in_every_language_of_the_site() -> None:
    for language, _ in settings.LANGUAGES:
        with override(language):
            said = tuple(gettext(words) for _, words in sorted(CONFIDENCE))
        assert said in scales.WORDS, language


def test_kinds_and_statuses_are_the_site_s() -> None:
    assert set(Trial.Kind.values) == set(read.KINDS)
    assert set(STATUS_LEVELS) == set(read.STATUSES)


def test_flags_have_the_same_names_and_the_same_default_rules() -> None:
    assert set(flags.PARTICIPATION_FLAGS) == set(FLAGS)
    assert default_quality_rules()["straight_line"] == STRAIGHT_LINE
    assert flags.RUSHED_SHARE == RUSHED_SHARE


def test_a_straight_line_is_as_long_as_the_study_says_on_both_sides(tmp_path: Path) -> None:
    rows = paper_rows(participants=1, trials=3)
    for row in rows:
        row["confidence"] = 4
    responses = read_responses(write_csv(tmp_path / "responses.csv", rows))
    answers = [flags.Facts("main", 1, 4, ()) for _ in range(3)]
    for least, flagged in ((3, True), (4, False)):
        rules = default_quality_rules() | {"straight_line": least}
        (tmp_path / "study.json").write_text(json.dumps({"quality_rules": rules}))
        assert participations(responses, tmp_path)["same_confidence"].tolist() == [flagged] * 2
        assert ("same_confidence" in flags.participation_flags(answers, rules)) is flagged


PLANS: list[tuple[dict[str, Any], bool]] = [
    ({}, True),
    ({"text": "As said.", "other": 1, "looks": None}, True),
    ({"comparisons": [["a", "b"], ["b", "c"]]}, True),
    ({"comparisons": []}, True),
    ({"comparisons": [["a", "b"], ["b", "a"]]}, False),
    ({"comparisons": [["a", "a"]]}, False),
    ({"comparisons": [["a", 1]]}, False),
    ({"comparisons": "a, b"}, False),
    ({"confirmatory": ["clmm_logit_wald"], "statuses": ["complete", "active"]}, True),
    ({"confirmatory": []}, False),
    ({"confirmatory": ["t_test"]}, False),
    ({"statuses": ["withdrawn"]}, False),
    ({"equivalence_bound": 4, "resamples": 100, "seed": 0}, True),
    ({"equivalence_bound": 4.1}, False),
    ({"equivalence_bound": 0}, False),
    ({"equivalence_bound": True}, False),
    ({"resamples": 99}, False),
    ({"seed": 1.5}, False),
    ({"seed": -1}, False),
    ({"looks": {"fractions": [0.33, 0.67, 1], "spending": "pocock", "participants": 60}}, True),
    ({"looks": {"fractions": [0.5, 1]}}, True),
    ({"looks": {"fractions": [0.5, 0.6, 1]}}, False),
    ({"looks": {"fractions": [0.1, 1]}}, False),
    ({"looks": {"fractions": [0.5, 0.9]}}, False),
    ({"looks": {"fractions": [0.8, 0.4, 1]}}, False),
    ({"looks": {"fractions": [1]}}, False),
    ({"looks": {"fractions": [0.5, True]}}, False),
    ({"looks": {"spending": "pocock"}}, False),
    ({"looks": {"fractions": [0.5, 1], "spending": None}}, False),
    ({"looks": {"fractions": [0.5, 1], "alpha": 0.05}}, False),
    ({"looks": {"fractions": [0.5, 1], "participants": 0}}, False),
    ({"looks": [0.5, 1]}, False),
]


@pytest.mark.parametrize(("plan", "good"), PLANS)
def test_the_site_refuses_the_plans_that_the_analysis_would(
    plan: dict[str, Any], good: bool
) -> None:
    assert (analysis_plan.problem_with(plan) == "") is good
    try:
        read_plan({"analysis_plan": plan})
    except AnalysisError:
        assert not good
    else:
        assert good


def test_a_plan_can_name_the_same_tests_on_both_sides() -> None:
    assert (*PLANNABLE, *PAIR_KINDS) == analysis_plan.TESTS
