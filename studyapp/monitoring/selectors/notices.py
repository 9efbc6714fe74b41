"""Reads for notices: who wants some, and what happened."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db.models import Count, Max, Q
from django.urls import reverse
from django.utils import timezone

from studyapp.core import clock
from studyapp.models import (
    Job,
    Notice,
    NoticeSettings,
    Participation,
    Project,
    Response,
    Run,
    Study,
    StudyDraft,
)
from studyapp.participation.selectors.places import holds_place
from studyapp.studies.selectors import people

RECENT = timedelta(days=1)
"""Failures are looked for among jobs that ended within this time."""
OF_RUNS = ("run", "import_run", "item_table", "run_findings", "run_paper")
OF_STUDIES = ("report",)
OF_DRAFTS = ("make_study", "power")
"""Kinds of jobs by what their target is. Jobs of single pages are shown where they were asked."""
NEWEST = 20


def wanted() -> list[NoticeSettings]:
    """Settings that name a channel."""
    rows = NoticeSettings.objects.exclude(mail_to="", webhook="").select_related("project")
    return list(rows)


def settings_of(project: Project) -> NoticeSettings:
    """The project's settings; without any, an unsaved row with nothing in it."""
    found = NoticeSettings.objects.filter(project=project).first()
    return found or NoticeSettings(project=project)


def by_id(pk: int) -> Notice | None:
    """The notice with its project."""
    return Notice.objects.select_related("project").filter(pk=pk).first()


def newest(project: Project) -> list[Notice]:
    """The project's last notices."""
    return list(Notice.objects.filter(project=project)[:NEWEST])


def open_studies(project: Project) -> list[Study]:
    """The project's studies that take participants."""
    found = project.studies.filter(state=Study.State.OPEN, preview_of=None)
    return list(found.prefetch_related("conditions"))


def complete(study: Study) -> int:
    """Participations that count and are complete."""
    own = study.participations.filter(people.counted(study))
    return own.filter(status=Participation.Status.COMPLETE).count()


def has_people_inside(study: Study) -> bool:
    """Whether somebody who counts is taking part and holds a place."""
    own = study.participations.filter(people.counted(study), status=Participation.Status.ACTIVE)
    return own.filter(holds_place(clock.now())).exists()


def complete_by_condition(study: Study) -> dict[int | None, int]:
    """Primary key of the condition → participations in it that count and are complete."""
    own = study.participations.filter(people.counted(study)).order_by()
    done = own.filter(status=Participation.Status.COMPLETE).values_list("condition")
    return dict(done.annotate(n=Count("pk")))


def last_answer(study: Study) -> datetime | None:
    """When somebody answered last."""
    own = people.counted(study, "trial__participation__")
    answers = Response.objects.filter(own, trial__participation__study=study)
    found: datetime | None = answers.aggregate(at=Max("answered_at"))["at"]
    return found


def last_test(project: Project) -> datetime | None:
    """When the project's last test was made."""
    tests = Notice.objects.filter(project=project, kind=Notice.Kind.TEST)
    found: datetime | None = tests.aggregate(at=Max("made_at"))["at"]
    return found


def failed_jobs(project: Project, *, since: datetime) -> Iterator[tuple[Job, str, str]]:
    """Jobs of the project that failed lately, with whose they were and the path of its page."""
    after = max(since, timezone.now() - RECENT)
    failed = Job.objects.filter(state=Job.State.FAILED, parent=None, finished_at__gte=after)
    runs = Run.objects.filter(project=project)
    studies = Study.objects.filter(project=project)
    drafts = StudyDraft.objects.filter(project=project)
    own = (
        Q(kind__in=OF_RUNS, target__in=runs.values("pk"))
        | Q(kind__in=OF_STUDIES, target__in=studies.values("pk"))
        | Q(kind__in=OF_DRAFTS, target__in=drafts.values("pk"))
    )
    for job in failed.filter(own).order_by("pk"):
        yield job, *_whose(job)


def _whose(job: Job) -> tuple[str, str]:
    if job.kind in OF_RUNS:
        return f"run {Run.objects.get(pk=job.target)}", reverse("run", args=[job.target])
    if job.kind in OF_STUDIES:
        study = Study.objects.get(pk=job.target)
        return f"study {study}", page_of(study)
    return f"draft {job.target}", reverse("plan-review", args=[job.target])


def page_of(study: Study) -> str:
    """The path of the study's page."""
    return reverse("study", args=[study.slug, study.version])
