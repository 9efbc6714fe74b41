"""The study's life at Prolific: every call, its cost, and a death at each point in between."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx
import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.urls import reverse

from studyapp.core import clock
from studyapp.core.errors import RecruitmentError, StudyError
from studyapp.models import AuditRecord, Membership, Project, RecruitmentAction, Role, Study
from studyapp.recruitment.services import actions, configuration, intents, prolific_http
from studyapp.recruitment.services.identities import external_key
from studyapp.recruitment.services.prolific_study import Draft
from tests.studyapp.factories import make_study
from tests.studyapp.recruitment.prolific_server import STUDY, TOKEN, Prolific
from tests.studyapp.recruitment.prolific_server import prolific as prolific_server

pytestmark = pytest.mark.django_db
CODES = {"complete": "DONE1234", "no_consent": "NO123456"}
ANN = external_key(pid="ann", session="s-ann")
REASON = "Every one of your answers was given before any of the sounds had been played, " + "x" * 40
State = RecruitmentAction.State


@pytest.fixture
def service(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Prolific]:
    cache.clear()
    monkeypatch.setattr(prolific_http, "WAITS", ())
    with prolific_server() as server:
        settings.PROLIFIC_API = server.url
        settings.PROLIFIC_TOKEN = TOKEN
        server.submit("ann", "s-ann", "AWAITING REVIEW")
        server.study(STUDY)
        yield server


@pytest.fixture
def study() -> Study:
    study = make_study(features=3, trials_per_participation=3, codes=CODES)
    configuration.configure(
        study=study, service="prolific", external_study=STUDY, payment=Decimal("2.00"),
        currency="GBP",
    )  # fmt: skip
    return study


@pytest.fixture
def boss() -> User:
    return User.objects.create_superuser("boss", password="x")


Ask = Callable[[Study, User], RecruitmentAction]
ASKED: dict[str, Ask] = {
    "create": lambda s, u: intents.create(
        study=s, user=u, draft=Draft("Listen.", "https://x", 9, 5)
    ),
    "publish": lambda s, u: intents.publish(study=s, user=u),
    "places": lambda s, u: intents.add_places(study=s, more=5, user=u),
    "approve": lambda s, u: intents.approve(study=s, targets=[ANN], user=u),
    "reject": lambda s, u: intents.reject(
        study=s, targets=[ANN], category="FAILED_CHECK", reason=REASON, user=u
    ),
    "return": lambda s, u: intents.ask_for_return(study=s, targets=[ANN], reason="No data", user=u),
    "message": lambda s, u: intents.write(study=s, targets=[ANN], body="Thank you.", user=u),
    "bonus": lambda s, u: intents.pay_bonus(study=s, targets=[ANN], amount=Decimal("1.50"), user=u),
}
COSTS = {
    "create": "10.00 GBP plus Prolific’s fee, once it is published", "publish": "28.00 GBP",
    "places": "14.00 GBP", "approve": "2.80 GBP, of the money that Prolific holds", "reject": "",
    "return": "", "message": "", "bonus": "2.10 GBP",
}  # fmt: skip


def prepared(kind: str, study: Study, service: Prolific) -> None:
    """The state in which this can be asked."""
    if kind == "publish":
        service.study(STUDY)["status"] = "UNPUBLISHED"
    if kind == "create":
        configuration.configure(
            study=study, service="prolific", payment=Decimal("2.00"), currency="GBP"
        )


def outcome(kind: str, service: Prolific) -> object:
    """What Prolific has of it; the same whether it was asked once or, wrongly, twice or never."""
    ann, there = service.submission("s-ann"), service.study(STUDY)
    return {
        "create": len(service.studies) - 1, "publish": there["status"],
        "places": there["total_available_places"], "approve": ann["status"],
        "reject": ann["status"], "return": bool(ann["return_requested"]),
        "bonus": service.paid, "message": service.messages,
    }[kind]  # fmt: skip


ONCE = {
    "create": 1, "publish": "ACTIVE", "places": 15, "approve": "APPROVED", "reject": "REJECTED",
    "return": True, "bonus": [("s-ann", 150)], "message": [("ann", "Thank you.")],
}  # fmt: skip


BOB = external_key(pid="bob", session="s-bob")
BOTH: dict[str, Ask] = {
    "reject": lambda s, u: intents.reject(
        study=s, targets=[ANN, BOB], category="NO_DATA", reason=REASON, user=u
    ),
    "return": lambda s, u: intents.ask_for_return(
        study=s, targets=[ANN, BOB], reason="No data", user=u
    ),
    "message": lambda s, u: intents.write(study=s, targets=[ANN, BOB], body="Hello.", user=u),
    "bonus": lambda s, u: intents.pay_bonus(
        study=s, targets=[ANN, BOB], amount=Decimal("1.50"), user=u
    ),
}


@pytest.mark.parametrize("kind", BOTH)
def test_several_at_once_are_done_once_each_even_after_a_break_between_them(
    service: Prolific, study: Study, boss: User, kind: str
) -> None:
    service.submit("bob", "s-bob", "AWAITING REVIEW")
    action = BOTH[kind](study, boss)
    assert action.cost == ("4.20 GBP" if kind == "bonus" else "")

    def breaks(what: str) -> None:
        if what.startswith("POST"):
            service.after = None
            raise ConnectionResetError("done, but nobody hears of it")

    service.after = breaks
    with pytest.raises(RecruitmentError, match="not known"):
        actions.carry_out(action=action, user=boss)
    action.refresh_from_db()
    assert action.state == State.SENT
    with pytest.raises(StudyError, match="an earlier step is not resolved"):
        ASKED["return"](study, boss)
    long_ago = timedelta(hours=2)
    RecruitmentAction.objects.update(sent_at=action.sent_at - long_ago)
    action.refresh_from_db()
    if actions.settle(action=action).state == State.INTENDED:
        actions.carry_out(action=action, user=boss)
    action.refresh_from_db()
    assert action.state == State.CONFIRMED
    done = [service.submission(name) for name in ("s-ann", "s-bob")]
    assert {
        "reject": [one["status"] for one in done] == ["REJECTED"] * 2,
        "return": all(one["return_requested"] for one in done),
        "message": service.messages == [("ann", "Hello."), ("bob", "Hello.")],
        "bonus": service.paid == [("s-ann", 150), ("s-bob", 150)],
    }[kind]


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


class Killed(BaseException):
    """The process is no more."""


@pytest.mark.parametrize("is_sent", [False, True], ids=["before it is sent", "before it is stored"])
@pytest.mark.parametrize("kind", ASKED)
def test_a_death_in_between_does_nothing_twice_and_forgets_nothing(
    service: Prolific, study: Study, boss: User, monkeypatch: pytest.MonkeyPatch, kind: str,
    is_sent: bool,
) -> None:  # fmt: skip
    prepared(kind, study, service)
    action = ASKED[kind](study, boss)
    send = prolific_http.send

    def die(*given: Any) -> dict[str, Any]:
        if is_sent:
            send(*given)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(prolific_http, "send", die)
        with pytest.raises(Killed):
            actions.carry_out(action=action, user=boss)
    action.refresh_from_db()
    assert action.state == State.SENT
    with pytest.raises(StudyError, match="nothing was sent now"):
        actions.carry_out(action=action, user=boss)
    with pytest.raises(StudyError, match=r"an earlier step is not resolved|await review"):
        ASKED[kind](study, boss)
    assert actions.settle(action=action).state == (State.CONFIRMED if is_sent else State.SENT)
    _later(action)
    actions.settle(action=action)
    if not is_sent:
        assert action.state == State.INTENDED
        actions.carry_out(action=action, user=boss)
    assert (action.state, outcome(kind, service)) == (State.CONFIRMED, ONCE[kind])


def _later(action: RecruitmentAction) -> None:
    """As if two hours had passed."""
    assert action.sent_at is not None
    RecruitmentAction.objects.filter(pk=action.pk).update(
        sent_at=action.sent_at - timedelta(hours=2)
    )
    action.refresh_from_db()


def test_a_payment_that_arrives_late_is_not_repeated(
    service: Prolific, study: Study, boss: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It becomes visible after Prolific was read and before the person confirms again."""
    action = ASKED["bonus"](study, boss)
    with monkeypatch.context() as patch:
        patch.setattr(prolific_http, "send", lambda *_: (_ for _ in ()).throw(Killed()))
        with pytest.raises(Killed):
            actions.carry_out(action=action, user=boss)
    action.refresh_from_db()
    _later(action)
    assert actions.settle(action=action).state == State.INTENDED
    service.paid.append(("s-ann", 150))
    service.submission("s-ann")["bonus_payments"].append(150)
    assert actions.carry_out(action=action, user=boss).state == State.CONFIRMED
    assert service.paid == [("s-ann", 150)]


def test_an_equal_bonus_that_was_paid_before_is_not_taken_for_this_one(
    service: Prolific, study: Study, boss: User
) -> None:
    service.submission("s-ann")["bonus_payments"] = [150]
    action = ASKED["bonus"](study, boss)
    service.broken = 503
    with pytest.raises(RecruitmentError, match="503"):
        actions.carry_out(action=action, user=boss)
    service.broken = 0
    action.refresh_from_db()
    assert action.state == State.INTENDED  # Reading failed, so nothing was sent.
    actions.carry_out(action=action, user=boss)
    assert service.paid == [("s-ann", 150)]


def test_a_second_equal_bonus_is_not_forgotten_while_the_first_is_not_listed_yet(
    service: Prolific, study: Study, boss: User
) -> None:
    """Prolific lists what it pays some minutes later."""
    listed = service.submission("s-ann")["bonus_payments"]
    actions.carry_out(action=ASKED["bonus"](study, boss), user=boss)
    listed.clear()
    second = ASKED["bonus"](study, boss)

    def lose(asked: str) -> None:
        if asked.endswith("/pay/"):
            raise ConnectionAbortedError

    service.before = lose
    with pytest.raises(RecruitmentError, match="what it did is not known"):
        actions.carry_out(action=second, user=boss)
    service.before = None
    second.refresh_from_db()
    listed.append(150)
    assert actions.settle(action=second).state == State.SENT
    _later(second)
    assert actions.settle(action=second).state == State.INTENDED
    actions.carry_out(action=second, user=boss)
    assert (second.state, service.paid) == (State.CONFIRMED, [("s-ann", 150)] * 2)


def test_an_error_of_the_server_leaves_it_open_and_a_refusal_ends_it(
    service: Prolific, study: Study, boss: User
) -> None:
    action = intents.add_places(study=study, more=1, user=boss)
    service.broken = 500
    with pytest.raises(RecruitmentError, match="what it did is not known"):
        actions.carry_out(action=action, user=boss)
    service.broken = 0
    action.refresh_from_db()
    assert (action.state, action.outcome[:32]) == (State.SENT, "Prolific answered with status 50")
    service.study(STUDY)["total_available_places"] = 99
    assert actions.settle(action=action).state == State.CONFIRMED
    late = intents.add_places(study=study, more=1, user=boss)
    service.study(STUDY)["total_available_places"] = 200
    with pytest.raises(RecruitmentError, match="can only grow"):
        actions.carry_out(action=late, user=boss)
    assert (late.state, service.study(STUDY)["total_available_places"]) == (State.REFUSED, 200)
    assert "can only grow" in late.outcome


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


def test_nobody_is_told_a_payment_in_another_currency_than_prolific_pays(
    service: Prolific, study: Study, boss: User
) -> None:
    prepared("publish", study, service)
    service.study(STUDY)["currency_code"] = "USD"
    with pytest.raises(StudyError, match="told a payment in GBP, but Prolific pays in USD"):
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


CHILD = """
import sys
import django; django.setup()
from datetime import timedelta
from decimal import Decimal
from django.contrib.auth.models import User
from studyapp.models import RecruitmentAction, Study
from studyapp.recruitment.services import actions, intents
study, boss = Study.objects.get(), User.objects.get()
RecruitmentAction.objects.filter(state="sent").update(sent_at="2026-01-01T00:00Z")
open_ones = actions.settle_all(study=study)
if not RecruitmentAction.objects.exists():
    wanted = {"targets": [sys.argv[1]], "amount": Decimal("1.50")}
    open_ones = [intents.pay_bonus(study=study, user=boss, **wanted)]
for action in open_ones:
    actions.carry_out(action=action, user=boss)
print(RecruitmentAction.objects.get().state)
"""
POINTS = [
    ("after", "POST /api/v1/submissions/bonus-payments/"),
    ("before", "GET /api/v1/submissions/s-ann/"),
    ("before", "POST /api/v1/bulk-bonus-payments/"),
    ("after", "POST /api/v1/bulk-bonus-payments/"),
]


def _address(folder: Path) -> str:
    """Where another process finds the test's database; of SQLite's, which is in memory, a copy."""
    if connection.vendor != "sqlite":
        address = urlsplit(os.environ["DATABASE_URL"])
        return urlunsplit(address._replace(path=f"/{connection.settings_dict['NAME']}"))
    connection.ensure_connection()
    with closing(sqlite3.connect(folder / "db.sqlite3")) as copy:
        connection.connection.backup(copy)
    return f"sqlite:///{folder / 'db.sqlite3'}"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("when", "what"), POINTS)
def test_kill_9_at_any_point_pays_the_bonus_exactly_once(
    service: Prolific, study: Study, boss: User, settings: Any, tmp_path: Path, when: str, what: str
) -> None:
    environment = os.environ | {
        "PROLIFIC_API": service.url, "PROLIFIC_TOKEN": TOKEN,
        "EARWITNESS_DATA": str(tmp_path),
        "DATABASE_URL": _address(tmp_path),
        "EARWITNESS_PSEUDONYM_KEY": settings.PSEUDONYM_KEY,
        "DJANGO_SETTINGS_MODULE": "studyapp.settings",
    }  # fmt: skip
    command = [sys.executable, "-c", CHILD, ANN]
    victim = subprocess.Popen(command, env=environment)

    def kill(asked: str) -> None:
        if asked.startswith(what):
            setattr(service, when, None)
            os.kill(victim.pid, signal.SIGKILL)
            victim.wait()

    setattr(service, when, kill)
    assert victim.wait(timeout=120) == -signal.SIGKILL
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "confirmed"
    assert service.paid == [("s-ann", 150)]
