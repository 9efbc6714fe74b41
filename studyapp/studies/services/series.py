"""Who owns a participants' link: the first project that makes a study of that slug."""

from __future__ import annotations

from studyapp.core.errors import StudyError
from studyapp.models import Project, StudySeries
from studyapp.studies.selectors import studies as selectors

RESERVED = "preview-"
"""Begins the slugs of previews, which only `services.preview` gives out."""


def check(*, slug: str, project: Project | None) -> None:
    """Raise `StudyError` if a study of that project cannot have the slug."""
    if slug.casefold().startswith(RESERVED):
        raise StudyError(f"slug is {slug!r}: those that begin with {RESERVED} are for previews")
    found = selectors.series_named(slug)
    if found is not None:
        _check_own(found, slug, project)


def claim(*, slug: str, project: Project | None) -> StudySeries:
    """The slug's series, made where there is none; locked until the transaction ends.

    Raises `StudyError` if the slug is another project's, whoever of two came first.
    """
    check(slug=slug, project=project)
    found, _ = StudySeries.objects.get_or_create(
        slug__iexact=slug, defaults={"slug": slug, "project": project}
    )
    locked = StudySeries.objects.select_for_update().get(pk=found.pk)
    _check_own(locked, slug, project)
    return locked


def release(series: StudySeries) -> None:
    """Give the slug back if no version is left; whoever comes next may have it."""
    StudySeries.objects.filter(pk=series.pk, studies=None).delete()


def _check_own(series: StudySeries, slug: str, project: Project | None) -> None:
    if series.project_id != (project.pk if project else None):
        # Not whose: a project need not know of another's studies.
        raise StudyError("there is already a study with that link")
    if series.slug != slug:
        raise StudyError(f"there is already a study with that link, written {series.slug}")
