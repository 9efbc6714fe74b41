"""Reads for arrivals: what began from one address, and who only followed a link."""

from __future__ import annotations

from datetime import datetime

from django.db.models import QuerySet

from studyapp.models import Participation, Study


def begun(*, study: Study, key: str, since: datetime) -> int:
    """Passages of the study that began from the address since then."""
    return _from(study.pk, key, since).count()


def placed(*, participation: Participation, since: datetime) -> int:
    """Those of them, but for this one, that were given a place."""
    others = _from(participation.study_id, participation.address_key, since)
    return others.exclude(pk=participation.pk).exclude(assigned_at=None).count()


def remembered(*, before: datetime) -> QuerySet[Participation]:
    """Participations from before then whose address is still kept."""
    return Participation.objects.filter(created_at__lt=before).exclude(address_key="")


def never_consented(*, before: datetime) -> QuerySet[Participation]:
    """Participations from before then that stand at the consent page."""
    return Participation.objects.filter(
        consented_at=None, status=Participation.Status.ACTIVE, created_at__lt=before
    ).order_by()


def _from(study: int, key: str, since: datetime) -> QuerySet[Participation]:
    found = Participation.objects.filter(study=study, address_key=key, created_at__gte=since)
    return found.filter(simulated=False).order_by()
