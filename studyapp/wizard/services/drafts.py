"""Studies in the making: answers are kept as they come, then a worker makes the draft of them.

`studies.services.lifecycle.create_study` makes it, as it makes every study.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.db import transaction

from studyapp.core.errors import StudyError
from studyapp.jobs.services import jobs
from studyapp.models import Job, Run, Study, StudyPlan
from studyapp.recruitment.services import entry
from studyapp.studies.services import lifecycle, protocol
from studyapp.studies.settings import every_setting
from studyapp.wizard import selectors
from studyapp.wizard.services.answers import (
    RECRUITMENT,
    STEPS,
    Answers,
    answered,
    answers_of,
    settings_of,
)

if TYPE_CHECKING:
    from django.contrib.auth.models import User

VOID = {"runs": ("saes", "methods", "features_wanted", "comparisons"), "methods": ("comparisons",)}
"""Answer → the answers that a change of it makes void."""
KIND = "make_study"
"""Of the job that makes the study, in `studyapp.jobs.tasks.WORK`."""
REPORT_SECONDS = 0.5


def begin(*, created_by: User | None, run: Run | None = None) -> StudyPlan:
    """A plan without answers, or with a run's as the first."""
    plan = StudyPlan.objects.create(created_by=created_by)
    if run is not None:
        return answer(plan=plan, step="", given={"runs": [run.pk]})
    return plan


def answer(*, plan: StudyPlan, step: str, given: Mapping[str, Any]) -> StudyPlan:
    """Keep the answers to a step (`step` is of `STEPS`, or empty). Plain values alone.

    Other runs make answers about SAEs, methods and features void, other methods those about pairs.
    """
    with transaction.atomic():
        row = StudyPlan.objects.select_for_update().get(pk=plan.pk)
        answers = dict(row.answers)
        for name, void in VOID.items():
            if name in given and given[name] != answers.get(name, given[name]):
                answers = {kept: answers[kept] for kept in answers if kept not in void}
        row.answers = answers | dict(given)
        row.step = step or row.step
        runs = selectors.runs_named(row.answers.get("runs", []))
        row.project = runs[0].project if runs else None
        row.save(update_fields=["answers", "step", "project", "changed_at"])
    plan.refresh_from_db()
    return plan


def discard(plan: StudyPlan) -> None:
    """Forget the plan; the study that was made of it stays."""
    plan.delete()


def copy_of(*, study: Study, created_by: User | None) -> StudyPlan:
    """The plan of a study: of a draft its own, of a frozen one a new plan for the next version."""
    known = selectors.of_study(study) if study.state == Study.State.DRAFT else None
    if known is not None:
        return known
    return StudyPlan.objects.create(
        answers=answers_of(study),
        project=study.project,
        study=study if study.state == Study.State.DRAFT else None,
        step=STEPS[-1],
        created_by=created_by,
    )


def problem(plan: StudyPlan, answers: Answers) -> str:
    """Why no study can be made of these answers, in one line; empty if one may be."""
    runs = selectors.runs_named(answers["runs"])
    if not runs:
        return "no run is chosen"
    if plan.study is not None and plan.study.state != Study.State.DRAFT:
        return f"{plan.study} was made of this plan and is frozen: an edit needs a new version"
    try:
        settings = settings_of(answers)
        settings |= {"project": runs[0].project}
        study = protocol.unsaved(**settings)
        lifecycle.check(study, runs, answers["methods"])
    except StudyError as error:
        return str(error)
    return ""


def request_study(*, plan: StudyPlan) -> Job:
    """Have a worker make the draft. Raises `StudyError` if none can be made."""
    found = problem(plan, answered(plan))
    if found:
        raise StudyError(found)
    StudyPlan.objects.filter(pk=plan.pk).update(done=0, total=0)
    return jobs.enqueue(kind=KIND, target=plan.pk, queue=Job.Queue.CPU)


def make(*, plan: StudyPlan, lease: jobs.JobLease) -> Study:
    """Make the draft, in the place of the one that was made before. Raises `StudyError`."""
    answers = answered(plan, with_eligible=True)
    runs = selectors.runs_named(answers["runs"])
    if not runs:
        raise StudyError("no run is chosen")
    check, last = jobs.Checker(lease), [0.0]

    def progress(done: int, total: int) -> None:
        check()
        if done == total or time.monotonic() - last[0] > REPORT_SECONDS:
            last[0] = time.monotonic()
            StudyPlan.objects.filter(pk=plan.pk).update(done=done, total=total)

    def within(study: Study) -> None:
        lease.lock()
        _recruit(study, answers)
        # The defaults of this moment are kept (the slug is taken now), under what was said since.
        row = StudyPlan.objects.select_for_update().get(pk=plan.pk)
        StudyPlan.objects.filter(pk=plan.pk).update(study=study, answers=answers | row.answers)

    settings = settings_of(answers)
    settings |= {"project": runs[0].project, "created_by": plan.created_by}
    return lifecycle.create_study(
        run=runs[0],
        more_runs=runs[1:],
        methods=answers["methods"],
        replaces=plan.study,
        within=within,
        progress=progress,
        **settings,
    )


def is_behind(study: Study) -> bool:
    """Whether the answers were changed since this draft was made of them."""
    plan = selectors.of_study(study) if study.state == Study.State.DRAFT else None
    if plan is None:
        return False
    answers = answered(plan)
    new = protocol.unsaved(**settings_of(answers))
    given = [one for one in every_setting() if not one.made]
    if any(one.value_of(new) != one.value_of(study) for one in given):
        return True
    own = answers_of(study)
    return any(own[name] != answers[name] for name in ("runs", "methods", *RECRUITMENT))


def _recruit(study: Study, answers: Answers) -> None:
    payment = answers["payment"]
    entry.configure(
        study=study,
        entry=answers["entry"],
        service=answers["service"],
        external_study=answers["external_study"],
        payment=None if payment is None else Decimal(payment),
        currency=answers["currency"],
    )
