"""Shares of pairs, CLAP's agreement, intruder trials: small tables with values by hand."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from scipy import integrate, stats

from analysis.design.pair_simulation import PairDesign
from analysis.errors import AnalysisError
from analysis.estimates.results import Estimate, Summary
from analysis.reading.plan import PAIR_KINDS
from analysis.report import build_report
from tests.analysis.factories import Row, write_csv
from tests.analysis.pairs.rows import intruder_rows, pair_row, pair_rows, random_rows, together

PLAIN, ONE, TWO = ("plain", "", 0.0), ("steered", "add", 1.0), ("steered", "add", 2.0)
RANDOM = ("random", "add", 1.0)


def found(summary: Summary) -> dict[str, Estimate]:
    return {e.name: e for e in summary.estimates if e.recommended}


def report(folder: Path, rows: list[Row], plan: dict[str, object] | None = None) -> Summary:
    if plan is not None:
        study = {"analysis_plan": plan}
        (folder / "study.json").write_text(json.dumps(study), encoding="utf-8")
    return build_report(write_csv(folder / "responses.csv", rows), folder / "out", resamples=100)


def test_shares_are_of_the_focal_clip_wherever_it_was_shown(tmp_path: Path) -> None:
    # (arms, answer: 1 the first clip): steered over plain 2 of 3 and a tie; doses 1 of 1.
    trials = [
        ((ONE, PLAIN), 1.0), ((PLAIN, ONE), 0.0), ((PLAIN, ONE), 1.0), ((ONE, PLAIN), 0.5),
        ((ONE, TWO), 0.0), ((RANDOM, ONE), 1.0), ((PLAIN, RANDOM), 0.0),
    ]  # fmt: skip
    rows = [
        pair_row(f"p{person}", "f", n + 1, arms, answer, "alto")
        for person in range(3)
        for n, (arms, answer) in enumerate(trials)
    ]
    told = found(report(tmp_path, rows))
    values = {name: told[name].value for name in told if name.startswith(PAIR_KINDS)}
    assert values == pytest.approx(
        {
            "pair_steered_plain": 2 / 3,
            "pair_steered_plain_half": 2.5 / 4,
            "pair_steered_plain_no_difference": 1 / 4,
            "pair_steered_random": 0.0,
            "pair_steered_random_half": 0.0,
            "pair_steered_random_no_difference": 0.0,
            "pair_doses": 1.0,
            "pair_doses_half": 1.0,
            "pair_doses_no_difference": 0.0,
            "pair_random_plain": 1.0,
            "pair_random_plain_half": 1.0,
            "pair_random_plain_no_difference": 0.0,
        }
    )
    assert told["pair_first_clip"].value == pytest.approx(3 / 6)
    assert (told["pair_steered_plain"].count, told["pair_steered_plain"].of) == (6, 9)


def test_a_test_rejects_where_its_interval_excludes_a_half(tmp_path: Path) -> None:
    seen = set()
    for seed, share in enumerate((0.5, 0.55, 0.6, 0.7)):
        design = PairDesign(listeners=12, features=8, trials=8, share=share)
        summary = report(tmp_path, pair_rows(design, seed=seed))
        (test,), e = summary.tests, found(summary)["pair_steered_plain"]
        assert test.p is not None
        assert e.low is not None
        assert e.high is not None
        assert (test.p < 0.05) == (not e.low <= 0.5 <= e.high)
        seen.add(test.p < 0.05)
    assert seen == {True, False}


def test_steered_against_unsteered_is_confirmatory_unless_a_plan_says_otherwise(
    tmp_path: Path,
) -> None:
    design = PairDesign(listeners=12, features=8, trials=8)
    rows = together(pair_rows(design), random_rows(design))
    families = {t.name: t.family for t in report(tmp_path, rows).tests}
    assert families == {
        "pair_steered_plain": "confirmatory",
        "pair_steered_random": "exploratory",
    }
    plan = {"confirmatory": ["pair_steered_random", "pair_doses"]}
    summary = report(tmp_path, rows, plan)
    assert [t.name for t in summary.confirmatory] == ["pair_steered_random"]
    assert any("pair_doses was not made" in text for text in summary.deviations)


def test_the_page_tells_what_pairs_show_and_has_its_files(tmp_path: Path) -> None:
    design = PairDesign(listeners=20, features=10, share=0.75, doses=(0.5, 1, 2), ties=0.1)
    report(tmp_path, together(pair_rows(design), random_rows(design)))
    text = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "they chose the steered clip over the unsteered clip in" in text
    assert 'id="figure-doses"' in text
    assert 'id="figure-strengths"' in text
    assert "confirmatory tests" in text
    null = "the steered clip and the randomly steered clip are chosen equally often"
    assert f"alto: {null}" in text
    assert {p.name for p in (tmp_path / "out").iterdir()} >= {"dose_models.R", "estimates.csv"}


def test_the_dose_curve_is_drawn_where_each_feature_was_judged_once(tmp_path: Path) -> None:
    # By participant is recommended there, where the curve's points are of no other clustering.
    design = PairDesign(listeners=8, features=120, trials=15, share=0.75, doses=(0.5, 1))
    report(tmp_path, pair_rows(design))
    text = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert 'id="figure-doses"' in text


def test_clap_agrees_where_the_clip_of_the_larger_cosine_was_chosen(tmp_path: Path) -> None:
    rows = [
        pair_row(f"p{n % 2}", f"f{n // 2}", n + 1, (ONE, PLAIN), float(n < 5), "alto")
        for n in range(8)
    ]
    effects = [
        {
            "feature": f"f{n}",
            "intervention": "add",
            "alpha": "1.0",
            "seed": "7",
            "label": f"label of f{n}",
            # Of f2 CLAP prefers the unsteered clip, of f3 neither.
            "label_similarity": 0.2 if n == 2 else 0.5,
            "label_similarity_plain": 0.5 if n == 3 else 0.4,
        }
        for n in range(4)
    ]
    with (tmp_path / "steering.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(effects[0]))
        writer.writeheader()
        writer.writerows(effects)
    told = found(report(tmp_path, rows))["pair_clap_agrees"]
    # f0 and f1 were chosen four times; of f2 one of two chose the unsteered clip.
    assert (told.count, told.of) == (5, 6)


def test_intruders_need_no_method_and_their_d_prime_is_that_of_five_clips(tmp_path: Path) -> None:
    rows = intruder_rows()
    told = found(report(tmp_path, rows))
    right = sum(row["chosen_position"] == row["target_position"] for row in rows)
    accuracy = right / len(rows)
    assert told["intruder_accuracy"].value == pytest.approx(accuracy)
    assert told["intruder_chance"].value == pytest.approx(0.2)
    assert told["intruder_corrected"].value == pytest.approx((accuracy - 0.2) / 0.8)
    d = told["intruder_d_prime"].value
    assert d is not None
    p, _ = integrate.quad(lambda x: stats.norm.pdf(x - d) * stats.norm.cdf(x) ** 4, -9, 12)
    assert p == pytest.approx(accuracy, abs=1e-8)
    with (tmp_path / "out" / "tables" / "intruders.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert len(table) == 12
    assert sum(int(row["right"]) for row in table) == right


def test_the_machine_takes_the_clip_that_is_least_like_the_others(tmp_path: Path) -> None:
    rows = intruder_rows(features=40, listeners=12)
    shares = 0.0
    for number, row in enumerate(rows):
        feature, target = int(str(row["feature"]).split("/")[1]), int(str(row["target_position"]))
        cosines = {place: 0.5 + 0.001 * place for place in range(1, 6)}
        # Found in a third of the features; in another third it ties with one other clip.
        wrong = target % 5 + 1
        cosines[target] = 0.1 - 0.001 * feature if feature % 3 < 2 else 0.9
        if feature % 3 == 1:
            cosines[wrong] = cosines[target]
        row |= {f"clip_clap_{place}": value for place, value in cosines.items()}
        shares += (1.0, 0.5, 0.0)[feature % 3] * (number < 40)
    told = found(report(tmp_path, rows))
    assert told["intruder_clap_sound"].value == pytest.approx(shares / 40)
    assert told["spearman_intruder_sound"].value is not None
    page = (tmp_path / "out" / "report.html").read_text()
    assert "whose intruder CLAP finds by sound" in page
    for row in rows:
        row["clip_clap_2"] = ""
    assert "intruder_clap_sound" not in found(report(tmp_path, rows))


def test_claps_intruders_stand_beside_the_listeners_on_the_same_features(tmp_path: Path) -> None:
    rows = intruder_rows(features=40, listeners=12)
    rng = np.random.default_rng(0)
    share = {f"sae/{n}": 0.2 + 0.7 * rng.random() for n in range(40)}
    for row in rows:
        hit = rng.random() < share[str(row["feature"])]
        target = int(str(row["target_position"]))
        row["chosen_position"] = target if hit else target % 5 + 1
    labels = ["run,sae,feature,method,rank,text,confidence,score_intruder"]
    labels += [f",,{name},alto,1,x,,{value:.4f}" for name, value in share.items()]
    (tmp_path / "labels.csv").write_text("\n".join(labels) + "\n", encoding="utf-8")
    told = found(report(tmp_path, rows))
    assert told["intruder_clap"].value == pytest.approx(np.mean(list(share.values())), abs=1e-4)
    plain, corrected = (told[f"spearman_intruder{end}"].value for end in ("", "_corrected"))
    assert plain is not None
    assert corrected is not None
    # CLAP's score is the features' own: without the noise of single answers they agree fully.
    assert 0.2 < plain < 0.6 < corrected


def test_a_pair_that_does_not_say_what_its_clips_are_is_refused(tmp_path: Path) -> None:
    arms = (ONE, PLAIN)
    broken = [
        ({"clip_role_2": "loud"}, "row 2: clip_role_2 is 'loud', expected one of steered"),
        ({"clip_strength_1": ""}, "row 2: clip_strength_1 is empty for a steered clip"),
        ({"clip_strength_1": "much"}, "row 2: clip_strength_1 is 'much', expected a number"),
        ({"chosen_position": 3}, "row 2: chosen_position is '3', expected 1 or 2"),
        ({"chosen_position": ""}, "row 2: chosen_position is '', expected 1 or 2"),
        ({"answer": "none_of_these", "chosen_position": ""}, "row 2: answer is none_of_these"),
        ({"answer": "no_difference"}, "row 2: answer is no_difference, but chosen_position"),
        ({"answer": "both"}, "row 2: answer is 'both', expected one of chosen"),
    ]
    for change, message in broken:
        rows = [pair_row("p0", "f0", 1, arms, 1.0, "alto") | change]
        with pytest.raises(AnalysisError, match=message):
            report(tmp_path, rows)
