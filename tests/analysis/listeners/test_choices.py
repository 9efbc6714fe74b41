"""What was chosen: `analysis.listeners.choices` and `analysis.listeners.confidence_agreement`."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest

from analysis.estimates.choices.outcomes import UNKNOWN_CHANCE
from analysis.estimates.descriptives import ratings_of
from analysis.estimates.results import Estimate
from analysis.listeners.choices import (
    ONE_CHOICE,
    choices_of,
    describe_choices,
    entropy_by_chance,
    modal_by_chance,
)
from analysis.listeners.confidence_agreement import describe_agreement
from analysis.reading.table import read_responses
from tests.analysis.factories import Row, full_rows, write_csv

FIVE = {f"option_{i}": f"l{i}" for i in range(1, 6)}


def found(tmp_path: Path, rows: list[Row], method: str = "m") -> dict[str, Estimate]:
    responses = read_responses(write_csv(tmp_path / "r.csv", rows))
    estimates = describe_choices(responses, method, seed=0, resamples=200)
    return {e.name: e for e in estimates if e.recommended}


def row(person: str, feature: str, trial: int, **more: object) -> Row:
    return {
        "participation": person,
        "method": "m",
        "feature": feature,
        "trial": trial,
        "confidence": 3,
        **more,
    }


@pytest.mark.parametrize(("n", "options"), [(2, 5), (3, 5), (5, 3), (6, 2)])
def test_chance_values_are_those_of_all_ways_to_choose(n: int, options: int) -> None:
    modal, entropy = [], []
    for chosen in product(range(options), repeat=n):
        share = np.bincount(chosen, minlength=options) / n
        modal.append(share.max())
        used = share[share > 0]
        entropy.append(-np.sum(used * np.log(used)) / np.log(options))
    assert modal_by_chance(n, options) == pytest.approx(np.mean(modal), abs=1e-12)
    assert entropy_by_chance(n, options) == pytest.approx(np.mean(entropy), abs=1e-12)


def test_chance_of_many_listeners_is_one_in_the_options() -> None:
    assert modal_by_chance(400, 5) == pytest.approx(0.2, abs=0.05)
    assert entropy_by_chance(400, 5) == pytest.approx(1, abs=0.01)


def test_share_of_first_labels_beside_chance(tmp_path: Path) -> None:
    ranks = ["1", "1", "", "3", "1"]
    rows = [
        row(f"p{i}", f"f{i}", 1, chosen_label=f"l{i}", chosen_rank=r, **FIVE)
        for i, r in enumerate(ranks)
    ]
    estimates = found(tmp_path, rows)
    assert (estimates["share_first_label"].count, estimates["share_first_label"].of) == (3, 5)
    assert estimates["share_first_label_chance"].value == 0.2
    assert estimates["share_label_elsewhere"].value == 0.2
    assert estimates["consensus_modal_share"].reason == ONE_CHOICE


def test_identification_is_judged_by_position_and_kept_out_of_first_labels(tmp_path: Path) -> None:
    rows = [
        row(
            f"p{i}",
            "f",
            1,
            chosen_label=f"l{i}",
            chosen_rank="1",
            chosen_position=position,
            target_position=2,
            **FIVE,
        )
        for i, position in enumerate((2, 2, 3, 2))
    ]
    estimates = found(tmp_path, rows)
    assert estimates["identification_accuracy"].value == 0.75
    assert estimates["identification_chance"].value == 0.2
    assert "share_first_label" not in estimates


def test_a_label_from_elsewhere_that_was_never_offered_has_no_share(tmp_path: Path) -> None:
    own = {f"option_{i}": f"l{i}" for i in (1, 2)} | {f"option_rank_{i}": i for i in (1, 2)}
    rows = [row(f"p{i}", f"f{i}", 1, chosen_label="l1", chosen_rank="1", **own) for i in range(4)]
    assert found(tmp_path, rows)["share_label_elsewhere"].reason == (
        "no label from another feature was offered"
    )
    rows[0] |= {"option_rank_2": ""}  # one was
    assert found(tmp_path, rows)["share_label_elsewhere"].value == 0


def test_consensus_by_hand(tmp_path: Path) -> None:
    chosen = {"f": "aab", "g": "aa", "h": "b"}
    rows = [
        row(f"p{i}", feature, ord(feature), chosen_label=label, **FIVE)
        for feature, labels in chosen.items()
        for i, label in enumerate(labels)
    ]
    estimates = found(tmp_path, rows)
    modal = estimates["consensus_modal_share"]
    assert modal.value == pytest.approx((2 / 3 + 1) / 2)
    assert (modal.n_ratings, modal.n_features) == (5, 2)
    entropy = -(2 / 3 * np.log(2 / 3) + np.log(1 / 3) / 3) / np.log(5)
    assert estimates["consensus_entropy"].value == pytest.approx(entropy / 2)
    expected = (modal_by_chance(3, 5) + modal_by_chance(2, 5)) / 2
    assert estimates["consensus_modal_share_chance"].value == pytest.approx(expected)
    assert "share_first_label" not in estimates


def test_no_choices_in_the_table_or_from_the_method(tmp_path: Path) -> None:
    assert found(tmp_path, [row("p", "f", 1)]) == {}
    assert found(tmp_path, [row("p", "f", 1, chosen_label="")]) == {}


def test_ranks_alone_tell_choices_apart(tmp_path: Path) -> None:
    rows = [row(f"p{i}", "f", 1, chosen_rank=r) for i, r in enumerate(("1", "1", ""))]
    path = write_csv(tmp_path / "r.csv", rows)
    choices = choices_of(read_responses(path), "m")
    assert choices is not None
    assert choices.n_labels == 2
    assert choices.label.tolist() == [0, 0, 1]


def test_without_options_nothing_is_compared_with_chance(tmp_path: Path) -> None:
    rows = [row(f"p{i}", f"f{i // 3}", 1, chosen_label="aab"[i % 3]) for i in range(12)]
    estimates = found(tmp_path, rows)
    unknown = {
        "consensus_modal_share_chance",
        "consensus_entropy",
        "consensus_entropy_chance",
        "brennan_prediger_choice",
    }
    assert {n for n, e in estimates.items() if e.reason == UNKNOWN_CHANCE} == unknown
    assert estimates["consensus_modal_share"].value == pytest.approx(2 / 3)
    assert estimates["alpha_choice"].value is not None


def test_a_full_study_has_every_choice_and_agreement(tmp_path: Path) -> None:
    responses = read_responses(write_csv(tmp_path / "r.csv", full_rows()))
    estimates = describe_choices(responses, "gemini", seed=0, resamples=200)
    by_name = {e.name: e for e in estimates if e.recommended}
    first = by_name["share_first_label"]
    assert first.low is not None
    assert first.low > (by_name["share_first_label_chance"].value or 1)
    modal = by_name["consensus_modal_share"]
    assert modal.low is not None
    assert modal.low > (by_name["consensus_modal_share_chance"].value or 1)
    agreed = {e.name: e for e in describe_agreement(ratings_of(responses, "gemini"), seed=0)}
    assert 0 < (agreed["icc_1"].value or 0) < 0.4
    assert agreed["alpha_ordinal"].n_features == 80
    assert all(e.low is not None for e in agreed.values())


def test_agreement_on_features_rated_once_is_not_estimable(tmp_path: Path) -> None:
    rows = [row(f"p{i}", f"f{i}", 1) for i in range(5)]
    responses = read_responses(write_csv(tmp_path / "r.csv", rows))
    estimates = describe_agreement(ratings_of(responses, "m"), seed=0)
    assert all(e.value is None and "at least two per unit" in e.reason for e in estimates)


def test_a_listener_s_second_rating_of_a_feature_is_not_agreement(tmp_path: Path) -> None:
    rows = [row("p", "f", 1), row("p", "f", 2), row("q", "g", 1)]
    responses = read_responses(write_csv(tmp_path / "r.csv", rows))
    estimates = describe_agreement(ratings_of(responses, "m"), seed=0)
    assert all(e.value is None for e in estimates)


def test_a_feature_shown_with_different_options_is_two_items(tmp_path: Path) -> None:
    """Chance is that of each item's own options, and an answer agrees only within its item."""
    three = {f"option_{i}": f"l{i}" if i <= 3 else "" for i in range(1, 6)}
    rows = [
        row(f"p{i}", "f", 1, chosen_label="l1", **options)
        for i, options in enumerate((FIVE, FIVE, FIVE, three, three))
    ]
    chance = found(tmp_path, rows)["consensus_modal_share_chance"]
    assert chance.value == pytest.approx((modal_by_chance(3, 5) + modal_by_chance(2, 3)) / 2)
    assert chance.n_features == 2
