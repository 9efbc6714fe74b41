"""Access to a project's rows: 404 if the user may not see the row, 403 if the role is too low."""

from __future__ import annotations

from typing import TypeVar

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest

from studyapp.core.permissions import may
from studyapp.models import Project, Role, Run, Study

Row = TypeVar("Row", Project, Run, Study)


def require(request: HttpRequest, row: Row | None, least: Role, *, missing: str) -> Row:
    """Return the row if the user has at least that role in its project.

    Raises `Http404` with the line `missing` if there is no row or the user may not see it, and
    `PermissionDenied` if the role is too low.
    """
    project = row if row is None or isinstance(row, Project) else row.project
    if row is None or not may(request.user, project, Role.VIEWER):
        raise Http404(missing)
    if least != Role.VIEWER and not may(request.user, project, least):
        raise PermissionDenied(f"This needs the role {least.label} in the project.")
    return row
