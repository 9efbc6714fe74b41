"""A version of a study, if the request's user may have it."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.utils import timezone

from studyapp.core.object_access import require
from studyapp.models import Role, Study
from studyapp.studies.selectors import studies
from studyapp.studies.services import blinding


def study_for(request: HttpRequest, slug: str, version: int, least: Role = Role.VIEWER) -> Study:
    """The version of a study; 404 or 403 unless the user has that role in its project.

    From then on, the request's page has its times in the study's own time zone.
    """
    missing = f"There is no version {version} of a study {slug}."
    study = require(request, studies.version_of(slug, version), least, missing=missing)
    timezone.activate(study.series.time_zone)  # `TimeZoneMiddleware` takes it back.
    return study


def data_for(request: HttpRequest, slug: str, version: int) -> Study:
    """A study that is closed or unblinded, so that answers by method may be read; 403 otherwise."""
    study = study_for(request, slug, version)
    if not blinding.may_be_seen(study):
        raise PermissionDenied(f"{study} is neither closed nor unblinded.")
    return study
