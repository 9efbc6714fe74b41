"""Drafts of studies: answers are kept as they come, then a worker makes the study from them.

`studies.services.lifecycle.create_study` makes it, as it makes every study.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

from django.db import models, transaction
from django.db.models import QuerySet

from studyapp import texts
from studyapp.core.errors import RunError, StudyError
from studyapp.jobs.services import jobs
from studyapp.models import FeatureList, Job, Run, Study, StudyDraft
from studyapp.models.trial_kinds import TRIAL_KINDS
from studyapp.recruitment import selectors as recruitment_selectors
from studyapp.recruitment.services import configuration
from studyapp.recruitment.services.configuration import OtherService
from studyapp.runs.services import steered
from studyapp.studies.selectors import feature_lists
from studyapp.studies.services import consent_facts, lifecycle, protocol
from studyapp.studies.settings import every_setting, setting
from studyapp.wizard import selectors
from studyapp.wizard.services.answers import (
    CHOICE,
    KEPT,
    OTHER,
    RECRUITMENT,
    STEPS,
    TRIALS,
    Answers,
    answered,
    answers_of,
    settings_of,
)

if TYPE_CHECKING:
    from django.contrib.auth.models import User

Row = TypeVar("Row", bound=models.Model)
VOID = {
    "runs": (
        "saes", "methods", "comparisons", *CHOICE, *TRIALS, "list_name", "features_wanted",
    ),
    "methods": ("comparisons",),
    "contrasts": ("features_wanted",),
}  # fmt: skip
"""Answer → the answers that become void when it changes."""
TEXTS = tuple(f"{name}_text" for name in texts.NAMES)
KIND = "make_study"
"""Of the job that makes the study, in `studyapp.jobs.tasks.WORK`."""
REPORT_SECONDS = 0.5


def begin(*, created_by: User | None, run: Run | None = None) -> StudyDraft:
    """A draft without answers, or with a run as the first answer."""
    draft = StudyDraft.objects.create(created_by=created_by)
    if run is not None:
        return answer(draft=draft, step="", given={"runs": [run.pk]})
    return draft


def begin_of_list(*, row: FeatureList, created_by: User | None) -> StudyDraft:
    """A draft of a study of the list's features. Raises `StudyError` if it has none."""
    if not row.members:
        raise StudyError(f"the list {row.name!r} has no features")
    try:
        steered.refresh(row.run)
    except RunError as error:
        raise StudyError(str(error)) from error
    draft = begin(created_by=created_by, run=row.run)
    listed = {"listed": feature_lists.listed(row), "list_name": row.name}
    return answer(draft=draft, step="", given=listed | {"selection": Study.Selection.LIST.value})


def answer(*, draft: StudyDraft, step: str, given: Mapping[str, Any]) -> StudyDraft:
    """Keep the answers to a step (one of `STEPS`, or empty): values that JSON can hold.

    New runs make the answers about SAEs, methods and features void, new methods those about pairs.
    How many features of a list can be had depends on methods and SAEs.
    """
    with transaction.atomic():
        row = StudyDraft.objects.select_for_update().get(pk=draft.pk)
        answers = dict(row.answers)
        changed = {name for name in given if given[name] != answers.get(name, given[name])}
        void = {name for one in changed & set(VOID) for name in VOID[one]}
        if answers.get("selection") == Study.Selection.LIST and changed & {"methods", "saes"}:
            void.add("features_wanted")
        if "option_policy" in given and _shows_other_things(answers, given):
            # Default texts follow the kind of trial; what somebody wrote stays.
            void |= {name for name in TEXTS if answers.get(name) in texts.stock(name[:-5])}
            void.add("features_wanted")
        answers = {kept: answers[kept] for kept in answers if kept not in void}
        row.answers = answers | dict(given)
        row.step = step or row.step
        runs = selectors.runs_named(row.answers.get("runs", []))
        row.project = runs[0].project if runs else None
        row.save(update_fields=["answers", "step", "project", "changed_at"])
    draft.refresh_from_db()
    return draft


def _shows_other_things(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether the new kind of trial needs other features and texts than the old one."""
    usual = setting("option_policy").default
    kinds = [TRIAL_KINDS[one.get("option_policy") or usual] for one in (before, after)]
    old, new = ((kind.steered, kind.has_labels) for kind in kinds)
    return old != new


def discard(draft: StudyDraft) -> None:
    """Delete the draft; a study that was made from it stays."""
    draft.delete()


def copy_of(*, study: Study, created_by: User | None) -> StudyDraft:
    """The draft from which a study was made; if it is frozen, a new one for the next version."""
    known = selectors.of_study(study) if study.state == Study.State.DRAFT else None
    if known is not None:
        return known
    return StudyDraft.objects.create(
        answers=answers_of(study),
        project=study.project,
        study=study if study.state == Study.State.DRAFT else None,
        step=STEPS[-1],
        created_by=created_by,
    )


def problem(draft: StudyDraft, answers: Answers) -> str:
    """Why no study can be made from these answers, in one line; empty if one can be."""
    runs = selectors.runs_named(answers["runs"])
    if not runs:
        return "no run is chosen"
    if draft.study is not None and draft.study.state != Study.State.DRAFT:
        return f"{draft.study} was made from this draft and is frozen: an edit needs a new version"
    try:
        settings = settings_of(answers)
        settings |= {"project": runs[0].project}
        study = protocol.unsaved(**settings)
        lifecycle.check(study, runs, answers["methods"])
        configuration.check_service(study=study, service=answers["service"])
        if (other := _other(answers)) is not None:
            configuration.check_other(service=answers["service"], other=other)
    except StudyError as error:
        return str(error)
    return ""


def unstated(answers: Answers) -> list[str]:
    """What the consent page of a study made from these answers would not state."""
    study = protocol.unsaved(**settings_of(answers))
    return consent_facts.missing(study, is_paid=answers["payment"] is not None)


def request_study(*, draft: StudyDraft) -> Job:
    """Ask a worker to make the study. Raises `StudyError` if it cannot be made."""
    found = problem(draft, answered(draft))
    if found:
        raise StudyError(found)
    StudyDraft.objects.filter(pk=draft.pk).update(done=0, total=0)
    return jobs.enqueue(kind=KIND, target=draft.pk, queue=Job.Queue.CPU)


def make(*, draft: StudyDraft, lease: jobs.JobLease) -> Study:
    """Make the study, replacing the one that was made before. Raises `StudyError`."""
    answers = answered(draft, with_eligible=True)
    runs = selectors.runs_named(answers["runs"])
    if not runs:
        raise StudyError("no run is chosen")
    check, last = jobs.Checker(lease), [0.0]

    def progress(done: int, total: int) -> None:
        check()
        if done == total or time.monotonic() - last[0] > REPORT_SECONDS:
            last[0] = time.monotonic()
            StudyDraft.objects.filter(pk=draft.pk).update(done=done, total=total)

    def within(study: Study) -> None:
        lease.lock()
        _recruit(study, answers)
        # Keep the present defaults (the slug is taken now), but not over answers given meanwhile.
        row = StudyDraft.objects.select_for_update().get(pk=draft.pk)
        StudyDraft.objects.filter(pk=draft.pk).update(study=study, answers=answers | row.answers)

    settings = settings_of(answers)
    settings |= {"project": runs[0].project, "created_by": draft.created_by}
    return lifecycle.create_study(
        run=runs[0],
        more_runs=runs[1:],
        methods=answers["methods"],
        replaces=draft.study,
        within=within,
        progress=progress,
        **settings,
    )


def is_behind(study: Study) -> bool:
    """Whether the answers have changed since this study was made from them."""
    draft = selectors.of_study(study) if study.state == Study.State.DRAFT else None
    if draft is None:
        return False
    answers = answered(draft)
    new = protocol.unsaved(**settings_of(answers))
    given = [one for one in every_setting() if not one.made]
    if any(one.value_of(new) != one.value_of(study) for one in given):
        return True
    own = answers_of(study)
    if answers["payment"] is None:
        own["currency"] = answers["currency"]  # of no amount, so it is not kept
    asked = [name for name in ("runs", "methods", *RECRUITMENT) if name in own]
    asked = [name for name in asked if name not in KEPT or answers[name] is not None]
    for name, rows in _kept_out(study, answers).items():
        if rows is not None:  # They have no order.
            own[name], answers[name] = {*own[name]}, {str(one.pk) for one in rows}
    return any(own[name] != answers[name] for name in asked)


def _recruit(study: Study, answers: Answers) -> None:
    payment = answers["payment"]
    configuration.configure(
        study=study,
        entry=answers["entry"],
        service=answers["service"],
        external_study=answers["external_study"],
        payment=None if payment is None else Decimal(payment),
        currency=answers["currency"],
        other=_other(answers),
        **_kept_out(study, answers),
    )


def _kept_out(study: Study, answers: Answers) -> dict[str, list[Any] | None]:
    """Who cannot begin; None leaves it as it is. Only what the project still has: since they were
    chosen, the runs, and so the project, may have changed."""
    series = recruitment_selectors.series_of_project(study)
    lists = recruitment_selectors.lists_of_project(study)
    return {
        "excluded": _of(series, answers["excluded"]),
        "excluded_lists": _of(lists, answers["excluded_lists"]),
    }


def _of(offered: QuerySet[Row], keys: list[str] | None) -> list[Row] | None:
    return None if keys is None else [*offered.filter(pk__in=keys)]


def _other(answers: Answers) -> OtherService | None:
    given = {name: answers[name] for name in OTHER if answers[name] is not None}
    return OtherService(**given) if given else None
