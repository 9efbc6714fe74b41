"""Reads for participations that were abandoned."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Q, QuerySet

from studyapp.models import Participation, Study
from studyapp.participation.selectors.places import GRACE

ACTIVE = Participation.Status.ACTIVE


def abandoned(study: Study, *, now: datetime, begun_before: datetime) -> QuerySet[Participation]:
    """Active participations whose lease ran out before `now`, or that never got one and began
    before that time."""
    # An answer that was checked just before the lease's end may still be on its way.
    late = Q(lease_expires_at__lt=now - GRACE)
    never = Q(lease_expires_at=None, consented_at=None, created_at__lt=begun_before)
    return study.participations.filter(late | never, status=ACTIVE).order_by()


def studies_with_abandoned(*, before: datetime) -> list[Study]:
    """Studies that are not closed with an active participation as old as that, by index."""
    late = Participation.objects.filter(status=ACTIVE, lease_expires_at__lt=before)
    never = Participation.objects.filter(status=ACTIVE, consented_at=None, created_at__lt=before)
    found = {*late.values_list("study", flat=True), *never.values_list("study", flat=True)}
    studies = Study.objects.filter(pk__in=found).select_related("project")
    return list(studies.exclude(state=Study.State.CLOSED))
