from __future__ import annotations

import csv
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from studyapp import exports
from studyapp.exports.cells import pseudonym
from studyapp.models import Participation, Study, Trial
from studyapp.models.steps import all_steps
from studyapp.participation.selectors.trials import shown_options
from studyapp.participation.services import participations
from tests.studyapp.factories import make_study

pytestmark = pytest.mark.django_db


def arrive(study: Study) -> Participation:
    return participations.consent(participation=participations.begin(study=study))


def replay(someone: Participation) -> str:
    out = StringIO()
    call_command("replay", pseudonym(someone.identifier), stdout=out)
    return out.getvalue()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"design": "within", "catch_trials": 2, "repeat_trials": 2},
        {"steps": all_steps(), "practice_trials": 2, "catch_trials": 1, "repeat_trials": 1},
        {"option_policy": "identification", "trials_per_participation": 3},
    ],
)
def test_a_replay_is_exactly_what_was_shown(options: dict[str, Any]) -> None:
    """For each of several participants, whoever came later."""
    study = make_study(
        **{"features": 12, "trials_per_participation": 4, "ratings_per_item": 2} | options
    )
    people = [arrive(study) for _ in range(4)]
    for someone in people:
        said = replay(someone)
        assert "identical to the stored ones" in said
        trials = list(someone.trials.select_related("item").order_by("number"))
        lines = [line for line in said.splitlines() if line.startswith(" " * 4)]
        shown = [line.split(maxsplit=1)[1] for line in lines if "clips" not in line]
        assert shown == [text for t in trials for _, text in shown_options(t)]
        clips = [line.split()[1:] for line in lines if "clips" in line]
        assert clips == [[s.sha256[:12] for s in trial.item.stimuli] for trial in trials]


@pytest.mark.parametrize("options", [{}, {"steps": all_steps(), "practice_trials": 2}])
def test_a_changed_row_is_reported(options: dict[str, Any]) -> None:
    """A main trial and a practice trial."""
    someone = arrive(make_study(**options))
    trial = someone.trials.get(number=2)
    Trial.objects.filter(pk=trial.pk).update(option_order=trial.option_order[::-1])
    with pytest.raises(CommandError, match="trial 2 differs from the stored one"):
        replay(someone)


def test_what_cannot_be_drawn_again_is_one_clear_line() -> None:
    study = make_study(ratings_per_item=9)
    waiting = participations.begin(study=study)
    with pytest.raises(CommandError, match="was given no trials"):
        replay(waiting)
    old, bare = arrive(study), arrive(study)
    Participation.objects.filter(pk=old.pk).update(algorithm="least-filled-1")
    with pytest.raises(CommandError, match="was drawn by least-filled-1; this is crossed-1"):
        replay(old)
    Participation.objects.filter(pk=bare.pk).update(draw={})
    with pytest.raises(CommandError, match="no state was stored with this draw"):
        replay(bare)
    with pytest.raises(CommandError, match="no export of this site has a participation 'nobody'"):
        call_command("replay", "nobody")


def test_a_replay_takes_the_names_of_exports(tmp_path: Path) -> None:
    study = make_study(features=6, trials_per_participation=3)
    arrive(study)
    made = exports.export_study(study=study, out=tmp_path / "out")
    with (made / "participants.csv").open(encoding="utf-8", newline="") as file:
        [row] = csv.DictReader(file)
    out = StringIO()
    call_command("replay", row["participation"], stdout=out)
    assert "identical to the stored ones" in out.getvalue()
