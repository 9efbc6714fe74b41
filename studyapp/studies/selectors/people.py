"""Which participations count: those of people, and in a rehearsal also simulated ones."""

from __future__ import annotations

from django.db.models import Q

from studyapp.models import Participation, Study


def counted(study: Study, prefix: str = "") -> Q:
    """The participations (under that relation) that count on the study's pages."""
    return Q() if study.rehearsal else Q(**{f"{prefix}simulated": False})


def counted_anywhere(prefix: str = "") -> Q:
    """The same across all studies."""
    return Q(**{f"{prefix}simulated": False}) | Q(**{f"{prefix}study__rehearsal": True})


def has_people(study: Study) -> bool:
    """Whether any person was given trials of the study."""
    people = Participation.objects.filter(study=study, simulated=False)
    return people.exclude(assigned_at=None).exists()
