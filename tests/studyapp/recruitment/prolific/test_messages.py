"""What Prolific reports: its messages, and its list of submissions."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from studyapp.core.errors import RecruitmentError
from studyapp.models import Delivery, Participation, Study
from studyapp.participation.services import assignment
from studyapp.recruitment.services import prolific, prolific_api, prolific_http
from tests.studyapp import passages
from tests.studyapp.factories import make_study
from tests.studyapp.recruitment.prolific.people import arrive, link, pid, returned, send
from tests.studyapp.recruitment.prolific_server import Prolific

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("theirs", "ours"), [("RETURNED", "returned"), ("TIMED-OUT", "timed_out")])
def test_a_message_frees_the_place_at_once(
    service: Prolific, study: Study, theirs: str, ours: str
) -> None:
    first, _ = arrive(study, "ann", service=service), arrive(study, "ben", service=service)
    assert assignment.is_full(study)
    answer = send(returned("ann", theirs))
    assert (answer.status_code, answer.json()) == (200, {"outcome": ours})
    first.refresh_from_db()
    assert first.status == ours
    assert not assignment.is_full(study)
    assert arrive(study, "cleo", service=service).condition == first.condition


def test_a_message_finds_its_participation_by_an_index(service: Prolific, study: Study) -> None:
    """However many have taken part in all studies together."""
    arrive(study, "ann", service=service)
    with CaptureQueriesContext(connection) as asked:
        send(returned("ann", "RETURNED"))
    [sql] = [
        one["sql"] for one in asked
        if one["sql"].startswith("SELECT") and '"external_key" = ' in one["sql"]
    ]  # fmt: skip
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")  # A small table is read as a whole.
            cursor.execute(f"EXPLAIN {sql}")
        else:
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
        plan = str(cursor.fetchall())
    assert "one_participation_per_external_key" in plan
    assert "SCAN studyapp_participation" not in plan


@pytest.mark.parametrize("again", ["e7", "another"])
def test_the_same_message_acts_once(service: Prolific, study: Study, again: str) -> None:
    """Whatever its X-Event-ID says, which is not signed."""
    someone = arrive(study, "ann", service=service)
    assert send(returned("ann"), event="e7").json() == {"outcome": "returned"}
    Participation.objects.filter(pk=someone.pk).update(status="active")
    assert send(returned("ann"), event=again, seconds_ago=20).json() == {"outcome": "taken before"}
    someone.refresh_from_db()
    assert someone.status == "active"
    assert Delivery.objects.count() == 1


@pytest.mark.parametrize("wrong", [{"secret": "another"}, {"seconds_ago": 400}])
def test_a_message_that_is_not_from_there_or_old_changes_nothing(
    service: Prolific, study: Study, wrong: dict[str, Any]
) -> None:
    someone = arrive(study, "ann", service=service)
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
    someone = arrive(study, "ann", client, service)
    passages.finish(client, study, someone)
    assert send(returned("ann")).json() == {"outcome": "had already ended"}
    someone.refresh_from_db()
    assert (someone.status, someone.completion_code) == ("complete", "DONE1234")


@pytest.mark.parametrize(
    ("message", "outcome"),
    [
        ({"event_type": "study.status.change", "status": "ACTIVE"}, "not about a submission"),
        (returned("ann", "AWAITING REVIEW"), "nothing to do"),
        (returned("nobody"), "no such participation"),
    ],
)
def test_other_messages_are_taken_and_change_nothing(
    service: Prolific, study: Study, message: dict[str, Any], outcome: str
) -> None:
    someone = arrive(study, "ann", service=service)
    assert send(message).json() == {"outcome": outcome}
    someone.refresh_from_db()
    assert someone.status == "active"


def test_the_list_of_submissions_makes_up_for_lost_messages(
    service: Prolific, study: Study
) -> None:
    """Over more than one page of the list; anyone who is unknown here is only counted."""
    people = {name: arrive(study, name, service=service) for name in ("ann", "ben")}
    for number in range(prolific_api.PAGE):
        service.submit(f"other-{number}", f"s-other-{number}", "APPROVED")
    service.submissions = [one for one in service.submissions if one["id"] != "s-ann"]
    service.submit(pid("ann"), "s-ann", "TIMED-OUT")
    service.asked.clear()
    out = StringIO()
    call_command("reconcile", study.slug, stdout=out)
    assert out.getvalue() == (
        f"{study}: 102 submissions, 100 of them never came here; ended now: 1 timed_out\n"
    )
    for one in people.values():
        one.refresh_from_db()
    assert [people[name].status for name in ("ann", "ben")] == ["timed_out", "active"]
    assert len(service.asked) == 2
    assert prolific.reconcile(study=study).reclaimed == {}


@pytest.mark.parametrize("count", [0, 1, 100, 200, 201])
def test_the_whole_list_is_read_and_nothing_past_its_end(
    service: Prolific, study: Study, count: int
) -> None:
    """Past the last page Prolific answers 404."""
    for number in range(count):
        service.submit(pid(f"{number}"), f"s-{number}", "APPROVED")
    assert prolific.reconcile(study=study).submissions == count
    assert len(service.asked) == max(-(-count // prolific_api.PAGE), 1)


def test_the_token_is_sent_to_no_other_host(service: Prolific, study: Study) -> None:
    for number in range(101):
        service.submit(pid(f"{number}"), f"s-{number}", "APPROVED")
    service.elsewhere = "http://127.0.0.1:9"
    with pytest.raises(RecruitmentError, match="leads to another host"):
        prolific.reconcile(study=study)


def test_a_busy_service_is_asked_again_a_few_times(
    service: Prolific, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prolific_http, "WAITS", (0.0, 0.0, 0.0))
    service.busy = 3
    assert prolific.reconcile(study=study).submissions == 0
    service.busy = 4
    with pytest.raises(RecruitmentError, match="status 429"):
        prolific.reconcile(study=study)
    assert service.busy == 0
    # A pause that a page can wait for is kept; of a longer one a person is told, at once.
    paused: list[float] = []
    monkeypatch.setattr(prolific_http.time, "sleep", paused.append)
    service.busy, service.retry_after = 1, "4"
    assert prolific.reconcile(study=study).submissions == 0
    assert paused == [4.0]
    service.busy, service.retry_after = 2, "60"
    with pytest.raises(RecruitmentError, match=r"status 429; try again in 60 seconds"):
        prolific.reconcile(study=study)
    with pytest.raises(prolific_http.RefusedError, match=r"429: too many requests; .* 60 seconds"):
        prolific_http.send("POST", "studies/", {})
    assert (service.busy, len(paused)) == (0, 1)


@pytest.mark.parametrize("status", [408, 502])
def test_an_answer_that_does_not_tell_what_was_done_is_uncertain(
    service: Prolific, study: Study, status: int
) -> None:
    service.broken = status
    with pytest.raises(prolific_http.UncertainError, match=f"status {status}; what it did"):
        prolific_http.send("POST", "studies/", {})


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
    assert out.getvalue() == "PROLIFIC_TOKEN is not set, so there is nothing to compare with\n"


def test_a_service_that_fails_is_one_clear_line(
    service: Prolific, study: Study, settings: Any
) -> None:
    service.broken = 503
    with pytest.raises(CommandError, match=r"^Prolific answered with status 503$"):
        call_command("reconcile", study.slug)
    settings.PROLIFIC_API = "http://127.0.0.1:9"
    with pytest.raises(RecruitmentError, match="cannot be read: ConnectError"):
        prolific.reconcile(study=study)
    settings.PROLIFIC_TOKEN = ""
    with pytest.raises(RecruitmentError, match="PROLIFIC_TOKEN is not set"):
        prolific.reconcile(study=study)


def test_a_message_reaches_only_studies_of_the_service(service: Prolific, study: Study) -> None:
    other = make_study()
    copied = passages.enter(Client(), other, **link("ann"))
    assert send(returned("ann")).json() == {"outcome": "no such participation"}
    copied.refresh_from_db()
    assert copied.status == "active"
