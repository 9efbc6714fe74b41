"""A study walked through as a participant would, before anybody does.

What is walked is a copy of the study with a link of its own, which nobody can guess and nobody
enters without the preview's cookie. Every page, check and sound is the participants' own, and what
is answered belongs to the copy: it counts in no quota, estimate, export or figure, and goes with
the copy, when the next preview is begun, the draft is discarded, or a day has passed.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from django.db import transaction
from django.utils import timezone

from studyapp.errors import StudyError
from studyapp.models import (
    Condition,
    Item,
    Participation,
    Recruitment,
    Response,
    Study,
    StudySeries,
    Trial,
)
from studyapp.selectors import participation as selectors
from studyapp.services import participation as services
from studyapp.services import practice, steps
from studyapp.services.series import RESERVED
from studyapp.steps import Step

if TYPE_CHECKING:
    from django.contrib.auth.models import User

KEPT = timedelta(days=1)
OWN = (
    "id", "series", "slug", "state", "preview_of", "project", "created_by", "created_at",
    "frozen_at", "design_hash", "unblinded_at", "codes",
)  # fmt: skip
COPIED = {field.name for field in Study._meta.concrete_fields if field.name not in OWN}
"""Columns of a study that its copy shares: not the codes, which are worth money to anyone who may
look; a preview ends with a code made for it."""


def begin(
    *, study: Study, created_by: User | None, step: str = Step.CONSENT, language: str = ""
) -> Participation:
    """A participation of a fresh copy, standing at that step of the study's.

    The same person's earlier previews of the study go.

    Raises `StudyError` if the study has no such step.
    """
    known = [*study.steps, Step.THANKS]
    if step not in known:
        raise StudyError(f"{study} has no step {step!r}: it has {', '.join(known)}")
    with transaction.atomic():
        sweep(study=study, created_by=created_by)
        copy = _copy(study, created_by)
        begun = services.begin(study=copy)
        steps.choose_language(participation=begun, language=language)
        for name in known[: known.index(step)]:
            _PASS.get(Step(name), _passed)(begun, Step(name))
            begun.refresh_from_db()
    return begun


def sweep(*, study: Study, created_by: User | None = None) -> None:
    """Delete the study's previews, one person's or all, and any that are older than a day."""
    old = Study.everything.filter(preview_of__isnull=False, created_at__lt=timezone.now() - KEPT)
    own = Study.everything.filter(preview_of=study)
    if created_by is not None:
        own = own.filter(created_by=created_by)
    for copies in (own, old):
        links = list(copies.values_list("series", flat=True))
        Participation.objects.filter(study__in=copies).delete()
        copies.delete()
        StudySeries.objects.filter(pk__in=links).delete()


def _copy(study: Study, created_by: User | None) -> Study:
    """The study with its items, open, entered by nobody but the preview."""
    link = StudySeries.objects.create(slug=f"{RESERVED}{secrets.token_hex(12)}")
    copy = Study(
        **{name: getattr(study, name) for name in COPIED},
        series=link,
        slug=link.slug,
        state=Study.State.OPEN,
        preview_of=study,
        created_by=created_by,
    )
    copy.save()
    copy.runs.set(study.runs.all())
    conditions = {
        condition.pk: Condition.objects.create(study=copy, method=condition.method)
        for condition in study.conditions.all()
    }
    items = list(study.items.all())
    for item in items:
        item.pk, item.study = None, copy
        item.condition = conditions[item.condition_id] if item.condition_id else None
    Item.objects.bulk_create(items)
    Recruitment.objects.create(study=copy, entry=Recruitment.Entry.TOKEN)
    return copy


def _passed(participation: Participation, step: Step) -> None:
    steps.pass_step(participation=participation, step=step, data={})


def _consented(participation: Participation, step: Step) -> None:
    services.consent(participation=participation)


def _instructed(participation: Participation, step: Step) -> None:
    services.instructed(participation=participation)


def _practised(participation: Participation, step: Step) -> None:
    _answer(practice.practised(participation))
    seen = [trial.token for trial in practice.practised(participation)]
    steps.pass_step(participation=participation, step=step, data={"seen": seen})


def _tried(participation: Participation, step: Step) -> None:
    _answer(list(selectors.passage(participation).trials))
    if participation.study.steps[-1] == Step.TRIAL:
        services.complete(participation)
    else:
        _passed(participation, step)


def _asked(participation: Participation, step: Step) -> None:
    _passed(participation, step)
    services.complete(participation)


_PASS: dict[Step, Callable[[Participation, Step], None]] = {
    Step.CONSENT: _consented,
    Step.INSTRUCTIONS: _instructed,
    Step.PRACTICE: _practised,
    Step.TRIAL: _tried,
    Step.QUESTIONNAIRE: _asked,
}
"""How a preview leaves a step behind without showing it; the others have a record, passed."""


def _answer(trials: list[Trial]) -> None:
    """Some answer to each of these that has none."""
    now = timezone.now()
    Response.objects.bulk_create(
        Response(trial=trial, choice=1, confidence=3, response_ms=0, answered_at=now)
        for trial in trials
        if not hasattr(trial, "response")
    )
