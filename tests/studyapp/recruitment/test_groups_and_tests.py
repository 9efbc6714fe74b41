"""Participant groups at Prolific, and a study that is tried there: steps that cost nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from studyapp.core import clock
from studyapp.core.errors import RecruitmentError, StudyError
from studyapp.models import (
    AuditRecord,
    ParticipantGroup,
    Participation,
    Project,
    RecruitmentAction,
    Study,
)
from studyapp.participation.services import participations
from studyapp.recruitment.services import actions, configuration, intents, prolific_http
from studyapp.recruitment.services.identities import external_key
from studyapp.recruitment.services.prolific_study import Draft
from studyapp.studies.services import preview_copies
from tests.studyapp import passages
from tests.studyapp.factories import exported, make_study
from tests.studyapp.recruitment.asked import CODES, State
from tests.studyapp.recruitment.prolific_server import STUDY, Prolific

pytestmark = pytest.mark.django_db
PID, SESSION = f"{1:024x}", "their-session"


class Killed(BaseException):
    """The process is no more."""


@pytest.fixture
def people(service: Prolific, study: Study) -> list[str]:
    """Two who consented, one who only followed the link, and Ann, who never came here."""
    came = ["bob", "cem"]
    for pid in ("dan", *came):
        service.submit(pid, f"s-{pid}", "AWAITING REVIEW")
        key = external_key(pid=pid, session=f"s-{pid}")
        begun = participations.begin(study=study, external_key=key)
        if pid in came:
            participations.consent(participation=begun)
    return came


def test_everyone_who_took_part_is_put_into_a_group_once(
    service: Prolific, study: Study, boss: User, people: list[str]
) -> None:
    for _ in range(2):
        action = intents.group(study=study, name="  Heard\nit ", user=boss)
        assert action.state == State.CONFIRMED
    [group] = service.groups.values()
    assert (group["name"], group["participant_ids"]) == ("Heard it", people)
    [row] = ParticipantGroup.objects.all()
    assert row.reference == action.reference == group["id"]
    notes = AuditRecord.objects.filter(action="prolific: group")
    assert {note.detail["cost"] for note in notes} == {"nothing"}
    assert notes.count() == 2
    with pytest.raises(StudyError, match="give the group a name"):
        intents.group(study=study, name=" ", user=boss)
    Participation.objects.update(consented_at=None)
    with pytest.raises(StudyError, match="nobody from Prolific has taken part"):
        intents.group(study=study, name="x", user=boss)


@pytest.mark.parametrize("is_sent", [False, True], ids=["before it is sent", "before it is stored"])
def test_a_death_makes_no_second_group_and_forgets_nobody(
    service: Prolific, study: Study, boss: User, people: list[str],
    monkeypatch: pytest.MonkeyPatch, is_sent: bool,
) -> None:  # fmt: skip
    send = prolific_http.send

    def die(*given: Any) -> dict[str, Any]:
        if is_sent:
            send(*given)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(prolific_http, "send", die)
        with pytest.raises(Killed):
            intents.group(study=study, name="Heard it", user=boss)
    action = RecruitmentAction.objects.get()
    assert actions.settle(action=action).state == (State.CONFIRMED if is_sent else State.SENT)
    RecruitmentAction.objects.update(sent_at=clock.now() - timedelta(hours=1))
    action.refresh_from_db()
    if not is_sent:
        assert actions.settle(action=action).state == State.INTENDED
        actions.carry_out(action=action, user=boss)
    [group] = service.groups.values()
    assert group["participant_ids"] == people
    assert ParticipantGroup.objects.get().reference == group["id"]


def test_a_group_of_many_people_is_read_page_by_page(
    service: Prolific, study: Study, boss: User, people: list[str]
) -> None:
    service.groups["g"] = {"id": "g", "participant_ids": [f"p{n}" for n in range(205)] + people}
    ParticipantGroup.objects.create(name="Many", reference="g")
    action = RecruitmentAction(study=study, kind="group", content={"name": "Many", "targets": [
        external_key(pid=pid, session=f"s-{pid}") for pid in people
    ]})  # fmt: skip
    action.state, action.sent_at = State.SENT, clock.now()
    action.save()
    assert actions.settle(action=action).state == State.CONFIRMED
    assert len([one for one in service.asked if "g/participants" in one]) == 3


def test_a_draft_keeps_the_projects_groups_out_and_offers_no_others(
    service: Prolific, boss: User
) -> None:
    study = make_study(codes=CODES)
    configuration.configure(study=study, service="prolific", payment=2, currency="GBP")  # type: ignore[arg-type]
    own = ParticipantGroup.objects.create(name="Heard it", reference="group7")
    others = Project.objects.create(name="Others")
    ParticipantGroup.objects.create(name="Theirs", reference="group8", project=others)
    client = Client()
    client.force_login(boss)
    place = [study.slug, study.version]
    page = client.get(reverse("recruitment-prolific", args=place)).content.decode()
    assert "Heard it" in page
    assert "Theirs" not in page
    asked = {"kind": "create", "description": "Listen.", "places": 5, "minutes": 9}
    client.post(reverse("recruitment-ask", args=place), asked | {"kept_out": own.pk})
    action = RecruitmentAction.objects.get()
    actions.carry_out(action=action, user=boss)
    assert service.studies[action.reference]["filters"] == [
        {"filter_id": "participant_group_blocklist", "selected_values": ["group7"]}
    ]
    draft = Draft("Listen.", "https://x", 9, 5)
    assert draft.kept_out == ()


@pytest.fixture
def tested(service: Prolific, study: Study, boss: User) -> str:
    """The identifier of the study's test study at Prolific."""
    service.study(STUDY)["status"] = "UNPUBLISHED"
    with pytest.raises(RecruitmentError, match="there is no test participant"):
        intents.test(study=study, user=boss)
    with pytest.raises(StudyError, match="is not a mail address"):
        intents.make_tester(study=study, email="me", user=boss)
    intents.make_tester(study=study, email="me@x.org", user=boss)
    action = intents.test(study=study, user=boss)
    assert action.content["url"] == f"https://prolific.test/{action.reference}"
    return action.reference


def test_a_test_participants_passage_counts_nowhere_and_leads_back_with_the_real_code(
    service: Prolific, study: Study, tested: str
) -> None:
    service.submit(PID, SESSION, "ACTIVE", tested)
    link = f"/s/{study.slug}/?PROLIFIC_PID={PID}&SESSION_ID={SESSION}&STUDY_ID={tested}"
    client = Client()
    page = client.get(link, follow=True)
    assert "Preview: nothing counts" in page.content.decode()
    begun = Participation.objects.get()
    copy = Study.with_previews.get(pk=begun.study_id)
    assert copy.preview_of == study
    # The same link leads to the same passage, in another browser too.
    assert Client().get(link).headers["Location"].startswith(f"/s/{copy.slug}/")
    passages.finish(client, copy, passages.reach_trials(client, copy))
    begun.refresh_from_db()
    assert begun.completion_code == study.codes["complete"]
    page = client.get(f"/s/{copy.slug}/", follow=True)
    assert f"complete?cc={begun.completion_code}" in page.content.decode()
    # Whoever learnt the copy's own link cannot begin there, least of all while nobody can ask.
    service.broken = 503
    cache.clear()
    own = f"/s/{copy.slug}/?PROLIFIC_PID={PID}&SESSION_ID={SESSION[::-1]}&STUDY_ID={tested}"
    assert Client().get(own).status_code == 403
    assert Participation.objects.count() == 1
    assert study.participations.count() == 0
    _, rows = exported(study, "participants")
    assert rows == []


def test_a_test_participant_reads_the_language_of_their_browser(
    service: Prolific, study: Study, tested: str
) -> None:
    Study.objects.filter(pk=study.pk).update(languages=["en", "de"])
    service.submit(PID, SESSION, "ACTIVE", tested)
    link = f"/s/{study.slug}/?PROLIFIC_PID={PID}&SESSION_ID={SESSION}&STUDY_ID={tested}"
    Client(headers={"accept-language": "de"}).get(link)
    assert Participation.objects.get().language == "de"


def test_only_prolifics_test_participants_are_led_to_the_copy(
    service: Prolific, study: Study, tested: str, settings: Any
) -> None:
    link = f"/s/{study.slug}/?PROLIFIC_PID={PID}&SESSION_ID={SESSION}&STUDY_ID="
    stranger = Client().get(link + tested)
    assert stranger.status_code == 403
    # Neither is a participant of the study itself, known a moment ago.
    service.submit(PID, SESSION, "ACTIVE", STUDY)
    cache.clear()
    assert Client().get(link + STUDY).status_code == 302
    assert Client().get(link + tested).status_code == 403
    del service.submissions[-1]["study_id"]
    cache.clear()
    assert Client().get(link + tested).status_code == 403
    Participation.objects.all().delete()
    settings.PROLIFIC_TOKEN = ""
    assert Client().get(link + tested).status_code == 403
    assert not Participation.objects.exists()
    assert not Study.with_previews.exclude(preview_of=None).exists()
    assert Client().get(f"/s/{study.slug}/?STUDY_ID={tested}").status_code == 403


def test_a_test_study_is_made_only_of_a_draft_and_forgotten_with_the_study_there(
    service: Prolific, study: Study, boss: User, tested: str
) -> None:
    service.study(STUDY)["status"] = "ACTIVE"
    with pytest.raises(StudyError, match="the study is active at Prolific"):
        intents.test(study=study, user=boss)
    study.refresh_from_db()
    assert study.recruitment.test_study == tested
    configuration.configure(study=study, service="prolific", external_study=STUDY)
    study.recruitment.refresh_from_db()
    assert study.recruitment.test_study == tested
    configuration.configure(study=study, service="prolific", external_study="another")
    study.recruitment.refresh_from_db()
    assert study.recruitment.test_study == ""


def test_a_copy_for_tests_is_made_once(study: Study) -> None:
    assert preview_copies.of_test(study, "t") == preview_copies.of_test(study, "t")
