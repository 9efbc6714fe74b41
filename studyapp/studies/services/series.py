"""Who owns a link: the first project that makes a study with that slug."""

from __future__ import annotations

import zoneinfo

from studyapp.core.errors import StudyError
from studyapp.models import Project, StudySeries
from studyapp.studies.selectors import studies as selectors

RESERVED = "preview-"
"""Prefix of the slugs of previews, which only `preview_copies` makes."""


def check(*, slug: str, project: Project | None) -> None:
    """Raise `StudyError` if a study of this project cannot have this slug."""
    if slug.casefold().startswith(RESERVED):
        raise StudyError(
            f"slug is {slug!r}: slugs that begin with {RESERVED} are reserved for previews"
        )
    found = selectors.series_named(slug)
    if found is not None:
        _check_own(found, slug, project)


def claim(*, slug: str, project: Project | None) -> StudySeries:
    """The slug's series, made if there is none; locked until the transaction ends.

    Raises `StudyError` if the slug belongs to another project, even if that got it just now.
    """
    check(slug=slug, project=project)
    found, _ = StudySeries.objects.get_or_create(
        slug__iexact=slug, defaults={"slug": slug, "project": project}
    )
    locked = StudySeries.objects.select_for_update().get(pk=found.pk)
    _check_own(locked, slug, project)
    return locked


def set_time_zone(series: StudySeries, name: str) -> None:
    """Show researchers the times of all versions in that zone. Raises `StudyError` if unknown."""
    check_time_zone(name)
    StudySeries.objects.filter(pk=series.pk).update(time_zone=name)


def check_time_zone(name: str) -> None:
    """Raise `StudyError` if there is no such time zone."""
    if name not in zoneinfo.available_timezones():
        raise StudyError(f"time zone is {name[:64]!r}: give one such as Europe/Berlin or UTC")


def release(series: StudySeries) -> None:
    """Free the slug if no version is left, so that any project may use it."""
    StudySeries.objects.filter(pk=series.pk, studies=None).delete()


def _check_own(series: StudySeries, slug: str, project: Project | None) -> None:
    if series.project_id != (project.pk if project else None):
        # Does not say whose: a project need not know about the studies of another.
        raise StudyError("there is already a study with that link")
    if series.slug != slug:
        raise StudyError(f"there is already a study with that link, written {series.slug}")
