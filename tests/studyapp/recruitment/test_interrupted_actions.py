"""A death, a break or a late answer at any point of a step: nothing twice, nothing forgotten."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.contrib.auth.models import User
from django.db import connection

from studyapp.core.errors import RecruitmentError, StudyError
from studyapp.models import RecruitmentAction, Study
from studyapp.recruitment.services import actions, intents, prolific_http
from studyapp.recruitment.services.identities import external_key
from tests.studyapp.recruitment.asked import (
    ANN,
    ASKED,
    ONCE,
    REASON,
    Ask,
    State,
    outcome,
    prepared,
)
from tests.studyapp.recruitment.prolific_server import STUDY, TOKEN, Prolific

pytestmark = pytest.mark.django_db

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
    label = action.get_kind_display()
    named = rf"an earlier step is not resolved \({label} \(2 submissions\), sent"
    with pytest.raises(StudyError, match=named):
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


def test_the_same_words_can_be_written_again_but_not_by_one_message(
    service: Prolific, study: Study, boss: User
) -> None:
    """The words are stored escaped; what was there before is not taken for the new message."""
    words = 'Your bonus for "A & B" is on its way.'

    def write() -> RecruitmentAction:
        action = intents.write(study=study, targets=[ANN], body=words, user=boss)
        return actions.carry_out(action=action, user=boss)

    assert write().state == State.CONFIRMED

    def breaks(what: str) -> None:
        service.after = None
        raise ConnectionResetError("done, but nobody hears of it")

    service.after = lambda what: breaks(what) if what.startswith("POST") else None
    with pytest.raises(RecruitmentError, match="not known"):
        write()
    assert service.messages == [("ann", words)] * 2
    [action] = RecruitmentAction.objects.filter(state=State.SENT)
    assert actions.settle(action=action).state == State.CONFIRMED
    assert service.messages == [("ann", words)] * 2


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
