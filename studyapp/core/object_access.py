"""Access to a project's rows: 404 if the user may not see the row, 403 if the role is too low."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from studyapp.core.permissions import may
from studyapp.models import Project, Role


def require(request: HttpRequest, project: Project | None, least: Role) -> None:
    """Raise `PermissionDenied` unless a user who may see the row has at least that role."""
    if least != Role.VIEWER and not may(request.user, project, least):
        raise PermissionDenied(f"This needs the role {least.label} in the project.")
