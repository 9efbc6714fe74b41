"""The copies of a study that previews use, and when they are deleted."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import TYPE_CHECKING

from django.db import transaction
from django.utils import timezone

from studyapp.models import (
    Condition,
    Item,
    Participation,
    Recruitment,
    Study,
    StudySeries,
)
from studyapp.studies.services.series import RESERVED
from studyapp.studies.settings import every_setting

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.db.models import QuerySet

KEPT = timedelta(days=1)
OWN = frozenset({"slug", "codes"})
"""Settings that are not copied. Codes are worth money to anyone who sees them, so a preview ends
with a code made for it."""


def make(study: Study, created_by: User | None) -> Study:
    """A copy of the study with its items: open, but only the preview can enter it."""
    link = StudySeries.objects.create(slug=f"{RESERVED}{secrets.token_hex(12)}")
    copy = Study(
        **{one.name: getattr(study, one.name) for one in every_setting() if one.name not in OWN},
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


def of_test(study: Study, test_study: str) -> Study:
    """The copy that the study's test study at Prolific leads to; made if there is none.

    It has the study's real codes, since Prolific asks for them.
    """
    with transaction.atomic():
        Study.objects.select_for_update(no_key=True).get(pk=study.pk)
        known = Study.with_previews.filter(
            preview_of=study, recruitment__external_study=test_study
        ).first()
        if known is not None:
            return known
        copy = make(study, None)
        copy.codes = study.codes
        copy.save(update_fields=["codes"])
        Recruitment.objects.filter(study=copy).update(
            service=Recruitment.Service.PROLIFIC, external_study=test_study
        )
        return copy


def sweep(*, study: Study, created_by: User | None = None) -> None:
    """Delete the study's previews, of one person or of all, and any that are older than a day."""
    own = Study.with_previews.filter(preview_of=study)
    if created_by is not None:
        own = own.filter(created_by=created_by)
    _delete(own)
    sweep_old()


def sweep_old() -> None:
    """Delete all previews that are older than a day."""
    limit = timezone.now() - KEPT
    _delete(Study.with_previews.filter(preview_of__isnull=False, created_at__lt=limit))


def _delete(copies: QuerySet[Study]) -> None:
    links = list(copies.values_list("series", flat=True))
    if not links:
        return  # Without a transaction: a worker asks every few seconds.
    with transaction.atomic():
        Participation.objects.filter(study__in=copies).delete()
        copies.delete()
        StudySeries.objects.filter(pk__in=links).delete()
