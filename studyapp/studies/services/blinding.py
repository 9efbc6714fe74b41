"""Whether answers by method may be seen before a study is closed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction
from django.utils import timezone

from studyapp.core import audit
from studyapp.core.errors import StudyError
from studyapp.models import Study

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def may_be_seen(study: Study) -> bool:
    """Whether answers by method may be seen: the study is closed, or somebody unblinded it."""
    return study.state == Study.State.CLOSED or study.unblinded_at is not None


def items_may_be_seen(study: Study) -> bool:
    """Whether items may be seen by method: nobody has answered a draft. Later an item's identifier
    on a page of participations would tell its method."""
    return study.state == Study.State.DRAFT or may_be_seen(study)


def unblind(*, study: Study, user: User, reason: str) -> Study:
    """Permanently show answers by method before the study is closed; the reason is recorded.

    Raises `StudyError` without a reason, and for a study that is a draft, closed or unblinded.
    """
    reason = " ".join(reason.split())
    if not reason:
        raise StudyError("say why you are unblinding the study: the reason is recorded")
    if study.state in (Study.State.DRAFT, Study.State.CLOSED):
        raise StudyError(f"{study} is {study.state}: there is nothing to unblind")
    with transaction.atomic():
        blind = Study.objects.filter(pk=study.pk, unblinded_at=None)
        if not blind.update(unblinded_at=timezone.now()):
            raise StudyError(f"{study} is already unblinded")
        audit.note(
            user=user, action="unblinded", target=study, project=study.project, reason=reason[:500]
        )
    study.refresh_from_db()
    return study
