"""Changes while a study runs: abandoned participations, conditions, added places."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from analysis.report.about import deviations as report
from studyapp.core.errors import StudyError
from studyapp.exports import protocol
from studyapp.models import AuditRecord, Deviation, Participation, Study
from studyapp.monitoring.services import deviations
from studyapp.participation.services import abandonment, assignment, participations, replay
from studyapp.studies.services import frames, lifecycle
from tests.studyapp import passages
from tests.studyapp.factories import METHODS, make_study

pytestmark = pytest.mark.django_db


@pytest.fixture
def user() -> User:
    return User.objects.create_superuser("admin")


def consented(study: Study) -> Participation:
    return participations.consent(participation=participations.begin(study=study))


def gone_for(someone: Participation, hours: float) -> Participation:
    past = timezone.now() - timedelta(hours=hours)
    Participation.objects.filter(pk=someone.pk).update(
        created_at=past, lease_expires_at=past if someone.consented_at else None
    )
    return someone


def status(someone: Participation) -> str:
    someone.refresh_from_db()
    return someone.status


def test_an_editor_ends_who_went_away_and_nobody_who_is_there(user: User) -> None:
    study = make_study()
    client = Client()
    client.force_login(user)
    here, away = consented(study), gone_for(consented(study), 2)
    reader = participations.begin(study=study)
    never = gone_for(participations.begin(study=study), 2)
    page = client.get(reverse("operation", args=[study.slug, 1])).content.decode()
    assert "<strong>2</strong> participations are active" in page

    for _ in range(2):  # The second finds nobody.
        client.post(reverse("end-abandoned", args=[study.slug, 1]))

    assert [status(one) for one in (here, away, reader, never)] == [
        "active", "timed_out", "active", "timed_out"
    ]  # fmt: skip
    [record] = AuditRecord.objects.all()
    assert (record.who, record.detail) == ("admin", {"count": 2})
    lifecycle.close(study)
    with pytest.raises(StudyError, match="closed"):
        abandonment.end_all(study=study, user=user)


def test_a_day_after_its_lease_a_participation_is_ended_unless_the_study_is_closed() -> None:
    study, closed = make_study(), make_study()
    hours = study.lease_minutes / 60
    late, old = gone_for(consented(study), 23), gone_for(consented(study), 25)
    reader = gone_for(participations.begin(study=study), 24 + hours - 0.1)
    never = gone_for(participations.begin(study=study), 24 + hours + 0.1)
    kept = gone_for(consented(closed), 25)
    lifecycle.close(closed)

    abandonment.sweep_now()

    assert [status(one) for one in (late, old, reader, never, kept)] == [
        "active", "timed_out", "active", "timed_out", "active"
    ]  # fmt: skip
    [record] = AuditRecord.objects.all()
    assert (record.who, record.target, record.detail["count"]) == ("nobody", str(study), 2)


def test_a_condition_that_is_off_gets_nobody_new_and_every_draw_can_be_repeated(
    user: User,
) -> None:
    study = make_study()
    off, on = METHODS
    before = [consented(study) for _ in range(2)]
    places = frames.places(study)
    deviations.switch_off(study=study, method=off, reason="Its labels are broken.", user=user)

    after = [consented(study)]
    assert frames.places(study) == places // 2 + 1  # One place was held in it.
    assert {one.condition.method for one in after if one.condition} == {on}
    assert assignment.is_full(study)
    [behind] = [one for one in before if one.condition and one.condition.method == off]
    gone_for(behind, 2)
    assignment.keep_place(participation=behind)  # Who began in it may finish.

    deviations.switch_on(study=study, method=off, reason="Mended.", user=user)
    after.append(consented(study))
    for one in (*before, *after):
        one.refresh_from_db()
        assert replay.replay(participation=one) == replay.stored(participation=one)
    assert after[1].condition is not None
    assert after[1].condition.method == off
    assert lifecycle.design_hash(study) == study.design_hash


def test_within_participants_those_that_stay_on_share_the_trials(user: User) -> None:
    study = make_study(design="within")
    deviations.switch_off(study=study, method=METHODS[0], reason="broken", user=user)
    someone = consented(study)
    trials = someone.trials.select_related("item__condition")
    assert {one.item.condition.method for one in trials if one.item.condition} == {METHODS[1]}
    assert replay.replay(participation=someone) == replay.stored(participation=someone)


def test_what_cannot_be_a_deviation_is_refused(user: User) -> None:
    study, draft = make_study(), make_study(state="draft")
    off, on = METHODS
    with pytest.raises(StudyError, match="give a reason"):
        deviations.switch_off(study=study, method=off, reason=" ", user=user)
    study.refresh_from_db()
    assert not study.conditions.exclude(off_at=None).exists()
    with pytest.raises(StudyError, match="no condition 'x'"):
        deviations.switch_off(study=study, method="x", reason="r", user=user)
    with pytest.raises(StudyError, match="is on already"):
        deviations.switch_on(study=study, method=off, reason="r", user=user)
    deviations.switch_off(study=study, method=off, reason="r", user=user)
    with pytest.raises(StudyError, match="only condition that is on"):
        deviations.switch_off(study=study, method=on, reason="r", user=user)
    for count in (0, 10_001):
        with pytest.raises(StudyError, match="from 1 to 10000"):
            deviations.add_places(study=study, count=count, reason="r", user=user)
    with pytest.raises(StudyError, match="open or paused"):
        deviations.add_places(study=draft, count=1, reason="r", user=user)


def test_added_places_admit_people_and_export_and_report_name_every_deviation(
    user: User,
) -> None:
    study = make_study(features=3)
    client = Client()
    client.force_login(user)
    for _ in range(2):
        consented(study)
    assert assignment.is_full(study)
    address = reverse("add-places", args=[study.slug, 1])
    client.post(address, {"count": "2", "reason": "Two answers\nwere lost."})
    study.refresh_from_db()
    assert frames.places(study) == 6
    consented(study)
    client.post(
        reverse("switch-condition", args=[study.slug, 1]),
        {"condition": METHODS[0], "to": "off", "reason": "broken"},
    )

    told = json.loads(json.dumps(protocol(study)))
    assert [(one["kind"], one["method"], one["places"]) for one in told["deviations"]] == [
        ("places_added", None, 2), ("condition_off", METHODS[0], None)
    ]  # fmt: skip
    assert "admin" not in json.dumps(told["deviations"])
    day = Deviation.objects.latest("pk").at.strftime("%Y-%m-%d")
    assert report.recorded(told) == [
        f"Places were added (2) on {day}, while the study was under way. Reason given: "
        "Two answers were lost.",
        f"The condition {METHODS[0]} was switched off on {day}, while the study was under way. "
        "Reason given: broken.",
    ]
    page = client.get(reverse("operation", args=[study.slug, 1])).content.decode()
    assert "Two answers were lost. (admin)" in page
    assert AuditRecord.objects.filter(action__in=("added places", "switched a condition off"))[1:]


def test_people_who_were_ended_read_that_their_time_has_run_out(user: User) -> None:
    study = make_study()
    client = Client()
    gone_for(passages.reach_trials(client, study), 2)
    abandonment.end_all(study=study, user=user)
    page = client.get(f"/s/{study.slug}/", follow=True)
    assert "Your time has run out" in page.content.decode()


def test_times_are_in_the_study_s_own_zone_on_its_pages_and_in_utc_on_the_next_request(
    user: User,
) -> None:
    study, other = make_study(), make_study()
    client = Client()
    client.force_login(user)
    moment = datetime(2026, 1, 5, 23, 30, tzinfo=UTC)
    someone = passages.reach_trials(Client(), study)
    Participation.objects.filter(pk=someone.pk).update(created_at=moment, consented_at=moment)
    Study.objects.filter(pk__in=(study.pk, other.pk)).update(frozen_at=moment)
    address = reverse("time-zone", args=[study.slug, 1])
    assert (
        "such as Europe/Berlin"
        in client.post(address, {"time_zone": "Mars/Base"}, follow=True).content.decode()
    )
    client.post(address, {"time_zone": "Asia/Tokyo"})

    def page(name: str, of: Study, *more: str) -> str:
        return client.get(reverse(name, args=[of.slug, 1, *more])).content.decode()

    assert "2026-01-06 08:30 JST" in page("study", study)
    assert "2026-01-06 08:30" in page("participations", study)
    assert "2026-01-06 08:30:00" in page("participation", study, someone.identifier)
    assert "2026-01-05 23:30 UTC" in page("study", other)
    study.refresh_from_db()
    assert protocol(study)["frozen_at"] == "2026-01-05T23:30:00+00:00"
