"""Planning: `analysis.design` and `analysis.design.simulation`."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from analysis.__main__ import main
from analysis.design.planning import (
    cheapest,
    fewest,
    fewest_of_features,
    from_pilot,
    power,
    run,
)
from analysis.design.simulation import Design, simulate
from analysis.errors import AnalysisError
from analysis.estimates.intervals import stream
from tests.analysis.factories import full_rows, paper_rows, write_csv


def test_simulated_studies_have_the_stated_means_and_shares() -> None:
    design = Design(participants=200, participant_sd=0.3, feature_sd=0.3, effect=0.6)
    rng = np.random.default_rng(0)
    pairs = [simulate(design, rng) for _ in range(20)]
    low = np.mean([p.values[~p.is_a].mean() for p in pairs])
    high = np.mean([p.values[p.is_a].mean() for p in pairs])
    assert low == pytest.approx(design.mean(0.0), abs=0.03)
    assert high - low == pytest.approx(0.6, abs=0.04)
    at_least_4 = np.mean([(p.values[~p.is_a] >= 4).mean() for p in pairs])
    assert at_least_4 == pytest.approx(design.share(0.0), abs=0.015)
    assert design.mean(0.0) == pytest.approx(3.19, abs=0.005)


@pytest.mark.parametrize("ratings", [1, 3, 5])
def test_features_are_rated_as_often_as_stated(ratings: int) -> None:
    design = Design(participants=30, ratings=ratings)
    pair = simulate(design, np.random.default_rng(0))
    counts = np.bincount(pair.feature[pair.is_a], minlength=design.n_features)
    assert set(counts.tolist()) == {ratings}
    assert not pair.crossed


def test_power_of_independent_ratings_is_that_of_the_t_test() -> None:
    design = Design(participants=30, trials=1, participant_sd=0, feature_sd=0, effect=0.8)
    sides = [
        np.array([1.0, *(design.share(s, k) for k in range(2, 6)), 0.0])
        for s in (0.0, design.shift)
    ]
    spread = []
    for tail in sides:
        p, steps = -np.diff(tail), np.arange(1, 6)
        spread.append(np.sum(p * steps**2) - np.sum(p * steps) ** 2)
    apart = 0.8 / np.sqrt(np.mean(spread)) * np.sqrt(30 / 2)
    limit = stats.t.ppf(0.975, 58)
    expected = stats.nct.sf(limit, 58, apart) + stats.nct.cdf(-limit, 58, apart)
    found = power(design, simulations=600)
    assert found.power == pytest.approx(expected, abs=3.5 * found.monte_carlo_error)
    assert found.monte_carlo_error == pytest.approx(0.0204, abs=0.003)


def test_power_grows_with_effect_and_falls_with_spread() -> None:
    small = power(Design(effect=0.2), simulations=100).power
    large = power(Design(effect=0.8), simulations=100).power
    assert small < large
    noisy = power(Design(effect=0.5, participant_sd=2.0), simulations=100)
    calm = power(Design(effect=0.5, participant_sd=0.2), simulations=100)
    assert noisy.power < calm.power
    assert noisy.width > calm.width


def test_within_participants_their_own_levels_cancel() -> None:
    between = Design(trials=5, ratings=2, participant_sd=2.0)
    within = dataclasses.replace(between, within=True)
    rated = simulate(within, np.random.default_rng(0))
    assert rated.crossed
    assert rated.n_participants == within.participants
    a, b = (rated.side(first, rated.values).weight for first in (True, False))
    assert a.tolist() == b.tolist() == [within.trials] * within.participants
    of_each = rated.feature.reshape(2, within.participants, within.trials)
    seen = np.concatenate(list(of_each), axis=1)
    assert all(len(set(row)) == 2 * within.trials for row in seen.tolist())
    apart, paired = (power(design, simulations=100) for design in (between, within))
    assert paired.power > apart.power
    assert paired.width < 0.8 * apart.width
    with pytest.raises(AnalysisError, match="fewer than the 20 trials that each participant has"):
        Design(participants=10, trials=10, ratings=10, within=True)


def test_power_within_participants_is_that_of_the_paired_t_test() -> None:
    design = Design(participants=30, trials=1, feature_sd=0, effect=0.6, within=True)
    rng, hits = stream(0, "design"), 0
    for _ in range(300):
        pair = simulate(design, rng)
        found = stats.ttest_rel(pair.values[pair.is_a], pair.values[~pair.is_a])
        hits += found.pvalue < 0.05
    assert power(design, simulations=300).power == pytest.approx(hits / 300, abs=0.02)


def test_within_participants_no_effect_is_found_about_as_rarely_as_stated() -> None:
    found = power(Design(effect=0.0, within=True), simulations=400)
    assert found.power < 0.05 + 3 * 0.011


def test_no_effect_is_found_about_as_rarely_as_stated() -> None:
    found = power(Design(effect=0.0), simulations=400)
    assert found.power < 0.05 + 3 * 0.011


def test_the_cheapest_design_reaches_the_power_at_the_lowest_cost() -> None:
    found = cheapest(Design(effect=0.8), wanted=0.8, trials=[5, 10], simulations=60)
    assert found is not None
    best, cost = found
    assert best.power >= 0.8
    assert cost == pytest.approx(2 * best.design.participants * (1 + 0.1 * best.design.trials))
    assert cheapest(Design(effect=0.01), wanted=0.9, trials=[2], simulations=20) is None


def test_a_pilot_gives_the_defaults(tmp_path: Path) -> None:
    pilot = write_csv(tmp_path / "pilot.csv", full_rows(ratings_per_feature=8))
    design = from_pilot(pilot)
    assert design.participant_sd == pytest.approx(0.8, abs=0.2)
    # The levels of a feature under the two methods are independent, there and in the simulation.
    assert design.feature_sd == pytest.approx(0.6, abs=0.1)
    assert sum(design.shares) == pytest.approx(1)
    one = {"solo": (0.2, 0.2, 0.2, 0.2, 0.2)}
    with pytest.raises(AnalysisError, match="a pilot needs exactly two methods; this one has 1"):
        from_pilot(write_csv(tmp_path / "one.csv", paper_rows(participants=2, shares=one)))


def test_the_command_says_power_width_and_error(tmp_path: Path) -> None:
    told = run(
        [
            "--participants",
            "20",
            "--effect",
            "0.7",
            "--simulations",
            "50",
            "--json",
            str(tmp_path / "d.json"),
        ]
    )
    assert "power 0." in told
    assert "Monte Carlo error" in told
    answer = json.loads((tmp_path / "d.json").read_text())
    assert answer["stated"]["simulations"] == 50
    assert answer["stated"]["design"]["participants"] == 20


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--participants", "1"], "participants is 1; it must be from 2"),
        (["--effect", "3"], "goes beyond the end of the scale"),
        (["--effect", "-1"], "effect is -1"),
        (["--simulations", "3"], "too few"),
        (["--ratings", "900"], "fewer than the 10 trials"),
        (["--power", "2", "--simulations", "20"], "between 0 and 1"),
        (["--participant-sd", "nan"], "participant_sd is nan"),
        (["--pilot", "nowhere.csv"], "nowhere.csv"),
    ],
)
def test_a_design_that_cannot_be_is_refused_in_one_line(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["design", *words]) == 2
    told = capsys.readouterr()
    assert message.replace("’", "'") in told.err.replace("’", "'")
    assert told.err.count("\n") == 1


def test_several_comparisons_are_tested_at_holms_strictest_level() -> None:
    design = Design(participants=30, trials=1, feature_sd=0, participant_sd=0, effect=0.6)
    rng, hits = stream(0, "design"), 0
    for _ in range(300):
        pair = simulate(design, rng)
        found = stats.ttest_ind(pair.values[pair.is_a], pair.values[~pair.is_a])
        hits += found.pvalue < 0.05 / 3
    corrected = power(design, simulations=300, comparisons=3)
    assert corrected.power == pytest.approx(hits / 300, abs=0.02)
    alone = power(design, simulations=300)
    assert corrected.power < alone.power
    assert corrected.width == alone.width
    with pytest.raises(AnalysisError, match="comparisons is 0; it must be 1 or more"):
        power(design, simulations=20, comparisons=0)


def test_the_fewest_participants_of_given_features_reach_the_power_or_none_do() -> None:
    design = Design(effect=0.8, trials=5)
    found = fewest_of_features(design, features=30, wanted=0.8, simulations=60)
    assert found is not None
    assert found.power >= 0.8
    assert (found.design.participants, found.design.n_features) == (
        30 * found.design.ratings // 5, 30,
    )  # fmt: skip
    # Where the ten features differ much, ratings of other people do not help.
    noisy = Design(effect=0.2, trials=5, feature_sd=2.0)
    assert fewest_of_features(noisy, features=10, wanted=0.8, simulations=20) is None
    more = fewest(design, wanted=0.8, simulations=60, comparisons=3)
    assert more is not None
    assert more.comparisons == 3


def test_six_features_are_not_rated_without_end() -> None:
    few = Design(effect=0.3, trials=5, participants=4)
    assert fewest_of_features(few, features=6, wanted=0.9, simulations=20) is None
