"""The scripts for R: `analysis.models.rscript` and `rscript_choices`."""

import csv
import json
import re
from pathlib import Path

import pytest

from analysis.design.pair_simulation import PairDesign
from analysis.models.rscript_confirmatory import MIXED, TESTS
from analysis.reading.plan import PLANNABLE
from analysis.report.build import build_report
from tests.analysis.factories import full_rows, identification_rows, paper_rows, write_csv
from tests.analysis.pairs.rows import pair_rows, together


def test_the_script_for_r_reads_tables_of_the_models_and_their_ratings(tmp_path: Path) -> None:
    rows = paper_rows(participants=8)
    for row in rows:
        row["feature"] = f"{row['method']}/{row['feature']}"  # none is rated twice
    table = write_csv(tmp_path / "responses.csv", rows)
    summary = build_report(table, tmp_path / "out", resamples=100)
    script = (tmp_path / "out" / "mixed_models.R").read_text()
    assert "clmm(formula, data = d, link = m$link, nAGQ = m$nodes)" in script
    assert "participant_method" in script
    assert "essentia" not in script
    with (tmp_path / "out" / "tables" / "mixed_models.csv").open(newline="") as file:
        models = list(csv.DictReader(file))
    told = {(r["link"], r["parameter"]): float(r["value"]) for r in models}
    effect = summary.find("clmm_logit_effect", "essentia − gemini")
    assert told["logit", "effect"] == effect.value
    implied = {r["a"]: float(r["value"]) for r in models if r["parameter"] == "mean_confidence"}
    assert implied["gemini"] == summary.find("clmm_mean_confidence", "gemini").value
    assert {(r["random"], r["nodes"]) for r in models} == {("participant", "10")}
    with (tmp_path / "out" / "tables" / "ratings.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 160


@pytest.mark.parametrize(
    ("test", "in_r"), [("equivalence_mean_confidence", True), ("pair_steered_plain", False)]
)
def test_the_page_names_the_script_where_it_has_a_test(
    tmp_path: Path, test: str, in_r: bool
) -> None:
    labels = full_rows(participants=8, trials=6, ratings_per_feature=4)
    rows = together(labels, pair_rows(PairDesign(listeners=8, features=6, trials=6)))
    plan = {"analysis_plan": {"confirmatory": [test]}}
    (tmp_path / "study.json").write_text(json.dumps(plan), encoding="utf-8")
    summary = build_report(
        write_csv(tmp_path / "responses.csv", rows), tmp_path / "out", resamples=100
    )
    assert {t.name for t in summary.confirmatory} == {test}
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert ("confirmatory_tests.R" in page) is in_r
    assert (tmp_path / "out" / "confirmatory_tests.R").exists() is in_r


def test_every_plannable_test_has_its_lines_in_r(tmp_path: Path) -> None:
    of_differences = set(re.findall(r"(\w+) = \w+[,)]", TESTS.split("TESTS <- list(")[1]))
    assert set(PLANNABLE) <= of_differences | set(MIXED)
    rows = paper_rows(participants=8)
    table = write_csv(tmp_path / "responses.csv", rows)
    plan = {"confirmatory": ["clmm_logit_wald", "welch_participant_means"]}
    (tmp_path / "study.json").write_text(json.dumps({"analysis_plan": plan}))
    summary = build_report(table, tmp_path / "out", resamples=100)
    script = (tmp_path / "out" / "confirmatory_tests.R").read_text()
    assert "essentia" not in script + (tmp_path / "out" / "bayes_models.R").read_text()
    with (tmp_path / "out" / "tables" / "confirmatory_tests.csv").open(newline="") as file:
        told = {r["test"]: r for r in csv.DictReader(file)}
    assert set(told) == set(plan["confirmatory"])
    made = {t.name: t for t in summary.tests}
    assert float(told["welch_participant_means"]["p"]) == made["welch_participant_means"].p
    assert told["clmm_logit_wald"]["random"].startswith("participant")
    with (tmp_path / "out" / "tables" / "ratings.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 160
    with (tmp_path / "out" / "tables" / "bayes_models.csv").open(newline="") as file:
        [asked] = csv.DictReader(file)
    assert (asked["comparison"], asked["bound"]) == ("essentia\x1fgemini", "0.5")


def test_without_a_mixed_model_there_is_no_script(tmp_path: Path) -> None:
    one = {"solo": (0.1, 0.2, 0.2, 0.3, 0.2)}
    table = write_csv(tmp_path / "responses.csv", paper_rows(participants=3, shares=one))
    build_report(table, tmp_path / "out", resamples=100)
    assert not (tmp_path / "out" / "mixed_models.R").exists()


def test_the_script_of_choices_reads_tables_of_its_models_and_choices(tmp_path: Path) -> None:
    shares = {"alto": 0.5, "brio": 0.8}
    rows = identification_rows(participants=16, trials=10, shares=shares, options=(5, 3))
    table = write_csv(tmp_path / "responses.csv", rows)
    summary = build_report(table, tmp_path / "out", resamples=100)
    script = (tmp_path / "out" / "choice_models.R").read_text()
    assert "glmer(formula" in script
    assert "alto" not in script
    with (tmp_path / "out" / "tables" / "choice_models.csv").open(newline="") as file:
        told = {r["parameter"]: r for r in csv.DictReader(file)}
    effect = summary.find("logistic_identification_effect", "alto − brio")
    assert float(told["effect"]["value"]) == effect.value
    assert (told["effect"]["a"], told["effect"]["b"]) == ("alto", "brio")
    with (tmp_path / "out" / "tables" / "choices.csv").open(newline="") as file:
        choices = list(csv.DictReader(file))
    assert len(choices) == 320
    assert {round(float(r["guess"]), 3) for r in choices} == {0.2, 0.333}
    # The confirmatory test is of the same table: hits, corrected for chance.
    with (tmp_path / "out" / "tables" / "confirmatory_tests.csv").open(newline="") as file:
        assert [(r["test"], r["kind"]) for r in csv.DictReader(file)] == [
            ("difference_identification_corrected", "identification")
        ]
    means = {}
    for method in shares:
        own = [(int(r["hit"]), float(r["guess"])) for r in choices if r["method"] == method]
        means[method] = sum((hit - g) / (1 - g) for hit, g in own) / len(own)
    difference = summary.find("difference_identification_corrected", "alto − brio").value
    assert means["alto"] - means["brio"] == pytest.approx(difference)


def test_without_choices_there_is_no_script_of_them(tmp_path: Path) -> None:
    table = write_csv(tmp_path / "responses.csv", paper_rows(participants=4))
    build_report(table, tmp_path / "out", resamples=100)
    assert not (tmp_path / "out" / "choice_models.R").exists()
