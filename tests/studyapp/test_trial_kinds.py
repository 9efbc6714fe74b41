"""The registry of trial kinds, one contract for every line."""

from __future__ import annotations

import pytest

from studyapp.models import Study
from studyapp.models.trial_kinds import MOST_CLIPS, TRIAL_KINDS


def test_every_kind_that_a_study_can_have_has_a_line() -> None:
    assert list(TRIAL_KINDS) == Study.OptionPolicy.values
    types = [kind.trial_type for kind in TRIAL_KINDS.values()]
    assert len(set(types)) == len(types)


@pytest.mark.parametrize("name", TRIAL_KINDS)
def test_a_kind_shows_no_more_than_an_item_holds(name: str) -> None:
    kind = TRIAL_KINDS[name]
    assert list(kind.numbers) == list(range(1, kind.clips + 1))
    assert 2 <= kind.clips <= MOST_CLIPS
    assert kind.positions >= 2
