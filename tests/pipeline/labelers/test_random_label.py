"""The control: each feature's labels are used once, for a feature that does not have them."""

from __future__ import annotations

import pytest

from pipeline.labelers.random_label import donors


@pytest.mark.parametrize("seed", range(5))
def test_labels_go_to_another_feature_each_once(seed: int) -> None:
    said = {f"f{number}": [f"label {number}"] for number in range(9)}
    donor = donors(said, seed)
    assert sorted(donor) == sorted(donor.values()) == sorted(said)
    assert all(one != giver for one, giver in donor.items())
    assert donor == donors(dict(reversed(said.items())), seed)


@pytest.mark.parametrize("seed", range(20))
def test_near_duplicates_do_not_get_each_others_labels(seed: int) -> None:
    """Three of twelve features have the same best label."""
    said = {f"f{number}": [f"label {number}", "any music"] for number in range(12)}
    said |= {f"f{number}": ["bells", "any music"] for number in (2, 5, 7)}
    donor = donors(said, seed)
    assert sorted(donor.values()) == sorted(said)
    assert all(one != giver for one, giver in donor.items())
    assert not any(said[giver][0] in said[one] for one, giver in donor.items())


def test_where_all_say_the_same_another_feature_is_still_the_donor() -> None:
    donor = donors({name: ["bells"] for name in "abc"}, 0)
    assert all(one != giver for one, giver in donor.items())
    assert donors({"a": ["bells"]}, 0) == {}
