"""The lead of an identification study: `analysis.report.sections_lead`."""

import json
import re
from pathlib import Path

from analysis.report.build import build_report
from tests.analysis.factories import Row, full_rows, identification_rows, write_csv


def leads(tmp_path: Path, rows: list[Row]) -> tuple[str, dict[str, str]]:
    """The page's lead paragraphs as text, and the family of each test."""
    table = write_csv(tmp_path / "r.csv", rows)
    summary = build_report(table, tmp_path / "out", resamples=100)
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    parts = re.findall(r'<p class="lead">(.*?)</p>', page, re.DOTALL)
    return re.sub("<[^>]+>", "", " ".join(parts)), {t.name: t.family for t in summary.tests}


def test_a_confident_method_that_nobody_recognises_is_said_not_to_be_recognised(
    tmp_path: Path,
) -> None:
    rows = identification_rows(
        participants=25, shares={"alto": 0.0, "brio": 1.0}, confidence={"alto": 4.6, "brio": 2.2}
    )
    lead, families = leads(tmp_path, rows)
    assert "alto is not recognised (below chance), although mean confidence was 4." in lead
    assert "brio" in lead.split("recognised above chance")[0]
    assert lead.index("not recognised") < lead.index("Mean confidence that")
    assert families["difference_identification_corrected"] == "confirmatory"
    assert families["difference_mean_confidence"] == "exploratory"


def test_one_trial_without_a_choice_does_not_change_the_primary_outcome(tmp_path: Path) -> None:
    rows = identification_rows()
    rows[3] |= {"chosen_position": "", "chosen_label": ""}
    _, families = leads(tmp_path, rows)
    assert families["difference_identification_corrected"] == "confirmatory"
    assert families["difference_mean_confidence"] == "exploratory"


def test_at_chance_the_interval_includes_chance(tmp_path: Path) -> None:
    rows = identification_rows(shares={"alto": 0.2, "brio": 0.2}, confidence={"alto": 2.0})
    lead, _ = leads(tmp_path, rows)
    assert "alto is not recognised above chance (the interval includes it)." in lead
    assert "The difference in accuracy corrected for chance, alto − brio, is" in lead
    assert "(p = 0." in lead


FIVE = {"alto": 0.1, "brio": 0.9, "coda": 0.9, "duo": 0.2, "etude": 0.3}


def test_the_lead_of_many_methods_speaks_of_the_whole_accuracy_family(tmp_path: Path) -> None:
    lead, families = leads(tmp_path, identification_rows(participants=15, shares=FIVE))
    assert families["difference_identification_corrected"] == "confirmatory"
    assert "Recognised above chance: brio, coda" in lead
    assert "Of 10 confirmatory tests, adjusted together by Holm’s method" in lead
    assert "alto − brio" in lead
    assert "Exploratory, without a confirmatory test: difference in mean confidence" in lead


def test_accuracy_counts_in_a_family_with_other_tests(tmp_path: Path) -> None:
    tests = ["difference_identification_corrected", "difference_mean_confidence"]
    study = {"analysis_plan": {"confirmatory": tests}}
    (tmp_path / "study.json").write_text(json.dumps(study), encoding="utf-8")
    lead, _ = leads(tmp_path, identification_rows())
    assert lead.count("Of 2 confirmatory tests, adjusted together by Holm’s method") == 1
    assert "Exploratory" not in lead


def test_a_method_whose_chance_is_unknown_cannot_be_judged(tmp_path: Path) -> None:
    rows = [
        {k: v for k, v in r.items() if not k.startswith("option_")}
        for r in identification_rows(shares=FIVE, trials=3)
    ]
    lead, _ = leads(tmp_path, rows)
    assert "Cannot be judged, as chance or the interval is unknown: alto, brio" in lead
    assert "ecognised above chance" not in lead
    lead, _ = leads(tmp_path, [r for r in rows if r["method"] in ("alto", "brio")])
    assert lead.count("what random choice gives is unknown, so it cannot be judged") == 2
    assert "not recognised" not in lead


def test_the_table_of_differences_starts_with_accuracy(tmp_path: Path) -> None:
    table = write_csv(tmp_path / "r.csv", identification_rows())
    build_report(table, tmp_path / "out", resamples=100)
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    section = page[page.index('id="differences"') :]
    accuracy = section.index("Difference in accuracy corrected for chance")
    assert accuracy < section.index("Difference in mean confidence")
    assert accuracy < section.index("Difference on the latent scale")


def test_a_study_without_right_answers_has_no_such_lead(tmp_path: Path) -> None:
    lead, families = leads(tmp_path, full_rows(participants=8))
    assert "recognised" not in lead
    assert families["difference_mean_confidence"] == "confirmatory"
    assert families["difference_share_first_label"] == "exploratory"
