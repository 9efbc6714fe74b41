"""Tells a project's researchers, by mail and webhook, what happened while they were away.

A worker looks every minute: a study's last place was completed, a job failed, nobody has answered
for some hours. Each event makes one `Notice`, and a job sends it, again and again at growing
intervals until both channels have it. No request of a page ever sends anything.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import send_mail
from django.core.validators import validate_email
from django.db import transaction
from django.utils import timezone

from studyapp.core import audit
from studyapp.core.errors import StudyError
from studyapp.core.keys import keyed_hash
from studyapp.jobs.services import jobs
from studyapp.models import Job, Notice, NoticeSettings, Project, Study
from studyapp.monitoring.selectors import notices as selectors
from studyapp.monitoring.services import webhooks
from studyapp.studies.services import frames

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

KIND = "notice"
"""Kind of the job that sends one; see `studyapp.jobs.tasks.WORK`."""
SALT = "earwitness.webhook"
SWEEP_SECONDS = 60.0
_swept: list[float] = []
"""When this process looked last."""
WAITS = tuple(timedelta(minutes=one) for one in (1, 5, 30, 120, 480, 1440))
"""Pauses after the first, second … failed try; after the last one the notice is given up."""
BETWEEN_TESTS = timedelta(minutes=5)
"""Between two tests of a project."""
OVER = "over:"
"""Begin of the key of a notice of what is over."""
HERE = frozenset({"localhost", "127.0.0.1", "[::1]"})
"""Names under which only this machine reaches the site, on a port that a worker does not know."""
MOST_ADDRESSES = 5
LONGEST = 400
"""Characters of all mail addresses together."""


def secret_of(row: NoticeSettings) -> str:
    """Return the secret that signs the project's messages: 64 hexadecimal digits."""
    return keyed_hash(SALT, f"{row.project_id} {row.secret_number}")


def configure(
    *,
    project: Project,
    mail_to: str,
    webhook: str,
    quiet_hours: int | None,
    user: User | AnonymousUser | None,
) -> NoticeSettings:
    """Set where a project's notices go. Raises `StudyError` for an address that cannot be used."""
    addresses = [one.strip() for one in mail_to.split(",") if one.strip()]
    _check_mail(addresses)
    if webhook:
        webhooks.check(webhook)
    if quiet_hours is not None and not 1 <= quiet_hours <= 720:
        raise StudyError(f"{quiet_hours} hours without an answer: it must be from 1 to 720")
    values = {"mail_to": ", ".join(addresses), "webhook": webhook, "quiet_hours": quiet_hours}
    row, _ = NoticeSettings.objects.update_or_create(project=project, defaults=values)
    audit.note(
        user=user, action="set notices", target=project, project=project, mail_to=row.mail_to,
        webhook=webhook, quiet_hours=quiet_hours,
    )  # fmt: skip
    return row


def change_secret(*, row: NoticeSettings, user: User | AnonymousUser) -> None:
    """Sign with another secret from now on, after the present one became known."""
    row.secret_number += 1
    row.save()  # Whole: settings that nobody has stored yet are stored with it.
    audit.note(user=user, action="changed webhook secret", target=row.project, project=row.project)


def send_test(*, project: Project) -> Notice:
    """Send a notice that says that notices arrive.

    Raises `StudyError` soon after the last one: a test goes to addresses that nobody has confirmed.
    """
    key = f"test:{secrets.token_hex(8)}"
    subject = f"Test of the notices of {project}"
    with transaction.atomic():
        Project.objects.select_for_update(no_key=True).get(pk=project.pk)
        last = selectors.last_test(project)
        if last and timezone.now() - last < BETWEEN_TESTS:
            minutes = round(BETWEEN_TESTS.total_seconds() / 60)
            raise StudyError(f"a test was sent less than {minutes} minutes ago: wait a little")
        return _make(project, Notice.Kind.TEST, key, subject) or Notice.objects.get(key=key)


def sweep() -> None:
    """Look for what happened, at most once a minute per worker."""
    if not _swept or time.monotonic() - _swept[-1] >= SWEEP_SECONDS:
        _swept[:] = [time.monotonic()]
        look()


def look() -> None:
    """Make a notice of everything that happened and has none."""
    for row in selectors.wanted():
        for study in selectors.open_studies(row.project):
            _look_at(row, study)
        for job, name, page in selectors.failed_jobs(row.project, since=row.since):
            # Not its error, which may name a method, a file or an address: the page has it.
            subject = f"Failed: {job.kind.replace('_', ' ')} of {name}"
            _make(row.project, Notice.Kind.FAILED, f"job:{job.pk}", subject, of=name, page=page)


def deliver(lease: jobs.JobLease) -> bool:
    """Send the notice of the job by each channel that has not had it. True: it is tried again."""
    notice = selectors.by_id(lease.job.target)
    if notice is None:
        return False
    if notice.key.startswith(OVER):
        notice.fault = "it was over before it could be sent"
        notice.save(update_fields=["fault"])
        return False
    row = selectors.settings_of(notice.project)
    faults = [str(fault) for fault in _sent(notice, row)]
    notice.tries += 1
    notice.fault = "; ".join(faults)[:300]
    notice.save(update_fields=["mailed_at", "posted_at", "tries", "fault"])
    if not faults:
        return False
    if notice.tries > len(WAITS):
        raise jobs.WorkError(f"given up after {notice.tries} tries: {notice.fault}")
    jobs.postpone(lease, WAITS[notice.tries - 1])
    return True


def _look_at(row: NoticeSettings, study: Study) -> None:
    complete, places = selectors.complete(study), frames.places(study)
    about = {"study": study.slug, "version": study.version, "page": selectors.page_of(study),
             "complete": complete, "places": places}  # fmt: skip
    key = f"full:{study.pk}:{places}"
    is_filled = _is_filled(study, complete, places)
    # Whoever is still inside may be in a condition that is off, and may finish.
    if complete >= places or (is_filled and not selectors.has_people_inside(study)):
        _make(row.project, Notice.Kind.FULL, key,
              f"{study} is full, with {complete} complete", **about)  # fmt: skip
        return
    if not is_filled:
        _forget(row.project, f"full:{study.pk}:")
    last = selectors.last_answer(study)
    # Studies that were open before openings were stored have only the moment of freezing.
    since = max(filter(None, (last, study.opened_at or study.frozen_at)), default=None)
    hours = row.quiet_hours
    if hours and since and timezone.now() - since >= timedelta(hours=hours):
        _make(row.project, Notice.Kind.QUIET, f"quiet:{study.pk}:{since.isoformat()}",
              f"{study}: nobody has answered for {hours} hours",
              last_answer=last and last.isoformat(), **about)  # fmt: skip


def _is_filled(study: Study, complete: int, places: int) -> bool:
    """Whether all places are complete, but for those of people who left a condition that is off.

    Nobody gets such a place any more.
    """
    if complete >= places or study.design == Study.Design.WITHIN:
        return complete >= places
    conditions = study.conditions.all()
    if all(one.off_at is None for one in conditions):
        return False
    each, done = frames.places_per_condition(study), selectors.complete_by_condition(study)
    return all(done.get(one.pk, 0) >= each for one in conditions if one.off_at is None)


def _forget(project: Project, begin: str) -> None:
    """What these notices told is over: when it happens again, it is told again."""
    for notice in Notice.objects.filter(project=project, key__startswith=begin):
        Notice.objects.filter(pk=notice.pk).update(key=f"{OVER}{notice.pk}")


def _make(
    project: Project, kind: Notice.Kind, key: str, subject: str, **content: Any
) -> Notice | None:
    """Make the notice and its job; None if what happened has one already."""
    with transaction.atomic():
        notice, made = Notice.objects.get_or_create(
            project=project, key=key,
            defaults={"kind": kind, "subject": subject[:200], "content": content},
        )  # fmt: skip
        if made:
            jobs.enqueue(kind=KIND, target=notice.pk, queue=Job.Queue.API)
    return notice if made else None


def _sent(notice: Notice, row: NoticeSettings) -> Iterator[Exception]:
    """Send by each channel; yields what went wrong."""
    if row.mail_to and notice.mailed_at is None:
        try:
            _mail(notice, row)
            notice.mailed_at = timezone.now()
        except (OSError, StudyError) as error:  # SMTP's errors are OSErrors.
            yield StudyError(f"mail: {str(error) or type(error).__name__}")
    if row.webhook and notice.posted_at is None:
        try:
            webhooks.post(address=row.webhook, body=body_of(notice), secret=secret_of(row))
            notice.posted_at = timezone.now()
        except webhooks.WebhookError as error:
            yield error


def body_of(notice: Notice) -> bytes:
    """Return what the webhook gets. No participant, answer or method is in it."""
    about = {
        "id": notice.pk,
        "kind": notice.kind,
        "project": notice.project.name,
        "subject": notice.subject,
        "made_at": notice.made_at.isoformat(),
    }
    return json.dumps(about | _content(notice), sort_keys=True).encode()


def _content(notice: Notice) -> dict[str, Any]:
    """What belongs to its kind, with the whole address of its page where the site's name is known.

    A worker has no request that would tell the name, so it is the first of `EARWITNESS_HOSTS`.
    """
    content = dict(notice.content)
    content.pop("error", None)  # Of notices that were made before errors were left out.
    host = next(iter(settings.ALLOWED_HOSTS), "")
    if "page" in content and host and host not in HERE and "*" not in host and host[0] != ".":
        scheme = "https" if settings.HTTPS else "http"
        content["page"] = f"{scheme}://{host}{content['page']}"
    return content


def _mail(notice: Notice, row: NoticeSettings) -> None:
    if not settings.EMAIL_URL:
        raise StudyError("EARWITNESS_EMAIL_URL is not set, so this site sends no mail")
    lines = [
        f"{name.replace('_', ' ')}: {'none' if value is None else value}"
        for name, value in _content(notice).items()
    ]
    text = "\n".join([notice.subject, "", *lines, f"project: {notice.project.name}"])
    subject = " ".join(f"[Earwitness] {notice.subject}".split())
    send_mail(subject, text, None, row.mail_to.split(", "))


def _check_mail(addresses: list[str]) -> None:
    if len(addresses) > MOST_ADDRESSES:
        raise StudyError(f"{len(addresses)} mail addresses: at most {MOST_ADDRESSES}")
    if (length := len(", ".join(addresses))) > LONGEST:
        raise StudyError(f"the mail addresses have {length} characters: at most {LONGEST}")
    for one in addresses:
        try:
            validate_email(one)
        except ValidationError:
            raise StudyError(f"{one[:80]!r} is not a mail address") from None
