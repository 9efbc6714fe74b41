"""Moderators, listeners' and features' levels: `…models.moderators`, `…models.latent_levels`."""

import csv
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.__main__ import main
from analysis.models.clmm import fit
from analysis.models.data import prepare
from analysis.models.joint import fit_joint
from analysis.models.latent_levels import latent_levels
from analysis.models.moderators import describe_moderators, fit_slopes
from analysis.reading.moderators import moderator
from tests.analysis.factories import full_rows, write_csv
from tests.analysis.models.simulated import simulated

ANSWERS = simulated(10, 45, 20, 3, within=False, each=10)


def test_slopes_are_those_of_a_model_with_one_slope_for_each_method() -> None:
    joint = fit_joint(ANSWERS)
    z = np.random.default_rng(0).normal(size=len(ANSWERS.values))
    found = fit_slopes(joint, z)
    own = (z - z.mean()) / z.std()
    x = np.hstack([joint.data.x, own[:, None] * (ANSWERS.method[:, None] == np.arange(3))])
    direct = fit(prepare(ANSWERS.values, x, joint.data.factors))
    assert found.slopes[1:] == pytest.approx(direct.beta[2:], abs=1e-4)
    assert found.errors[1:] == pytest.approx(direct.beta_se[2:], abs=1e-4)
    assert found.slopes[0] == pytest.approx(direct.beta[2:].mean(), abs=1e-4)
    assert 0.001 < found.p_interaction < 1


def test_a_rating_without_a_value_is_left_out_and_a_real_slope_is_found() -> None:
    joint = fit_joint(ANSWERS)
    z = ANSWERS.values + np.random.default_rng(1).normal(0, 2, len(ANSWERS.values))
    z[:50] = np.nan
    found = fit_slopes(joint, z)
    assert found.counts.n_ratings == len(z) - 50
    assert found.p_average < 1e-6


def test_a_moderator_that_is_missing_or_constant_has_one_line(tmp_path: Path) -> None:
    joint = fit_joint(ANSWERS)
    frame = pd.DataFrame({"participation": ANSWERS.participant.astype(str), "trial": 1})
    frame["feature_key"] = ANSWERS.feature.astype(str)
    (tmp_path / "participants.csv").write_text("participation,headphones\n0,true\n")
    names = ["trial_number", "headphones", "training"]
    found, tests = describe_moderators(joint, frame, names, tmp_path)
    assert tests == []
    assert [e.reason for e in found] == [
        "trial number is the same for every rating",
        "headphone check passed is the same for every rating",
        "participants.csv has no column musical_training",
    ]
    frame["trial"] = np.arange(len(frame))
    [none], _ = describe_moderators(None, frame, ["trial_number"], tmp_path)
    assert none.reason == "no joint model of at least two methods was fitted"


def test_a_headphone_check_is_passed_in_capitals_too(tmp_path: Path) -> None:
    frame = pd.DataFrame({"participation": ["p1", "p2"]})
    (tmp_path / "participants.csv").write_text("participation,headphones\np1,True\np2,False\n")
    values, reason = moderator("headphones", frame, tmp_path)
    assert (values.tolist(), reason) == ([1.0, 0.0], "")


def test_the_command_s_moderators_are_one_exploratory_table(tmp_path: Path) -> None:
    rows = full_rows(participants=10, trials=6, ratings_per_feature=3)
    table = write_csv(tmp_path / "responses.csv", rows)
    people = sorted({str(r["participation"]) for r in rows})
    lines = [f"{p},complete,{'true' if i % 3 else 'false'},{i % 5}" for i, p in enumerate(people)]
    (tmp_path / "participants.csv").write_text(
        "\n".join(["participation,participation_status,headphones,musical_training", *lines])
    )
    out = tmp_path / "out"
    asked = ["--moderators", "trial_number", "headphones", "training"]
    assert main([str(table), "--out", str(out), "--resamples", "100", *asked]) == 0
    page = re.sub("<[^>]+>", " ", (out / "report.html").read_text())
    assert "Moderators (exploratory)" in page
    assert "Headphone check passed" in page
    with (out / "tests.csv").open(newline="") as file:
        tests = {r["name"]: r for r in csv.DictReader(file)}
    assert tests["moderator_training_by_method"]["family"] == "exploratory"
    assert tests["moderator_training_by_method"]["p_adjusted"]
    # Listeners' own trends over the trials would count as evidence about all.
    for name in ("moderator_trial_number", "moderator_trial_number_by_method"):
        assert (tests[name]["p"], tests[name]["p_adjusted"]) == ("", "")
        assert "own trends" in tests[name]["reason"]
    assert "That of the trials is a description: listeners’ own trends" in page
    with (out / "tables" / "listeners_severity.csv").open(newline="") as file:
        severity = list(csv.DictReader(file))
    assert {r["participant"] for r in severity} == set(people)


def test_severe_listeners_and_difficult_features_have_lower_ratings() -> None:
    joint = fit_joint(ANSWERS)
    people, things = latent_levels(joint)
    assert (people.unit, things.unit) == ("participant", "feature")
    means = np.bincount(ANSWERS.participant, weights=ANSWERS.values) / people.n_ratings
    assert np.corrcoef(people.value, means)[0, 1] < -0.8
    assert np.all(people.low < people.value)
    # The mode's spread is below the prior's, and a listener's level is shrunken.
    assert np.all(people.error < joint.fit.sigma[0])
    assert np.all(things.n_ratings > 0)
