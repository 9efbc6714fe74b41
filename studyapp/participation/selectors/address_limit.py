"""Reads for the limit per address: what began from one address, and who only followed a link."""

from __future__ import annotations

from datetime import datetime

from django.db.models import QuerySet

from studyapp.models import Participation, Study


def begun(*, study: Study, key: str, since: datetime) -> int:
    """How many participations of the study have begun from the address since then."""
    return _from(study.pk, key, since).count()


def placed(*, participation: Participation, since: datetime) -> int:
    """How many of those, not counting this one, were given a place."""
    others = _from(participation.study_id, participation.address_key, since)
    return others.exclude(pk=participation.pk).exclude(assigned_at=None).count()


def with_address(*, before: datetime) -> QuerySet[Participation]:
    """Participations created before then whose address is still stored."""
    return Participation.objects.filter(created_at__lt=before).exclude(address_key="")


def never_consented(*, before: datetime) -> QuerySet[Participation]:
    """Participations created before then that are still on the consent page."""
    return Participation.objects.filter(
        consented_at=None, status=Participation.Status.ACTIVE, created_at__lt=before
    ).order_by()


def _from(study: int, key: str, since: datetime) -> QuerySet[Participation]:
    found = Participation.objects.filter(study=study, address_key=key, created_at__gte=since)
    return found.filter(simulated=False).order_by()
