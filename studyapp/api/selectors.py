"""Queries of the API: the studies that a token may read."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db.models import QuerySet

from studyapp.core.permissions import readable_by_token
from studyapp.models import Study
from studyapp.studies.selectors import studies


def studies_for(user: User) -> QuerySet[Study]:
    """Return every study and version that the user's tokens may read."""
    return readable_by_token(user, studies.all_studies())


def study_for(user: User, slug: str, version: int) -> Study | None:
    """Return one version of a study, if the user's tokens may read it."""
    found = readable_by_token(user, Study.objects.filter(slug=slug, version=version))
    return found.select_related("project").first()
