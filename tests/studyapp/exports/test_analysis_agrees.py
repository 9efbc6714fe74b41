"""What both the export and the analysis must know is stated once in each; here they must agree.

Neither package may import the other, so each keeps its own copy of these; where a study can choose,
the analysis reads the choice from `study.json`.
"""

import json
from pathlib import Path

from analysis.reading import columns as read
from analysis.reading.quality import FLAGS, RUSHED_SHARE, STRAIGHT_LINE, participations
from analysis.reading.table import read_responses
from studyapp.exports import flags
from studyapp.exports.columns import CONFIDENCE_LEVELS, STATUS_LEVELS
from studyapp.models import Trial
from studyapp.models.studies import default_quality_rules
from tests.analysis.factories import paper_rows, write_csv


def test_the_confidence_scale_has_the_same_steps() -> None:
    assert sorted(int(level.split()[0]) for level in CONFIDENCE_LEVELS) == list(read.SCALE)


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
