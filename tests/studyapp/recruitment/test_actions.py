"""The study's life at Prolific: what each step asks, costs, refuses and records."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from studyapp.core import clock
from studyapp.core.errors import RecruitmentError, StudyError
from studyapp.models import AuditRecord, Membership, Project, RecruitmentAction, Role, Study
from studyapp.recruitment.services import actions, configuration, intents, prolific_http
from studyapp.recruitment.services.prolific_study import Draft
from tests.studyapp.factories import make_study
from tests.studyapp.recruitment.asked import (
    ANN,
    ASKED,
    CODES,
    COSTS,
    ONCE,
    Ask,
    State,
    outcome,
    prepared,
)
from tests.studyapp.recruitment.prolific_server import STUDY, Prolific

pytestmark = pytest.mark.django_db


def test_a_publication_that_waits_again_says_what_it_costs_now(
    service: Prolific, study: Study, boss: User
) -> None:
    service.study(STUDY)["status"] = "UNPUBLISHED"
    action = intents.publish(study=study, user=boss)

    def breaks(what: str) -> None:
        if "transition" in what:
            raise ConnectionResetError("not even read")

    service.before = breaks
    with pytest.raises(RecruitmentError, match="not known"):
        actions.carry_out(action=action, user=boss)
    service.before = None
    service.study(STUDY).update(status="UNPUBLISHED", total_cost=9900.0)
    RecruitmentAction.objects.update(sent_at=clock.now() - timedelta(hours=1))
    action.refresh_from_db()
    assert actions.settle(action=action).cost == "99.00 GBP"
    service.study(STUDY)["total_cost"] = 5000.0
    with pytest.raises(RecruitmentError, match=r"50\.00 GBP now, not 99\.00"):
        actions.carry_out(action=action, user=boss)


@pytest.mark.parametrize("kind", ASKED)
def test_each_step_is_asked_with_its_cost_sent_once_and_recorded(
    service: Prolific, study: Study, boss: User, kind: str
) -> None:
    prepared(kind, study, service)
    before = outcome(kind, service)
    action = ASKED[kind](study, boss)
    assert (action.state, action.cost) == (State.INTENDED, COSTS[kind])
    assert outcome(kind, service) == before
    actions.carry_out(action=action, user=boss)
    assert (action.state, outcome(kind, service)) == (State.CONFIRMED, ONCE[kind])
    with pytest.raises(StudyError, match="nothing was sent now"):
        actions.carry_out(action=action, user=boss)
    assert outcome(kind, service) == ONCE[kind]
    [note] = AuditRecord.objects.filter(action=f"prolific: {kind}")
    assert note.detail == {"key": str(action.key), "cost": action.cost or "nothing"}
    if kind == "create":
        study.recruitment.refresh_from_db()
        assert study.recruitment.external_study == "study1"


def test_a_submission_that_is_given_twice_is_paid_and_costs_once(
    service: Prolific, study: Study, boss: User
) -> None:
    action = intents.approve(study=study, targets=[ANN, ANN], user=boss)
    assert (action.cost, action.target) == (COSTS["approve"], ANN)


def test_pausing_and_resuming_ask_nothing(service: Prolific, study: Study, boss: User) -> None:
    for kind, status in (("pause", "PAUSED"), ("resume", "ACTIVE")):
        action = intents.turn(study=study, kind=kind, user=boss)
        assert (action.state, service.study(STUDY)["status"]) == (State.CONFIRMED, status)


@pytest.mark.parametrize(
    ("ask", "line"),
    [
        (lambda s, u: intents.pay_bonus(study=s, targets=[ANN], amount=Decimal(0), user=u), "is 0"),
        (lambda s, u: intents.pay_bonus(
            study=s, targets=[ANN], amount=Decimal(5000), user=u), "5000"),
        (lambda s, u: intents.approve(study=s, targets=["x"], user=u), "does not have this"),
        (lambda s, u: intents.approve(study=s, targets=[], user=u), "no submission was chosen"),
        (lambda s, u: intents.reject(
            study=s, targets=[ANN], category="OTHER", reason="Too bad", user=u),
         "has 7 characters"),
        (lambda s, u: intents.add_places(study=s, more=0, user=u), "it must be from 1"),
        (lambda s, u: intents.create(
            study=s, user=u, draft=Draft("d", "l", 9, 5)), "already has the study"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_before_anything_is_stored(
    service: Prolific, study: Study, boss: User, ask: Ask, line: str
) -> None:
    with pytest.raises(StudyError, match=line):
        ask(study, boss)
    assert not RecruitmentAction.objects.exists()


def test_the_draft_has_the_studys_link_codes_and_paid_screening(
    service: Prolific, boss: User
) -> None:
    study = make_study(codes=CODES | {"screened_out": "OUT12345"})
    configuration.configure(
        study=study, service="prolific", payment=Decimal("2.50"), currency="GBP"
    )
    link = "https://x?PROLIFIC_PID={{%PROLIFIC_PID%}}"
    draft = Draft("Listen.", link, 12, 20, Decimal("0.40"), 8)
    action = intents.create(study=study, draft=draft, user=boss)
    assert action.cost.startswith("53.20 GBP plus")  # 20 × 2.50 + 8 × 0.40
    actions.carry_out(action=action, user=boss)
    made = service.studies[action.reference]
    assert (made["reward"], made["status"]) == (250, "UNPUBLISHED")
    assert made["external_study_url"] == link
    codes = {one["code"]: (one["code_type"], one["actions"][0]) for one in made["completion_codes"]}
    assert codes["DONE1234"] == ("COMPLETED", {"action": "MANUALLY_REVIEW"})
    assert codes["OUT12345"] == (
        "FIXED_SCREENOUT",
        {"action": "FIXED_SCREEN_OUT_PAYMENT", "fixed_screen_out_reward": 40, "slots": 8},
    )
    assert codes["NO123456"][1]["action"] == "REQUEST_RETURN"


def test_unpaid_screening_asks_for_the_submission_back(service: Prolific, boss: User) -> None:
    """A code of the kind that pays is only for those who are paid."""
    study = make_study(codes=CODES | {"screened_out": "OUT12345"})
    configuration.configure(
        study=study, service="prolific", payment=Decimal("2.50"), currency="GBP"
    )
    action = intents.create(study=study, draft=Draft("Listen.", "https://x", 12, 20), user=boss)
    actions.carry_out(action=action, user=boss)
    made = service.studies[action.reference]["completion_codes"]
    [out] = [one for one in made if one["code"] == "OUT12345"]
    reason = "You are not eligible for this study."
    assert out["code_type"] == "OTHER"
    assert out["actions"] == [{"action": "REQUEST_RETURN", "return_reason": reason}]


def test_a_draft_here_is_not_created_there_since_an_edit_would_part_them(
    service: Prolific, boss: User
) -> None:
    study = make_study(codes=CODES, state=Study.State.DRAFT)
    configuration.configure(
        study=study, service="prolific", payment=Decimal("2.00"), currency="GBP"
    )
    client = Client()
    client.force_login(boss)
    place = [study.slug, study.version]
    page = client.get(reverse("recruitment-prolific", args=place)).content.decode()
    assert "once the study is frozen" in page
    asked = {"kind": "create", "description": "d", "places": 1, "minutes": 1}
    page = client.post(reverse("recruitment-ask", args=place), asked, follow=True)
    assert "only a frozen study is created at Prolific" in page.content.decode()


def test_only_allowed_projects_use_the_account_and_none_anothers_study(
    service: Prolific, study: Study, boss: User
) -> None:
    editor = User.objects.create_user("ed", password="x")
    project = Project.objects.create(name="Ours")
    Membership.objects.create(project=project, user=editor, role=Role.EDITOR)
    Study.objects.filter(pk=study.pk).update(project=project)
    study.refresh_from_db()
    with pytest.raises(StudyError, match="an administrator can allow it"):
        intents.turn(study=study, kind="pause", user=editor)
    Project.objects.update(may_recruit=True)
    study.refresh_from_db()
    assert intents.turn(study=study, kind="pause", user=editor).state == State.CONFIRMED
    theirs = make_study(slug="theirs")
    configuration.configure(study=theirs, external_study=STUDY)
    with pytest.raises(RecruitmentError, match="belongs to another project's study"):
        intents.turn(study=theirs, kind="resume", user=boss)
    configuration.configure(study=theirs, external_study="../users/me")
    with pytest.raises(RecruitmentError, match="not the identifier"):
        intents.turn(study=theirs, kind="resume", user=boss)
    theirs.project = Project.objects.create(name="Theirs")
    theirs.save()
    with pytest.raises(StudyError, match="belongs to another project's study"):
        configuration.configure(study=theirs, external_study=STUDY)


def test_a_study_that_became_dearer_is_not_published_at_the_old_cost(
    service: Prolific, study: Study, boss: User
) -> None:
    prepared("publish", study, service)
    action = ASKED["publish"](study, boss)
    service.study(STUDY)["total_cost"] *= 10
    with pytest.raises(RecruitmentError, match=r"costs 280\.00 GBP now, not 28\.00 GBP"):
        actions.carry_out(action=action, user=boss)
    action.refresh_from_db()
    assert (action.state, service.study(STUDY)["status"]) == (State.INTENDED, "UNPUBLISHED")


def test_nobody_is_told_another_payment_or_currency_than_prolific_pays(
    service: Prolific, study: Study, boss: User
) -> None:
    prepared("publish", study, service)
    service.study(STUDY)["currency_code"] = "USD"
    with pytest.raises(StudyError, match="told a payment in GBP, but Prolific pays in USD"):
        ASKED["publish"](study, boss)
    service.study(STUDY).update(currency_code="GBP", reward=150)
    with pytest.raises(StudyError, match=r"of 2\.00, but Prolific pays 1\.50 GBP: change it"):
        ASKED["publish"](study, boss)
    assert not RecruitmentAction.objects.exists()


def test_a_refusal_is_kept_without_identifiers_and_a_cost_without_a_total_fits(
    service: Prolific, study: Study, boss: User
) -> None:
    service.study(STUDY)["total_cost"] = 0
    service.study(STUDY)["reward"] = 99_999_999
    action = ASKED["approve"](study, boss)
    action.full_clean()
    assert "999999.99 GBP plus fees" in action.cost
    said = {"error": {"detail": "Submission 5f0c9de1a2b3c4d5e6f70819 cannot be\napproved"}}
    kept = prolific_http._words(httpx.Response(400, json=said))
    assert kept == "Submission … cannot be approved"


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ({"status": 400, "detail": "reward is too low"}, "reward is too low"),
        ({"error": {"title": "Bad", "detail": {"reward": ["too low", "odd"]}}},
         "reward: too low; odd"),
        ({"detail": ["one", "two"]}, "one; two"),
        ({"error": "no"}, "no"),
        ([], "no reason was given"),
        ({}, "no reason was given"),
    ],
)  # fmt: skip
def test_a_reason_is_read_in_every_form(body: Any, line: str) -> None:
    assert prolific_http._words(httpx.Response(400, json=body)) == line


@pytest.mark.parametrize("minutes", [1, 5, 7, 8, 60, 1000])
def test_a_participant_has_the_time_that_prolific_asks_for(
    service: Prolific, boss: User, minutes: int
) -> None:
    study = make_study(codes=CODES)
    configuration.configure(
        study=study, service="prolific", payment=Decimal("2.50"), currency="GBP"
    )
    draft = Draft("Listen.", "https://x", minutes, 20)
    action = intents.create(study=study, draft=draft, user=boss)
    actions.carry_out(action=action, user=boss)
    made = service.studies[action.reference]
    assert made["maximum_allowed_time"] >= max(3 * minutes, 2 + 2 * minutes + 2 * minutes**0.5)


def test_an_editor_does_it_all_on_the_page(service: Prolific, study: Study, boss: User) -> None:
    client = Client()
    client.force_login(boss)

    def place(name: str, *more: object) -> str:
        return reverse(name, args=[study.slug, study.version, *more])

    assert place("recruitment") in client.get(place("study")).content.decode()
    there = client.get(place("recruitment-prolific")).content.decode()
    assert "28.00 GBP" in there
    assert "never came here" in there
    asked = {"kind": "bonus", "submission": ANN, "amount": "1.50"}
    page = client.post(place("recruitment-ask"), asked, follow=True).content.decode()
    assert "Pay a bonus for 2.10 GBP" in page
    assert service.paid == []
    key = RecruitmentAction.objects.get().key
    for _ in range(2):
        page = client.post(
            place("recruitment-action", key), {"do": "confirm"}, follow=True
        ).content.decode()
    assert "nothing was sent now" in page
    assert service.paid == [("s-ann", 150)]
    refused = client.post(place("recruitment-ask"), {"kind": "reject"}, follow=True)
    assert "no submission was ticked" in refused.content.decode()
    client.post(place("recruitment-ask"), {"kind": "places", "more": "2"})
    changed = {"entry": "token", "service": "prolific", "external_study": "x", "payment": "3",
               "currency": "eur"}  # fmt: skip
    refused = client.post(place("recruitment-settings"), changed, follow=True)
    assert "confirm or drop it before" in refused.content.decode()
    key = RecruitmentAction.objects.get(kind="places").key
    client.post(place("recruitment-action", key), {"do": "drop"})
    client.post(place("recruitment-settings"), changed | {"external_study": STUDY})
    study.recruitment.refresh_from_db()
    assert (study.recruitment.entry, study.recruitment.currency) == ("token", "EUR")
    service.broken = 503
    assert "status 503" in client.get(place("recruitment-prolific")).content.decode()
