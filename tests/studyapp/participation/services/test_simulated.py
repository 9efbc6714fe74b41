"""Simulated listeners and people together: neither takes the other's place; only people count."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client

from studyapp import exports
from studyapp.features.selectors import features as feature_selectors
from studyapp.management.commands import demo, simulate
from studyapp.models import Participation, Project, Role, Study
from studyapp.monitoring.services import overview as monitoring
from studyapp.monitoring.services.flags import flags
from studyapp.participation.services import assignment
from studyapp.participation.views import visitor
from studyapp.studies.selectors import studies
from studyapp.studies.services import lifecycle
from tests.studyapp import passages
from tests.studyapp.factories import make_features, make_run, make_study

pytestmark = pytest.mark.django_db


@pytest.fixture
def study() -> Study:
    """A study with one place per condition."""
    return make_study(features=3, trials_per_participation=3)


def complete(study: Study, *, simulated: bool = False) -> Participation:
    client = Client()
    token = {"simulated": visitor.simulation_token(study)} if simulated else {}
    someone = passages.reach_trials(client, study, **token)
    passages.finish(client, study, someone)
    someone.refresh_from_db()
    assert someone.status == "complete"
    return someone


def test_after_simulated_listeners_people_still_find_places(study: Study) -> None:
    fake = {complete(study, simulated=True).condition for _ in range(2)}
    assert assignment.is_full(study, simulated=True)
    assert {complete(study).condition for _ in range(2)} == fake
    assert passages.page_of(Client().get(f"/s/{study.slug}/", follow=True)) == "full"


def test_pages_count_people_only(study: Study) -> None:
    complete(study, simulated=True)
    now = monitoring.monitor(study)
    assert (now.answers, now.complete, now.pace.trial_seconds) == (0, 0, None)
    assert now.states == [("complete", 1, 1)]
    assert flags(study).participations == 0
    assert studies.all_studies().get().complete_count == 0
    assert now.has_simulated
    complete(study)
    now = monitoring.monitor(study)
    assert (now.answers, now.complete) == (3, 1)
    assert studies.all_studies().get().complete_count == 1


def test_in_a_rehearsal_all_count() -> None:
    study = make_study(features=3, trials_per_participation=3, rehearsal=True)
    complete(study, simulated=True)
    complete(study)
    now = monitoring.monitor(study)
    assert (now.answers, now.complete) == (6, 2)


def test_simulating_beside_people_is_refused_but_in_a_rehearsal(study: Study) -> None:
    passages.enter(Client(), study)  # A look is no answer.
    assert simulate.open_study(study.slug) == study
    passages.reach_trials(Client(), study)
    with pytest.raises(CommandError, match="has answers by people; simulate in a separate study"):
        call_command("simulate", study.slug, participants=1)
    Study.objects.update(rehearsal=True)
    assert simulate.open_study(study.slug) == study


@pytest.mark.parametrize("simulated", [True, False])
def test_every_row_says_who_and_what_kind_of_trial(study: Study, simulated: bool) -> None:
    complete(study, simulated=simulated)
    for name in ("responses", "trials", "events", "participants"):
        file, rows = exports.tables(study)[name]
        for row in rows():
            assert file.record(row)["simulated"] is simulated
    file, rows = exports.tables(study)["responses"]
    [*_, last] = rows()
    record = file.record(last)
    first = list(record).index("simulated")
    assert list(record)[first : first + 7] == [
        "simulated", "trial_type", "prompt", "clip_role_1", "clip_role_2", "clip_role_3",
        "strength",
    ]  # fmt: skip
    assert (record["trial_type"], record["clip_role_3"]) == ("label", "exemplar")
    assert (record["prompt"], record["strength"]) == (None, None)


def test_a_features_page_shows_people_of_the_viewers_closed_studies() -> None:
    """Without simulated listeners, other projects' studies, or series with a running version."""
    run = make_run()
    feature = make_features(run, count=3)[0]
    ours = Project.objects.create(name="Ours")
    viewer = User.objects.create_user("viewer")
    ours.memberships.create(user=viewer, role=Role.VIEWER)
    study = make_study(run=run, features=3, slug="one", project=ours)
    complete(study)
    complete(study, simulated=True)
    lifecycle.close(study)
    everything = Study.objects.all()
    [row] = feature_selectors.listener_ratings(feature, everything)
    assert row.ratings == 1
    assert feature_selectors.listener_ratings(feature, everything.exclude(project=ours)) == []
    again = make_study(run=run, features=3, slug="one", project=ours)
    assert feature_selectors.listener_ratings(feature, everything) == []
    lifecycle.close(again)
    assert len(feature_selectors.listener_ratings(feature, everything)) == 1


def test_the_demos_study_is_a_rehearsal() -> None:
    """Try a rehearsal yourself, then send simulated listeners, as README describes."""
    small = {"features_wanted": 6, "trials_per_participation": 3}
    assert make_study(features=6, **(demo.STUDY | small)).rehearsal
