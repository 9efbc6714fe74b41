from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from studyapp.errors import RecruitmentError
from studyapp.models import Delivery, Participation, Study
from studyapp.services import assignment, prolific, recruitment
from tests.studyapp import passages
from tests.studyapp.factories import make_study
from tests.studyapp.services.prolific_server import TOKEN, Prolific
from tests.studyapp.services.prolific_server import prolific as prolific_server

pytestmark = pytest.mark.django_db
SECRET = "a-webhook-secret"


@pytest.fixture
def service(settings: Any) -> Iterator[Prolific]:
    with prolific_server() as server:
        settings.PROLIFIC_API = server.url
        settings.PROLIFIC_TOKEN = TOKEN
        settings.PROLIFIC_WEBHOOK_SECRET = SECRET
        yield server


@pytest.fixture
def study() -> Study:
    """One place a condition."""
    study = make_study(
        features=3,
        trials_per_participation=3,
        codes={"complete": "DONE1234", "no_consent": "NO123456"},
    )
    recruitment.configure(study=study, service="prolific", external_study="their-study")
    return study


def arrive(study: Study, name: str, client: Client | None = None) -> Participation:
    parameters = {"PROLIFIC_PID": name, "STUDY_ID": "their-study", "SESSION_ID": f"s-{name}"}
    return passages.reach_trials(client or Client(), study, **parameters)


def send(
    message: dict[str, Any], *, event: str = "e1", secret: str = SECRET, seconds_ago: int = 0
) -> Any:
    """The message as Prolific posts it."""
    body = json.dumps(message).encode()
    timestamp = str(int(time.time()) - seconds_ago)
    digest = hmac.new(secret.encode(), timestamp.encode() + body, hashlib.sha256).digest()
    headers = {
        "X-Prolific-Request-Signature": base64.b64encode(digest).decode(),
        "X-Prolific-Request-Timestamp": timestamp,
        "X-Event-ID": event,
    }
    client = Client(enforce_csrf_checks=True)
    return client.post("/hooks/prolific", body, content_type="application/json", headers=headers)


def returned(name: str, status: str = "RETURNED") -> dict[str, Any]:
    return {
        "event_type": "submission.status.change", "participant_id": name,
        "resource_id": f"s-{name}", "status": status,
    }  # fmt: skip


@pytest.mark.parametrize(("theirs", "ours"), [("RETURNED", "returned"), ("TIMED-OUT", "timed_out")])
def test_a_message_frees_the_place_at_once(
    service: Prolific, study: Study, theirs: str, ours: str
) -> None:
    first, _ = arrive(study, "ann"), arrive(study, "ben")
    assert assignment.is_full(study)
    answer = send(returned("ann", theirs))
    assert (answer.status_code, answer.json()) == (200, {"outcome": ours})
    first.refresh_from_db()
    assert first.status == ours
    assert not assignment.is_full(study)
    assert arrive(study, "cleo").condition == first.condition


def test_the_same_event_acts_once(service: Prolific, study: Study) -> None:
    someone = arrive(study, "ann")
    assert send(returned("ann"), event="e7").json() == {"outcome": "returned"}
    Participation.objects.filter(pk=someone.pk).update(status="active")
    assert send(returned("ann"), event="e7").json() == {"outcome": "taken before"}
    someone.refresh_from_db()
    assert someone.status == "active"
    assert Delivery.objects.count() == 1


@pytest.mark.parametrize("wrong", [{"secret": "another"}, {"seconds_ago": 400}])
def test_a_message_that_is_not_from_there_or_old_changes_nothing(
    service: Prolific, study: Study, wrong: dict[str, Any]
) -> None:
    someone = arrive(study, "ann")
    assert send(returned("ann"), **wrong).status_code == 403
    someone.refresh_from_db()
    assert someone.status == "active"
    assert not Delivery.objects.exists()


def test_without_a_secret_no_message_is_believed(
    settings: Any, service: Prolific, study: Study
) -> None:
    settings.PROLIFIC_WEBHOOK_SECRET = ""
    assert send(returned("ann"), secret="").status_code == 403


def test_what_is_complete_stays_complete(service: Prolific, study: Study) -> None:
    client = Client()
    someone = arrive(study, "ann", client)
    passages.finish(client, study, someone)
    assert send(returned("ann")).json() == {"outcome": "was over already"}
    someone.refresh_from_db()
    assert (someone.status, someone.completion_code) == ("complete", "DONE1234")


@pytest.mark.parametrize(
    ("message", "outcome"),
    [
        ({"event_type": "study.status.change", "status": "ACTIVE"}, "not about a submission"),
        (returned("ann", "AWAITING REVIEW"), "nothing to do"),
        (returned("nobody"), "nobody of that name"),
    ],
)
def test_other_messages_are_taken_and_change_nothing(
    service: Prolific, study: Study, message: dict[str, Any], outcome: str
) -> None:
    someone = arrive(study, "ann")
    assert send(message).json() == {"outcome": outcome}
    someone.refresh_from_db()
    assert someone.status == "active"


def test_the_list_of_submissions_makes_up_for_lost_messages(
    service: Prolific, study: Study
) -> None:
    """Over more than one page of the list; who is unknown here is only counted."""
    people = {name: arrive(study, name) for name in ("ann", "ben")}
    for number in range(prolific.PAGE):
        service.submit(f"other-{number}", f"s-other-{number}", "APPROVED")
    service.submit("ann", "s-ann", "TIMED-OUT")
    service.submit("ben", "s-ben", "ACTIVE")
    out = StringIO()
    call_command("reconcile", study.slug, stdout=out)
    assert out.getvalue() == (
        f"{study}: 102 submissions, 100 of whom nobody came here; ended now: 1 timed_out\n"
    )
    for one in people.values():
        one.refresh_from_db()
    assert [people[name].status for name in ("ann", "ben")] == ["timed_out", "active"]
    assert len(service.asked) == 2
    assert prolific.reconcile(study=study).reclaimed == {}


def test_without_a_name_every_study_that_is_listed_there_is_compared(
    service: Prolific, study: Study, settings: Any
) -> None:
    make_study(slug="elsewhere", features=4)
    service.submit("ann", "s-ann", "ACTIVE")
    out = StringIO()
    call_command("reconcile", stdout=out)
    assert [line.partition(":")[0] for line in out.getvalue().splitlines()] == [str(study)]
    settings.PROLIFIC_TOKEN = ""
    out = StringIO()
    call_command("reconcile", stdout=out)
    assert out.getvalue() == "PROLIFIC_TOKEN is not set: there is nothing to compare with\n"


def test_a_service_that_fails_is_one_clear_line(
    service: Prolific, study: Study, settings: Any
) -> None:
    service.broken = 503
    with pytest.raises(CommandError, match=r"^Prolific answers 503$"):
        call_command("reconcile", study.slug)
    settings.PROLIFIC_API = "http://127.0.0.1:9"
    with pytest.raises(RecruitmentError, match="cannot be read: ConnectError"):
        prolific.reconcile(study=study)
    settings.PROLIFIC_TOKEN = ""
    with pytest.raises(RecruitmentError, match="PROLIFIC_TOKEN is not set"):
        prolific.reconcile(study=study)


def test_a_link_of_another_study_is_refused(service: Prolific, study: Study) -> None:
    parameters = {"PROLIFIC_PID": "ann", "STUDY_ID": "another", "SESSION_ID": "s"}
    answer = Client().get(f"/s/{study.slug}/", parameters)
    assert (answer.status_code, passages.page_of(answer)) == (403, "uninvited")


def test_endings_have_the_studys_codes_and_lead_back(service: Prolific, study: Study) -> None:
    client = Client()
    done = arrive(study, "ann", client)
    passages.finish(client, study, done)
    page = client.get(f"/s/{study.slug}/thanks/").content.decode()
    assert 'href="https://app.prolific.com/submissions/complete?cc=DONE1234"' in page
    other = Client()
    passages.enter(other, study, PROLIFIC_PID="ben", STUDY_ID="their-study", SESSION_ID="s")
    other.post(f"/s/{study.slug}/consent/", {"decision": "refuse"})
    page = other.get(f"/s/{study.slug}/ended/").content.decode()
    assert 'href="https://app.prolific.com/submissions/complete?cc=NO123456"' in page
