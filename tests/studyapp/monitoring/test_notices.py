"""Notices: one for each event, signed, tried again, and never to an address inside."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from django.conf import settings as site
from django.contrib.auth.models import User
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from studyapp.accounts.services import projects
from studyapp.core.errors import StudyError
from studyapp.jobs.tasks import work
from studyapp.models import Job, Notice, NoticeSettings, Participation, Project, Response, Study
from studyapp.monitoring.services import deviations, notices, webhooks
from studyapp.participation.services import participations
from studyapp.studies.services import lifecycle
from tests.studyapp import passages
from tests.studyapp.factories import make_study

pytestmark = pytest.mark.django_db


class Receiver:
    """A webhook on this machine: the statuses it answers with, in turn, and what it got."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.address = ""


@contextmanager
def listening(receiver: Receiver) -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.got.append((dict(self.headers), body))
            status = receiver.statuses.pop(0) if receiver.statuses else 204
            self.send_response(status)
            if status == 302:
                self.send_header("Location", receiver.address)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    receiver.address = f"http://127.0.0.1:{server.server_port}/hook?x=1"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def owner() -> User:
    return User.objects.create_user("olga", password="x")


@pytest.fixture
def project(owner: User) -> Project:
    return projects.make(name="The lab", owner=owner)


def study_of(project: Project, **options: Any) -> Study:
    study = make_study(features=3, **options)
    Study.objects.filter(pk=study.pk).update(project=project)
    study.refresh_from_db()
    return study


def finish(study: Study) -> None:
    client = Client()
    passages.finish(client, study, passages.reach_trials(client, study))


def send_all() -> None:
    """Do the waiting notices' jobs, as a worker would once they are due."""
    Job.objects.filter(kind="notice").update(not_before=None)
    for pk in Job.objects.filter(kind="notice", state="waiting").values_list("pk", flat=True):
        work(pk)


def told(project: Project) -> list[tuple[str, str]]:
    return sorted(project.notices.values_list("kind", "subject"))


def documented_check() -> Any:
    """The receiver's check of a signature, as docs/deployment.md has it."""
    text = (site.BASE_DIR / "docs/deployment.md").read_text()
    [code] = [one for one in re.findall(r"```python\n(.*?)```", text, re.S) if "is_ours" in one]
    known: dict[str, Any] = {}
    exec(code, known)
    return known["is_ours"]


def test_each_thing_that_happened_is_told_once(
    project: Project, owner: User, settings: Any
) -> None:
    settings.ALLOWED_HOSTS = ["study.example.org", "testserver"]
    full, silent, fresh = (study_of(project) for _ in range(3))
    notices.configure(
        project=project, mail_to="a@example.org", webhook="", quiet_hours=8, user=owner
    )
    for _ in range(2):
        finish(full)
    finish(silent)
    Response.objects.filter(trial__participation__study=silent).update(
        answered_at=timezone.now() - timedelta(hours=9)
    )
    Study.objects.update(opened_at=timezone.now() - timedelta(hours=20))
    Study.objects.filter(pk=fresh.pk).update(opened_at=timezone.now())
    now = timezone.now()
    ours = {"target": full.runs.get().pk, "queue": "gpu", "state": "failed", "finished_at": now}
    full.runs.update(project=project)
    Job.objects.create(kind="run", error="out of memory", **ours)
    Job.objects.create(kind="run_piece", parent=Job.objects.get(kind="run"), piece="a/b", **ours)
    Job.objects.create(kind="run", **ours | {"target": silent.runs.get().pk})  # Of no project.
    Job.objects.create(kind="run", **ours | {"finished_at": now - timedelta(days=2)})

    for _ in range(2):
        notices.look()

    assert told(project) == sorted([
        ("job_failed", f"Failed: run of run {full.runs.get()}"),
        ("quiet", f"{silent}: nobody has answered for 8 hours"),
        ("quota_full", f"{full} is full, with 2 complete"),
    ])  # fmt: skip
    assert fresh.slug not in str(told(project))
    assert "out of memory" not in str(list(project.notices.values_list("content")))
    body = json.loads(notices.body_of(project.notices.get(kind="job_failed")))
    assert body["page"] == f"http://study.example.org/runs/{full.runs.get().pk}/"
    assert Job.objects.filter(kind="notice").count() == 3
    # After another answer, a new silence is another event.
    Response.objects.filter(trial__participation__study=silent).update(
        answered_at=timezone.now() - timedelta(hours=10)
    )
    notices.look()
    assert project.notices.filter(kind="quiet").count() == 2


def test_a_message_is_signed_and_tried_again_at_growing_intervals(
    project: Project, owner: User, settings: Any
) -> None:
    settings.PRIVATE_WEBHOOKS = True
    settings.EMAIL_URL = "smtp://x"
    with listening(Receiver(500, 302, 204)) as receiver:
        row = notices.configure(
            project=project, mail_to="a@example.org, b@example.org", webhook=receiver.address,
            quiet_hours=None, user=owner,
        )  # fmt: skip
        notice = notices.send_test(project=project)
        pauses = []
        for _ in range(3):
            send_all()
            job = Job.objects.get(kind="notice")
            pauses.append(job.not_before and round((job.not_before - timezone.now()).seconds / 60))
            notice.refresh_from_db()
            assert (notice.posted_at is None) == (job.state == "waiting")

    assert pauses == [1, 5, None]
    assert (notice.tries, notice.fault, job.state) == (3, "", "done")
    assert len(mail.outbox) == 1  # The mail had arrived: it is not sent again.
    assert mail.outbox[0].to == ["a@example.org", "b@example.org"]
    assert mail.outbox[0].subject == "[Earwitness] Test of the notices of The lab"
    headers, body = receiver.got[-1]
    secret, is_ours = notices.secret_of(row), documented_check()
    assert is_ours(headers, body, secret)
    assert not is_ours(headers, body + b" ", secret)
    assert not is_ours(headers | {"Earwitness-Timestamp": "1"}, body, secret)
    assert headers["Host"] == receiver.address.split("/")[2]
    assert json.loads(body)["kind"] == "test"
    notices.change_secret(row=row, user=owner)
    assert notices.secret_of(row) != secret


def test_tests_are_few(project: Project, owner: User) -> None:
    client = Client()
    client.force_login(owner)
    for _ in range(2):
        page = client.post(
            reverse("change-notices", args=[project.pk]), {"do": "test"}, follow=True
        )
    assert "a test was sent less than 5 minutes ago" in page.content.decode()
    assert project.notices.count() == 1
    Notice.objects.update(made_at=timezone.now() - notices.BETWEEN_TESTS)
    notices.send_test(project=project)


def test_a_study_is_full_without_those_who_left_a_condition_that_is_off(
    project: Project, owner: User
) -> None:
    study = study_of(project)
    notices.configure(project=project, mail_to="a@x.org", webhook="", quiet_hours=None, user=owner)
    away = participations.consent(participation=participations.begin(study=study))
    assert away.condition is not None
    deviations.switch_off(study=study, method=away.condition.method, reason="broken", user=owner)
    finish(study)
    notices.look()
    assert told(project) == []  # Whoever is inside may still finish.
    Participation.objects.filter(pk=away.pk).update(
        lease_expires_at=timezone.now() - timedelta(hours=1)
    )
    notices.look()
    first = ("quota_full", f"{study} is full, with 1 complete")
    assert told(project) == [first]
    # Switched on again it is not full, and when it is again, that is told again, once.
    for times in (1, 2):
        deviations.switch_on(study=study, method=away.condition.method, reason="good", user=owner)
        notices.look()
        assert told(project) == [first] * times
        deviations.switch_off(study=study, method=away.condition.method, reason="bad", user=owner)
        notices.look()
        notices.look()
        assert told(project) == [first] * (times + 1)


def test_what_is_over_is_not_sent_any_more(project: Project, owner: User, settings: Any) -> None:
    """The mail could not be sent while the study was full; now it has places again."""
    settings.EMAIL_URL = ""
    study = study_of(project)
    notices.configure(project=project, mail_to="a@x.org", webhook="", quiet_hours=None, user=owner)
    for _ in range(2):
        finish(study)
    notices.look()
    send_all()
    [notice] = project.notices.all()
    assert (notice.kind, notice.tries) == ("quota_full", 1)
    deviations.add_places(study=study, count=1, reason="more power", user=owner)
    settings.EMAIL_URL = "smtp://x"
    notices.look()
    send_all()
    notice.refresh_from_db()
    assert (notice.mailed_at, notice.fault) == (None, "it was over before it could be sent")
    assert Job.objects.get(kind="notice").state == "done"
    assert mail.outbox == []


def test_silence_counts_from_the_opening_if_that_is_later(project: Project, owner: User) -> None:
    study = study_of(project)
    notices.configure(project=project, mail_to="a@x.org", webhook="", quiet_hours=8, user=owner)
    long_ago = timezone.now() - timedelta(hours=9)
    Study.objects.filter(pk=study.pk).update(frozen_at=long_ago)
    finish(study)
    Response.objects.update(answered_at=long_ago)
    lifecycle.open_study(lifecycle.pause(study))
    notices.look()
    assert told(project) == []
    Study.objects.filter(pk=study.pk).update(opened_at=long_ago)
    notices.look()
    assert told(project) == [("quiet", f"{study}: nobody has answered for 8 hours")]


def test_a_receiver_that_never_accepts_is_given_up_and_that_is_no_notice(
    project: Project, owner: User, settings: Any
) -> None:
    settings.PRIVATE_WEBHOOKS = True
    with listening(Receiver(*[500] * 20)) as receiver:
        notices.configure(
            project=project, mail_to="", webhook=receiver.address, quiet_hours=None, user=owner
        )
        notices.send_test(project=project)
        for _ in range(len(notices.WAITS) + 1):
            send_all()
    job = Job.objects.get(kind="notice")
    assert job.state == "failed"
    assert job.error == "given up after 7 tries: the webhook answered with status 500"
    notices.look()
    assert Notice.objects.count() == 1


REFUSED = (
    "http://example.org/", "ftp://example.org/", "https://", "example.org/x", "https://a:b@x.org/",
    "https://x.org:port/", "https://exämple.org/", "https://x.org/a b",
    f"https://x.org/{'a' * 500}",
    "https://127.0.0.1/", "https://10.1.2.3/", "https://169.254.169.254/latest/meta-data/",
    "https://[::1]/", "https://[fe80::1]/", "https://[fd00::1]/", "https://[::ffff:127.0.0.1]/",
    "https://[64:ff9b::7f00:1]/", "https://[2002:7f00:1::]/", "https://0.0.0.0/",
    "https://224.0.0.1/", "https://100.64.0.1/", "https://[::]/",
)  # fmt: skip


@pytest.mark.parametrize("address", REFUSED)
def test_an_address_that_is_not_public_cannot_be_set(address: str) -> None:
    with pytest.raises(webhooks.WebhookError):
        webhooks.check(address)


@pytest.mark.parametrize("host", ["localhost", "2130706433", "0x7f.1", "127.1"])
def test_a_name_that_leads_inside_is_refused_when_it_is_resolved(host: str) -> None:
    """Every spelling that the system resolves to this machine."""
    with listening(Receiver()) as receiver:
        port = receiver.address.split(":")[2].split("/")[0]
        with pytest.raises(webhooks.WebhookError, match=r"not a public address|be resolved"):
            webhooks.post(address=f"https://{host}:{port}/", body=b"{}", secret="s")
        assert receiver.got == []


def test_a_name_of_which_one_address_is_inside_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The resolver is the seam: a rebinding name answers differently each time."""
    found = [(2, 1, 6, "", ("93.184.216.34", 443)), (2, 1, 6, "", ("192.168.0.1", 443))]
    monkeypatch.setattr(webhooks.socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(webhooks.WebhookError, match="not a public address"):
        webhooks.post(address="https://rebinding.example.org/", body=b"{}", secret="s")


def test_what_cannot_be_set_is_refused_in_one_line(project: Project, owner: User) -> None:
    client = Client()
    client.force_login(owner)
    address = reverse("change-notices", args=[project.pk])
    for sent, said in (
        ({"mail_to": "nobody"}, "‘nobody’ is not a mail address"),
        ({"mail_to": ",".join(f"a{n}@x.org" for n in range(6))}, "6 mail addresses: at most 5"),
        ({"webhook": "http://127.0.0.1/"}, "give an address such as https://"),
        ({"quiet_hours": "721"}, "must be from 1 to 720"),
    ):
        page = client.post(address, sent, follow=True).content.decode()
        assert said.replace("‘", "&#x27;").replace("’", "&#x27;") in page, said
    assert not NoticeSettings.objects.exists()
    client.post(address, {"webhook": "https://example.org/x", "quiet_hours": "12"})
    page = client.get(reverse("notices", args=[project.pk])).content.decode()
    assert notices.secret_of(project.notices_to) in page


def test_without_a_mail_server_the_notice_says_so(project: Project, owner: User) -> None:
    notices.configure(project=project, mail_to="a@x.org", webhook="", quiet_hours=None, user=owner)
    notices.send_test(project=project)
    send_all()
    assert "EARWITNESS_EMAIL_URL is not set" in Notice.objects.get().fault
    with pytest.raises(StudyError, match="not a mail address"):
        notices.configure(project=project, mail_to="x", webhook="", quiet_hours=None, user=owner)
    assert not Participation.objects.exists()
